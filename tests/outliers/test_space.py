"""The rows as the outlier scores see them, against scikit-learn and by brute force."""

import numpy as np
import pytest
from cases import write_case
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler, normalize

from streamclust import api
from streamclust.outliers import score_space as space_module
from streamclust.outliers.score_space import ReduceForScores
from streamclust.passes.accumulators.kept_rows import priorities
from streamclust.pipeline import working
from streamclust.settings import Settings
from streamclust.store.workspace import Workspace

SCALED = {
    "none": lambda values: values,
    "standard": lambda values: StandardScaler().fit_transform(values),
    "minmax": lambda values: MinMaxScaler().fit_transform(values),
    "l2": normalize,
}


@pytest.fixture(scope="module")
def values():
    """600 rows of 90 columns of unlike scales and variances, a constant one among them."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(600, 90)) @ rng.normal(size=(90, 90)) * rng.uniform(0.1, 9, 90) + 3
    values[:, 7] = 2.5
    return values.astype(np.float32)


@pytest.fixture(scope="module")
def workspace(values, tmp_path_factory):
    folder = tmp_path_factory.mktemp("space")
    masked = values.copy()
    masked[5] = np.nan
    api.ingest(write_case(folder / "case", a=values, masked=masked), folder / "out", invalid="mask")
    return Workspace(folder / "out")


def stored_space(workspace, descriptor, scaling):
    with working(workspace, Settings(outlier_scaling=scaling), "outliers") as job:
        job.run([ReduceForScores(descriptor)])
    group = workspace.root[f"descriptors/{descriptor}/space"]
    return group["reduced"][...], group["residual"][...]


@pytest.mark.parametrize("scaling", SCALED)
def test_rows_are_those_of_64_components_of_scikit_learn(workspace, values, scaling):
    reduced, residual = stored_space(workspace, "a", scaling)
    scaled = SCALED[scaling](values.astype(np.float64))
    pca = PCA(64, svd_solver="full").fit(scaled)
    expected = pca.transform(scaled)
    signs = np.sign(np.einsum("ij,ij->j", expected, reduced))
    np.testing.assert_allclose(reduced * signs, expected, atol=2e-4 * np.abs(expected).max())
    left = np.linalg.norm(scaled - pca.inverse_transform(expected), axis=1)
    np.testing.assert_allclose(residual, left, rtol=1e-3)


def test_of_many_rows_a_sample_is_learned_from(workspace, values, monkeypatch):
    monkeypatch.setattr(space_module, "SAMPLED_ROWS", 400)
    with working(workspace, Settings(random_state=3), "outliers") as job:
        job.run([ReduceForScores("masked")])
    group = workspace.root["descriptors/masked/space"]
    drawn = priorities(np.arange(600), 3) < np.uint64(400 / 599 * 2.0**64)
    drawn[5] = False
    assert 350 < drawn.sum() < 450
    pca = PCA(64, svd_solver="full").fit(normalize(values[drawn].astype(np.float64)))
    np.testing.assert_allclose(group["pca/explained_variance"], pca.explained_variance_, rtol=1e-4)
    known = np.arange(600) != 5
    np.testing.assert_array_equal(np.isfinite(group["residual"][...]), known)


def test_masked_rows_are_left_out(workspace, values):
    reduced, residual = stored_space(workspace, "masked", "none")
    missing = np.arange(600) == 5
    np.testing.assert_array_equal(np.isnan(reduced).all(axis=1), missing)
    np.testing.assert_array_equal(np.isnan(residual), missing)
    others = values[~missing].astype(np.float64)
    pca = PCA(64, svd_solver="full").fit(others)
    left = np.linalg.norm(others - pca.inverse_transform(pca.transform(others)), axis=1)
    np.testing.assert_allclose(residual[~missing], left, rtol=1e-3)


def test_few_columns_leave_nothing(tmp_path, values):
    api.ingest(write_case(tmp_path / "case", thin=values[:, :6]), tmp_path / "out")
    workspace = Workspace(tmp_path / "out")
    reduced, residual = stored_space(workspace, "thin", "standard")
    assert reduced.shape == (600, 6)
    np.testing.assert_array_equal(residual, 0)


def test_reductions_of_other_settings_stand_beside(workspace):
    """The reduction for clusters is another one: scores do not follow its settings."""
    before = stored_space(workspace, "a", "l2")[0]
    api.open(workspace.folder).reduce(n_components=3, descriptors="a")
    assert workspace.root["descriptors/a/reduced"].shape == (600, 3)
    np.testing.assert_array_equal(stored_space(workspace, "a", "l2")[0], before)
