"""StreamingKMeans against scikit-learn's KMeans."""

import warnings

import numpy as np
import pytest
import zarr
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.datasets import load_breast_cancer, load_iris, load_wine, make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from streamclust import StreamingKMeans
from streamclust.errors import SettingsError


class FirstRows:
    """An `init` whose name, and that of the tests with it, is the same in every process."""

    def __call__(self, X, n_clusters, random_state):
        return X[:n_clusters]

    def __repr__(self):
        return "FirstRows()"


SETTINGS = [
    {"n_clusters": 3},
    {"n_clusters": 1},
    {"n_clusters": 2, "n_init": 1},
    {"n_clusters": 2, "init": "random", "n_init": 3, "batch_size": 7},
    {"n_clusters": 2, "init": "random", "max_iter": 1},
    {"n_clusters": 2, "tol": 0},
    {"n_clusters": 2, "tol": 1.0, "n_init": 2},
    {"n_clusters": 2, "batch_size": 1, "n_init": 2},
    {"n_clusters": 2, "max_iter": 2, "n_init": 1},
    {"n_clusters": 4, "n_init": 2, "copy_x": False},
    {"n_clusters": 2, "init": FirstRows(), "n_init": 1},
    {"n_clusters": 2, "n_init": 2, "random_state": None},
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([StreamingKMeans(**{"random_state": 0, **some}) for some in SETTINGS])
def test_check_estimator(estimator, check):
    few = estimator.init != "k-means++" or estimator.n_init != "auto"
    if few and "sample_weight_equivalence" in check.func.__name__:
        pytest.skip("of rows that are repeated, few starts may end in another minimum")
    check(estimator)


def test_parameters_are_checked_as_scikit_learn_checks_its_own():
    check_param_validation("StreamingKMeans", StreamingKMeans())


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(20_000, 16, centers=12, cluster_std=2.0, random_state=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 1000])
def test_reaches_the_best_of_scikit_learns_restarts(blobs, dtype, offset):
    X = (blobs[0] + offset).astype(dtype)
    ours = StreamingKMeans(12, random_state=0).fit(X)
    theirs = KMeans(12, n_init=10, random_state=0).fit(X)
    assert adjusted_rand_score(ours.labels_, theirs.labels_) > 0.999
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-4)
    assert ours.score(X) == pytest.approx(-ours.inertia_)
    assert ours.cluster_centers_.dtype == dtype


def few_rows() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    breast = load_breast_cancer().data
    return {
        "iris": load_iris().data,
        "wine": load_wine().data,
        "breast cancer": breast,
        "scaled": (breast - breast.mean(axis=0)) / breast.std(axis=0),
        "copies": np.repeat(load_iris().data, 20, axis=0),
        "grid": rng.integers(0, 5, (2000, 2)).astype(float),
        "few distinct": np.repeat(rng.standard_normal((30, 5)), 100, axis=0),
        "heavy tails": rng.standard_cauchy((2000, 3)),
        "one outlier": np.concatenate([rng.standard_normal((999, 3)), np.full((1, 3), 1e6)]),
    }


@pytest.mark.parametrize("name", few_rows())
def test_of_few_rows_it_ends_as_low_as_scikit_learns_restarts(name):
    X = few_rows()[name]
    for k in (4, 9, 19):
        ours = StreamingKMeans(k, random_state=0).fit(X)
        theirs = KMeans(k, n_init=10, random_state=0).fit(X)
        assert ours.inertia_ <= 1.01 * theirs.inertia_, k
        apart = X - ours.cluster_centers_[ours.labels_]
        # Beside a row at 1e6 the squares of the others have lost digits.
        assert ours.inertia_ == pytest.approx((apart**2).sum(), rel=1e-4)


def test_sorted_rows_end_as_low_as_shuffled_ones():
    """Rows sorted by group wreck mini-batches alone (field notes: 1.2 to 1.6 times)."""
    X, group = make_blobs(60_000, 32, centers=50, cluster_std=4.0, random_state=1)
    X = X.astype(np.float32)
    shuffled = StreamingKMeans(20, random_state=0).fit(X).inertia_
    grouped = StreamingKMeans(20, random_state=0).fit(X[np.argsort(group)]).inertia_
    # Of minima that differ by a few in a hundred the start, or rounding, chooses one.
    assert grouped == pytest.approx(shuffled, rel=0.05)


