"""Outlier measures of every row of a set, and the score that they come to."""

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from streamclust.memory import MIB, Need
from streamclust.outliers import scores as rules
from streamclust.outliers.graph import space_rows
from streamclust.outliers.lof import LocalOutlierFactor, NeighborDistances, ReachabilityDensity
from streamclust.outliers.references import ReferenceDistances, ReferenceSamples
from streamclust.outliers.scores import RobustScale
from streamclust.passes.accumulators.covariance import Covariance, Scatter
from streamclust.passes.blocks import Rows
from streamclust.passes.verbs import Passes
from streamclust.reduction.projection import Projection
from streamclust.store.job import Job
from streamclust.store.workspace import fingerprint, stage_array

STEP = "outliers"
# Fewer rows have no tail to speak of.
LEAST_ROWS = 20
# Whole columns that are held: quantiles, and what neighbours are looked up in.
BYTES_A_ROW = 48

# Smallest share of the largest variance: what lies in a direction where the core has none counts,
# but does not count for everything.
_FLOOR = 1e-6


def outliers(job: Job, descriptor: str) -> None:
    """Measure and score every row of one set, unless that is done.

    Published are an array for each measure, and ``score``. A measure is a distance or a ratio,
    larger for what is more unusual; NaN for rows that are not valid.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    workspace, path = job.workspace, f"descriptors/{descriptor}"
    made_of = [workspace.fingerprint_of(f"{path}/{name}") for name in ("space", "neighbors")]
    mark = fingerprint(STEP, 3, made_of, job.settings.random_state)
    if workspace.restore(f"{path}/{STEP}", mark):
        job.skip(STEP, descriptor)
        return
    rows = space_rows(job, descriptor)
    needs = outlier_needs(descriptor, rows, job.settings.n_neighbors)
    with job.step(STEP, descriptor, needs, rows.n_rows) as passes, workspace.staging() as staged:
        made = staged.create_group(STEP)
        measures = _Measures(made, rows, passes)
        measures.references(job.settings.random_state)
        measures.mahalanobis()
        measures.neighbors(workspace.root[f"{path}/neighbors"])
        residual = workspace.root[f"{path}/space/residual"]
        _score(made, rows, residual, passes)
        workspace.publish(made, f"{path}/{STEP}", mark)


def outlier_needs(descriptor: str, rows: Rows, n_neighbors: int) -> list[Need]:
    """Memory of whole columns, and of the blocks with what is computed beside them."""
    itemsize = np.dtype(rows.array.dtype).itemsize
    block = rows.rows_a_block * rows.n_columns * itemsize
    references = ReferenceDistances.nbytes(rows.n_columns, itemsize)
    looked_up = rows.rows_a_block * n_neighbors * (8 + 4 + 8 * 3)
    held = rows.n_rows * BYTES_A_ROW + 16 * MIB
    work = max(references, looked_up, block)
    return [Need(f"{STEP} of {descriptor}", fixed=held, per_block=2 * block + work)]


class _Measures:
    """Writes measures of a set's rows into a staged group, a column each."""

    def __init__(self, made: Any, rows: Rows, passes: Passes) -> None:
        self.made = made
        self.rows = rows
        self.passes = passes

    def references(self, seed: int) -> None:
        """Distances to random reference samples."""
        numbered = self.rows.having(numbered=True)
        drawn = self.passes.reduce("drawing references", numbered, ReferenceSamples(seed=seed))
        distances = ReferenceDistances(drawn.result())
        outputs = [self._column("reference"), self._column("reference_far")]
        self.passes.write("reference distances", numbered, distances, outputs)

    def mahalanobis(self) -> None:
        """Distances by the covariance of the rows that are not far out themselves."""
        near, far = self.made["reference"][...], self.made["reference_far"][...]
        gap = rules.reference_gap(near, far, RobustScale.of(near).floor)
        near_z, far_z, gap_z = map(_own_z, (near, far, gap))
        core = self.rows.having(valid=rules.core_rows(near_z, far, far_z, gap_z))
        scatter = self.passes.reduce("covariance of the core", core, Covariance()).result()
        distances = MahalanobisDistance(scatter)
        self.passes.write("Mahalanobis", self.rows, distances, [self._column("mahalanobis")])

    def neighbors(self, graph: Any) -> None:
        """Distances to the nearest neighbours, and the local outlier factor."""
        prefix = "group_" if "group_indices" in graph else ""
        indices, distances = graph[f"{prefix}indices"], graph[f"{prefix}distances"]
        rows = Rows(distances, self.rows.valid, (indices,), rows_a_block=self.rows.rows_a_block)
        kth, mean = self._column("knn_kth"), self._column("knn_mean")
        self.passes.write("neighbour distances", rows, NeighborDistances(), [kth, mean])
        density = self._column("density", np.float64)
        reachability = ReachabilityDensity(kth[...])
        self.passes.write("reachability", rows, reachability, [density])
        factor = LocalOutlierFactor(density[...])
        rows = rows.having(extras=(indices, density))
        self.passes.write("local outlier factor", rows, factor, [self._column("lof", np.float64)])
        del self.made["density"]

    def _column(self, name: str, dtype: Any = np.float32) -> Any:
        shape, chunk = (self.rows.n_rows,), self.rows.rows_a_block
        return stage_array(self.made, name, shape, dtype, chunk, fill_value=np.nan)


