import copy
import doctest
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import zarr
from rounding import rounding
from scipy import sparse
from scipy.linalg import subspace_angles
from sklearn import decomposition
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from streamclust.errors import SettingsError
from streamclust.estimators import pca as module
from streamclust.estimators.pca import IncrementalPCA
from streamclust.passes.accumulators.covariance import PIECE_ROWS, Scatter
from streamclust.passes.accumulators.moments import Moments
from streamclust.reduction.components import principal_components

LEARNED = (
    "components_",
    "explained_variance_",
    "explained_variance_ratio_",
    "singular_values_",
    "mean_",
    "noise_variance_",
)

VARIANTS = [
    IncrementalPCA(),
    IncrementalPCA(n_components=None),
    IncrementalPCA(n_components=1, whiten=True, normalize=True),
    IncrementalPCA(scaling="standard", batch_size=7),
    IncrementalPCA(scaling="minmax", max_components=1),
    IncrementalPCA(scaling="l2"),
    IncrementalPCA(svd_solver="randomized", random_state=0),
    IncrementalPCA(svd_solver="randomized", n_components=1, scaling="standard", random_state=0),
    IncrementalPCA(svd_solver="covariance", n_components=1.0, copy=False),
    IncrementalPCA(n_components=0.5, normalize=True, batch_size=1),
    IncrementalPCA(n_components=1, scaling="l2", whiten=True),
    IncrementalPCA(max_components=None, scaling="minmax", whiten=True, batch_size=100),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(VARIANTS)
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_parameters_are_checked_as_scikit_learn_checks_its_own() -> None:
    check_param_validation("IncrementalPCA", IncrementalPCA())


def rows_with(spectrum: np.ndarray, n_rows: int, offset: float = 1.0) -> np.ndarray:
    """Rows whose columns mix variables of the given deviations."""
    rng = np.random.default_rng(0)
    mixing = np.linalg.qr(rng.standard_normal((len(spectrum),) * 2)).Q
    return rng.standard_normal((n_rows, len(spectrum))) * spectrum @ mixing + offset


def with_constants() -> np.ndarray:
    rows = rows_with(0.9 ** np.arange(40), 500)
    rows[:, [3, 17]] = 7.3
    return rows


DATA = {
    "random": (rows_with(0.8 ** np.arange(60), 1000), 10),
    "ill-conditioned": (rows_with(np.logspace(0, -8, 40), 2000), 12),
    "offset": (rows_with(0.8 ** np.arange(60), 1000, offset=1e6), 10),
    "constant columns": (with_constants(), 10),
    "fewer rows than columns": (rows_with(0.9 ** np.arange(200), 50), 10),
    "several panels": (rows_with(0.9 ** np.arange(600), 3000), 20),
}


def in_float64(ours: Any) -> Any:
    """What was learnt as it is kept and used: attributes are float32 where the rows were."""
    principal = ours._principal()
    return SimpleNamespace(**{name: getattr(principal, name.removesuffix("_")) for name in LEARNED})


def angle(ours: Any, full: Any) -> float:
    return subspace_angles(ours.components_.T, full.components_.T).max()


def by_rounding(exact: Any, n_components: int, n_terms: int | None = None) -> tuple[float, float]:
    """What float32 products cost: of the variances, in parts of the largest, and of the angle.

    An error of each entry of the scatter in parts of what its two columns hold (Cauchy & Schwarz)
    is one of the whole matrix in parts of its trace, which moves no variance by more (Weyl) and
    turns components by so much of the gap beneath them (Davis & Kahan).
    """
    variances = PCA(svd_solver="full").fit(exact).explained_variance_
    error = rounding(n_terms or min(len(exact), PIECE_ROWS)) * variances.sum()
    gap = variances[n_components - 1] - variances[n_components]
    return error / variances[0], error / gap


def assert_like(ours: Any, full: Any, tolerance: float, within: float = 1e-6) -> None:
    assert angle(ours, full) < within
    # A small error of a small variance is a large one of its root.
    for name, power in (
        ("explained_variance_", 1),
        ("noise_variance_", 1),
        ("singular_values_", 2),
    ):
        expected = getattr(full, name) ** power
        largest = full.singular_values_[0] ** 2 if power == 2 else full.explained_variance_[0]
        np.testing.assert_allclose(
            getattr(ours, name) ** power, expected, rtol=0, atol=tolerance * largest, err_msg=name
        )
    # The total that a share is of is off by no more than the variances are together.
    np.testing.assert_allclose(
        ours.explained_variance_ratio_, full.explained_variance_ratio_, rtol=0, atol=2 * tolerance
    )
    np.testing.assert_allclose(ours.mean_, full.mean_, rtol=1e-10)


def assert_same(ours: Any, other: Any, rtol: float = 1e-9) -> None:
    for name in LEARNED:
        expected = getattr(other, name)
        np.testing.assert_allclose(
            getattr(ours, name),
            expected,
            rtol=rtol,
            atol=rtol * np.abs(expected).max(initial=0),
            err_msg=name,
        )


@pytest.mark.parametrize("name", DATA)
def test_float64_rows_against_the_full_decomposition(name: str) -> None:
    rows, n_components = DATA[name]
    full = PCA(n_components, svd_solver="full").fit(rows)
    ours = IncrementalPCA(n_components).fit(rows)
    assert_like(ours, full, 1e-9)
    np.testing.assert_allclose(ours.components_, full.components_, atol=1e-6)
    np.testing.assert_allclose(ours.transform(rows), full.transform(rows), atol=1e-6)
    np.testing.assert_allclose(ours.var_, rows.var(axis=0), rtol=1e-9, atol=1e-20)


# Of the ill-conditioned rows float32 tells no more components apart.
OF_FLOAT32 = {name: n for name, (_, n) in DATA.items() if name != "offset"} | {"ill-conditioned": 8}


def assert_projected(ours: Any, rows: np.ndarray) -> None:
    """That float32 rows are projected on its components as in float64."""
    reduced = ours.transform(rows)
    assert reduced.dtype == np.float32
    kept = in_float64(ours)
    centred = rows - kept.mean_
    sizes = np.abs(centred) @ np.abs(kept.components_).T
    off = np.abs(reduced - centred @ kept.components_.T)
    assert (off <= rounding(rows.shape[1]) * sizes).all()


@pytest.mark.parametrize("name", OF_FLOAT32)
def test_float32_rows_against_the_full_decomposition(name: str) -> None:
    rows, n_components = DATA[name][0].astype(np.float32), OF_FLOAT32[name]
    exact = rows.astype(np.float64)
    full = PCA(n_components, svd_solver="full").fit(exact)
    ours = IncrementalPCA(n_components).fit(rows)
    tolerance, within = by_rounding(exact, n_components)
    assert_like(in_float64(ours), full, tolerance, within)
    for name in LEARNED:
        value, exactly = getattr(ours, name), getattr(in_float64(ours), name)
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, np.float32(exactly))
    assert_projected(ours, rows)
    restored, expected = (model.inverse_transform(model.transform(exact)) for model in (ours, full))
    # Of a row, what lies within the plane of turning is moved by the angle.
    lengths = np.linalg.norm(exact - exact.mean(axis=0), axis=1)
    assert (np.linalg.norm(restored - expected, axis=1) <= within * lengths).all()


