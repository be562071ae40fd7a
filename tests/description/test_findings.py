"""Findings of clusters whose differences are known."""

import numpy as np
import pytest
from scipy.stats import poisson

from streamclust.description.contrasts import Sample
from streamclust.description.findings import (
    Facts,
    MeasuredImages,
    cluster_findings,
    nearest_clusters,
    nearest_findings,
)
from streamclust.images.colour import COLOURS
from streamclust.images.features import IMAGE_FEATURES
from streamclust.images.quality_rules import IMAGE_KINDS

K, N = 5, 60
LABELS = np.repeat(np.arange(K), N)
SIZES = np.full(K, 400)


def images(colours, **measures):
    """Images of five clusters; each colour is a list of names by cluster."""
    rng = np.random.default_rng(0)
    values = rng.normal(100, 10, (K * N, len(IMAGE_FEATURES)))
    for name, by_cluster in measures.items():
        values[:, IMAGE_FEATURES.index(name)] += np.asarray(by_cluster)[LABELS]
    names = [colours[c][i % len(colours[c])] for c in range(K) for i in range(N)]
    codes = np.array([COLOURS.index(name) for name in names])
    sample = Sample(LABELS, SIZES)
    return MeasuredImages(sample, values, codes, np.full(K * N, -1), np.arange(K * N))


ALL = ["white", "black", "grey", "blue"]


def found(known, kind):
    return {
        (one.cluster, one.name, one.value) for one in cluster_findings(known) if one.kind == kind
    }


def test_the_colour_of_most_and_neighbouring_shades():
    seen = images([["red"], ["white", "silver"], ALL, ALL, ALL])
    told = found(Facts(seen), "colour")
    assert told == {(0, "", "red"), (1, "", "white|silver")}


def test_a_colour_that_all_have_is_not_told():
    assert found(Facts(images([["red"]] * K)), "colour") == set()
    mixed = [["red", "yellow"]] + [ALL] * 4
    assert found(Facts(images(mixed)), "colour") == set()


def test_measures_both_ways():
    seen = images([ALL] * K, brightness=[40, -40, 0, 0, 0], width=[0, 0, 60, 0, 0])
    told = [one for one in cluster_findings(Facts(seen)) if abs(one.effect - 0.5) > 0.3]
    assert {one[:4] for one in told} == {
        (0, "measure", "brightness", "higher"),
        (1, "measure", "brightness", "lower"),
        (2, "measure", "size", "higher"),
    }
    brightness = next(one for one in told if one.cluster == 0)
    assert brightness.inside - brightness.outside == pytest.approx(40, abs=8)


def test_bad_pictures():
    seen = images([ALL] * K)
    seen.kinds[:12] = IMAGE_KINDS.index("glare")
    assert found(Facts(seen), "picture") == {(0, "", "glare")}


def test_bad_pictures_of_all_images():
    seen = images([ALL] * K)
    seen.kinds[:12] = IMAGE_KINDS.index("glare")
    pictures = np.zeros((1 + len(IMAGE_KINDS), K), int)
    pictures[0], pictures[1 + IMAGE_KINDS.index("blur"), 3] = 400, 80
    told = [
        one for one in cluster_findings(Facts(seen, pictures=pictures)) if one.kind == "picture"
    ]
    assert [(one.cluster, one.value, one.inside, one.n) for one in told] == [
        (3, "blur", 80 / 480, 480)
    ]


def test_attributes_that_abound_and_lack():
    table = np.array([[300, 80, 80, 80, 80], [100, 320, 320, 320, 0], [0, 0, 0, 0, 320]])
    known = Facts(attributes={"type": (["bus", "van", "bike"], table)})
    assert (0, "type", "bus") in found(known, "attribute")
    assert (4, "type", "bike") in found(known, "attribute")
    assert found(known, "absent") == {(4, "type", "van")}


def test_outliers_and_folders():
    outliers = np.array([[300, 398, 398, 398, 398], [100, 2, 2, 2, 2]])
    folders = np.array([[5, 50, 50, 50, 50], [45, 1, 1, 1, 1], [0.1] * 5])
    assert found(Facts(outliers=outliers), "outliers") == {(0, "", "yes")}
    assert found(Facts(folders=folders), "folders") == {(0, "", "yes")}
    by_chance = np.array([[5, 50, 50, 50, 50], [45, 1, 1, 1, 1], [44.0] * 5])
    assert found(Facts(folders=by_chance), "folders") == set()


def test_folders_that_chance_may_put_inside_are_corrected_for_all_tests():
    """Of many clusters, one in a hundred holds as many as this by chance: such is no finding."""
    k = 40
    folders = np.array([[20.0] * k, [2.0] * k, [11.0] * k])
    folders[:, 0] = 5, 20, 11
    by_chance = poisson.sf(19, 11)
    assert 0.005 < by_chance < 0.01
    assert found(Facts(folders=folders), "folders") == set()
    folders[2, 0] = 4
    assert found(Facts(folders=folders), "folders") == {(0, "", "yes")}


def test_nothing_is_found_of_what_differs_by_chance():
    rng = np.random.default_rng(2)
    seen = images([ALL] * K)
    table = rng.multinomial(400, [0.3, 0.3, 0.4], K).T
    known = Facts(seen, {"type": (["a", "b", "c"], table)})
    assert cluster_findings(known) == []
    assert nearest_findings(known, np.array([1, 0, 1, 2, 3])) == []


def test_what_tells_a_cluster_from_its_nearest():
    means = np.array([[0.0, 0], [1, 0], [5, 0], [np.nan, np.nan], [6, 0]])
    nearest = nearest_clusters(means)
    assert nearest.tolist() == [1, 0, 4, -1, 2]
    assert nearest_clusters(means[:1]).tolist() == [-1]
    seen = images([["red"], ["blue"], ALL, ALL, ALL], brightness=[0, 0, -9, 0, 9])
    table = np.array([[400, 400, 40, 0, 360], [0, 0, 360, 400, 40]])
    known = Facts(seen, {"view": (["front", "rear"], table)})
    told = {one.cluster: one for one in nearest_findings(known, nearest)}
    assert told[0].kind == told[1].kind == "apart-colour"
    assert (told[2].kind, told[2].name) == ("apart-attribute", "view")
    assert told[2].inside in (0.1, 0.9)
    assert 3 not in told


def test_nothing_known_nothing_found():
    assert cluster_findings(Facts()) == []
    assert nearest_findings(Facts(), np.array([1, 0])) == []
