"""What sets clusters apart, surely and by enough: from all others, and from the nearest one.

All tests of a clustering are one family: one in a hundred of those that pass is expected to do so
by chance (`LEVEL`). Beside that a finding must be worth a sentence: the floors below.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from streamclust.description.contrasts import (
    Contrast,
    Sample,
    Sides,
    adjusted_p,
    contrast_counts,
    contrast_levels,
    contrast_shares,
)
from streamclust.images import COLOURS, IMAGE_FEATURES, IMAGE_KINDS, MEASURES
from streamclust.store import Finding

LEVEL = 0.01
# A share that is told is so many times that elsewhere, and a value that is missing the reverse.
LEAST_LIFT = 1.5
# A colour is that of a cluster from this share of its images on. Colours pass into each other:
# neighbours, of which each has a fifth, are told as one or the other; shades of grey, which differ
# by the light that fell on them, from a tenth on.
LEAST_COLOUR, LEAST_SECOND, LEAST_SHADE = 0.6, 0.2, 0.1
SHADES = {"white", "silver", "grey", "black"}
NEIGHBOURS = (
    *(("white", "silver", "grey"), ("silver", "grey", "black")),
    *(("white", "silver"), ("silver", "grey"), ("grey", "black"), ("black", "blue")),
    *(("red", "orange"), ("orange", "yellow"), ("red", "pink"), ("red", "brown")),
    *(("black", "brown"), ("yellow", "beige"), ("blue", "purple"), ("purple", "pink")),
    *(("white", "beige"), ("brown", "beige"), ("green", "blue")),
)
# Chance that an image of the cluster is above (or below) one of the rest: for a part of a name,
# and for a sentence.
LEAST_CHANCE, SAID_CHANCE = 0.65, 0.75
LEAST_VALUE = 0.3
# What is hardly ever met in the cluster, and common elsewhere.
MOST_ABSENT, LEAST_ABSENT = 0.05, 0.25
# Pictures whose light, or lack of it, hides the colour.
HIDING = ("dark", "glare", "blank")
LEAST_BAD, LEAST_OUTLIERS, RARE_LIFT = 0.05, 0.02, 2.0
LEAST_SET = 0.5
LEAST_MORE_FOLDERS = 0.1
# Two clusters are told apart by a feature that differs by so many standard deviations.
LEAST_DIFFERENCE = 0.8

# Measures that words are for; those of `IMAGE_FEATURES` are what readability is taken of.
DESCRIBED_MEASURES = ("brightness", "contrast", "detail", "size", "aspect")


@dataclass(frozen=True, eq=False)
class MeasuredImages:
    """Images of a sample of each cluster that could be read, and what was measured of them.

    Attributes
    ----------
    sample : Sample
    values : ndarray of shape (n_images, len(IMAGE_FEATURES))
    colours : ndarray of int, shape (n_images,)
        Index in `COLOURS`.
    kinds : ndarray of int, shape (n_images,)
        What is wrong with a picture, an index in `streamclust.images.quality_rules.KINDS`, or -1.
    rows : ndarray of int, shape (n_images,)
        Whose images they are.
    """

    sample: Sample
    values: np.ndarray
    colours: np.ndarray
    kinds: np.ndarray
    rows: np.ndarray

    def measures(self) -> np.ndarray:
        """The measures of `DESCRIBED_MEASURES`, of which size is the side of a square as large."""
        columns = {name: self.values[:, IMAGE_FEATURES.index(name)] for name in MEASURES}
        columns["size"] = np.sqrt(columns["width"] * columns["height"])
        return np.stack([columns[name] for name in DESCRIBED_MEASURES], axis=1)

    def coloured(self) -> np.ndarray:
        """Which colour each image shows, (n_images, len(COLOURS)); none in what hides it."""
        hidden = np.isin(self.kinds, [IMAGE_KINDS.index(kind) for kind in HIDING])
        return (self.colours[:, None] == np.arange(len(COLOURS))) & ~hidden[:, None]


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of a clustering's rows.

    Attributes
    ----------
    images : MeasuredImages or None
        None without images.
    attributes, sets : dict of str to (list of str, ndarray of int)
        Values, and rows of each in each cluster, (n_values, k).
    outliers : ndarray of int, shape (2, k), optional
        Rows of each cluster that are not flagged, and that are.
    pictures : ndarray of int, shape (1 + len(KINDS), k), optional
        Images of each cluster with nothing wrong, and of each kind of bad ones, where all were
        looked at.
    folders : ndarray, shape (3, k), optional
        As `streamclust.comparison.labelling_yield.GroupConsistency.whole` gives them.
    """

    images: MeasuredImages | None = None
    attributes: dict[str, tuple[Sequence[str], np.ndarray]] = field(default_factory=dict)
    sets: dict[str, tuple[Sequence[str], np.ndarray]] = field(default_factory=dict)
    outliers: np.ndarray | None = None
    pictures: np.ndarray | None = None
    folders: np.ndarray | None = None