def test_float32_rows_far_from_zero() -> None:
    rows = rows_with(0.8 ** np.arange(30), 1000, offset=1e4).astype(np.float32)
    exact = rows.astype(np.float64)
    full = PCA(8, svd_solver="full").fit(exact)
    ours = IncrementalPCA(8).fit(rows)
    assert_like(in_float64(ours), full, *by_rounding(exact, 8))
    assert_projected(ours, rows)


@pytest.mark.parametrize("cuts", [range(1, 300), [1, 2, 250], [150], [299]], ids=str)
def test_batches_of_any_size_tell_the_same(cuts: Any) -> None:
    rows = rows_with(0.8 ** np.arange(20), 300)
    ours = IncrementalPCA(5)
    for batch in np.split(rows, cuts):
        ours.partial_fit(batch)
    assert_same(ours, IncrementalPCA(5).fit(rows))
    assert_same(IncrementalPCA(5, batch_size=11).fit(rows), ours)
    assert ours.n_samples_seen_ == 300


@pytest.mark.parametrize("scaling", ["none", "standard", "minmax", "l2"])
@pytest.mark.parametrize("solver", ["covariance", "randomized"])
def test_merging_two_is_learning_all(scaling: Any, solver: Any) -> None:
    rows = rows_with(0.8 ** np.arange(20), 300)
    settings: dict[str, Any] = {"scaling": scaling, "svd_solver": solver, "random_state": 3}
    whole = IncrementalPCA(5, **settings).partial_fit(rows)
    parts = [IncrementalPCA(5, **settings).partial_fit(part) for part in (rows[:100], rows[100:])]
    merged = IncrementalPCA(5, **settings).merge(parts[0]).merge(parts[1])
    assert_same(merged, whole)
    assert_same(parts[1].merge(parts[0]), whole)
    assert parts[0].n_samples_seen_ == 100


