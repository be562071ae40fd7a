"""The population stability index, against scipy's divergences and against chance."""

import numpy as np
import pytest
from scipy.stats import entropy

from streamclust.labelling.drift import LARGE, SLIGHT, Drift, by_chance, stability_terms


def test_it_is_the_symmetric_divergence():
    rng = np.random.default_rng(0)
    before, now = rng.integers(1000, 10**6, (2, 12))
    p, q = before + 0.5, now + 0.5
    expected = entropy(p, q) + entropy(q, p)
    terms = stability_terms(before, now)
    assert terms.sum() == pytest.approx(expected, rel=1e-12)
    assert (terms >= 0).all()
    np.testing.assert_allclose(stability_terms(now, before), terms)


def test_shares_count_and_not_numbers():
    shares = np.array([50_000, 30_000, 20_000])
    assert Drift.of(shares, shares // 10).index == pytest.approx(0, abs=1e-6)
    assert not stability_terms(shares, np.zeros(3, int)).any()


def test_chance_exceeds_its_bound_once_in_twenty():
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.full(20, 5.0))
    before = rng.multinomial(20_000, shares, 2000)
    now = rng.multinomial(5_000, shares, 2000)
    drawn = [stability_terms(*pair).sum() for pair in zip(before, now, strict=True)]
    assert 0.035 < np.mean(np.array(drawn) > by_chance(20_000, 5_000, 20)) < 0.065


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ([500, 300, 200], "no drift that chance"),
        ([560_000, 270_000, 170_000], "hardly any"),
        ([650_000, 250_000, 100_000], "some drift"),
        ([100_000, 200_000, 700_000], "large drift"),
        ([0, 0, 30], "large drift"),
    ],
)
def test_the_words(now, words):
    drift = Drift.of(np.array([500_000, 300_000, 200_000]), np.array(now))
    assert drift.in_words().startswith(words)
    assert drift.is_large == words.startswith("large")
    if words == "some drift":
        assert SLIGHT <= drift.index < LARGE


def test_bins_without_rows_do_not_count():
    drift = Drift.of(np.array([10, 0, 10]), np.array([10, 0, 10]))
    assert drift.chance == by_chance(20, 20, 2)
    assert Drift.of(np.array([10]), np.array([10])).in_words().startswith("no drift")