def test_lazy_arrays_give_what_numpy_gives(blobs, tmp_path):
    import dask.array as da

    X = blobs[0].astype(np.float32)
    expected = StreamingKMeans(5, random_state=0).fit(X)
    stored = zarr.create_array(tmp_path / "x.zarr", shape=X.shape, chunks=(3000, 16), dtype="f4")
    stored[...] = X
    memmap = np.memmap(tmp_path / "x.dat", np.float32, "w+", shape=X.shape)
    memmap[...] = X
    for lazy in (stored, memmap, da.from_zarr(tmp_path / "x.zarr")):
        model = StreamingKMeans(5, random_state=0).fit(lazy)
        np.testing.assert_array_equal(model.labels_, expected.labels_)
        np.testing.assert_array_equal(np.asarray(model.predict(lazy)), expected.labels_)
        np.testing.assert_allclose(
            np.asarray(model.transform(lazy)), expected.transform(X), atol=1e-3
        )


@pytest.mark.parametrize("max_iter", [1, 2, 5, 300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_given_centers_take_the_steps_that_scikit_learns_take(max_iter, dtype):
    """The smallest group first: centres that were ordered by size would have other numbers."""
    rng = np.random.default_rng(0)
    sizes, places = (10, 60, 30, 400), [[0, 0], [5, 5], [10, 10], [7, 0]]
    X = np.concatenate([rng.normal(p, 1.5, (n, 2)) for n, p in zip(sizes, places, strict=True)])
    X, init = X.astype(dtype), np.array([[0, 1], [4, 5], [10, 9], [9, 0]], dtype)
    ours = StreamingKMeans(4, init=init, max_iter=max_iter, tol=0).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = KMeans(4, init=init, n_init=1, max_iter=max_iter, tol=0).fit(X)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-5)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)


def test_one_step_from_given_centers_goes_to_the_means_of_more_rows_than_are_sampled(blobs):
    X, init = blobs[0], blobs[0][:3]
    model = StreamingKMeans(3, init=init, max_iter=1).fit(X)
    nearest = ((X[:, None] - init) ** 2).sum(axis=2).argmin(axis=1)
    means = [X[nearest == j].mean(axis=0) for j in range(3)]
    np.testing.assert_allclose(model.cluster_centers_, means, rtol=1e-12)


def test_restarts_from_given_centers_warn():
    with pytest.warns(
        RuntimeWarning, match="only one init in StreamingKMeans instead of n_init=10"
    ):
        StreamingKMeans(2, init=np.eye(5)[:2], n_init=10).fit(np.eye(5))