def test_what_does_not_fit_is_not_merged() -> None:
    rows = rows_with(0.8 ** np.arange(20), 30)
    plain = IncrementalPCA(2).partial_fit(rows)
    with pytest.raises(SettingsError, match="same scaling"):
        plain.merge(IncrementalPCA(2, scaling="l2").partial_fit(rows))
    with pytest.raises(SettingsError, match="same scaling"):
        plain.merge(IncrementalPCA(2, svd_solver="randomized").partial_fit(rows))
    with pytest.raises(SettingsError, match="columns cannot join"):
        plain.merge(IncrementalPCA(2).partial_fit(rows[:, :7]))
    with pytest.raises(NotFittedError):
        plain.merge(IncrementalPCA(2))
    new = IncrementalPCA(2, scaling="l2")
    with pytest.raises(SettingsError, match="same scaling"):
        new.merge(plain)
    assert not hasattr(new, "n_samples_seen_")
    assert plain.n_samples_seen_ == 30
    assert_same(plain, IncrementalPCA(2).fit(rows))


@pytest.mark.parametrize(
    ("scaling", "scaler"),
    [("standard", StandardScaler()), ("minmax", MinMaxScaler()), ("l2", Normalizer())],
)
@pytest.mark.parametrize("whiten", [False, True])
def test_scalings_against_pipelines(scaling: Any, scaler: Any, whiten: bool) -> None:
    rows = with_constants() * np.linspace(0.1, 10, 40)
    pipeline = make_pipeline(clone(scaler), PCA(6, svd_solver="full", whiten=whiten))
    expected = pipeline.fit_transform(rows)
    ours = IncrementalPCA(6, scaling=scaling, whiten=whiten).fit(rows)
    np.testing.assert_allclose(ours.transform(rows), expected, atol=1e-9)
    np.testing.assert_allclose(
        ours.explained_variance_ratio_, pipeline[-1].explained_variance_ratio_, rtol=1e-9
    )
    if scaling == "standard":
        np.testing.assert_allclose(ours.scale_, pipeline[0].scale_, rtol=1e-12)
    if scaling == "minmax":
        np.testing.assert_allclose(1 / ours.scale_, pipeline[0].scale_, rtol=1e-12)


def test_one_pass_serves_all_scalings_of_columns() -> None:
    rows = with_constants()
    ours = IncrementalPCA(6).fit(rows)
    assert ours._sums is not None
    for scaling in ("standard", "minmax", "none"):
        principal = ours._sums.decompose(6, scaling, None)
        expected = IncrementalPCA(6, scaling=scaling).fit(rows)
        np.testing.assert_allclose(principal.components, expected.components_, atol=1e-9)
        np.testing.assert_array_equal(principal.scale, expected.scale_)
    with pytest.raises(SettingsError, match="fit again"):
        ours._sums.decompose(6, "l2", None)


def test_settings_changed_after_fit_wait_for_more_rows() -> None:
    rows = rows_with(0.8 ** np.arange(12), 100)
    ours = IncrementalPCA(3).fit(rows)
    ours.set_params(n_components=5, scaling="standard")
    assert_same(ours, IncrementalPCA(3).fit(rows))
    assert not (ours.scale_ != 1).any()
    assert ours.transform(rows).shape == (100, 3)
    twice = IncrementalPCA(5, scaling="standard").fit(np.concatenate([rows, rows]))
    assert_same(copy.deepcopy(ours).partial_fit(rows), twice)
    assert_same(copy.deepcopy(ours).merge(IncrementalPCA(3).fit(rows)), twice)


def test_rows_of_zeros_stay_zero_in_unit_scaling() -> None:
    rows = rows_with(0.8 ** np.arange(10), 50)
    rows[5] = 0
    expected = PCA(3, svd_solver="full").fit(Normalizer().fit_transform(rows))
    assert_like(IncrementalPCA(3, scaling="l2").fit(rows), expected, 1e-9)


def test_normalize_makes_reduced_rows_of_unit_length() -> None:
    rows = rows_with(0.8 ** np.arange(10), 50)
    plain = IncrementalPCA(3, whiten=True).fit(rows)
    unit = IncrementalPCA(3, whiten=True, normalize=True).fit(rows)
    np.testing.assert_allclose(
        unit.transform(rows), Normalizer().transform(plain.transform(rows)), rtol=1e-10
    )


