"""The written rule that recommends a clustering."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import make_blobs

from streamclust.choice import recommendation_rule as rule
from streamclust.choice.choice_evidence import groups, overlap, separated
from streamclust.choice.gap_statistic import NullReference, gap
from streamclust.choice.recommendation_rule import Choice, is_degenerate
from streamclust.clustering.kmeans_sweep import SweepSettings, fit_sweep
from streamclust.passes.accumulators.clusters import Assignment, ClusterSums
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes


def recommend(clusterings) -> Choice:
    """The choice with its reasons and warnings in English; as it is after it was stored."""
    choice = rule.recommend(clusterings)
    stored = Choice.stored(json.loads(json.dumps(asdict(choice))))
    assert stored == choice
    reasons, warnings = (list(map(str, told)) for told in (choice.reasons, choice.warnings))
    return replace(choice, reasons=reasons, warnings=warnings)


def clustering(k, silhouette=0.1, smallest=0.05, largest=0.5, **more):
    return {
        "n_clusters": k,
        "calinski_harabasz": 1000 / k,
        "davies_bouldin": 1.0,
        "silhouette_simplified": silhouette,
        "smallest_cluster": smallest,
        "largest_cluster": largest,
        **more,
    }


def chosen(clusterings):
    index = recommend(clusterings).index
    return None if index is None else clusterings[index]["n_clusters"]


def test_the_most_separated_clusters_decide_and_the_fewer_where_two_tie():
    counts = {4: 4, 9: 5, 6: 5, 5: 4}
    sweep = [clustering(k, 0.9 if k == 4 else 0.1, separated=n) for k, n in counts.items()]
    choice = recommend(sweep)
    assert sweep[choice.index]["n_clusters"] == 6
    assert "most separated clusters: 5 of its 6" in choice.reasons[0]
    assert "runner-up: k = 4, which has the largest simplified silhouette" in choice.reasons[0]
    assert "none would take about k = 6 (Calinski-Harabasz 4, " in choice.reasons[1]
    assert "simplified silhouette 4)" in choice.reasons[1]
    assert "says nothing about k" in choice.reasons[2]
    assert (choice.structure, choice.edge, choice.warnings) == (True, None, [])


def test_most_clusters_that_run_into_each_other_are_said():
    choice = recommend([clustering(k, separated=n) for k, n in ((3, 1), (9, 4), (10, 3))])
    assert choice.warnings == [
        "only 4 of the 9 clusters are set off from their neighbours: groups overlap, and other k "
        "may serve as well"
    ]


def test_a_few_more_separated_clusters_do_not_outweigh_fewer_clusters():
    counts = {20: 20, 23: 21, 24: 19}
    assert chosen([clustering(k, separated=n) for k, n in counts.items()]) == 20
    # To the end of the sweep it is a rise that may go on, where most clusters are separated.
    rising = [clustering(k, separated=n) for k, n in list(counts.items())[:2]]
    assert chosen(rising) == 23
    assert chosen([rising[0], clustering(55, separated=21)]) == 20


@pytest.mark.parametrize(
    ("groups", "k"), [(4, 4), (1, 3), (5.4, 5), (9, 8), (20, 10), (math.nan, 3)]
)
def test_where_groups_overlap_a_mixture_decides(groups, k):
    sweep = [clustering(k, 1 / k, separated=2, groups=groups) for k in (3, 4, 5, 8, 10)]
    assert chosen(sweep) == k
    reason = recommend(sweep).reasons[0]
    assert ("runner-up: k = 3" in reason) is (k != 3)
    clear = [
        {**scores, "separated": 5} if scores["n_clusters"] == 5 else scores for scores in sweep
    ]
    assert chosen(clear) == 5
    assert "mixture" not in recommend(clear).reasons[0]


def test_a_consensus_is_judged_by_its_agreement_alone():
    sweep = [
        clustering(k, 1 / k, consensus=c) for k, c in ((2, 0.3), (5, 0.6), (9, math.nan), (12, 0.5))
    ]
    assert chosen(sweep) == 5


def test_three_separated_clusters_are_better_than_the_silhouette():
    sweep = [clustering(k, 1 / k, separated=n) for k, n in ((3, 2), (9, 4))]
    assert chosen(sweep) == 9
    assert chosen([*sweep, clustering(10, separated=3, groups=3)]) == 3


@pytest.mark.parametrize("nothing", [{}, {"separated": None}, {"separated": math.nan}])
def test_without_evidence_the_simplified_silhouette_decides(nothing):
    sweep = [clustering(k, s, **nothing) for k, s in ((3, 0.1), (4, 0.3), (5, 0.2))]
    assert chosen(sweep) == 4
    assert recommend(sweep).structure is None


@pytest.mark.parametrize(("gap", "structure"), [(0.01, False), (0.2, True)])
def test_the_gap_tells_structure_where_no_clusters_are_separated(gap, structure):
    sweep = [clustering(k, separated=0, gap=gap / k * 3, gap_error=0.001) for k in (3, 4, 5)]
    choice = recommend(sweep)
    assert choice.structure is structure
    assert choice.index is not None
    # Skewed columns alone make gaps; other rows would not give such clusters again.
    unstable = [{**scores, "stability": 0.1, "groups": 4} for scores in sweep]
    assert recommend(unstable).structure is False
    assert "mixture" not in recommend(unstable).reasons[0]
    assert any(w.startswith("no structure") for w in choice.warnings) is not structure


@pytest.mark.parametrize(
    "refused",
    [
        clustering(4, 0.99, largest=0.901),
        clustering(4, 0.99, smallest=0.0009),
        clustering(4, 0.99, smallest=0.0, sizes=[0, 500, 500, 500]),
        clustering(4, 0.99, noise=0.6),
        clustering(1, math.nan, 1.0, 1.0),
    ],
)
def test_degenerate_splits_are_refused_however_well_they_score(refused):
    assert is_degenerate(refused)
    sweep = [clustering(3, 0.1, separated=0, gap=0, gap_error=0.1), {**refused, "separated": 9}]
    choice = recommend(sweep)
    assert (choice.index, choice.structure) == (0, False)
    assert any(f"k = {refused['n_clusters']}: " in told for told in choice.warnings)
    nothing = recommend([refused])
    assert nothing.index is None
    assert "no clustering is recommended" in nothing.warnings[-1]


def test_a_tiny_cluster_in_twenty_is_no_reason_to_refuse():
    assert not is_degenerate(clustering(20, smallest=1e-6, sizes=[1, *[10_000] * 19]))


@pytest.mark.parametrize(("best", "end"), [(3, "lower"), (7, "upper")])
def test_a_choice_at_the_edge_of_the_sweep_is_said(best, end):
    choice = recommend([clustering(k, 1 / (1 + abs(k - best))) for k in (3, 5, 7)])
    assert choice.edge == end
    assert any(f"{end} end of the sweep" in warning for warning in choice.warnings)


def test_a_cluster_for_each_different_row_is_no_edge():
    """More clusters than that cannot be."""
    alike = [clustering(k, k / 10, explained=1 - within) for k, within in ((2, 0.1), (3, 1e-16))]
    choice = recommend(alike)
    assert (choice.index, choice.edge) == (1, None)
    assert not any("widen" in warning for warning in choice.warnings)
    nearly = [alike[0], {**alike[1], "explained": 1 - 1e-9}]
    assert recommend(nearly).edge == "upper"


def test_the_end_of_what_is_not_refused_is_an_edge_too():
    sweep = [clustering(k, k / 10) for k in (3, 4, 5)]
    sweep += [clustering(k, 0.9, smallest=0.0) for k in (6, 7)]
    choice = recommend(sweep)
    assert sweep[choice.index]["n_clusters"] == 5
    assert any("largest that is not refused" in warning for warning in choice.warnings)


def test_two_clusters_are_no_edge_to_go_beyond():
    choice = recommend([clustering(k, 1 / k) for k in (2, 3, 4)])
    assert any("least there can be" in warning for warning in choice.warnings)


def test_long_lists_of_refused_clusterings_are_short():
    sweep = [clustering(k, smallest=0.0) for k in (3, 5, 6, 7, 9, 10)]
    assert "k = 3, 5:7, 9, 10: " in recommend(sweep).warnings[0]


def test_a_single_clustering_has_no_edge():
    alone = recommend([clustering(4)])
    assert (alone.reasons, alone.warnings) == (["k = 4 is the only one computed"], [])
    assert recommend([]).index is None


def measured(rows, ks):
    """The lines of a sweep, with the evidence that a run gathers."""
    fitted = fit_sweep(Rows(rows), ks, SweepSettings(n_init=4), Passes())
    assignment = Assignment([fitted[k].centers for k in ks])
    sums = ClusterSums(list(ks), assignment.shift)
    sums.update(rows, assignment(rows)[0])
    clusters = [(means, sizes) for sizes, means in sums.result()]
    counts = separated(rows, clusters, Passes())
    reference = NullReference(np.cov(rows, rowvar=False, bias=True), len(rows), 0)
    within = reference(ks, Passes())
    lines = []
    for k, (means, sizes), number, log in zip(ks, clusters, counts, within, strict=True):
        inertia = cdist(rows, means, "sqeuclidean").min(axis=1).sum()
        own = dict(zip(("gap", "gap_error"), gap(log, inertia, len(rows)), strict=True))
        lines.append(clustering(k, 1 / k, sizes=sizes.tolist(), separated=number, **own))
    found = groups(rows, Passes(), 0) if overlap(lines) else None
    return [{**line, "groups": found} for line in lines]


@pytest.mark.slow
def test_six_groups_are_found():
    rows = make_blobs(3000, 12, centers=6, cluster_std=2.0, random_state=3)[0].astype(np.float32)
    lines = measured(rows, range(2, 13))
    choice = recommend(lines)
    assert lines[choice.index]["n_clusters"] == 6
    assert choice.structure is True


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["round", "decaying", "cube"])
@pytest.mark.parametrize("n_columns", [2, 32])
def test_data_without_structure_are_told(kind, n_columns):
    random = np.random.default_rng(0)
    if kind == "cube":
        rows = random.random((3000, n_columns))
    else:
        rows = random.standard_normal((3000, n_columns))
    if kind == "decaying":
        rows /= np.arange(1, n_columns + 1)
    choice = recommend(measured(rows.astype(np.float32), (2, 3, 6, 12)))
    assert choice.structure is False
    assert choice.warnings[0].startswith("no structure")


def test_groups_that_overlap_are_structure():
    random = np.random.default_rng(0)
    means = 2 * random.standard_normal((6, 10))
    rows = means[random.integers(6, size=6000)] + 1.6 * random.standard_normal((6000, 10))
    assert recommend(measured(rows.astype(np.float32), (2, 3, 6, 12))).structure is True
