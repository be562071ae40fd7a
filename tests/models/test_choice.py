"""The written rule that recommends a clustering."""

import pytest

from streamclust.models.choice import is_degenerate, recommend


def clustering(k, ch, db, silhouette, smallest=0.05, largest=0.5):
    return {
        "n_clusters": k,
        "calinski_harabasz": ch,
        "davies_bouldin": db,
        "silhouette_simplified": silhouette,
        "smallest_cluster": smallest,
        "largest_cluster": largest,
    }


def test_the_best_mean_rank_is_recommended():
    choice = recommend(
        [
            clustering(2, 900, 2.0, 0.2),  # ranks 1, 3, 3
            clustering(3, 800, 1.0, 0.5),  # ranks 2, 1, 1
            clustering(4, 700, 1.5, 0.3),  # ranks 3, 2, 2
        ]
    )
    assert choice.index == 1
    assert choice.warnings == []
    assert "Calinski-Harabasz alone: 2, Davies-Bouldin alone: 3" in choice.reasons[0]


def test_the_fewer_clusters_win_a_tie():
    tied = [clustering(5, 1, 1.0, 0.1), clustering(3, 1, 1.0, 0.1), clustering(9, 1, 1.0, 0.1)]
    assert recommend(tied).index == 1


@pytest.mark.parametrize(
    "refused",
    [
        clustering(4, 1e6, 0.1, 0.99, largest=0.901),
        clustering(4, 1e6, 0.1, 0.99, smallest=0.0009),
        clustering(4, 1e6, 0.1, 0.99, smallest=0.0),
        clustering(1, float("nan"), float("nan"), float("nan"), 1.0, 1.0),
    ],
)
def test_degenerate_splits_are_refused_however_well_they_score(refused):
    assert is_degenerate(refused)
    choice = recommend([clustering(3, 10, 2.0, 0.1), refused])
    assert choice.index == 0
    assert f"k = {refused['n_clusters']}: " in choice.warnings[0]
    nothing = recommend([refused])
    assert nothing.index is None
    assert "no clustering is recommended" in nothing.warnings[-1]


@pytest.mark.parametrize(("best", "end"), [(3, "lower"), (7, "upper")])
def test_a_choice_at_the_edge_of_the_sweep_is_said(best, end):
    sweep = [clustering(k, 100 - abs(k - best), 1 + abs(k - best), 0.1) for k in (3, 5, 7)]
    choice = recommend(sweep)
    assert sweep[choice.index]["n_clusters"] == best
    assert any(f"{end} end of the sweep" in warning for warning in choice.warnings)


def test_the_end_of_what_is_not_refused_is_an_edge_too():
    sweep = [clustering(k, 10 + k, 5 - k / 10, 0.1 * k) for k in (3, 4, 5)]
    sweep += [clustering(k, 100, 0.1, 0.9, smallest=0.0) for k in (6, 7)]
    choice = recommend(sweep)
    assert sweep[choice.index]["n_clusters"] == 5
    assert any("largest that is not refused" in warning for warning in choice.warnings)


def test_two_clusters_are_no_edge_to_go_beyond():
    sweep = [clustering(k, 100 / k, k, 1 / k) for k in (2, 3, 4)]
    assert any("least there can be" in warning for warning in recommend(sweep).warnings)


def test_long_lists_of_refused_clusterings_are_short():
    sweep = [clustering(k, 1, 1, 0.1, smallest=0.0) for k in (3, 5, 6, 7, 9, 10)]
    assert "k = 3, 5:7, 9, 10: " in recommend(sweep).warnings[0]


def test_a_single_clustering_has_no_edge():
    alone = recommend([clustering(4, 1, 1, 0.1)])
    assert (alone.reasons, alone.warnings) == (["k = 4 is the only one computed"], [])
    assert recommend([]).index is None
