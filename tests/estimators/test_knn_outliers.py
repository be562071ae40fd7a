"""KNNOutlierDetector against scikit-learn's neighbours, and what it promises."""

from contextlib import nullcontext

import numpy as np
import pytest
import zarr
from scipy import sparse
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from streamclust import KNNOutlierDetector
from streamclust.errors import StreamclustError

METHODS = ["reference", "kth", "mean", "lof"]
K = 6


SETTINGS = [
    {},
    {"contamination": 0.1},
    {"scaling": "l2"},
    # Of so rough scores none may be far out: they are told how many are.
    {"n_references": 20, "n_draws": 2, "n_neighbors": 2, "contamination": 0.1},
    {"n_references": 50, "n_draws": 3, "random_state": 1, "contamination": 0.1},
    {"method": "kth", "contamination": 0.1},
    {"method": "kth", "scaling": "l2", "n_neighbors": 1},
    {"method": "mean"},
    {"method": "mean", "contamination": 0.5, "n_neighbors": 2},
    {"method": "lof", "n_neighbors": K},
    {"method": "lof", "scaling": "l2", "contamination": 0.25},
]


@pytest.mark.filterwarnings("ignore:scaling='l2'", "ignore:n_neighbors")
@parametrize_with_checks([KNNOutlierDetector(**settings) for settings in SETTINGS])
def test_check_estimator(estimator, check):
    check(estimator)


def test_parameters_are_checked_as_scikit_learn_checks_its_own():
    check_param_validation("KNNOutlierDetector", KNNOutlierDetector())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unit_length_of_centred_rows_is_warned_of(rows, dtype):
    centred = (rows - rows.mean(axis=0)).astype(dtype)
    with pytest.warns(UserWarning, match="these are centred"):
        KNNOutlierDetector(scaling="l2").fit(centred)
    KNNOutlierDetector(scaling="l2").fit(rows.astype(dtype))  # a warning is an error here
    KNNOutlierDetector().fit(centred)


@pytest.mark.parametrize("method", METHODS)
def test_sparse_rows_are_scored_as_dense_ones(method):
    X = np.random.default_rng(0).poisson(0.5, (300, 12)).astype(float)
    ours, expected = (
        KNNOutlierDetector(method=method).fit(given) for given in (sparse.csr_array(X), X)
    )
    np.testing.assert_array_equal(ours.decision_scores_, expected.decision_scores_)
    scores = ours.score_samples(sparse.csr_array(X[:50]))
    np.testing.assert_array_equal(scores, expected.score_samples(X[:50]))


@pytest.mark.parametrize("method", METHODS)
def test_dask_chunks_that_are_empty_or_of_unknown_size(rows, method):
    import dask.array as da

    whole = da.from_array(rows, chunks=((0, 500, 700), 8))
    expected = KNNOutlierDetector(method=method).fit(rows)
    for X in (whole, whole[whole[:, 0] > -np.inf]):
        model = KNNOutlierDetector(method=method).fit(X)
        np.testing.assert_array_equal(model.decision_scores_, expected.decision_scores_)
        for name in ("score_samples", "decision_function", "predict"):
            told = getattr(model, name)(X)
            made = told.compute()
            assert made.dtype == told.dtype
            np.testing.assert_allclose(made, getattr(expected, name)(rows), rtol=1e-6, atol=1e-9)


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).standard_normal((1200, 8)) ** 3 + 5


@pytest.fixture(scope="module")
def new(rows):
    return np.random.default_rng(1).standard_normal((300, 8)) ** 3 + 5


def unit(values):
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def distances(train, rows=None):
    """From rows to their K nearest training rows, or from each of those to the others."""
    return NearestNeighbors(n_neighbors=K, algorithm="brute").fit(train).kneighbors(rows)[0]


