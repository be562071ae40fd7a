"""How well clusters agree with attributes: means over the clusterings that all sets have."""

import math

import pytest

from streamclust.comparison.comparable_clusterings import Key
from streamclust.comparison.plots import attribute_means
from streamclust.store.tables import Line

AMI = {"a": {2: 0.1, 3: 0.2, 4: 0.6, 9: 0.9}, "b": {2: 0.3, 3: 0.5, 4: 0.7, 30: 0.8}}
BEST = {"a": 9, "b": 30}
SETS: dict[str, Line] = {name: {"algorithm": "kmeans", "n_clusters": k} for name, k in BEST.items()}


def lines() -> list[Line]:
    unknown = dict.fromkeys(("ami", "consistency", "consistency_by_chance"), math.nan)
    told = []
    for name, own in AMI.items():
        for k, ami in own.items():
            key = {"set": name, "algorithm": "kmeans", "n_clusters": k}
            told.append({**unknown, **key, "attribute": "type", "ami": ami})
            within = {"consistency": ami, "consistency_by_chance": 0.1}
            told.append({**unknown, **key, "attribute": "folder", **within})
    return told


def unrefused(*refused: int) -> dict[str, set[Key]]:
    return {name: {("kmeans", k) for k in own if k not in refused} for name, own in AMI.items()}


def test_means_are_over_what_is_sound_in_all_sets():
    told = attribute_means(lines(), SETS, unrefused())
    assert told.clusters_in_words() == "clusters (kmeans, mean over k = 2…4)"
    assert told.values["type"] == pytest.approx({"a": 0.3, "b": 0.5})
    assert told.values["within a folder *"] == pytest.approx({"a": 0.2 / 0.9, "b": 0.4 / 0.9})
    told = attribute_means(lines(), SETS, unrefused(3))
    assert told.clusters_in_words() == "clusters (kmeans, mean over k = 2, 4)"
    assert told.values["type"] == pytest.approx({"a": 0.35, "b": 0.5})
    assert (
        attribute_means(lines(), SETS, unrefused(2, 3)).clusters_in_words()
        == "clusters (kmeans, k = 4)"
    )


def test_recommended_ones_where_the_sets_have_none_in_common():
    told = attribute_means(lines(), SETS, unrefused(2, 3, 4))
    assert (told.algorithm, told.n_clusters) == (None, [])
    assert told.values["type"] == pytest.approx({"a": 0.9, "b": 0.8})


def test_clusterings_that_are_not_in_the_table_do_not_count():
    later = unrefused()
    later["a"].add(("kmeans", 30))
    assert attribute_means(lines(), SETS, later).n_clusters == [2, 3, 4]


def test_nothing_above_chance_to_be_had():
    sure = [{**line, "consistency_by_chance": 1.0} for line in lines() if math.isnan(line["ami"])]
    told = attribute_means(sure, SETS, unrefused())
    assert all(math.isnan(value) for value in told.values["within a folder *"].values())
