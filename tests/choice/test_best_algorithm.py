"""Which algorithm wins: at the same k, by silhouette, and by stability where intervals overlap."""

import itertools
import math

import pytest

from streamclust.choice.best_algorithm import best_algorithm


def scored(algorithm, k, silhouette, width=0.01, stability=math.nan, **more):
    return {
        "algorithm": algorithm,
        "n_clusters": k,
        "silhouette": silhouette,
        "silhouette_low": silhouette - width,
        "silhouette_high": silhouette + width,
        "silhouette_simplified": 0.0,
        "stability": stability,
        **more,
    }


def won(clusterings, **bests):
    by_name = {(s["algorithm"], s["n_clusters"]): s for s in clusterings}
    name, why = best_algorithm(clusterings, {name: by_name[name, k] for name, k in bests.items()})
    return name, str(why)


def test_a_smaller_k_is_no_merit():
    sweep = [scored("kmeans", 2, 0.5), scored("kmeans", 9, 0.2)]
    sweep += [scored("ward", 2, 0.4), scored("ward", 9, 0.1)]
    assert won(sweep, ward=2, kmeans=9)[0] == "kmeans"
    name, words = won(sweep, kmeans=9, ward=2)
    assert name == "kmeans"
    assert "larger than that of ward (0.350 to 0.250)" in words


@pytest.mark.parametrize(("first", "second", "best"), [(0.5, 0.8, "b"), (0.8, 0.5, "a")])
def test_the_more_stable_wins_where_intervals_overlap(first, second, best):
    sweep = [scored("a", 5, 0.30, stability=first), scored("b", 5, 0.31, stability=second)]
    name, words = won(sweep, a=5, b=5)
    assert name == best
    assert "(stability 0.80 to 0.50, balance 1.00 to 1.00)" in words


def test_one_giant_cluster_among_slivers_does_not_win_by_its_stability():
    sweep = [scored("a", 20, 0.30, stability=0.5, effective_clusters=18)]
    sweep += [scored("b", 20, 0.30, stability=0.9, effective_clusters=4)]
    assert won(sweep, a=20, b=20)[0] == won(sweep, b=20, a=20)[0] == "a"


def test_the_silhouette_decides_where_stability_is_not_known():
    assert won([scored("a", 5, 0.30), scored("b", 5, 0.31)], a=5, b=5)[0] == "b"


def test_the_order_of_the_algorithms_says_nothing():
    sweep = [scored("a", 5, 0.30, 0.03, 0.5), scored("b", 5, 0.34, 0.03, 0.4)]
    sweep += [scored("c", 5, 0.38, 0.03, 0.3), scored("d", 5, 0.20, 0.03, 0.9)]
    orders = itertools.permutations("abcd")
    assert {won(sweep, **dict.fromkeys(order, 5))[0] for order in orders} == {"c"}


def test_without_a_common_k_the_nearest_clusterings_are_compared():
    sweep = [scored("a", 2, 0.9), scored("a", 30, 0.2), scored("hdbscan", 47, 0.5)]
    assert won(sweep, a=2, hdbscan=47)[0] == "a"
    assert won(sweep[1:], a=30, hdbscan=47)[0] == "hdbscan"


def test_noise_counts_as_zero_and_the_exact_index_stands_in_for_the_sampled():
    sweep = [scored("a", 5, 0.40), scored("hdbscan", 5, 0.50, noise=0.3)]
    assert won(sweep, a=5, hdbscan=5)[0] == "a"
    for scores, value in zip(sweep, (0.1, 0.2), strict=True):
        scores |= {"silhouette": math.nan, "silhouette_simplified": value}
    assert won(sweep, a=5, hdbscan=5)[0] == "hdbscan"
