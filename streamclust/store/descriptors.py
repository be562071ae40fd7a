"""The rows of a set as they are: those that were ingested, or mixed of others."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.passes.accumulators.covariance import Scatter
from streamclust.passes.blocks import Rows
from streamclust.passes.side_by_side import Block, Indicators, Joined
from streamclust.store.clusterings import StoredClustering, stored_clusterings
from streamclust.store.workspace import Workspace

# Which rows are mixed: descriptors, or the labels of clusterings.
DESCRIPTORS, LABELS = "descriptors", "labels"
# The parts of a set in the store.
RAW, VALID, MOMENTS, PCA, REDUCED = "raw", "valid", "moments", "pca", "reduced"


@dataclass(frozen=True)
class DescriptorSet:
    """One descriptor set in the store: its rows, as they were ingested or are mixed of others, what
    PCA made of them, and what is known of it.

    Parameters
    ----------
    workspace : Workspace
    name : str
    """

    workspace: Workspace
    name: str

    @property
    def path(self) -> str:
        """Where it is in the store."""
        return set_path(self.name)

    @property
    def group(self) -> Any:
        """Its Zarr group."""
        return self.workspace.root[self.path]

    @property
    def fingerprint(self) -> str | None:
        return self.workspace.fingerprint_of(self.path)

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
    def added(self) -> list[dict[str, Any]]:
        """What updates added to it: for each its ``source`` and rows; none where nothing was."""
        return self.group.attrs.get("added", [])

    @property
    def is_sketched(self) -> bool:
        """Whether a sketch stands in for its covariance."""
        return bool(self.group.attrs["sketched"])

    @property
    def moments(self) -> Any:
        """The group with the sums of its columns, and their scatter or its sketch."""
        return self.group[MOMENTS]

    @property
    def valid(self) -> Any:
        """Zarr array of bool, (n_rows,): which rows hold finite values."""
        return self.group[VALID]

    @property
    def raw(self) -> Any:
        """An array (n_rows, n_columns); that of a mixed set is put together as it is read."""
        return raw_array(self.workspace, self.name)

    @property
    def reduced_path(self) -> str:
        return f"{self.path}/{REDUCED}"

    @property
    def reduced(self) -> Any:
        """Zarr array (n_rows, n_components); None where it is not reduced."""
        return self.workspace.get(self.reduced_path)

    @property
    def reduced_fingerprint(self) -> str | None:
        return self.workspace.fingerprint_of(self.reduced_path)

    @property
    def reduced_scatter(self) -> Scatter:
        """Of the valid reduced rows."""
        group = self.group[PCA]
        return Scatter(self.n_valid, group["reduced_mean"][...], group["reduced_scatter"][...])

    @property
    def reduced_mean(self) -> np.ndarray:
        """Of the valid reduced rows, (n_components,)."""
        return self.group[PCA]["reduced_mean"][...]

    @property
    def explained_variance_ratio(self) -> np.ndarray:
        """Of each component that it is reduced to."""
        return self.group[PCA]["explained_variance_ratio"][...]

    @property
    def variance_share(self) -> float | None:
        """The share of the variance that was asked for; None where components were."""
        return self.group[PCA].attrs["share"]

    @property
    def pca_fingerprint(self) -> str | None:
        return self.workspace.fingerprint_of(f"{self.path}/{PCA}")

    @property
    def pca(self) -> Any:
        """The group with the principal components; None where it is not reduced."""
        return self.workspace.get(f"{self.path}/{PCA}")

    @property
    def clusterings(self) -> list[StoredClustering]:
        """Its clusterings, by algorithm and number of clusters."""
        return stored_clusterings(self.workspace, self.name)

    @property
    def mixture(self) -> dict[str, Any] | None:
        """What it is mixed of; None where it was ingested."""
        return self.group.attrs.get("mixture")

    def rows(self, of: str = "reduced") -> Rows:
        """Its ``raw`` or ``reduced`` rows, with the invalid ones masked."""
        array = self.raw if of == RAW else self.group[of]
        # A mixed set is not stored, and has no chunks.
        chunk = getattr(array, "chunks", [0])[0]
        return Rows(array, self.valid if self.n_invalid else None, rows_a_block=chunk)


def set_path(name: str) -> str:
    """Where a set is, or will be, in the store."""
    return f"descriptors/{name}"


def descriptor_sets(workspace: Workspace) -> list[DescriptorSet]:
    """All sets of the store, by name."""
    return [DescriptorSet(workspace, name) for name in workspace.descriptors]


def is_mixed(workspace: Workspace, descriptor: str) -> bool:
    """Whether a set is mixed of others."""
    return "mixture" in workspace.root[f"descriptors/{descriptor}"].attrs


def parts_of(workspace: Workspace, descriptor: str) -> set[str]:
    """The sets that one is mixed of, and those that these are mixed of; itself where it is not."""
    mixture = workspace.root[f"descriptors/{descriptor}"].attrs.get("mixture")
    if mixture is None:
        return {descriptor}
    stored = [name for name in mixture["sets"] if name in workspace.descriptors]
    return set().union(*(parts_of(workspace, name) for name in stored))


def raw_array(workspace: Workspace, descriptor: str) -> Any:
    """An array of shape (n_rows, n_columns); that of a mixed set is put together as it is read.

    Raises
    ------
    SettingsError
        When a mixed set's sets are not those any more that it was made of.
    """
    group = workspace.root[f"descriptors/{descriptor}"]
    if "mixture" not in group.attrs:
        return group["raw"]
    if words := stale_words(workspace, descriptor):
        raise SettingsError(words)
    return Joined([_block(workspace, group, i) for i in range(len(group["blocks"]))])


def raw_dtype(workspace: Workspace, descriptor: str) -> np.dtype:
    """The type of a set's rows."""
    group = workspace.root[f"descriptors/{descriptor}"]
    return Joined.dtype if "mixture" in group.attrs else group["raw"].dtype


