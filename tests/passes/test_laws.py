"""The laws of every accumulator: identity, any split, any grouping, any order of merging.

To put an accumulator under them, add a `Case`: how to make an empty one, which blocks it sees
(one tuple of arrays of equal length, the arguments of `update`), and which arrays it knows.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from streamclust.outliers.measures.reference import ReferenceSamples
from streamclust.passes.accumulators.bisection import Splits, SplitStep
from streamclust.passes.accumulators.clusters import (
    ClusterSpread,
    ClusterSums,
    DistanceSums,
    LloydStep,
)
from streamclust.passes.accumulators.counts import Contingency, DensityMap, DensityMaps
from streamclust.passes.accumulators.covariance import Covariance, CovarianceSketch
from streamclust.passes.accumulators.gaussians import EMStep, Mixture, PosteriorMoments, Units
from streamclust.passes.accumulators.kept_rows import ClusterPicks, UniformSample
from streamclust.passes.accumulators.moments import Moments

N_ROWS = 60


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], Any]
    rows: Callable[[np.random.Generator], tuple[np.ndarray, ...]]
    known: Callable[[Any], dict[str, np.ndarray]]
    rtol: float = 1e-9


def plain_rows(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return (rng.standard_normal((N_ROWS, 7)) * 10.0 ** np.arange(-3, 4) + 50,)


def fields(*names: str) -> Callable[[Any], dict[str, np.ndarray]]:
    return lambda result: {name: np.asarray(getattr(result, name)) for name in names}


def labelled_rows(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return (*plain_rows(rng), rng.integers(-1, [3, 5], (N_ROWS, 2)))


def in_columns(*names: str) -> Callable[[Any], dict[str, np.ndarray]]:
    """The fields of a result that is a tuple of them for each clustering."""
    return lambda result: {
        f"{name} {c}": np.asarray(part)
        for c, parts in enumerate(result)
        for name, part in zip(names, parts, strict=True)
    }


CENTERS = [plain_rows(np.random.default_rng(7))[0][:k] for k in (3, 5)]
SHIFT = np.full(7, 50.0)
MAP = DensityMap(np.eye(7)[:, :2], SHIFT, np.linspace(-1, 1, 9), np.linspace(-1, 1, 5))
UNITS = Units(SHIFT, 10.0 ** np.arange(-2, 5))
TAKEN = Splits(np.array([0]), CENTERS[0][None, :2])
TRIALS = Splits(np.array([1, 0]), CENTERS[1][[1, 2, 0, 4]].reshape(2, 2, 7))


def em_step(covariance: np.ndarray) -> EMStep:
    told = [(np.full(len(c), 1 / len(c)), c, np.stack([covariance] * len(c))) for c in CENTERS]
    return EMStep([UNITS.mixture_in(Mixture(*parts)) for parts in told], UNITS)


CASES = [
    Case(
        "cluster sums",
        lambda: ClusterSums([3, 5], SHIFT),
        labelled_rows,
        in_columns("sizes", "means"),
    ),
    Case(
        "cluster spread",
        lambda: ClusterSpread(CENTERS, SHIFT),
        labelled_rows,
        in_columns("squares", "distances", "silhouettes"),
    ),
    Case(
        "distance sums",
        lambda: DistanceSums(CENTERS[1], [3, 5], SHIFT),
        labelled_rows,
        lambda result: {str(c): sums for c, sums in enumerate(result)},
        rtol=1e-6,
    ),
    Case(
        "EM step, diagonal",
        lambda: em_step(UNITS.scale**2),
        plain_rows,
        in_columns(*PosteriorMoments._fields),
    ),
    Case(
        "EM step, full",
        lambda: em_step(np.outer(UNITS.scale, UNITS.scale) * (np.eye(7) + 0.5)),
        plain_rows,
        in_columns(*PosteriorMoments._fields),
    ),
    Case(
        "split step",
        lambda: SplitStep(TAKEN, TRIALS, SHIFT),
        plain_rows,
        lambda result: {str(i): part for i, part in enumerate(result)},
    ),
    Case("Lloyd step", lambda: LloydStep(CENTERS), plain_rows, in_columns("sizes", "means", "sum")),
    Case(
        "weighted Lloyd step",
        lambda: LloydStep(CENTERS),
        lambda rng: (*plain_rows(rng), rng.uniform(0, 3, N_ROWS)),
        in_columns("sizes", "means", "sum"),
    ),
    Case(
        "sample",
        lambda: UniformSample(20, 3),
        lambda rng: (*plain_rows(rng), np.arange(N_ROWS)),
        lambda result: {str(i): column for i, column in enumerate(result)},
    ),
    Case(
        "cluster picks",
        lambda: ClusterPicks(CENTERS[1], 6, 3, 3),
        lambda rng: (*plain_rows(rng), rng.integers(-1, 5, N_ROWS), np.arange(N_ROWS)),
        lambda result: {
            f"{type(part).__name__} {name}": column
            for part in result
            for name, column in part._asdict().items()
        },
    ),
    Case(
        "reference samples",
        lambda: ReferenceSamples(20, 3, 5),
        lambda rng: (*plain_rows(rng), np.arange(N_ROWS)),
        in_columns("values", "numbers"),
    ),
    Case(
        "density",
        lambda: DensityMaps([MAP], 3),
        lambda rng: (*plain_rows(rng), rng.integers(-1, 3, N_ROWS)),
        lambda result: {"counts": result[0].counts, "outside": np.asarray(result[0].outside)},
    ),
    Case(
        "contingency",
        lambda: Contingency([3, 5], [(0, 1), (1, 0)]),
        lambda rng: (rng.integers(-1, [3, 5], (N_ROWS, 2)),),
        lambda result: {str(i): table for i, table in enumerate(result)},
        rtol=0,
    ),
    Case("moments", Moments, plain_rows, fields("count", "mean", "m2", "minimum", "maximum")),
    Case("covariance", Covariance, plain_rows, fields("count", "mean", "scatter")),
    Case(
        "sketch",
        lambda: CovarianceSketch(4, random_state=3),
        plain_rows,
        fields("count", "mean", "product", "test_matrix"),
    ),
]

SPLITS = ([60], [1, 59], [30, 30], [1, 1, 1, 57], [20, 0, 13, 27], [1] * 60)


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def seen(case: Case, blocks: list[tuple[np.ndarray, ...]]) -> Any:
    accumulator = case.make()
    for block in blocks:
        accumulator.update(*block)
    return accumulator


def cut(case: Case, sizes: list[int]) -> list[tuple[np.ndarray, ...]]:
    rows = case.rows(np.random.default_rng(7))
    ends = np.cumsum(sizes)
    return [
        tuple(array[end - size : end] for array in rows)
        for size, end in zip(sizes, ends, strict=True)
    ]


def assert_same(case: Case, left: Any, right: Any) -> None:
    expected = case.known(right.result())
    for name, value in case.known(left.result()).items():
        scale = np.abs(expected[name]).max(initial=0)
        np.testing.assert_allclose(
            value, expected[name], rtol=case.rtol, atol=case.rtol * scale, err_msg=name
        )


@pytest.mark.parametrize("sizes", SPLITS, ids=str)
def test_any_split_tells_the_same(case: Case, sizes: list[int]) -> None:
    assert_same(case, seen(case, cut(case, sizes)), seen(case, cut(case, [N_ROWS])))


@pytest.mark.parametrize("sizes", SPLITS, ids=str)
def test_merging_parts_tells_the_same(case: Case, sizes: list[int]) -> None:
    merged = case.make()
    for block in cut(case, sizes):
        merged.merge(seen(case, [block]))
    assert_same(case, merged, seen(case, cut(case, [N_ROWS])))


def test_an_empty_one_is_the_identity(case: Case) -> None:
    whole = seen(case, cut(case, [N_ROWS]))
    left, right = case.make(), seen(case, cut(case, [N_ROWS]))
    left.merge(whole)
    right.merge(case.make())
    exactly = Case(case.name, case.make, case.rows, case.known, rtol=0)
    assert_same(exactly, left, whole)
    assert_same(exactly, right, whole)


def test_merging_is_associative(case: Case) -> None:
    first, second, third = ([block] for block in cut(case, [10, 35, 15]))
    left = seen(case, first)
    left.merge(seen(case, second))
    left.merge(seen(case, third))
    tail = seen(case, second)
    tail.merge(seen(case, third))
    right = seen(case, first)
    right.merge(tail)
    assert_same(case, left, right)


def test_the_order_of_merging_does_not_matter(case: Case) -> None:
    blocks = cut(case, [10, 35, 15])
    forward, backward = case.make(), case.make()
    for block in blocks:
        forward.merge(seen(case, [block]))
    for block in reversed(blocks):
        backward.merge(seen(case, [block]))
    assert_same(case, forward, backward)


def test_merging_leaves_the_other_as_it_was(case: Case) -> None:
    first, second = ([block] for block in cut(case, [20, 40]))
    other = seen(case, second)
    copied, joined = case.make(), seen(case, first)
    copied.merge(other)
    copied.merge(seen(case, first))
    joined.merge(other)
    assert_same(case, other, seen(case, second))


def test_telling_does_not_end_it(case: Case) -> None:
    first, second = cut(case, [20, 40])
    accumulator = seen(case, [first])
    accumulator.result()
    accumulator.update(*second)
    assert_same(case, accumulator, seen(case, [first, second]))


def test_it_survives_pickling(case: Case) -> None:
    first, second = cut(case, [20, 40])
    empty = pickle.loads(pickle.dumps(case.make()))
    half = pickle.loads(pickle.dumps(seen(case, [first])))
    half.update(*second)
    empty.merge(half)
    assert_same(case, empty, seen(case, cut(case, [N_ROWS])))
