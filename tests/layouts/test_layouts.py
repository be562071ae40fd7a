"""Layouts of rows in memory: against scikit-learn, on degenerate rows, by every executor."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from streamclust.errors import SettingsError
from streamclust.layouts import umap as umap_layout
from streamclust.layouts.base import RowSums, load_layout
from streamclust.layouts.lay_out_rows import layout_quality
from streamclust.passes.blocks import Rows
from streamclust.passes.executors import LocalExecutor
from streamclust.passes.passes import Passes
from streamclust.registries import LAYOUTS
from streamclust.settings import Settings


@pytest.fixture(scope="module")
def grouped() -> tuple[np.ndarray, np.ndarray]:
    """Principal components of rows in six groups, float32, and the groups."""
    values, groups = make_blobs(1200, 9, centers=6, cluster_std=2.0, random_state=4)
    return PCA().fit_transform(values).astype(np.float32), groups


@pytest.fixture
def few_landmarks(monkeypatch):
    monkeypatch.setattr(umap_layout, "LANDMARKS", 400)


def known(values: np.ndarray, groups: np.ndarray) -> RowSums:
    exact = values.astype(np.float64)
    centred = exact - exact.mean(axis=0)
    means = np.array([exact[groups == j].mean(axis=0) for j in range(groups.max() + 1)])
    return RowSums(centred.T @ centred, np.bincount(groups), means)


def placed(
    name: str,
    values: np.ndarray,
    groups: np.ndarray,
    n_dimensions: int = 2,
    passes: Passes | None = None,
    rows_a_block: int = 256,
    seed: int = 0,
) -> np.ndarray:
    layout, rows = load_layout(name), Rows(values, rows_a_block=rows_a_block)
    settings = Settings(random_state=seed)
    fitted = layout.fit(rows, known(values, groups), n_dimensions, settings, passes or Passes())
    place = pickle.loads(pickle.dumps(layout.placement(fitted)))
    return np.concatenate([place(rows.read(span).values) for span in rows.spans()])


@pytest.mark.parametrize("n_dimensions", [2, 3])
def test_discriminant_axes_are_scikit_learns_up_to_sign_and_origin(grouped, n_dimensions):
    values, groups = grouped
    ours = placed("lda", values, groups, n_dimensions)
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(values, groups).transform(values)
    theirs = (theirs - theirs.mean(axis=0))[:, :n_dimensions]
    theirs *= np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())


def test_principal_components_are_the_first_columns(grouped):
    layout, rows = load_layout("pca"), Rows(grouped[0])
    fitted = layout.fit(rows, known(*grouped), 3, Settings(), Passes())
    np.testing.assert_array_equal(layout.placement(fitted)(rows.array), rows.array[:, :3])
    expected = PCA(3).fit(rows.array).explained_variance_ratio_.sum()
    assert fitted.attributes["variance_share"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n_dimensions", [2, 3])
def test_rows_that_are_no_landmarks_are_placed_as_well(few_landmarks, grouped, n_dimensions):
    positions = placed("umap", *grouped, n_dimensions)
    assert (positions.shape, positions.dtype) == ((1200, n_dimensions), np.float32)
    linear = placed("pca", *grouped, n_dimensions)
    kept, kept_by_pca = (layout_quality(grouped[0], p).preservation for p in (positions, linear))
    assert kept > kept_by_pca


def test_neither_blocks_nor_threads_change_umap(few_landmarks, grouped):
    alone = placed("umap", *grouped)
    other = placed("umap", *grouped, passes=Passes(LocalExecutor(2)), rows_a_block=512)
    np.testing.assert_array_equal(other, alone)


@pytest.mark.slow  # each worker compiles
def test_no_executor_changes_umap(few_landmarks, grouped, executor):
    alone = placed("umap", *grouped)
    np.testing.assert_array_equal(placed("umap", *grouped, passes=Passes(executor)), alone)


def test_another_seed_is_another_umap(few_landmarks, grouped):
    assert not np.array_equal(placed("umap", *grouped), placed("umap", *grouped, seed=1))


DEGENERATE = {
    "one column": np.random.default_rng(1).standard_normal((500, 1)),
    "two columns": np.random.default_rng(2).standard_normal((500, 2)),
    "many copies": np.repeat(np.random.default_rng(3).standard_normal((20, 4)), 25, axis=0),
    "huge outlier": np.vstack([np.random.default_rng(4).standard_normal((400, 3)), [[1e7, 0, 0]]]),
    "as few as can be": np.random.default_rng(5).standard_normal((16, 30)),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("kind", DEGENERATE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_degenerate_rows(name, kind, dtype):
    values = DEGENERATE[kind].astype(dtype)
    positions = placed(name, values, np.arange(len(values)) % 3, 3)
    assert positions.shape == (len(values), 3)
    assert np.isfinite(positions).all()
    _, first, copies = np.unique(values, axis=0, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(positions, positions[first[copies]])


def test_rows_too_much_alike_have_no_umap():
    copies = np.repeat(np.eye(5), 100, axis=0)
    with pytest.raises(SettingsError, match="5 different rows are too few"):
        placed("umap", copies, np.arange(500) % 2)
    with pytest.raises(SettingsError, match="15 different rows"):
        load_layout("umap").check(15)


def test_without_umap_learn_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(umap_layout, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="pip install umap-learn, or take --method pca"):
        load_layout("umap").check(1000)


def test_unknown_methods_are_refused():
    with pytest.raises(SettingsError, match="choose from pca, lda, umap"):
        load_layout("tsne")


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_plan_does_not_grow_with_the_rows(name):
    few, many = (Rows(np.broadcast_to(np.float32(0), (n, 128))) for n in (400_000, 40_000_000))
    peaks = [[need.peak(3) for need in load_layout(name).needs(r, 2)] for r in (few, many)]
    assert peaks[0] == peaks[1]