def mixed_labels(workspace: Workspace, descriptor: str) -> tuple[Any, list[int]] | None:
    """The labels that a consensus mixes, an array (n_rows, n_sets), and how many clusters each
    column has; None for other sets."""
    group = workspace.root[f"descriptors/{descriptor}"]
    if group.attrs.get("mixture", {}).get("of") != LABELS:
        return None
    n_mixed = group["labels"].shape[1]
    return group["labels"], [group[f"blocks/{i}/factor"].shape[0] for i in range(n_mixed)]


def stale_sources(workspace: Workspace, descriptor: str) -> list[str]:
    """The sets of a mixed one that are not those any more that it was made of."""
    mixture = workspace.root[f"descriptors/{descriptor}"].attrs.get("mixture")
    if mixture is None:
        return []
    made = zip(mixture["sets"], mixture["sources"], mixture["made_of"], strict=True)
    return [name for name, source, mark in made if workspace.fingerprint_of(source) != mark]


def stale_words(workspace: Workspace, descriptor: str) -> str:
    """What a person should know of a mixed set whose sets changed; empty where they did not."""
    changed = stale_sources(workspace, descriptor)
    if not changed:
        return ""
    sets = ",".join(workspace.root[f"descriptors/{descriptor}"].attrs["mixture"]["sets"])
    return (
        f"{descriptor} mixes {', '.join(changed)}, which changed since: run streamclust mix "
        f"{workspace.folder} --sets {sets} --name {descriptor} again"
    )


def _block(workspace: Workspace, group: Any, number: int) -> Block:
    mixture, own = group.attrs["mixture"], group[f"blocks/{number}"]
    center, factor = own["center"][...], own["factor"][...]
    if mixture["of"] == LABELS:
        indicators = Indicators(LabelColumn(group["labels"], number), len(factor))
        return Block(indicators, center, factor)
    array = workspace.root[f"descriptors/{mixture['sets'][number]}/raw"]
    return Block(array, center, factor, unit=bool(own.attrs["unit"]))


class LabelColumn:
    """One column of an array of labels."""

    def __init__(self, labels: Any, number: int) -> None:
        self.labels = labels
        self.number = number
        self.shape = labels.shape[:1]

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.asarray(self.labels[part, self.number])
