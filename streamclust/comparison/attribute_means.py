"""How well the clusters of each set carry each attribute, as a mean over numbers of clusters."""

import math
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np

from streamclust.choice.clusterings import Key, in_common

# A line of a table, as it is read.
Line = dict[str, str]

# Numbers of clusters that are listed one by one.
_LISTED = 4


def number(text: str | None) -> float:
    """A cell of a table; NaN where it is empty."""
    return float(text) if text else math.nan


class Carried(NamedTuple):
    """What is carried, by attribute and set, and of which clusterings.

    Attributes
    ----------
    values : dict of str to dict of str to float
        The mean adjusted mutual information of clusters and attribute; of groups of rows, called
        ``within a … *``, the mean share in their group's largest cluster, above chance. At most 1.
    algorithm : str or None
    n_clusters : list of int
        The clusterings of each set that the means are over; None and none where the sets have no
        sound ones in common, and the recommended ones are told of.
    """

    values: dict[str, dict[str, float]]
    algorithm: str | None
    n_clusters: list[int]

    def of_clusters(self) -> str:
        """The clusters that are told of, in words."""
        if self.algorithm is None:
            return "the recommended clusters (k behind the set)"
        several = len(self.n_clusters) > 1
        over = f"{'mean over ' * several}{_numbers(self.n_clusters)}"
        return f"clusters ({self.algorithm}, {over})"


def carried(
    lines: Sequence[Line], sets: Mapping[str, Line], unrefused: Mapping[str, Set[Key]]
) -> Carried:
    """What the clusters of each set carry.

    The mean is over the numbers of clusters that all sets have sound clusterings of, of one
    algorithm (`labelled.in_common`): recommended ones of different numbers carry the more of an
    attribute the nearer their number is to that of its values, whatever the set.

    Parameters
    ----------
    lines : sequence of dict
        Of ``attributes.csv``.
    sets : mapping of str to dict
        The lines of ``comparison.csv`` of the sets that are shown.
    unrefused : mapping of str to set of (str, int)
        `labelled.sound` of each of them.
    """
    found: dict[str, set[Key]] = {name: set() for name in sets}
    for line in lines:
        found.get(line["set"], set()).add(_key(line))
    usable = {name: keys & unrefused[name] for name, keys in found.items()}
    common = in_common(usable, [own["algorithm"] for own in sets.values()])
    if common is None:
        wanted = {name: {_key(own)} for name, own in sets.items()}
    else:
        wanted = {name: {(common[0], k) for k in common[1]} for name in sets}
    values: dict[str, dict[str, list[float]]] = {}
    for line in lines:
        if _key(line) in wanted.get(line["set"], ()):
            attribute, value = _value(line)
            values.setdefault(attribute, {}).setdefault(line["set"], []).append(value)
    means = {
        attribute: {name: float(np.mean(own)) for name, own in by_set.items()}
        for attribute, by_set in values.items()
    }
    return Carried(means, *(common or (None, [])))


def _key(line: Line) -> Key:
    return line["algorithm"], int(line["n_clusters"])


def _value(line: Line) -> tuple[str, float]:
    """What is carried, and how well."""
    if not line["consistency"]:
        return line["attribute"], number(line["ami"])
    chance = number(line["consistency_by_chance"])
    above = number(line["consistency"]) - chance
    return f"within a {line['attribute']} *", above / (1 - chance) if chance < 1 else math.nan


def _numbers(n_clusters: Sequence[int]) -> str:
    """``[2, 3, 4, 5, 6]`` as ``k = 2…6``."""
    first, last, n = n_clusters[0], n_clusters[-1], len(n_clusters)
    if n == last - first + 1 and n > 2:
        return f"k = {first}…{last}"
    if n <= _LISTED:
        return f"k = {', '.join(map(str, n_clusters))}"
    return f"{n} k of {first}…{last}"
