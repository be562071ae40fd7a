"""Gains of mixing: means over the clusterings that count, and what is said of them."""

import math
from pathlib import Path

import numpy as np
import pytest

from streamclust.comparison.mixing_gain import gain_lines, gains_in_words
from streamclust.store.workspace import Workspace

KS = range(2, 6)
MIXED = "a+b"
# AMI by set and attribute of k-means, k = 2 … 5.
AMI = {
    MIXED: {"type": [0.5, 0.6, 0.7, 0.2], "colour": [0.4, 0.4, 0.4, 0.9], "few": [1, 1, 1, 1]},
    "a": {"type": [0.2, 0.5, 0.8, 0.9], "colour": [0.1, 0.1, 0.1, 0.9], "few": [0, 0, 0, 0]},
    "b": {"type": [0.1, 0.2, 0.3, 0.3], "colour": [0.3, 0.5, 0.6, 0.9], "few": [0, 0, 0, 0]},
}
ROWS = {"type": 500, "colour": 300, "few": 199}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path, create=True)
    for name in AMI:
        workspace.root.create_group(f"descriptors/{name}")
    mixture = {"sets": ["a", "b"], "of": "descriptors"}
    workspace.root[f"descriptors/{MIXED}"].attrs["mixture"] = mixture
    return workspace


def agreement() -> list[dict]:
    return [
        {
            **{"set": name, "algorithm": "kmeans", "n_clusters": k, "attribute": attribute},
            **{"rows": ROWS[attribute], "ami": values[k - 2]},
        }
        for name, own in AMI.items()
        for attribute, values in own.items()
        for k in KS
    ]


def sound(**refused: set[int]) -> dict[str, set[tuple[str, int]]]:
    """All k of each set but those that are refused of it."""
    return {name: {("kmeans", k) for k in set(KS) - refused.get(name, set())} for name in AMI}


def by_attribute(lines: list[dict]) -> dict[str, dict]:
    return {line["attribute"]: line for line in lines}


def test_refused_clusterings_of_either_set_do_not_count(workspace):
    refused = sound(a={4}, **{MIXED: {5}})
    found = by_attribute(gain_lines(workspace, refused, agreement(), {}))
    of_type, of_colour = found["type"], found["colour"]
    assert (of_type["best_set"], of_type["clusterings"]) == ("a", 2)
    assert of_type["mixed"] == pytest.approx(np.mean([0.5, 0.6]))
    assert of_type["gain"] == pytest.approx(np.mean([0.5, 0.6]) - np.mean([0.2, 0.5]))
    assert (of_colour["best_set"], of_colour["clusterings"]) == ("b", 3)
    assert of_colour["best"] == pytest.approx(np.mean([0.3, 0.5, 0.6]))


def test_the_mean_is_of_attributes_of_which_enough_is_known(workspace):
    found = by_attribute(gain_lines(workspace, sound(), agreement(), {}))
    assert list(found) == ["type", "colour", "few", "mean of type, colour"]
    mean = found["mean of type, colour"]
    assert (mean["rows"], mean["clusterings"], mean["best_set"]) == (300, 4, "a")
    expected = [np.mean([AMI[name][of] for of in ("type", "colour")]) for name in (MIXED, "a")]
    assert [mean["mixed"], mean["best"]] == pytest.approx(expected)


def test_words_say_over_how_many_clusterings_they_are(workspace):
    (told,) = gains_in_words(gain_lines(workspace, sound(b={2}), agreement(), {}))
    assert told == (
        "a+b against the best of its sets (mean AMI over 3 to 4 clusterings): "
        "better mean of type, colour (0.53; b 0.47); "
        "worse type (0.50; a 0.60), colour (0.57; b 0.67); too few known rows to tell few"
    )
    (told,) = gains_in_words(gain_lines(workspace, sound(**{MIXED: {3, 4, 5}}), agreement(), {}))
    assert (
        "(mean AMI over 1 clustering): better mean of type, colour (0.45; b 0.20), type (" in told
    )
    assert gains_in_words(gain_lines(workspace, sound(**{MIXED: set(KS)}), agreement(), {})) == []


def test_indices_on_equal_footing(workspace):
    gaps = {MIXED: 0.5, "a": 0.2, "b": 0.4}
    footing = {name: {"same_gap": gap, "same_rows": 900} for name, gap in gaps.items()}
    (line,) = gain_lines(workspace, sound(), [], footing)
    assert (line["measure"], line["rows"], line["clusterings"]) == ("same_gap", 900, 1)
    assert (line["best_set"], line["gain"]) == ("b", pytest.approx(0.1))


def line(attribute: str, gain: float) -> dict:
    about = {"mixed_set": MIXED, "measure": "ami", "attribute": attribute, "rows": 500}
    return {
        **about,
        "clusterings": 4,
        "mixed": 0.5 + gain,
        "best_set": "a",
        "best": 0.5,
        "gain": gain,
    }


def test_a_sentence_lists_four_of_a_kind_the_largest_first():
    many = [line(f"x{i}", i / 100) for i in range(3, 9)]
    (told,) = gains_in_words([*many, line("mean of x3, x4, x5, x6, x7, x8", 0.05)])
    assert told.endswith(
        "better mean of 6 attributes (0.55; a 0.50), x8 (0.58; a 0.50), x7 (0.57; a 0.50), "
        "x6 (0.56; a 0.50) and 3 more (mixing.csv)"
    )


def test_many_attributes_have_a_mean_only_where_they_were_named(workspace):
    lines = agreement()
    lines += [{**own, "attribute": "copy"} for own in lines if own["attribute"] == "type"]
    assert len({own["attribute"] for own in lines}) == 4
    for named in (False, True):
        found = by_attribute(gain_lines(workspace, sound(), lines, {}, named=named))
        assert ("mean of type, colour, copy" in found) is named


@pytest.mark.parametrize("unknown", ["a", "b"])
def test_what_is_not_known_is_not_the_best(workspace, unknown):
    lines = agreement()
    for own in lines:
        if own["set"] == unknown:
            own["ami"] = math.nan
    other = {"a": "b", "b": "a"}[unknown]
    found = by_attribute(gain_lines(workspace, sound(), lines, {}))
    assert {own["best_set"] for own in found.values()} == {other}
    footing = {n: {"same_gap": math.nan if n == unknown else 0.2, "same_rows": 9} for n in AMI}
    (gap,) = gain_lines(workspace, sound(), [], footing)
    assert (gap["best_set"], gap["gain"]) == (other, 0)