@pytest.mark.parametrize(
    ("offset", "dtype"), [(0, np.float32), (1e5, np.float32), (0, np.float64), (1e9, np.float64)]
)
def test_distances_keep_their_digits_far_from_zero(offset, dtype):
    X = (make_blobs(1000, 4, centers=5, random_state=0)[0] + offset).astype(dtype)
    init = X[[0, 10, 20, 30, 40]]
    model = StreamingKMeans(5, init=init).fit(X)
    told = model.transform(X)
    apart = X[:, None].astype(float) - model.cluster_centers_.astype(float)
    np.testing.assert_allclose(told, np.linalg.norm(apart, axis=2), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(told.argmin(axis=1), model.predict(X))
    assert told.dtype == dtype


def test_weights_are_rows_that_recur(blobs):
    """The same minimum, whichever rows the restarts drew; with given centres the same steps."""
    X = blobs[0][:3000]
    weights = np.random.default_rng(0).integers(0, 4, len(X))
    repeated = np.repeat(X, weights, axis=0)
    for model in (StreamingKMeans(12, random_state=0), StreamingKMeans(12, init=X[:12])):
        ours = clone(model).fit(X, sample_weight=weights)
        expected = clone(model).fit(repeated)
        # Clusters of one size have no order.
        centers = [np.sort(m.cluster_centers_, axis=0) for m in (ours, expected)]
        np.testing.assert_allclose(*centers, rtol=1e-9)
        labels = np.repeat(ours.labels_, weights)
        assert adjusted_rand_score(labels, expected.labels_) == 1
        assert ours.inertia_ == pytest.approx(expected.inertia_)
        assert ours.score(X, sample_weight=weights) == pytest.approx(expected.score(repeated))
        assert len(ours.labels_) == len(X)  # rows of no weight have labels, too
        labels = clone(model).fit_predict(X, sample_weight=weights)
        np.testing.assert_array_equal(labels, ours.labels_)
        distances = clone(model).fit_transform(X, sample_weight=weights)
        np.testing.assert_allclose(distances, ours.transform(X))


def test_no_centre_is_on_a_row_of_no_weight():
    X = np.concatenate([np.zeros((50, 2)), np.ones((50, 2)), np.full((5, 2), 99.0)])
    weights = np.where(X[:, 0] > 50, 0, 2.5)
    model = StreamingKMeans(2, random_state=0).fit(X, sample_weight=weights)
    assert model.inertia_ == 0
    with pytest.raises(SettingsError, match="n_samples=2"):
        StreamingKMeans(3).fit(np.eye(5), sample_weight=[1, 1, 0, 0, 0])
    with pytest.raises(ValueError, match="negative"):
        StreamingKMeans(2).fit(np.eye(5), sample_weight=[1, 1, 1, 1, -1])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batches_move_centres_as_scikit_learns_mini_batches(blobs, weighted, dtype):
    X = blobs[0].astype(dtype)
    init = X[:12]
    ours = StreamingKMeans(12, init=init)
    theirs = MiniBatchKMeans(12, init=init, n_init=1, reassignment_ratio=0)
    weights = np.random.default_rng(0).uniform(0, 3, len(X)) if weighted else np.ones(len(X))
    for start in range(0, 20_000, 900):
        part = slice(start, start + 900)
        own = weights[part] if weighted else None
        ours.partial_fit(X[part], sample_weight=own)
        theirs.partial_fit(X[part], sample_weight=own)
        rtol = 1e-4 if dtype == np.float32 else 1e-9
        np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=rtol)
    assert ours.cluster_centers_.dtype == dtype
    assert ours.n_steps_ == theirs.n_steps_ == 23
    np.testing.assert_array_equal(ours.labels_, ours.predict(X[part]))
    assert ours.inertia_ == pytest.approx(-ours.score(X[part], sample_weight=own), rel=1e-5)


def test_a_batch_after_fit_is_one_exact_step_over_all_rows(blobs):
    X = blobs[0]
    old, new = X[:15_000], X[15_000:]
    model = StreamingKMeans(12, tol=0, random_state=0).fit(old)
    labels = np.concatenate([model.labels_, model.predict(new)])
    means = [X[labels == j].mean(axis=0) for j in range(12)]
    model.partial_fit(new)
    np.testing.assert_allclose(model.cluster_centers_, means, rtol=1e-9)


def test_the_first_batch_chooses_the_centres(blobs):
    X, groups = blobs
    model = StreamingKMeans(12, random_state=0)
    for batch in np.array_split(X, 20):
        model.partial_fit(batch)
    assert adjusted_rand_score(model.predict(X), groups) > 0.99
    with pytest.raises(SettingsError, match="n_samples=5"):
        StreamingKMeans(12).partial_fit(X[:5])


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_sparse_rows_are_taken_as_dense_ones(make):
    X = np.random.default_rng(0).poisson(0.5, (500, 12)).astype(float)
    rows = make(X)
    for name in ("fit", "partial_fit"):
        ours, expected = (
            getattr(StreamingKMeans(4, random_state=0), name)(given) for given in (rows, X)
        )
        np.testing.assert_array_equal(ours.labels_, expected.labels_)
        np.testing.assert_array_equal(ours.cluster_centers_, expected.cluster_centers_)
        np.testing.assert_array_equal(ours.predict(rows), expected.predict(X))
        np.testing.assert_array_equal(ours.transform(rows), expected.transform(X))
        assert ours.score(rows) == expected.score(X)