class Tests(NamedTuple):
    """Tests of one kind: name and value of what is tested (no value: higher or lower), each
    cluster against the rest, and which would be worth a sentence."""

    kind: str
    about: Sequence[tuple[str, str]]
    contrast: Contrast
    worth: np.ndarray


def cluster_findings(facts: Facts) -> list[Finding]:
    """What holds of each cluster, in the order of kinds and clusters."""
    return significant([*_image_tests(facts), *_attribute_tests(facts), *_flag_tests(facts)])


def significant(tests: Sequence[Tests]) -> list[Finding]:
    """The findings of a family of tests."""
    if not tests:
        return []
    corrected = adjusted_p(np.concatenate([test.contrast.p.ravel() for test in tests]))
    cuts = np.cumsum([test.contrast.p.size for test in tests])[:-1]
    findings = []
    for test, p in zip(tests, np.split(corrected, cuts), strict=True):
        p = p.reshape(test.contrast.p.shape)
        for cluster, place in np.argwhere((p < LEVEL) & test.worth).tolist():
            inside, outside, effect, _, n = (part[cluster, place] for part in test.contrast)
            name, value = test.about[place]
            value = value or ("higher" if effect > 0.5 else "lower")
            numbers = (float(inside), float(outside), float(effect), float(p[cluster, place]))
            findings.append(Finding(cluster, test.kind, name, value, *numbers, int(n)))
    return findings


def _image_tests(facts: Facts) -> Iterator[Tests]:
    images = facts.images
    if images is None:
        return
    sides = images.sample.sides()
    yield _colour_tests(images, sides)
    levels = contrast_levels(images.measures(), sides)
    far = np.abs(levels.effect - 0.5) >= LEAST_CHANCE - 0.5
    yield Tests("measure", [(name, "") for name in DESCRIBED_MEASURES], levels, far)
    if facts.pictures is not None:
        bad = _but_first(contrast_counts(facts.pictures))
    else:
        bad = contrast_shares(images.kinds[:, None] == np.arange(len(IMAGE_KINDS)), sides)
    often = (bad.inside >= LEAST_BAD) & (bad.effect >= RARE_LIFT)
    yield Tests("picture", [("", kind) for kind in IMAGE_KINDS], bad, often)


def _colour_tests(images: MeasuredImages, sides: Sequence[Sides]) -> Tests:
    """Single colours, and neighbouring ones together."""
    single = images.coloured()
    members = [[COLOURS.index(name) for name in names] for names in NEIGHBOURS]
    joined = [single[:, codes].any(axis=1) for codes in members]
    contrast = contrast_shares(np.column_stack([single, *joined]), sides)
    shares = np.nan_to_num(contrast.inside)
    commonest = np.zeros(shares.shape, bool)
    floors = np.array([_least_each(names) for names in NEIGHBOURS])
    for cluster, of_colours in enumerate(shares):
        least = np.array([of_colours[codes].min() for codes in members])
        joint = np.where(least >= floors, of_colours[len(COLOURS) :], 0)
        alone = of_colours[: len(COLOURS)]
        wins = joint.max() >= max(LEAST_COLOUR, alone.max())
        commonest[cluster, len(COLOURS) + joint.argmax() if wins else alone.argmax()] = True
    worth = commonest & (contrast.inside >= LEAST_COLOUR) & (contrast.effect >= LEAST_LIFT)
    names = [*COLOURS, *("|".join(names) for names in NEIGHBOURS)]
    return Tests("colour", [("", name) for name in names], contrast, worth)


def _least_each(names: Sequence[str]) -> float:
    """Share that each of neighbouring colours has where they are told together."""
    return LEAST_SHADE if len(names) == 2 and SHADES.issuperset(names) else LEAST_SECOND


def _attribute_tests(facts: Facts) -> Iterator[Tests]:
    for kind, tables, least in (
        ("attribute", facts.attributes, LEAST_VALUE),
        ("set", facts.sets, LEAST_SET),
    ):
        for name, (values, table) in tables.items():
            contrast = contrast_counts(table)
            about = [(name, value) for value in values]
            often = (contrast.inside >= least) & (contrast.effect >= LEAST_LIFT)
            yield Tests(kind, about, contrast, often)
            if kind == "attribute":
                rare = (contrast.outside >= LEAST_ABSENT) & (contrast.inside <= MOST_ABSENT)
                yield Tests("absent", about, contrast, rare)


