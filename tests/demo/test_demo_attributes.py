"""Plain tools find in the descriptors what the reference's descriptors are known to carry."""

import csv
import pickle
from functools import cache

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_mutual_info_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from streamclust.demo import make_case


class Case:
    """Truth and reduced descriptors of a case."""

    def __init__(self, folder):
        self.folder = folder
        with (folder / "truth.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        self.truth = {key: np.array([row[key] for row in rows]) for key in rows[0]}
        self.truth["face"] = np.char.add(self.truth["type"], self.truth["view"])
        self.good = self.truth["outlier_kind"] == ""
        self.reduced = cache(self.reduce)

    def reduce(self, name):
        values = pickle.loads((self.folder / "descriptors" / f"{name}.pickle").read_bytes())
        pca = PCA(0.9, svd_solver="full")
        return pca.fit_transform(StandardScaler().fit_transform(values.astype(np.float64)))

    def agreement(self, name, attribute, k=16):
        labels = KMeans(k, n_init=3, random_state=0).fit_predict(self.reduced(name))
        return adjusted_mutual_info_score(self.truth[attribute][self.good], labels[self.good])


@pytest.fixture(scope="module", params=[True, False], ids=["images", "model"])
def case(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("attributes") / "case"
    return Case(make_case(folder, rows=700, images=request.param))


@pytest.mark.parametrize(
    ("name", "attribute", "least"),
    [
        ("vdc_type", "type", 0.45),
        ("vdc_type", "face", 0.6),
        ("vdc_color", "colour", 0.45),
        ("osnet", "type", 0.2),
        ("osnet", "colour", 0.2),
        ("efficientnet-b7", "face", 0.35),
    ],
)
def test_clusters_follow_the_attribute(case, name, attribute, least):
    assert case.agreement(name, attribute) > least


@pytest.mark.parametrize(("name", "other"), [("vdc_type", "colour"), ("vdc_color", "type")])
def test_clusters_do_not_follow_what_the_set_is_blind_to(case, name, other):
    assert case.agreement(name, other) < 0.35


@pytest.mark.parametrize("name", ["efficientnet-b7", "osnet", "vdc_type"])
def test_outliers_lie_far_out(case, name):
    reduced = case.reduced(name)
    far = np.linalg.norm(reduced / reduced.std(axis=0), axis=1)
    assert roc_auc_score(~case.good, far) > 0.75


def test_few_directions_carry_the_variance(case):
    assert 20 < case.reduced("efficientnet-b7").shape[1] < 160
