"""Stability: refits of halves agree where there are groups, and not where there are none."""

import numpy as np
import pytest
from cases import write_case
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from streamclust import api
from streamclust.choice.label_stability import MeasureStability, _agreement, _Refit
from streamclust.clustering.base import load_algorithm
from streamclust.passes import Rows, Shape
from streamclust.planning import ExpectedShapes
from streamclust.settings import Settings

pytestmark = pytest.mark.usefixtures("all_unrendered")


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stability")
    groups = make_blobs(900, 6, centers=5, cluster_std=0.6, random_state=4)[0]
    nothing = np.random.default_rng(0).standard_normal((900, 6))
    case = write_case(
        folder / "case", groups=groups.astype(np.float32), nothing=nothing.astype(np.float32)
    )
    api.ingest(case, folder / "out").reduce()
    api.open(folder / "out").cluster(n_clusters="2,5,9", algorithms=("kmeans", "ward", "hdbscan"))
    made = api.open(folder / "out").measure()
    return made.metrics.set_index(["set", "algorithm", "n_clusters"])


@pytest.mark.parametrize("algorithm", ["kmeans", "ward"])
def test_the_true_number_of_groups_is_stable(lines, algorithm):
    stability = lines.stability["groups", algorithm]
    assert stability[5] > 0.99
    assert stability[9] < 0.95


def test_without_groups_nothing_is_stable(lines):
    assert lines.stability["nothing", "kmeans"].max() < 0.6


def test_an_algorithm_that_finds_k_has_one(lines):
    assert lines.stability["groups", "hdbscan"].iloc[0] > 0.9


def test_agreement_is_scikit_learns():
    rng = np.random.default_rng(0)
    first, second = rng.integers(-1, 4, 500), rng.integers(-1, 6, 500)
    assert _agreement(first, second) == pytest.approx(adjusted_rand_score(first, second))


def test_halves_share_no_row():
    sample = make_blobs(200, 3, centers=2, random_state=0)[0]
    refit = _Refit("kmeans", (2,), Settings(n_init=2), sample)
    seen = []
    algorithm = load_algorithm("kmeans")
    original = type(algorithm).fit

    def fit(self, rows, *rest):
        seen.append({row.tobytes() for row in rows.array})
        return original(self, rows, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(algorithm), "fit", fit)
        refit(0), refit(1)
    assert not seen[0] & seen[1]
    assert len(seen[0] | seen[1]) == 200


def test_too_few_rows_have_no_stability(tmp_path):
    values = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
    made = api.run(write_case(tmp_path / "case", a=values), tmp_path / "out", n_clusters="2,9")
    stability = made.metrics.set_index("n_clusters").stability
    assert np.isfinite(stability[2])
    assert np.isnan(stability[9])


def test_the_need_is_that_of_the_settings_that_are_refitted_by():
    on = ExpectedShapes({"a": Rows(Shape((100_000, 128), np.float32))}, Settings())
    of = "a", "gaussian-mixture", (30,)
    full = MeasureStability(*of, {"covariance_type": "full"})
    peaks = [
        max(need.smallest for need in step.needs(on)) for step in (MeasureStability(*of), full)
    ]
    assert peaks[1] > peaks[0]