def test_results_of_dask_rows_have_the_dtype_that_they_tell(blobs):
    import dask.array as da
    import dask.dataframe as dd
    import pandas

    X = blobs[0][:1000].astype(np.float32)
    model = StreamingKMeans(3, random_state=0).fit(X)
    tiled = da.from_array(X, chunks=((0, 300, 700), 8))
    frame = dd.from_pandas(pandas.DataFrame(X, columns=[f"f{i}" for i in range(16)]), 3)
    named = StreamingKMeans(3, random_state=0).fit(frame)
    assert len(named.feature_names_in_) == 16
    for fitted, rows in (
        *((model, tiled.astype(dtype)) for dtype in (np.float16, np.float32, np.float64, int)),
        (model, tiled[tiled[:, 0] > -np.inf]),
        (named, frame),
    ):
        for told in (fitted.predict(rows), fitted.transform(rows)):
            assert isinstance(told, da.Array)
            made = told.compute()
            assert made.dtype == told.dtype
            assert made.shape[1:] == told.shape[1:]
            assert len(made) == 1000
        assert fitted.predict(rows).dtype == np.int32
    np.testing.assert_array_equal(model.predict(tiled).compute(), model.labels_)
    with pytest.raises(ValueError, match="15 features"):
        model.predict(tiled[:, 1:])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_attributes_have_the_dtype_of_scikit_learns(blobs, dtype):
    X = np.round(blobs[0][:500]).astype(dtype)
    ours = StreamingKMeans(3, random_state=0).fit(X)
    theirs = KMeans(3, n_init=1, random_state=0).fit(X)
    if dtype != np.float16:  # which float32 holds, here
        assert ours.cluster_centers_.dtype == theirs.cluster_centers_.dtype
        assert ours.transform(X).dtype == theirs.transform(X).dtype
    else:
        assert ours.cluster_centers_.dtype == ours.transform(X).dtype == np.float32
    assert ours.labels_.dtype == ours.predict(X).dtype == theirs.labels_.dtype


def test_an_empty_cluster_is_seeded_again():
    X = np.concatenate([np.zeros((50, 2)), np.ones((50, 2)), np.full((50, 2), 5.0)])
    far = np.array([[0.0, 0], [100, 100], [200, 200]])
    model = StreamingKMeans(3, init=far, random_state=0).fit(X)
    assert model.inertia_ == pytest.approx(0)
    assert len(np.unique(model.labels_)) == 3


def test_more_clusters_than_distinct_rows_warns():
    with pytest.warns(Warning, match="distinct clusters"):
        StreamingKMeans(3, random_state=0).fit(np.repeat([[0.0], [1.0]], 10, axis=0))


def test_data_frames_are_not_asked_for_their_names_twice(blobs):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(blobs[0][:500], columns=[f"f{i}" for i in range(16)])
    model = StreamingKMeans(3, random_state=0).fit(frame)  # a warning is an error here
    np.testing.assert_array_equal(model.predict(frame), model.labels_)
    assert list(model.feature_names_in_) == list(frame.columns)


def test_verbose_prints_the_names_of_passes(blobs, capsys):
    StreamingKMeans(3, random_state=0, verbose=1).fit(blobs[0])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == ["sampling rows", "k-means++", "seeding k-means", "mini-batches"]
    assert all(line.startswith("k-means pass") for line in lines[4:])


@pytest.mark.parametrize("batch_size", [1, 4])
def test_batches_smaller_than_the_number_of_clusters(blobs, batch_size):
    X = blobs[0][:1000]
    ours = StreamingKMeans(12, batch_size=batch_size, random_state=0).fit(X)
    assert ours.inertia_ == pytest.approx(KMeans(12, n_init=5, random_state=0).fit(X).inertia_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_clusters": 0}, "n_clusters"),
        ({"tol": -1}, "tol"),
        ({"tol": np.nan}, "tol"),
        ({"init": "best"}, "init"),
        ({"init": np.zeros((3, 3))}, "shape of the initial centers"),
        ({"algorithm": "elkan"}, "a str among"),
        ({"n_init": 0}, "n_init"),
    ],
)
def test_parameters_out_of_range(parameters, message):
    with pytest.raises(ValueError, match=message):
        StreamingKMeans(**{"n_clusters": 2, **parameters}).fit(np.eye(5))


def test_fewer_rows_than_clusters():
    with pytest.raises(SettingsError, match="n_samples=5"):
        StreamingKMeans(6).fit(np.eye(5))