@pytest.mark.parametrize("scaling", ["l2", "none"])
@pytest.mark.parametrize("method", ["kth", "mean", "reference"])
def test_scores_are_distances_to_neighbours(rows, new, method, scaling):
    # All rows in every sample: its reference distance is that to the neighbour.
    model = KNNOutlierDetector(K, method=method, scaling=scaling, n_references=1200).fit(rows)
    prepare = unit if scaling == "l2" else np.asarray
    for found, expected in (
        (model.decision_scores_, distances(prepare(rows))),
        (-model.score_samples(new), distances(prepare(rows), prepare(new))),
    ):
        expected = expected.mean(axis=1) if method == "mean" else expected[:, -1]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_lof_is_scikit_learns(rows, new):
    model = KNNOutlierDetector(K, method="lof", scaling="none").fit(rows)
    theirs = LocalOutlierFactor(n_neighbors=K, novelty=True).fit(rows)
    np.testing.assert_allclose(model.decision_scores_, -theirs.negative_outlier_factor_, rtol=1e-5)
    np.testing.assert_allclose(model.score_samples(new), theirs.score_samples(new), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_training_rows_score_as_they_were_fitted(rows, method, dtype):
    X = rows.astype(dtype)
    model = KNNOutlierDetector(method=method, n_references=100).fit(X)
    expected = -model.decision_scores_
    np.testing.assert_allclose(model.score_samples(X), expected, rtol=1e-6)
    np.testing.assert_allclose(model.score_samples(X[::-7]), expected[::-7], rtol=1e-6)
    # Values that are equal, in another dtype.
    np.testing.assert_allclose(model.score_samples(X.astype(np.float64)), expected, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(X), model.labels_)


@pytest.mark.parametrize("method", ["kth", "mean"])
def test_copies_among_the_training_rows_are_neighbours(rows, method):
    X = np.concatenate([rows, np.repeat(rows[:5], 2, axis=0)])
    model = KNNOutlierDetector(2, method=method).fit(X)
    assert not model.decision_scores_[:5].any()
    assert model.decision_scores_[5:1200].all()
    np.testing.assert_allclose(model.score_samples(X), -model.decision_scores_, rtol=1e-6)


@pytest.mark.parametrize("scaling", ["l2", "none"])
def test_references_see_through_groups_of_alike_outliers(scaling):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4020, 16)) + 3
    X[4000:] = -6 + 0.05 * rng.standard_normal((20, 16))
    outlier = np.arange(4020) >= 4000
    by_references = KNNOutlierDetector(scaling=scaling).fit(X).decision_scores_
    by_graph = KNNOutlierDetector(scaling=scaling, method="kth").fit(X).decision_scores_
    assert roc_auc_score(outlier, by_references) > 0.99
    assert roc_auc_score(outlier, by_graph) < 0.01


@pytest.mark.parametrize("method", METHODS)
def test_lazy_arrays_give_what_numpy_gives(rows, new, method, tmp_path):
    import dask.array as da

    X = rows.astype(np.float32)
    parameters = {"method": method, "n_references": 100}
    expected = KNNOutlierDetector(**parameters).fit(X)
    scores = expected.score_samples(new)
    stored = zarr.create_array(tmp_path / "x.zarr", shape=X.shape, chunks=(500, 8), dtype="f4")
    stored[...] = X
    memmap = np.memmap(tmp_path / "x.dat", np.float32, "w+", shape=X.shape)
    memmap[...] = X
    for lazy in (stored, memmap, da.from_zarr(tmp_path / "x.zarr")):
        model = KNNOutlierDetector(**parameters).fit(lazy)
        np.testing.assert_array_equal(model.decision_scores_, expected.decision_scores_)
        np.testing.assert_array_equal(model.score_samples(new), scores)
        np.testing.assert_array_equal(np.asarray(model.predict(lazy)), expected.labels_)


