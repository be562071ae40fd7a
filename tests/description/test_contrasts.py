"""Tests of shares and levels against scipy's."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control, hypergeom, mannwhitneyu

from streamclust.description.contrasts import (
    Sample,
    adjusted_p,
    contrast_counts,
    contrast_levels,
    contrast_shares,
    equal_rows,
    fisher,
)

LABELS = np.repeat([0, 1, 2], [40, 60, 100])
SIZES = np.array([40, 60, 100])


def test_counts_are_fishers_exact_test():
    table = np.array([[30, 5, 50], [10, 55, 50]])
    told = contrast_counts(table)
    upper = hypergeom.sf(29, 200, 85, 40)
    assert told.p[0, 0] == pytest.approx(2 * upper)
    assert (told.inside[0, 0], told.outside[0, 0]) == (0.75, 55 / 160)
    assert told.effect[0, 0] == pytest.approx(0.75 / (55 / 160))
    assert told.n[0, 0] == 40


def test_levels_are_the_test_of_mann_and_whitney():
    values = np.random.default_rng(0).normal(size=200) + (LABELS == 1)
    told = contrast_levels(values[:, None], Sample(LABELS, SIZES).sides())
    theirs = mannwhitneyu(
        *(values[LABELS == 1], values[LABELS != 1]), method="asymptotic", use_continuity=False
    )
    assert told.effect[1, 0] == pytest.approx(theirs.statistic / 60 / 140)
    assert told.p[1, 0] == pytest.approx(theirs.pvalue)


def test_a_row_stands_for_as_many_as_its_cluster_has():
    """A tenth of the rows of one cluster were looked at, all of the others."""
    sizes = np.array([40, 60, 1000])
    has = (LABELS == 2)[:, None]
    told = contrast_shares(has, Sample(LABELS, sizes).sides())
    assert told.outside[0, 0] == pytest.approx(1000 / 1060)
    assert told.effect[2, 0] == np.inf


def test_unequal_weights_are_worth_fewer_rows():
    assert equal_rows(np.ones(200)) == pytest.approx(200)
    assert equal_rows(np.array([3.0, 1.0])) == pytest.approx(16 / 10)
    has = (LABELS == 0)[:, None]
    told = contrast_shares(has, Sample(LABELS, np.array([40, 1000, 10])).sides())
    worth = 1010**2 / (60 * (1000 / 60) ** 2 + 100 * 0.1**2)
    assert told.p[0, 0] == pytest.approx(float(fisher(1.0, 0.0, 40, worth)), rel=1e-9)


def test_what_is_not_known_is_no_difference():
    table = np.array([[3, 0], [5, 0]])
    told = contrast_counts(table)
    assert (told.p == 1).all()
    lonely = Sample(np.zeros(4, int), np.array([4, 7]))
    assert (contrast_shares(np.ones((4, 1), bool), lonely.sides()).p == 1).all()
    assert (contrast_levels(np.ones((4, 1)), lonely.sides()).p == 1).all()


def test_correction_is_that_of_benjamini_and_hochberg():
    p = np.random.default_rng(0).random(50) ** 3
    np.testing.assert_allclose(adjusted_p(p), false_discovery_control(p))


def test_claims_of_chance_are_rare():
    """Labels that say nothing: of all tests corrected together none passes."""
    rng = np.random.default_rng(1)
    passed = 0
    for _ in range(50):
        has, values = rng.random((200, 5)) < 0.3, rng.normal(size=(200, 3))
        sides = Sample(LABELS, SIZES).sides()
        p = np.hstack([contrast_shares(has, sides).p, contrast_levels(values, sides).p])
        passed += (adjusted_p(p.ravel()) < 0.01).any()
    assert passed <= 3