def _flag_tests(facts: Facts) -> Iterator[Tests]:
    if facts.outliers is not None:
        flagged = _but_first(contrast_counts(facts.outliers))
        often = (flagged.inside >= LEAST_OUTLIERS) & (flagged.effect >= RARE_LIFT)
        yield Tests("outliers", [("", "yes")], flagged, often)
    if facts.folders is not None:
        whole = _more_than_chance(_but_first(contrast_counts(facts.folders[:2])), facts.folders)
        more = (whole.effect >= LEAST_LIFT) & (whole.inside - whole.outside >= LEAST_MORE_FOLDERS)
        yield Tests("folders", [("", "yes")], whole, more)


def _more_than_chance(whole: Contrast, folders: np.ndarray) -> Contrast:
    """Both tests must be passed, so p is the larger one (Berger 1982, "Multiparameter hypothesis
    testing and acceptance sampling", Technometrics 24): a large cluster holds folders by chance, of
    which so many are rare among counts with that mean."""
    from scipy.stats import poisson

    by_chance = poisson.sf(folders[1] - 1, folders[2])[:, None]
    return whole._replace(p=np.maximum(whole.p, by_chance))


def _but_first(contrast: Contrast) -> Contrast:
    """Of a table whose first value is that nothing is found, the tests of the others."""
    return Contrast(*(part[:, 1:] for part in contrast))


def nearest_clusters(means: np.ndarray) -> np.ndarray:
    """The cluster whose mean is nearest to that of each; -1 where there is none.

    Parameters
    ----------
    means : ndarray of shape (k, n_columns)
        NaN where a cluster has no rows.
    """
    squares = np.square(means[:, None] - means[None]).sum(axis=2)
    np.fill_diagonal(squares, np.nan)
    nearest = np.where(np.isnan(squares), np.inf, squares).argmin(axis=1)
    return np.where(np.isnan(squares).all(axis=1), -1, nearest)


def nearest_findings(facts: Facts, nearest: np.ndarray) -> list[Finding]:
    """Of each cluster the finding against its nearest one that is largest, in standard deviations.

    Parameters
    ----------
    facts : Facts
    nearest : ndarray of int, shape (k,)
        As `nearest_clusters` gives it.
    """
    pairs = list(_tests_against_nearest(facts, nearest))
    findings = significant([test for test, _ in pairs])
    # Of a pair of values the one that is more often here is told.
    by_place = {
        (cluster, test.kind, name, value or ("higher" if d > 0 else "lower")): (
            round(abs(d), 6),
            d,
        )
        for test, size in pairs
        for (name, value), column in zip(test.about, size.T, strict=True)
        for cluster, d in enumerate(column.tolist())
    }
    best: dict[int, Finding] = {}
    for finding in sorted(findings, key=lambda one: by_place[one[:4]]):
        best[finding.cluster] = finding
    return [best[cluster] for cluster in sorted(best)]


def _tests_against_nearest(facts: Facts, nearest: np.ndarray) -> Iterator[tuple[Tests, np.ndarray]]:
    """Tests of each cluster against its nearest, and the differences in standard deviations."""
    images = facts.images
    if images is not None:
        pairs = enumerate(nearest.tolist())
        sides = [images.sample.between(cluster, other) for cluster, other in pairs]
        shares = contrast_shares(images.coloured(), sides)
        about = [("", name) for name in COLOURS]
        yield _tests_of("apart-colour", about, shares, _of_shares(shares))
        values = images.measures()
        levels = contrast_levels(values, sides)
        about = [(name, "") for name in DESCRIBED_MEASURES]
        size = np.full(levels.p.shape, 0.0)
        for line, side in enumerate(sides):
            if side.inside.sum() > 1 and side.outside.sum() > 1:
                size[line] = np.abs(_cohen(values[side.inside], values[side.outside]))
        size *= np.sign(levels.effect - 0.5)
        yield _tests_of("apart-measure", about, levels, size)
    for name, (names, table) in facts.attributes.items():
        contrasts = [
            contrast_counts(table[:, [cluster, cluster if other < 0 else other]])
            for cluster, other in enumerate(nearest.tolist())
        ]
        parts = (np.stack([part[0] for part in column]) for column in zip(*contrasts, strict=True))
        about = [(name, value) for value in names]
        shares = Contrast(*parts)
        yield _tests_of("apart-attribute", about, shares, _of_shares(shares))


def _tests_of(
    kind: str, about: list[tuple[str, str]], contrast: Contrast, size: np.ndarray
) -> tuple[Tests, np.ndarray]:
    return Tests(kind, about, contrast, np.abs(size) >= LEAST_DIFFERENCE), size


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