def _own_z(values: np.ndarray) -> np.ndarray:
    return RobustScale.of(values).z(values)


def _score(made: Any, rows: Rows, residual: Any, passes: Passes) -> None:
    """Write the score of every row, and keep the scales that made the measures comparable."""
    near, far = made["reference"][...], made["reference_far"][...]
    gap = rules.reference_gap(near, far, RobustScale.of(near).floor)
    scales = {"reference_gap": RobustScale.of(gap)}
    del near, far, gap
    columns = {"residual": residual, **dict(made.arrays())}
    scales |= {name: RobustScale.of(column[...]) for name, column in columns.items()}
    score = SetScore(list(columns), scales)
    flat = Rows(_Flat(rows), rows.valid, tuple(columns.values()), rows_a_block=rows.rows_a_block)
    out = stage_array(
        made, "score", (rows.n_rows,), np.float32, rows.rows_a_block, fill_value=np.nan
    )
    passes.write("scores", flat, score, [out])
    made.attrs["scales"] = {name: vars(scale) for name, scale in scales.items()}


class MahalanobisDistance:
    """Distance to the mean in units of the covariance, (n_rows,) float32, as a transform.

    Parameters
    ----------
    scatter : Scatter
        Of the rows that set the yardstick.
    """

    def __init__(self, scatter: Scatter) -> None:
        # One BLAS thread: the decomposition's rounding must not depend on the machine's cores.
        with threadpool_limits(limits=1):
            variances, axes = np.linalg.eigh(scatter.scatter / max(scatter.count, 1))
        smallest = _FLOOR * variances[-1]
        matrix = axes / np.sqrt(np.maximum(variances, smallest if smallest > 0 else 1.0))
        self.projection = Projection(np.array(scatter.mean), np.ascontiguousarray(matrix))

    def __call__(self, values: np.ndarray, *extras: np.ndarray) -> tuple[np.ndarray, ...]:
        white = self.projection(values)
        return (np.sqrt(np.einsum("ij,ij->i", white, white)).astype(np.float32),)


class _Flat:
    """Rows without columns: all that the score needs comes along as extras."""

    def __init__(self, rows: Rows) -> None:
        self.shape = (rows.n_rows, 1)
        self.dtype = np.dtype(np.uint8)

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.zeros((part.stop - part.start, 1), self.dtype)


class SetScore:
    """Measures to the score of a set, as a transform."""

    def __init__(self, names: list[str], scales: dict[str, RobustScale]) -> None:
        self.names = names
        self.scales = scales

    def __call__(self, values: np.ndarray, *measures: np.ndarray) -> tuple[np.ndarray, ...]:
        known = dict(zip(self.names, measures, strict=True))
        z = {name: self.scales[name].z(column) for name, column in known.items()}
        floor = self.scales["reference"].floor
        gap = rules.reference_gap(known["reference"], known["reference_far"], floor)
        gap = self.scales["reference_gap"].z(gap)
        z["micro_cluster"] = rules.micro_cluster(z["reference"], z["reference_far"], gap)
        return (rules.combined(z),)
