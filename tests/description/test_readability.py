"""How easily clusters are told: between chance and perfect."""

import math

import numpy as np
import pytest

from streamclust.description.contrasts import readability

LABELS = np.repeat(np.arange(12), 50)


def test_chance_is_nought_and_a_plain_feature_is_one():
    rng = np.random.default_rng(0)
    nothing = readability(rng.normal(size=(600, 8)), LABELS, 12)
    assert abs(nothing.readability) < 0.1
    # Twelve clusters along one measure: a leaf for each, though no tree of depth 4 has them all
    # and balanced.
    plain = readability((LABELS + rng.normal(0, 0.05, 600))[:, None], LABELS, 12)
    assert plain.readability > 0.97
    assert plain.accuracy == (1 + plain.readability) / 2


def test_siblings_do_not_vouch_for_each_other():
    """A feature that tells vehicles, not clusters: known vehicles would be recognised."""
    rng = np.random.default_rng(0)
    vehicles = np.arange(600) // 5
    features = rng.normal(size=(120, 2))[vehicles]
    labels = rng.integers(4, size=120)[vehicles]
    judged = readability(features, labels, 4, vehicles)
    assert abs(judged.readability) < 0.2
    assert readability(features, labels, 4).readability > judged.readability + 0.1


def test_what_cannot_be_told():
    assert math.isnan(readability(np.empty((600, 0)), LABELS, 12).readability)
    few = readability(np.arange(55.0)[:, None], np.repeat([0, 1, 2], [25, 25, 5]), 3)
    assert few.readability > 0.9
    assert math.isnan(few.of_clusters[2])


@pytest.mark.parametrize("n_groups", [1, 2, 3, 4, 5, 6])
def test_few_groups_give_few_folds(n_groups):
    """Images in one folder, in train and test, or in a folder a camera."""
    rng = np.random.default_rng(0)
    plain = (LABELS + rng.normal(0, 0.05, 600))[:, None]
    judged = readability(plain, LABELS, 12, np.arange(600) % n_groups)
    assert judged.readability > 0.9
    assert np.isfinite(judged.of_clusters).all()


def test_clusters_within_one_group_are_not_judged():
    """No tree that has seen one of its rows may judge the others."""
    rng = np.random.default_rng(0)
    plain = (LABELS + rng.normal(0, 0.05, 600))[:, None]
    groups = np.where(LABELS == 3, 99, np.arange(600) % 7)
    judged = readability(plain, LABELS, 12, groups)
    assert np.flatnonzero(np.isnan(judged.of_clusters)).tolist() == [3]
    assert judged.readability > 0.9
    two = LABELS // 6
    assert math.isnan(readability(plain, two, 2, two).readability)
    assert np.isnan(readability(plain, two, 2, two).of_clusters).all()
