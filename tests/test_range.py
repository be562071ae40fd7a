"""Values too large for their squared distances are refused early, unless they are scaled."""

import numpy as np
import pytest
from cases import write_case

from streamclust import KNNOutlierDetector, api
from streamclust.errors import SettingsError

pytestmark = pytest.mark.usefixtures("all_unrendered")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    values = np.random.default_rng(0).normal(size=(500, 20)).astype(np.float32)
    values[:5] *= 6
    folder = tmp_path_factory.mktemp("large")
    return write_case(folder / "case", a=values * np.float32(1e30), b=values)


@pytest.mark.parametrize("option", ["scaling", "outlier_scaling"])
def test_they_are_refused_before_anything_is_computed(large, tmp_path, option):
    words = f"a: values that vary by .* use --{option.replace('_', '-')} l2 or standard"
    with pytest.raises(SettingsError, match=words):
        api.run(large, tmp_path / "out", **{option: "none"}, n_clusters=2)
    assert api.open(tmp_path / "out").info()["descriptors"]["a"].get("components") is None
    case = api.open(tmp_path / "out")
    step = case.reduce if option == "scaling" else case.outliers
    with pytest.raises(SettingsError, match=words):
        step(**{option: "none"})


def test_scaled_they_are_like_others(large, tmp_path):
    case = api.run(large, tmp_path / "out", n_clusters=2)
    a, b = (case.store[f"descriptors/{name}/outliers/score"][...] for name in "ab")
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", ["reference", "kth", "lof"])
def test_the_estimator_refuses_them_too(method):
    values = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32) * 1e20
    with pytest.raises(SettingsError, match="use scaling='l2'"):
        KNNOutlierDetector(method=method).fit(values)
    model = KNNOutlierDetector(method=method, scaling="l2").fit(values)
    assert np.isfinite(model.decision_scores_).all()
