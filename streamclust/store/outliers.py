"""What is stored of outliers: the space, neighbours and scores of a set, and the flags of a case.

::

    descriptors/<set>/space/{pca, reduced, residual}      the rows as the scores see them
    descriptors/<set>/neighbors/{indices, distances}      and group_* where rows have groups
    descriptors/<set>/outliers/{<measure>, score}         scales of the measures as attributes
    descriptors/<set>/scorer/{references, matrix, ...}    what scores rows that come later
    descriptors/<set>/cluster_distance
    outliers/{score, flagged, kind}, outliers/reasons/{row, kind, measure, value, usual}
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.passes import Rows
from streamclust.store.descriptors import DescriptorSet, set_path
from streamclust.store.images import PATH
from streamclust.store.sums import PCA, StoredComponents, load_components, save_components
from streamclust.store.workspace import StoredResult, Workspace, stage_array, store_array

REASON_COLUMNS = ("row", "kind", "measure", "value", "usual")
_CHUNK_ROWS = 65_536
_SCORE, _SCALES = "score", "scales"


class OutlierSpace(StoredResult):
    """The rows of a set as the outlier scores see them."""

    @property
    def components(self) -> StoredComponents:
        """The principal components that the rows are reduced to."""
        return load_components(self.node[PCA])

    @property
    def residual(self) -> Any:
        """Zarr array of float32, (n_rows,): the length of what the components leave of a row."""
        return self.node["residual"]

    @contextmanager
    def written(self, mark: str) -> Iterator["SpaceWriter"]:
        """What writes it; it is published when the block ends well."""
        with self.staged(mark) as group:
            yield SpaceWriter(group)


@dataclass(frozen=True)
class SpaceWriter:
    """Writes an `OutlierSpace`."""

    group: Any

    def save_components(self, components: StoredComponents) -> None:
        """Write the principal components that the rows are reduced to."""
        save_components(self.group, components)

    def outputs(self, n_rows: int, n_components: int, dtype: Any, chunk: int) -> tuple[Any, Any]:
        """Arrays for the reduced rows and the residuals."""
        shape = (n_rows, n_components)
        reduced = stage_array(self.group, "reduced", shape, dtype, chunk, fill_value=np.nan)
        residual = _column(self.group, "residual", n_rows, np.float32, chunk)
        return reduced, residual


class StoredNeighbors(StoredResult):
    """The graph of nearest neighbours of a set's rows."""

    @property
    def indices(self) -> Any:
        """Zarr array of int64, (n_rows, k): row numbers of the neighbours, -1 for none."""
        return self.node["indices"]

    @property
    def distances(self) -> Any:
        """Zarr array of float32, (n_rows, k): ascending, infinite where there is no neighbour."""
        return self.node["distances"]

    @property
    def n_neighbors(self) -> int:
        return int(self.indices.shape[1])

    @property
    def report(self) -> dict[str, Any]:
        """How it was found, with its recall."""
        return self.node.attrs["report"]

    @property
    def rows(self) -> Rows:
        """The distances to the neighbours as rows, with their row numbers as the only extra."""
        return self._rows("")

    @property
    def distinct_rows(self) -> Rows:
        """As `rows`, with at most one neighbour of each group where rows have groups."""
        return self._rows("group_" if "group_indices" in self.node else "")

    def _rows(self, prefix: str) -> Rows:
        group = self.node
        distances, indices = group[f"{prefix}distances"], group[f"{prefix}indices"]
        return Rows(distances, extras=(indices,), rows_a_block=indices.chunks[0])

    @contextmanager
    def written(self, mark: str) -> Iterator["NeighborWriter"]:
        """What writes it; it is published when the block ends well."""
        with self.staged(mark) as group:
            yield NeighborWriter(group)


@dataclass(frozen=True)
class NeighborWriter:
    """Writes a `StoredNeighbors`."""

    group: Any

    def outputs(self, n_rows: int, n_neighbors: int, chunk: int, *, grouped: bool) -> list[Any]:
        """Arrays of indices and distances; with groups, two more of neighbours of distinct ones."""
        shape = (n_rows, n_neighbors)
        kinds = (("indices", np.int64, -1), ("distances", np.float32, np.inf))
        return [
            stage_array(self.group, f"{prefix}{name}", shape, dtype, chunk, fill_value=fill)
            for prefix in (("", "group_") if grouped else ("",))
            for name, dtype, fill in kinds
        ]

    def tell(self, report: dict[str, Any], n_neighbors: int) -> None:
        """Keep how the graph was found."""
        self.group.attrs.update(report=report, n_neighbors=n_neighbors)


