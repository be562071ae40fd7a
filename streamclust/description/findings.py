"""What can be claimed of clusters: that which differs surely, and by enough, from the rest.

All tests of a clustering are one family: one in a hundred of those that pass is expected to do so
by chance (`LEVEL`). Beside that a claim must be worth a sentence: the floors below.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from streamclust.description.contrasts import (
    Contrast,
    Sample,
    Sides,
    adjusted,
    contrast_counts,
    contrast_levels,
    contrast_shares,
)
from streamclust.images.colour import COLOURS
from streamclust.images.features import IMAGE_FEATURES
from streamclust.images.pixels import MEASURES
from streamclust.outliers.image_quality import KINDS

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
LEAST_APART = 0.8

# Measures that words are for; those of `IMAGE_FEATURES` are what readability is taken of.
TOLD_MEASURES = ("brightness", "contrast", "detail", "size", "aspect")


class Claim(NamedTuple):
    """Something that holds of a cluster, with its number.

    Attributes
    ----------
    cluster : int
    claim : str
        ``colour``, ``measure``, ``picture`` (bad ones), ``attribute``, ``absent``, ``folders``,
        ``outliers``, ``set``; ``apart-colour``, ``apart-measure`` and ``apart-attribute`` tell
        the cluster from its nearest one, in place of the rest.
    name : str
        The measure, attribute or set that it is about.
    value : str
        The colours (parted by ``|``), ``higher`` or ``lower``, the value, the other's cluster.
    inside, outside : float
        Share, or median level, in the cluster and elsewhere.
    effect : float
        Lift; of levels the chance that an image of the cluster is above one of the rest.
    p : float
        Of the test, corrected for all tests of the clustering.
    n : int
        Rows of the cluster that were counted.
    """

    cluster: int
    claim: str
    name: str
    value: str
    inside: float
    outside: float
    effect: float
    p: float
    n: int


@dataclass(frozen=True, eq=False)
class Looks:
    """Images that were looked at, a sample of each cluster.

    Attributes
    ----------
    sample : Sample
    values : ndarray of shape (n_images, len(IMAGE_FEATURES))
    colours : ndarray of int, shape (n_images,)
        Index in `COLOURS`.
    kinds : ndarray of int, shape (n_images,)
        What is wrong with a picture, an index in `streamclust.outliers.image_quality.KINDS`, or -1.
    rows : ndarray of int, shape (n_images,)
        Whose images they are.
    """

    sample: Sample
    values: np.ndarray
    colours: np.ndarray
    kinds: np.ndarray
    rows: np.ndarray

    def measures(self) -> np.ndarray:
        """The measures of `TOLD_MEASURES`, of which size is the side of a square as large."""
        own = {name: self.values[:, IMAGE_FEATURES.index(name)] for name in MEASURES}
        own["size"] = np.sqrt(own["width"] * own["height"])
        return np.stack([own[name] for name in TOLD_MEASURES], axis=1)

    def coloured(self) -> np.ndarray:
        """Which colour each image shows, (n_images, len(COLOURS)); none in what hides it."""
        hidden = np.isin(self.kinds, [KINDS.index(kind) for kind in HIDING])
        return (self.colours[:, None] == np.arange(len(COLOURS))) & ~hidden[:, None]


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of a clustering's rows.

    Attributes
    ----------
    looks : Looks or None
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

    looks: Looks | None = None
    attributes: dict[str, tuple[Sequence[str], np.ndarray]] = field(default_factory=dict)
    sets: dict[str, tuple[Sequence[str], np.ndarray]] = field(default_factory=dict)
    outliers: np.ndarray | None = None
    pictures: np.ndarray | None = None
    folders: np.ndarray | None = None


class Tests(NamedTuple):
    """Tests of one kind: name and value of what is tested (no value: higher or lower), each
    cluster against the rest, and which would be worth a claim."""

    claim: str
    about: Sequence[tuple[str, str]]
    contrast: Contrast
    worth: np.ndarray


def claims(facts: Facts) -> list[Claim]:
    """What holds of each cluster, in the order of kinds and clusters."""
    return sure([*_of_looks(facts), *_of_attributes(facts), *_of_flags(facts)])


def sure(tests: Sequence[Tests]) -> list[Claim]:
    """The claims of a family of tests."""
    if not tests:
        return []
    corrected = adjusted(np.concatenate([own.contrast.p.ravel() for own in tests]))
    cuts = np.cumsum([own.contrast.p.size for own in tests])[:-1]
    found = []
    for own, p in zip(tests, np.split(corrected, cuts), strict=True):
        p = p.reshape(own.contrast.p.shape)
        for cluster, place in np.argwhere((p < LEVEL) & own.worth).tolist():
            inside, outside, effect, _, n = (part[cluster, place] for part in own.contrast)
            name, value = own.about[place]
            value = value or ("higher" if effect > 0.5 else "lower")
            numbers = (float(inside), float(outside), float(effect), float(p[cluster, place]))
            found.append(Claim(cluster, own.claim, name, value, *numbers, int(n)))
    return found


def _of_looks(facts: Facts) -> Iterator[Tests]:
    looks = facts.looks
    if looks is None:
        return
    sides = looks.sample.sides()
    yield _of_colours(looks, sides)
    levels = contrast_levels(looks.measures(), sides)
    far = np.abs(levels.effect - 0.5) >= LEAST_CHANCE - 0.5
    yield Tests("measure", [(name, "") for name in TOLD_MEASURES], levels, far)
    if facts.pictures is not None:
        bad = _but_first(contrast_counts(facts.pictures))
    else:
        bad = contrast_shares(looks.kinds[:, None] == np.arange(len(KINDS)), sides)
    often = (bad.inside >= LEAST_BAD) & (bad.effect >= RARE_LIFT)
    yield Tests("picture", [("", kind) for kind in KINDS], bad, often)


def _of_colours(looks: Looks, sides: Sequence[Sides]) -> Tests:
    """Single colours, and neighbouring ones together."""
    single = looks.coloured()
    members = [[COLOURS.index(name) for name in names] for names in NEIGHBOURS]
    joined = [single[:, codes].any(axis=1) for codes in members]
    contrast = contrast_shares(np.column_stack([single, *joined]), sides)
    shares = np.nan_to_num(contrast.inside)
    told = np.zeros(shares.shape, bool)
    floors = np.array([_least_each(names) for names in NEIGHBOURS])
    for cluster, own in enumerate(shares):
        least = np.array([own[codes].min() for codes in members])
        joint = np.where(least >= floors, own[len(COLOURS) :], 0)
        alone = own[: len(COLOURS)]
        wins = joint.max() >= max(LEAST_COLOUR, alone.max())
        told[cluster, len(COLOURS) + joint.argmax() if wins else alone.argmax()] = True
    worth = told & (contrast.inside >= LEAST_COLOUR) & (contrast.effect >= LEAST_LIFT)
    names = [*COLOURS, *("|".join(names) for names in NEIGHBOURS)]
    return Tests("colour", [("", name) for name in names], contrast, worth)


def _least_each(names: Sequence[str]) -> float:
    """Share that each of neighbouring colours has where they are told together."""
    return LEAST_SHADE if len(names) == 2 and SHADES.issuperset(names) else LEAST_SECOND


def _of_attributes(facts: Facts) -> Iterator[Tests]:
    for claim, tables, least in (
        ("attribute", facts.attributes, LEAST_VALUE),
        ("set", facts.sets, LEAST_SET),
    ):
        for name, (values, table) in tables.items():
            contrast = contrast_counts(table)
            about = [(name, value) for value in values]
            often = (contrast.inside >= least) & (contrast.effect >= LEAST_LIFT)
            yield Tests(claim, about, contrast, often)
            if claim == "attribute":
                rare = (contrast.outside >= LEAST_ABSENT) & (contrast.inside <= MOST_ABSENT)
                yield Tests("absent", about, contrast, rare)


def _of_flags(facts: Facts) -> Iterator[Tests]:
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
