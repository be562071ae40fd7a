"""What tells each cluster from its nearest one: the feature that differs most, if one does."""

from collections.abc import Iterator

import numpy as np

from streamclust.description.contrasts import (
    Contrast,
    contrast_counts,
    contrast_levels,
    contrast_shares,
)
from streamclust.description.findings import LEAST_APART, TOLD_MEASURES, Claim, Facts, Tests, sure
from streamclust.images.colour import COLOURS


def nearest_clusters(means: np.ndarray) -> np.ndarray:
    """The cluster whose mean is nearest to that of each; -1 where there is none.

    Parameters
    ----------
    means : ndarray of shape (k, n_columns)
        NaN where a cluster has no rows.
    """
    apart = np.square(means[:, None] - means[None]).sum(axis=2)
    np.fill_diagonal(apart, np.nan)
    nearest = np.where(np.isnan(apart), np.inf, apart).argmin(axis=1)
    return np.where(np.isnan(apart).all(axis=1), -1, nearest)


def told_apart(facts: Facts, nearest: np.ndarray) -> list[Claim]:
    """Of each cluster the claim against its nearest one that is largest, in standard deviations.

    Parameters
    ----------
    facts : Facts
    nearest : ndarray of int, shape (k,)
        As `nearest_clusters` gives it.
    """
    tests, sizes = [], []
    for own, size in _tests(facts, nearest):
        tests.append(own)
        sizes.append(size)
    found = sure(tests)
    # Of a pair of values the one that is more often here is told.
    by_place = {
        (cluster, own.claim, name, value or ("higher" if d > 0 else "lower")): (round(abs(d), 6), d)
        for own, size in zip(tests, sizes, strict=True)
        for (name, value), column in zip(own.about, size.T, strict=True)
        for cluster, d in enumerate(column.tolist())
    }
    best: dict[int, Claim] = {}
    for claim in sorted(found, key=lambda one: by_place[one[:4]]):
        best[claim.cluster] = claim
    return [best[cluster] for cluster in sorted(best)]


def _tests(facts: Facts, nearest: np.ndarray) -> Iterator[tuple[Tests, np.ndarray]]:
    """Tests of each cluster against its nearest, and the differences in standard deviations."""
    looks = facts.looks
    if looks is not None:
        sides = [looks.sample.between(own, int(other)) for own, other in enumerate(nearest)]
        shares = contrast_shares(looks.coloured(), sides)
        about = [("", name) for name in COLOURS]
        yield _tests_of("apart-colour", about, shares, _of_shares(shares))
        values = looks.measures()
        levels = contrast_levels(values, sides)
        about = [(name, "") for name in TOLD_MEASURES]
        size = np.full(levels.p.shape, 0.0)
        for line, own in enumerate(sides):
            if own.inside.sum() > 1 and own.outside.sum() > 1:
                size[line] = np.abs(_cohen(values[own.inside], values[own.outside]))
        size *= np.sign(levels.effect - 0.5)
        yield _tests_of("apart-measure", about, levels, size)
    for name, (names, table) in facts.attributes.items():
        pairs = [
            contrast_counts(table[:, [own, own if other < 0 else other]])
            for own, other in enumerate(nearest.tolist())
        ]
        parts = (np.stack([part[0] for part in column]) for column in zip(*pairs, strict=True))
        about = [(name, value) for value in names]
        shares = Contrast(*parts)
        yield _tests_of("apart-attribute", about, shares, _of_shares(shares))


def _tests_of(
    claim: str, about: list[tuple[str, str]], contrast: Contrast, size: np.ndarray
) -> tuple[Tests, np.ndarray]:
    return Tests(claim, about, contrast, np.abs(size) >= LEAST_APART), size


def _of_shares(contrast: Contrast) -> np.ndarray:
    """Differences of shares in standard deviations, which follow from the shares."""
    inside, outside = np.nan_to_num(contrast.inside), np.nan_to_num(contrast.outside)
    variance = (inside * (1 - inside) + outside * (1 - outside)) / 2
    # Shares of 0 and 1 have no spread, and nothing tells more apart.
    return (inside - outside) / np.sqrt(np.maximum(variance, 0.05**2))


def _cohen(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Difference of the means in standard deviations within both (Cohen 1988, "Statistical Power
    Analysis for the Behavioral Sciences", section 2.2), of each column."""
    spread = np.sqrt((one.var(axis=0, ddof=1) + other.var(axis=0, ddof=1)) / 2)
    return (one.mean(axis=0) - other.mean(axis=0)) / np.maximum(spread, 1e-9)