class SetScores(StoredResult):
    """The outlier measures of a set's rows, and the score that they come to."""

    @property
    def score(self) -> Any:
        """Zarr array of float32, (n_rows,): NaN for rows that are not valid."""
        return self.node[_SCORE]

    @property
    def measures(self) -> dict[str, Any]:
        """The columns of the measures, Zarr arrays of shape (n_rows,), by name."""
        return {name: array for name, array in sorted(self.node.arrays()) if name != _SCORE}

    @property
    def scales(self) -> dict[str, dict[str, float]]:
        """What made the measures comparable, by name."""
        return self.node.attrs[_SCALES]

    @contextmanager
    def written(self, mark: str, n_rows: int, chunk: int) -> Iterator["ScoreWriter"]:
        """What writes them; they are published when the block ends well."""
        with self.staged(mark) as group:
            yield ScoreWriter(group, n_rows, chunk)


@dataclass(frozen=True)
class ScoreWriter:
    """Writes a `SetScores`."""

    group: Any
    n_rows: int
    chunk: int

    def column(self, name: str, dtype: Any = np.float32) -> Any:
        """An array for a measure of all rows."""
        return _column(self.group, name, self.n_rows, dtype, self.chunk)

    def drop(self, name: str) -> None:
        """Take a column away that was of use while others were written."""
        del self.group[name]

    def score(self) -> Any:
        """An array for the score."""
        return self.column(_SCORE)

    def tell(self, scales: dict[str, dict[str, float]]) -> None:
        """Keep what made the measures comparable."""
        self.group.attrs[_SCALES] = scales


class StoredScorer(StoredResult):
    """What scores rows of a set that come later: arrays and attributes that measures were fitted
    with, by their names."""

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {name: array[...] for name, array in self.node.arrays()}

    @property
    def attributes(self) -> dict[str, Any]:
        return dict(self.node.attrs)

    def save(
        self, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any], mark: str
    ) -> None:
        with self.staged(mark) as group:
            for name, values in arrays.items():
                store_array(group, name, values)
            group.attrs.update(attributes)


class ClusterDistances(StoredResult):
    """How far each row of a set lies from its own cluster's mean, float32 of shape (n_rows,)."""

    @contextmanager
    def written(self, mark: str, clustering: str, n_rows: int, chunk: int) -> Iterator[Any]:
        """The array, to be filled; it is published when the block ends well."""
        with self.workspace.staging() as staged:
            distance = _column(staged, "cluster_distance", n_rows, np.float32, chunk)
            yield distance
            distance.attrs["clustering"] = clustering
            self.workspace.publish(distance, self.path, mark)


@dataclass(frozen=True)
class SetOutliers:
    """All that is stored of the outliers of one set.

    Parameters
    ----------
    workspace : Workspace
    set_name : str
    """

    workspace: Workspace
    set_name: str

    def _at(self, part: str) -> tuple[Workspace, str]:
        return self.workspace, f"{set_path(self.set_name)}/{part}"

    @property
    def space(self) -> OutlierSpace:
        return OutlierSpace(*self._at("space"))

    @property
    def rows(self) -> Rows:
        """The rows as the scores see them, with the invalid ones masked."""
        return DescriptorSet(self.workspace, self.set_name).rows("space/reduced")

    @property
    def neighbors(self) -> StoredNeighbors:
        return StoredNeighbors(*self._at("neighbors"))

    @property
    def scores(self) -> SetScores:
        return SetScores(*self._at("outliers"))

    @property
    def scorer(self) -> StoredScorer:
        return StoredScorer(*self._at("scorer"))

    @property
    def cluster_distances(self) -> ClusterDistances:
        return ClusterDistances(*self._at("cluster_distance"))