def test_whitened_columns_have_unit_variance_and_no_correlation() -> None:
    rows = rows_with(0.8 ** np.arange(20), 500)
    reduced = IncrementalPCA(20, whiten=True).fit_transform(rows)
    np.testing.assert_allclose(np.cov(reduced.T), np.eye(20), atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scaling", ["none", "standard", "minmax", "l2"])
@pytest.mark.parametrize("solver", ["covariance", "randomized"])
@pytest.mark.parametrize(("n_rows", "n_columns"), [(2000, 20), (300, 20), (5000, 130)])
def test_rows_of_low_rank_are_whitened_without_their_rounding(
    dtype: Any, scaling: Any, solver: Any, n_rows: int, n_columns: int
) -> None:
    """Five directions have unit variance, as of the decomposition in float64; the rest has none."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n_rows, 5)) @ rng.standard_normal((5, n_columns)) + 1
    settings: dict[str, Any] = {"scaling": scaling, "svd_solver": solver, "random_state": 0}
    full = IncrementalPCA(None, whiten=True, **settings).fit(rows.astype(dtype))
    reduced = full.transform(rows.astype(dtype)).astype(float)
    rank = 5 if scaling != "l2" else 6
    np.testing.assert_allclose(reduced[:, :5].std(axis=0, ddof=1), 1, rtol=1e-4)
    assert np.abs(reduced[:, rank:]).max() < 0.05
    scaled = rows
    if scaling != "none":
        scaler = {"standard": StandardScaler, "minmax": MinMaxScaler, "l2": Normalizer}[scaling]
        scaled = scaler().fit_transform(rows)
    theirs = PCA(5, whiten=True, svd_solver="full").fit_transform(scaled)
    np.testing.assert_allclose(reduced[:, :5], theirs, atol=1e-2)
    back = full.inverse_transform(reduced)
    if scaling != "l2":
        np.testing.assert_allclose(back, rows, atol=1e-4 * np.abs(rows).max())


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("size", [1e-41, 1e-38, 1e-30, 1e30])
def test_columns_whose_scale_float32_cannot_divide_by(size: float, whiten: bool) -> None:
    rows = rows_with(0.8 ** np.arange(6), 500, offset=0).astype(np.float32)
    rows[:, 2] *= size
    ours = IncrementalPCA(None, scaling="standard", whiten=whiten).fit(rows)
    reduced = ours.transform(rows)
    wide = rows.astype(np.float64)
    wide[:, 2] /= size  # so that the reference keeps its digits
    theirs = make_pipeline(StandardScaler(), PCA(whiten=whiten)).fit_transform(wide)
    assert reduced.dtype == np.float32
    np.testing.assert_allclose(reduced, theirs, atol=1e-3)


def test_residuals_beside_columns_whose_squares_float32_does_not_hold() -> None:
    rows = rows_with(0.8 ** np.arange(6), 500, offset=0).astype(np.float32)
    rows[:, 2] *= 1e-25
    principal = IncrementalPCA(3, scaling="standard").fit(rows)._principal()
    _, left = principal.projection().with_residual(rows, principal.scale)
    scaled = StandardScaler().fit_transform(rows.astype(np.float64) * [1, 1, 1e25, 1, 1, 1])
    model = PCA(3).fit(scaled)
    expected = np.linalg.norm(scaled - model.inverse_transform(model.transform(scaled)), axis=1)
    np.testing.assert_allclose(left, expected, rtol=1e-3)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999, 1.0])
def test_a_share_of_variance(share: float) -> None:
    rows = rows_with(0.9 ** np.arange(60), 1000)
    ours = IncrementalPCA(share).fit(rows)
    ratio = PCA(svd_solver="full").fit(rows).explained_variance_ratio_
    assert ours.n_components_ == np.argmax(np.cumsum(ratio) >= share * (1 - 1e-12)) + 1
    assert ours.share_reached_
    capped = IncrementalPCA(share, max_components=2).fit(rows)
    assert capped.n_components_ == 2
    assert capped.share_reached_ == (ratio[:2].sum() >= share)


def test_all_components() -> None:
    rows = rows_with(0.9 ** np.arange(30), 500)
    ours = IncrementalPCA(None).fit(rows)
    assert_like(ours, PCA(svd_solver="full").fit(rows), 1e-9)
    assert ours.explained_variance_ratio_.sum() == pytest.approx(1, abs=1e-12)
    assert IncrementalPCA(None).fit(rows[:12]).components_.shape == (12, 30)


@pytest.mark.parametrize("whiten", [False, True])
def test_a_drop_in_for_scikit_learn(whiten: bool) -> None:
    rows = rows_with(0.9 ** np.arange(15), 400)
    theirs = decomposition.IncrementalPCA(15, whiten=whiten, batch_size=50).fit(rows)
    ours = IncrementalPCA(15, whiten=whiten, batch_size=50).fit(rows)
    assert isinstance(ours, decomposition.IncrementalPCA)
    assert_same(ours, theirs, rtol=1e-7)
    np.testing.assert_allclose(ours.var_, theirs.var_, rtol=1e-9)
    np.testing.assert_allclose(ours.transform(rows), theirs.transform(rows), atol=1e-7)
    np.testing.assert_allclose(
        ours.inverse_transform(ours.transform(rows)), rows, rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(ours.get_covariance(), theirs.get_covariance(), atol=1e-7)
    np.testing.assert_allclose(ours.get_precision(), theirs.get_precision(), rtol=1e-5, atol=1e-5)
    for name in ("n_components_", "n_samples_seen_", "batch_size_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert list(ours.get_feature_names_out())[:2] == ["incrementalpca0", "incrementalpca1"]


def test_covariance_and_precision_of_the_probabilistic_model() -> None:
    rows = rows_with(0.8 ** np.arange(12), 800)
    full = PCA(4, svd_solver="full").fit(rows)
    ours = IncrementalPCA(4).fit(rows)
    np.testing.assert_allclose(ours.get_covariance(), full.get_covariance(), atol=1e-10)
    np.testing.assert_allclose(ours.get_precision(), full.get_precision(), atol=1e-6)


@pytest.mark.parametrize("scaling", ["none", "standard", "minmax"])
@pytest.mark.parametrize("whiten", [False, True])
def test_all_components_are_inverted(scaling: Any, whiten: bool) -> None:
    rows = rows_with(0.8 ** np.arange(12), 100)
    ours = IncrementalPCA(None, scaling=scaling, whiten=whiten).fit(rows)
    np.testing.assert_allclose(ours.inverse_transform(ours.transform(rows)), rows, rtol=1e-9)


@pytest.mark.parametrize("scaling", ["none", "standard", "minmax", "l2"])
def test_the_sketch_with_its_further_passes_is_close_to_exact(scaling: Any) -> None:
    rows = rows_with(0.8 ** np.arange(300), 2000) * np.logspace(-1, 1, 300)
    exact = IncrementalPCA(10, scaling=scaling).fit(rows)
    ours = IncrementalPCA(10, scaling=scaling, svd_solver="randomized", random_state=0).fit(rows)
    assert_like(ours, exact, 1e-6)
    assert (ours.explained_variance_ <= exact.explained_variance_ * (1 + 1e-9)).all()


def test_the_sketch_of_one_pass_on_a_decaying_spectrum() -> None:
    rows = rows_with(0.8 ** np.arange(300), 2000)
    exact = IncrementalPCA(10).fit(rows)
    for dtype in (np.float64, np.float32):
        ours = IncrementalPCA(10, svd_solver="randomized", random_state=0)
        for batch in np.array_split(rows.astype(dtype), 9):
            ours.partial_fit(batch)
        np.testing.assert_allclose(ours.explained_variance_, exact.explained_variance_, rtol=0.01)
        assert angle(ours, exact) < 0.05


def test_wide_rows_are_sketched_and_a_share_counts_all_variance() -> None:
    rng = np.random.default_rng(0)
    n_features = module.MAX_COVARIANCE_FEATURES + 1
    rows = (
        rng.standard_normal((120, 30))
        * 0.8 ** np.arange(30)
        @ rng.standard_normal((30, n_features))
    )
    rows = (rows + 1e-3 * rng.standard_normal(rows.shape)).astype(np.float32)
    exact = rows.astype(np.float64)
    full = PCA(0.95, svd_solver="full").fit(exact)
    ours = IncrementalPCA(0.95, max_components=20, random_state=0).fit(rows)
    assert ours._sums is not None
    assert ours._sums.sketched
    assert ours.n_components_ == full.n_components_
    # A sketch sums over the columns first.
    assert_like(in_float64(ours), full, *by_rounding(exact, full.n_components_, n_features))


def test_a_sketch_gives_no_more_components_than_it_can() -> None:
    rows = rows_with(0.8 ** np.arange(100), 300)
    ours = IncrementalPCA(5, svd_solver="randomized").fit(rows)
    with pytest.raises(SettingsError, match="sketch of 37 vectors"):
        ours.set_params(n_components=60).partial_fit(rows).transform(rows)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_zarr_and_dask_arrays_tell_the_same_as_numpy(dtype: type) -> None:
    import dask.array

    rows = rows_with(0.8 ** np.arange(20), 300).astype(dtype)
    stored = zarr.create_array({}, shape=rows.shape, chunks=(64, 7), dtype=rows.dtype)
    stored[...] = rows
    tiled = dask.array.from_array(rows, chunks=(70, 9))
    by_numpy = IncrementalPCA(4, batch_size=50).fit(rows)
    reduced = by_numpy.transform(rows)
    assert reduced.dtype == (np.float64 if dtype is np.float64 else np.float32)
    for array in (stored, tiled):
        ours = IncrementalPCA(4, batch_size=50).fit(array)
        assert_same(ours, by_numpy, rtol=1e-9 if dtype is np.float64 else 1e-5)
        result = by_numpy.transform(array)
        assert result.shape == (300, 4)
        assert result.dtype == reduced.dtype
        np.testing.assert_allclose(np.asarray(result), reduced, rtol=1e-4, atol=1e-5)
    lazy = by_numpy.transform(tiled)
    assert isinstance(lazy, dask.array.Array)
    assert lazy.chunks == ((70, 70, 70, 70, 20), (4,))


@pytest.mark.parametrize("n_components", [1, 5, 12])
@pytest.mark.parametrize("scaling", ["none", "standard", "l2"])
def test_likelihoods_are_scikit_learns(n_components: int, scaling: Any) -> None:
    rows = rows_with(0.8 ** np.arange(12), 300)
    scaled = rows
    if scaling != "none":
        scaled = {"standard": StandardScaler, "l2": Normalizer}[scaling]().fit_transform(rows)
    full = PCA(n_components, svd_solver="full").fit(scaled)
    ours = IncrementalPCA(n_components, scaling=scaling, batch_size=70).fit(rows)
    np.testing.assert_allclose(ours.score_samples(rows), full.score_samples(scaled), rtol=1e-7)
    assert ours.score(rows) == pytest.approx(full.score(scaled))
    whitened = IncrementalPCA(n_components, scaling=scaling, whiten=True).fit(rows)
    assert whitened.score(rows) == pytest.approx(full.score(scaled))


def test_likelihoods_beside_little_noise() -> None:
    """As of the Gaussian itself: no digits are lost where the noise is small against the rows."""
    rows = rows_with(np.array([1, 0.5, *[1e-6] * 6]), 400, offset=100)
    ours = IncrementalPCA(2).fit(rows)
    left = (rows - ours.mean_) - (rows - ours.mean_) @ ours.components_.T @ ours.components_
    reduced = ours.transform(rows)
    squares = (reduced**2 / ours.explained_variance_).sum(axis=1)
    squares += (left**2).sum(axis=1) / ours.noise_variance_
    volume = np.log(ours.explained_variance_).sum() + 6 * np.log(ours.noise_variance_)
    expected = -0.5 * (squares + volume + 8 * np.log(2 * np.pi))
    np.testing.assert_allclose(ours.score_samples(rows), expected, rtol=1e-6)


def test_rows_without_noise_have_no_density() -> None:
    rows = rows_with(0.8 ** np.arange(12), 8)
    with pytest.raises(SettingsError, match="leaves no noise"):
        IncrementalPCA(None).fit(rows).score(rows)
    assert np.isfinite(IncrementalPCA(5).fit(rows).score(rows))


def test_dask_rows_are_scored_restored_and_reduced_lazily() -> None:
    import dask.array
    import dask.dataframe
    import pandas

    rows = rows_with(0.8 ** np.arange(12), 300)
    ours = IncrementalPCA(4, whiten=True).fit(rows)
    tiled = dask.array.from_array(rows, chunks=((0, 120, 180), 5))
    reduced = ours.transform(rows)
    for dtype in (np.float16, np.float32, np.float64):
        for X in (tiled.astype(dtype), tiled.astype(dtype)[tiled[:, 0] > -np.inf]):
            restored = ours.inverse_transform(ours.transform(X))
            for told in (ours.transform(X), restored, ours.score_samples(X)):
                assert isinstance(told, dask.array.Array)
                assert told.compute().dtype == told.dtype
            assert restored.dtype == (np.float64 if dtype == np.float64 else np.float32)
    np.testing.assert_allclose(ours.score_samples(tiled).compute(), ours.score_samples(rows))
    assert ours.score(tiled) == pytest.approx(ours.score(rows))
    back = ours.inverse_transform(dask.array.from_array(reduced, chunks=(100, 2)))
    np.testing.assert_allclose(back.compute(), ours.inverse_transform(reduced))
    assert ours.inverse_transform(reduced.astype(np.float16)).dtype == np.float32
    frame = pandas.DataFrame(rows, columns=[f"f{i}" for i in range(12)])
    parts = dask.dataframe.from_pandas(frame, npartitions=3)
    streamed = IncrementalPCA(4).fit(parts)
    assert_same(streamed, IncrementalPCA(4).fit(frame))
    assert list(streamed.feature_names_in_) == list(frame.columns)
    np.testing.assert_allclose(streamed.transform(parts).compute(), streamed.transform(frame))


def test_attributes_are_float32_where_all_rows_were() -> None:
    rows = rows_with(0.8 ** np.arange(12), 300)
    small = rows.astype(np.float32)
    theirs = PCA(3).fit(small)
    ours = IncrementalPCA(3).partial_fit(small)
    for name in LEARNED:
        assert getattr(ours, name).dtype == getattr(theirs, name).dtype
    assert ours.var_.dtype == ours.scale_.dtype == np.float32
    assert type(ours.n_components_) is int
    assert type(ours.share_reached_) is bool
    joined = IncrementalPCA(3).merge(ours)
    assert joined.components_.dtype == np.float32
    assert joined.merge(IncrementalPCA(3).fit(rows)).components_.dtype == np.float64
    assert ours.partial_fit(small.astype(np.float16)).components_.dtype == np.float32
    assert ours.partial_fit(rows).components_.dtype == np.float64


def test_dask_rows_are_checked() -> None:
    import dask.array

    rows = rows_with(0.8 ** np.arange(8), 30)
    ours = IncrementalPCA(2).fit(rows)
    with pytest.raises(ValueError, match="7 features"):
        ours.transform(dask.array.from_array(rows[:, :7]))
    rows[3, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        ours.transform(dask.array.from_array(rows)).compute()
    with pytest.raises(ValueError, match="NaN"):
        IncrementalPCA(2).fit(dask.array.from_array(rows, chunks=(10, 8)))


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_matrix, sparse.lil_array])
def test_sparse_rows_are_taken_as_dense_ones(make: Any) -> None:
    rows = rows_with(0.8 ** np.arange(10), 100)
    rows[rows < 1] = 0
    ours = IncrementalPCA(3, batch_size=30).fit(make(rows))
    assert_same(ours, IncrementalPCA(3).fit(rows))
    np.testing.assert_allclose(ours.transform(make(rows)), ours.transform(rows), atol=1e-12)
    with pytest.raises(TypeError, match="does not support sparse"):
        ours.partial_fit(make(rows))


def test_memory_maps_lists_and_frames(tmp_path: Any) -> None:
    pandas = pytest.importorskip("pandas")
    rows = rows_with(0.8 ** np.arange(10), 100)
    np.save(tmp_path / "rows.npy", rows)
    expected = IncrementalPCA(3).fit(rows)
    assert_same(IncrementalPCA(3, batch_size=9).fit(np.load(tmp_path / "rows.npy", "r")), expected)
    assert_same(IncrementalPCA(3).fit(rows.tolist()), expected)
    frame = pandas.DataFrame(rows, columns=[f"f{i}" for i in range(10)])
    ours = IncrementalPCA(3).fit(frame).set_output(transform="pandas")
    assert_same(ours, expected)
    assert list(ours.feature_names_in_) == list(frame.columns)
    assert list(ours.transform(frame).columns) == [f"incrementalpca{i}" for i in range(3)]
    joined = IncrementalPCA(3).merge(ours)
    assert list(joined.feature_names_in_) == list(frame.columns)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_and_not_learnt(bad: float) -> None:
    rows = rows_with(0.8 ** np.arange(10), 100)
    ours = IncrementalPCA(3, batch_size=10).partial_fit(rows)
    spoiled = rows.copy()
    spoiled[77, 3] = bad
    with pytest.raises(ValueError, match="contains"):
        ours.partial_fit(spoiled)
    assert_same(ours, IncrementalPCA(3).fit(rows))
    with pytest.raises(ValueError, match="contains"):
        ours.fit(spoiled)
    with pytest.raises(NotFittedError):
        ours.transform(rows)


def test_components_that_cannot_be_are_refused() -> None:
    rows = rows_with(0.8 ** np.arange(10), 6)
    with pytest.raises(SettingsError, match="n_components=11 invalid for n_features=10"):
        IncrementalPCA(11).partial_fit(rows)
    with pytest.raises(SettingsError, match=r"n_components=7 must be between 1 and .*=6"):
        IncrementalPCA(7).fit(rows)
    with pytest.raises(SettingsError, match="n_samples=1"):
        IncrementalPCA().fit(rows[:1])
    one = IncrementalPCA(7).partial_fit(rows[:1])
    np.testing.assert_array_equal(one.mean_, rows[0])
    assert not hasattr(one, "components_")
    with pytest.raises(NotFittedError, match="n_samples=1"):
        _ = one.components_
    with pytest.raises(SettingsError, match="n_samples=1"):
        one.transform(rows)
    assert one.partial_fit(rows).components_.shape == (7, 10)


@pytest.mark.parametrize(
    "settings", [{"n_components": 1.5}, {"n_components": 0}, {"scaling": "max"}, {"batch_size": 0}]
)
def test_settings_are_checked(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        IncrementalPCA(**settings).fit(np.eye(5))


@pytest.mark.parametrize("solver", ["covariance", "randomized"])
@pytest.mark.parametrize("scaling", ["none", "standard"])
@pytest.mark.parametrize("factor", [1e19, 1e-25, 1e35])
def test_float32_rows_whose_squares_float32_does_not_hold(
    solver: Any, scaling: Any, factor: float
) -> None:
    rows = rows_with(0.8 ** np.arange(20), 3000)
    settings: dict[str, Any] = {"scaling": scaling, "svd_solver": solver, "random_state": 0}
    expected = IncrementalPCA(4, **settings).fit(rows)
    ours = IncrementalPCA(4, **settings).fit((rows * factor).astype(np.float32))
    np.testing.assert_allclose(ours.components_, expected.components_, atol=1e-6)
    np.testing.assert_allclose(
        ours.explained_variance_ratio_, expected.explained_variance_ratio_, rtol=1e-6
    )
    if scaling == "none":
        variances = expected.explained_variance_ * factor**2
        np.testing.assert_allclose(ours.explained_variance_, variances, rtol=1e-5)


@pytest.mark.parametrize("solver", ["covariance", "randomized"])
@pytest.mark.parametrize("scaling", ["none", "standard"])
@pytest.mark.parametrize(("factor", "message"), [(1e200, "too large"), (1e-170, "too little")])
def test_rows_whose_squares_float64_does_not_hold_are_refused(
    solver: Any, scaling: Any, factor: float, message: str
) -> None:
    rows = rows_with(0.8 ** np.arange(20), 300) * factor
    settings: dict[str, Any] = {"scaling": scaling, "svd_solver": solver, "random_state": 0}
    with pytest.raises(SettingsError, match=message):
        IncrementalPCA(4, **settings).fit(rows)
    by_batches = IncrementalPCA(4, **settings).partial_fit(rows[:100]).partial_fit(rows[100:])
    by_batches.merge(copy.deepcopy(by_batches))
    with pytest.raises(SettingsError, match=message):
        by_batches.transform(rows)


def test_a_scatter_that_was_lost_in_zero_is_refused() -> None:
    moments = Moments()
    moments.update(np.eye(3) * 1e-25)
    lost = Scatter(3, moments.result().mean, np.zeros((3, 3)))
    with pytest.raises(SettingsError, match="too little"):
        principal_components(lost, moments.result(), n_components=2)


def test_constant_rows_have_one_component_without_variance() -> None:
    for solver in ("covariance", "randomized"):
        ours = IncrementalPCA(svd_solver=solver, random_state=0).fit(np.full((20, 5), 3.0))
        assert ours.n_components_ == 1
        assert not ours.explained_variance_ratio_.any()
        assert not ours.transform(np.full((2, 5), 3.0)).any()


def test_learned_attributes_wait_for_rows() -> None:
    ours = IncrementalPCA()
    for name in (*LEARNED, "var_", "scale_", "n_samples_seen_", "batch_size_", "share_reached_"):
        assert not hasattr(ours, name)


def test_the_decomposition_is_made_once_and_only_when_asked(monkeypatch: Any) -> None:
    from streamclust.reduction import sums

    calls = []
    real = sums.principal_components
    monkeypatch.setattr(
        sums, "principal_components", lambda *args, **kw: calls.append(1) or real(*args, **kw)
    )
    rows = rows_with(0.8 ** np.arange(10), 100)
    ours = IncrementalPCA(3).partial_fit(rows).partial_fit(rows)
    assert not calls
    ours.transform(rows)
    assert ours.components_.shape == (3, 10)
    assert len(calls) == 1
    ours.partial_fit(2 * rows)
    assert_same(ours, IncrementalPCA(3).fit(np.concatenate([rows, rows, 2 * rows])))


@pytest.mark.parametrize("solver", ["covariance", "randomized"])
def test_pickles_copies_and_clones(solver: Any) -> None:
    rows = rows_with(0.8 ** np.arange(10), 100)
    ours = IncrementalPCA(3, svd_solver=solver, random_state=0).partial_fit(rows[:50])
    for twin in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        assert_same(twin, ours)
        twin.partial_fit(rows[50:])
        assert ours.n_samples_seen_ == 50
        assert twin.n_samples_seen_ == 100
    assert not hasattr(clone(ours), "components_")
    assert clone(ours).get_params() == ours.get_params()


def test_unchecked_rows_are_learnt_as_they_are() -> None:
    rows = rows_with(0.8 ** np.arange(10), 100)
    unchecked = IncrementalPCA(3).partial_fit(rows, check_input=False)
    assert_same(unchecked, IncrementalPCA(3).fit(rows))


def test_rows_are_not_written_to() -> None:
    rows = rows_with(0.8 ** np.arange(10), 100)
    before = rows.copy()
    IncrementalPCA(3, copy=False, scaling="l2", normalize=True).fit_transform(rows)
    np.testing.assert_array_equal(rows, before)


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(module).attempted >= 4
    assert doctest.testmod(module).failed == 0
