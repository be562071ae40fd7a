"""What the store holds of a descriptor set, be it published or in the making."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from streamclust.passes import Part, Rows, ScaledBlock
from streamclust.passes.accumulators import ColumnMoments, Scatter, ScatterSketch
from streamclust.store import sums
from streamclust.store.links import extend_array, link_group
from streamclust.store.workspace import stage_array, store_array

# The parts of a set in the store.
RAW, VALID, MOMENTS, PCA, REDUCED = "raw", "valid", sums.MOMENTS, sums.PCA, "reduced"
CLUSTERINGS, LAYOUTS = "clusterings", "layouts"
# Of a mixed set: what makes its rows of those of its sets, and the labels that a consensus mixes.
BLOCKS, LABELS = "blocks", "labels"
# What a reduction publishes: clusterings are of the reduced rows, and go with them.
OF_REDUCTION = (PCA, CLUSTERINGS, REDUCED)


@dataclass(frozen=True)
class AddedRows:
    """What one update added to a set.

    Attributes
    ----------
    source : dict
        What identifies the file.
    first_row : int
        The set had so many rows before.
    n_invalid : int
        Masked ones among the new rows.
    recommended : str or None
        The clustering that was recommended before.
    """

    source: dict[str, Any]
    first_row: int
    n_invalid: int
    recommended: str | None = None


class SetContent:
    """What a stored set holds, and one that is being written."""

    @property
    def group(self) -> Any:
        """Its Zarr group."""
        raise NotImplementedError

    @property
    def n_rows(self) -> int:
        return int(self.group.attrs["n_rows"])

    @property
    def n_columns(self) -> int:
        return int(self.group.attrs["n_columns"])

    @property
    def n_invalid(self) -> int:
        """Rows that are masked."""
        return int(self.group.attrs["n_invalid"])

    @property
    def n_valid(self) -> int:
        """Rows that are not masked."""
        return self.n_rows - self.n_invalid

    @property
    def source(self) -> dict[str, Any]:
        """What identifies the file that it was read from, or the sets that it mixes."""
        return self.group.attrs["source"]

    @property
    def added(self) -> list[AddedRows]:
        """What updates added to it, the first at first."""
        return [AddedRows(**one) for one in self.group.attrs.get("added", [])]

    @property
    def row_counts(self) -> set[int]:
        """How many rows it has, and had before each update."""
        return {self.n_rows, *(one.first_row for one in self.added)}

    @property
    def is_sketched(self) -> bool:
        """Whether a sketch stands in for its covariance."""
        return bool(self.group.attrs["sketched"])

    @property
    def is_mixed(self) -> bool:
        """Whether it is mixed of other sets."""
        return self.mixture is not None

    @property
    def mixture(self) -> dict[str, Any] | None:
        """What it is mixed of; None where it was ingested."""
        return self.group.attrs.get("mixture")

    @property
    def valid(self) -> Any:
        """Zarr array of bool, (n_rows,): which rows hold finite values."""
        return self.group[VALID]

    @property
    def raw(self) -> Any:
        """Array (n_rows, n_columns)."""
        return self.group[RAW]

    @property
    def is_compressed(self) -> bool:
        """Whether the raw rows are."""
        codecs = self.group[RAW].compressors
        return any(codec.to_dict()["name"] != "crc32c" for codec in codecs)

    @property
    def column_moments(self) -> ColumnMoments:
        """Of the valid raw rows."""
        return sums.load_moments(self.group[MOMENTS])

    @property
    def scatter(self) -> Scatter | ScatterSketch:
        """Of the valid raw rows: their scatter matrix, or its sketch."""
        return sums.load_scatter(self.group[MOMENTS])

    @property
    def scatter_bytes(self) -> int:
        """Bytes of `scatter`."""
        return sums.scatter_bytes(self.group[MOMENTS])

    @property
    def components(self) -> sums.StoredComponents:
        """The principal components of its reduction."""
        return sums.load_components(self.group[PCA])

    @property
    def explained_variance_ratio(self) -> np.ndarray:
        """Of each of its principal components."""
        return sums.load_variance_ratio(self.group[PCA])

    @property
    def wanted_variance(self) -> float | None:
        """The share of the variance that its components were to hold; None where a number of them
        was asked for."""
        return self.group[PCA].attrs["share"]

    @property
    def reduced_scatter(self) -> Scatter:
        """Of the valid reduced rows."""
        return sums.load_reduced_scatter(self.group[PCA], self.n_valid)

    @property
    def reduced_mean(self) -> np.ndarray:
        """Of the valid reduced rows, (n_components,)."""
        return sums.load_reduced_mean(self.group[PCA])


@dataclass(frozen=True)
class StagedSet(SetContent):
    """A set, or parts of one, that is being written.

    Parameters
    ----------
    staged : Zarr group
    """

    staged: Any

    @property
    def group(self) -> Any:
        return self.staged

    @property
    def reduced(self) -> Any:
        """Zarr array (n_rows, n_components)."""
        return self.staged[REDUCED]

    def create_raw(
        self, shape: tuple[int, int], dtype: Any, chunk_rows: int, compress: bool
    ) -> Any:
        """An array for raw rows."""
        return stage_array(self.staged, RAW, shape, dtype, chunk_rows, compress=compress)

    def create_valid(self, n_rows: int, chunk_rows: int) -> Any:
        """An array for which rows are valid: all, where nothing is written."""
        return stage_array(self.staged, VALID, (n_rows,), bool, chunk_rows, fill_value=True)

    def create_reduced(
        self, shape: tuple[int, int], dtype: Any, chunk_rows: int, compress: bool
    ) -> Any:
        """An array for reduced rows: NaN where nothing is written."""
        options: dict[str, Any] = {"fill_value": np.nan, "compress": compress}
        return stage_array(self.staged, REDUCED, shape, dtype, chunk_rows, **options)

    def create_clusterings(self) -> None:
        """A group for clusterings."""
        self.staged.create_group(CLUSTERINGS)

    @property
    def clusterings(self) -> Any:
        """The group for clusterings."""
        return self.staged[CLUSTERINGS]

    def save_sums(self, moments: ColumnMoments, scatter: Scatter | ScatterSketch) -> None:
        """Write the sums of its raw rows."""
        sums.save_sums(self.staged, moments, scatter)

    @property
    def labels(self) -> Any:
        """The labels that a consensus mixes, an array (n_rows, n_sets)."""
        return self.staged[LABELS]

    def create_labels(self, n_sets: int, chunk_rows: int) -> Any:
        """An array (n_rows, n_sets) for the labels that a consensus mixes."""
        options: dict[str, Any] = {"fill_value": -1, "compress": True}
        shape = (self.valid.shape[0], n_sets)
        return stage_array(self.staged, LABELS, shape, np.int32, chunk_rows, **options)

    def save_blocks(self, blocks: Sequence[ScaledBlock]) -> None:
        """Write what makes the rows of a mixed set of those of its sets."""
        group = self.staged.create_group(BLOCKS)
        for number, block in enumerate(blocks):
            stored = group.create_group(str(number), attributes={"unit": block.unit})
            store_array(stored, "center", block.center)
            store_array(stored, "factor", block.factor)

    def save_mixture(self, mixture: Mapping[str, Any]) -> None:
        """Write what it is mixed of."""
        self.staged.attrs["mixture"] = mixture

    def save_components(self, components: sums.StoredComponents) -> None:
        """Write the principal components of its reduction."""
        sums.save_components(self.staged, components)

    def save_reduced_scatter(self, scatter: Scatter) -> None:
        """Write mean and scatter of its reduced rows."""
        sums.save_reduced_scatter(self.staged[PCA], scatter)

    def save_facts(
        self,
        *,
        source: Mapping[str, Any],
        n_rows: int,
        n_columns: int,
        n_invalid: int,
        sketched: bool,
        added: Sequence[AddedRows] = (),
    ) -> None:
        """Write what is known of it."""
        facts = {"source": source, "n_rows": n_rows, "n_columns": n_columns}
        facts |= {"n_invalid": n_invalid, "sketched": sketched}
        if added:
            facts["added"] = [asdict(one) for one in added]
        self.staged.attrs.update(facts)

    def extend(self, part: str, old: SetContent, n_rows: int, chunk_rows: int) -> tuple[Any, int]:
        """An array with the rows of a part of a stored set and room for more, as
        `streamclust.store.links.extend_array` makes it."""
        return extend_array(self.staged, part, old.group[part], n_rows, chunk_rows)

    def take_components(self, old: SetContent) -> None:
        """Have the components of a stored set, but not the sums of its reduced rows."""
        link_group(self.staged, PCA, old.group[PCA], without=sums.OF_REDUCED)

    def note_variance_kept(self, kept: float, best: float) -> None:
        """Write the shares of the variance that the components hold, and that new ones would."""
        self.staged[PCA].attrs.update(held=kept, best=best)

    def mark_reduction(self, mark: str, settings: Mapping[str, Any]) -> None:
        """Write the settings of the reduction, and its fingerprint, into all parts."""
        self.staged[PCA].attrs["settings"] = settings
        for part in OF_REDUCTION:
            self.staged[part].attrs["fingerprint"] = mark

    def rows_from(self, part: str, first: int) -> Rows:
        """Its ``raw`` or ``reduced`` rows from the row `first` on, with the invalid ones masked."""
        array = self.staged[part]
        chunk = array.chunks[0]
        return Rows(Part(array, first), Part(self.valid, first), rows_a_block=chunk)