def test_dask_rows_are_scored_when_they_are_asked_for(rows):
    import dask.array as da

    model = KNNOutlierDetector().fit(rows)
    for method in (model.score_samples, model.decision_function, model.predict):
        told = method(da.from_array(rows, chunks=(500, 3)))
        assert isinstance(told, da.Array)
        assert told.chunks == ((500, 500, 200),)
        assert told.dtype == method(rows).dtype
        np.testing.assert_allclose(told.compute(), method(rows), rtol=1e-6)


def test_integers_lists_and_frames(rows):
    pandas = pytest.importorskip("pandas")
    whole = np.round(100 * rows).astype(np.int16)
    expected = KNNOutlierDetector().fit(whole.astype(np.float64)).decision_scores_
    frame = pandas.DataFrame(whole, columns=[f"f{i}" for i in range(8)])
    for X in (whole, whole.tolist(), frame):
        model = KNNOutlierDetector().fit(X)  # a warning is an error here
        np.testing.assert_array_equal(model.decision_scores_, expected)
        np.testing.assert_array_equal(model.predict(X), model.labels_)
    assert list(model.feature_names_in_) == list(frame.columns)


def test_unit_rows_have_no_length(rows):
    lengths = np.random.default_rng(2).uniform(0.1, 10, (len(rows), 1))
    expected = KNNOutlierDetector().fit(unit(rows)).decision_scores_
    scores = KNNOutlierDetector(scaling="l2").fit(rows * lengths).decision_scores_
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    scores = KNNOutlierDetector(scaling="l2").fit(rows * lengths * 1e200).decision_scores_
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5])
def test_contamination_is_the_share_of_outliers(rows, share):
    model = KNNOutlierDetector(contamination=share).fit(rows)
    outliers = np.argsort(model.decision_scores_)[-round(1200 * share) :]
    assert np.array_equal(np.flatnonzero(model.labels_ == -1), np.sort(outliers))
    assert model.offset_ == -model.threshold_


def test_auto_may_call_no_row_an_outlier():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 2000)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert (KNNOutlierDetector().fit_predict(circle) == 1).all()
    circle[3] = 0
    assert list(np.flatnonzero(KNNOutlierDetector().fit_predict(circle) == -1)) == [3]


def test_only_the_seed_changes_the_references(rows):
    scores = [KNNOutlierDetector(random_state=s).fit(rows).decision_scores_ for s in (0, 0, 1)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


@pytest.mark.parametrize("method", METHODS)
def test_fewer_rows_than_neighbours(method):
    X = np.random.default_rng(0).standard_normal((5, 3))
    warned = nullcontext() if method == "reference" else pytest.warns(UserWarning, match="set to")
    with warned:
        model = KNNOutlierDetector(50, method=method).fit(X)
    assert model.n_neighbors_ == 4
    assert np.isfinite(model.decision_scores_).all()
    np.testing.assert_allclose(model.score_samples(X), -model.decision_scores_, rtol=1e-6)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_neighbors": 0},
        {"method": "median"},
        {"scaling": "standard"},
        {"contamination": 0},
        {"contamination": 0.6},
        {"n_references": 1},
        {"n_draws": 0},
        {"n_neighbors": 500},
    ],
    ids=str,
)
def test_parameters_out_of_range(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        KNNOutlierDetector(**parameters).fit(np.eye(5))


def test_one_row_has_no_neighbours():
    with pytest.raises(StreamclustError, match="n_samples=1"):
        KNNOutlierDetector().fit(np.ones((1, 3)))


def test_nan_is_found_in_whatever_block_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("streamclust.estimators.checked_rows.BATCH_BYTES", 2**12)
    stored = zarr.create_array(tmp_path / "x.zarr", shape=(500, 4), chunks=(100, 4), dtype="f4")
    stored[...] = np.random.default_rng(0).standard_normal((500, 4))
    model = KNNOutlierDetector().fit(stored)
    stored[450, 2] = np.nan
    for method in (model.score_samples, KNNOutlierDetector().fit):
        with pytest.raises(ValueError, match="NaN"):
            method(stored)