class StoredOutliers(StoredResult):
    """The outliers of a case: the score of all sets, which rows are flagged, of which kinds they
    are, and why."""

    @property
    def score(self) -> Any:
        """Zarr array of float32, (n_rows,): infinite for rows that are invalid in a set."""
        return self.node[_SCORE]

    @property
    def flagged(self) -> Any:
        """Zarr array of bool, (n_rows,)."""
        return self.node["flagged"]

    @property
    def kind(self) -> Any:
        """Zarr array of int8, (n_rows,): an index in `kinds`, 0 for rows that are not flagged."""
        return self.node["kind"]

    @property
    def kinds(self) -> list[str]:
        """What kinds are called; the first is none."""
        return list(self.node.attrs["kinds"])

    @property
    def sets(self) -> list[str]:
        """The sets that were scored."""
        return list(self.node.attrs["sets"])

    @property
    def threshold(self) -> float:
        return float(self.node.attrs["threshold"])

    @property
    def contamination(self) -> Any:
        """The setting that rows were flagged by; None where it is not known."""
        return self.node.attrs.get("contamination")

    @property
    def yardstick(self) -> dict[str, Any] | None:
        """What ordinary images show; None where no image was read."""
        return self.node.attrs["yardstick"]

    @property
    def is_current(self) -> bool:
        """Whether it is of the rows and scores that the store holds now."""
        made_of = self.node.attrs.get("made_of", {})
        return all(self.workspace.fingerprint_of(path) == mark for path, mark in made_of.items())

    @property
    def reason_rows(self) -> np.ndarray:
        """The row of each reason, (n_reasons,): as they were told."""
        return self.node["reasons/row"][...]

    def reasons(self, part: slice) -> dict[str, np.ndarray]:
        """A part of the reasons, by `REASON_COLUMNS`."""
        group = self.node["reasons"]
        return {name: group[name][part] for name in REASON_COLUMNS}

    def reason_parts(self, rows: np.ndarray | None = None) -> Iterator[dict[str, np.ndarray]]:
        """All reasons, or those of some rows, a chunk in memory at a time."""
        for start in range(0, self.node["reasons/row"].shape[0], _CHUNK_ROWS):
            part = self.reasons(slice(start, start + _CHUNK_ROWS))
            if rows is not None:
                chosen = np.isin(part["row"], rows)
                part = {name: values[chosen] for name, values in part.items()}
            if len(part["row"]):
                yield part

    def summary(self) -> dict[str, Any]:
        """How many rows are flagged, of which sets, from which score on."""
        names = ("sets", "n_flagged", "threshold", "contamination")
        return {name: self.node.attrs.get(name) for name in names}

    def inputs(self, sets: Sequence[str]) -> dict[str, str | None]:
        """The fingerprints of what the outliers of some sets are made of, by path."""
        paths = [PATH]
        for name in sets:
            paths += [set_path(name), SetOutliers(self.workspace, name).scores.path]
        return {path: self.workspace.fingerprint_of(path) for path in paths}

    def save(
        self,
        score: np.ndarray,
        flagged: np.ndarray,
        kind: np.ndarray,
        reasons: Mapping[str, np.ndarray],
        mark: str,
        *,
        sets: Sequence[str],
        kinds: Sequence[str],
        threshold: float,
        contamination: Any,
        yardstick: dict[str, Any] | None,
    ) -> None:
        """Publish all of it; `reasons` are columns by `REASON_COLUMNS`."""
        with self.staged(mark) as group:
            for name, values in ((_SCORE, score), ("flagged", flagged), ("kind", kind)):
                _whole_column(group, name, values)
            of_reasons = group.create_group("reasons")
            for name in REASON_COLUMNS:
                _whole_column(of_reasons, name, reasons[name])
            group.attrs.update(
                threshold=threshold,
                contamination=contamination,
                n_flagged=int(flagged.sum()),
                kinds=list(kinds),
                sets=list(sets),
                made_of=self.inputs(sets),
                yardstick=yardstick,
            )


def case_outliers(workspace: Workspace) -> StoredOutliers:
    """The outliers of a case, whether they are there or not."""
    return StoredOutliers(workspace, "outliers")


def stored_outliers(workspace: Workspace) -> StoredOutliers | None:
    """The outliers of a case; None without any, or where they are of other rows or scores than the
    store holds now."""
    outliers = case_outliers(workspace)
    return outliers if outliers.exists and outliers.is_current else None


def flagged_rows(workspace: Workspace) -> dict[str, Any] | None:
    """How many rows are flagged, of which sets, from which score on; None without outliers."""
    outliers = stored_outliers(workspace)
    return None if outliers is None else outliers.summary()


def _column(group: Any, name: str, n_rows: int, dtype: Any, chunk: int) -> Any:
    return stage_array(group, name, (n_rows,), dtype, chunk, fill_value=np.nan)


def _whole_column(group: Any, name: str, values: np.ndarray) -> None:
    out = stage_array(group, name, values.shape, values.dtype, _CHUNK_ROWS)
    out[...] = values
