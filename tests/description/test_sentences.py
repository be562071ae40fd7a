"""Findings in words, in each language."""

import math

import numpy as np
import pytest

from streamclust.description.findings import DESCRIBED_MEASURES
from streamclust.description.sentences import cluster_texts
from streamclust.images.colour import COLOURS
from streamclust.images.quality_rules import IMAGE_KINDS
from streamclust.language import LANGUAGES, en, ru, words
from streamclust.store.descriptions import Description, Finding


def finding(cluster, kind, name="", value="", inside=0.8, outside=0.1, effect=None, n=96):
    effect = inside / outside if effect is None else effect
    return Finding(cluster, kind, name, value, inside, outside, effect, 1e-9, n)


def describe(findings, against, sizes, nearest, language):
    unknown = np.full(len(sizes), np.nan)
    known = Description(sizes, {}, nearest, unknown, findings, against, {}, unknown)
    return cluster_texts(known, language)


FINDINGS = [
    finding(0, "colour", value="white|silver"),
    finding(0, "measure", "brightness", "higher", 150, 90, 0.9),
    finding(0, "measure", "size", "lower", 64, 96, 0.2),
    finding(0, "picture", value="glare", inside=0.12, outside=0.01),
    finding(0, "attribute", "type", "van"),
    finding(0, "absent", "type", "bus", 0.01, 0.3),
    finding(0, "absent", "view", "rear", 0.01, 0.2),
    finding(0, "outliers", value="yes", inside=0.04, outside=0.01),
    finding(0, "folders", value="yes", n=21),
    finding(0, "set", "osnet", "3", inside=0.9),
]
APART = [
    finding(0, "apart-measure", "detail", "higher", 1, 0, 0.9),
    finding(1, "apart-colour", value="red"),
    finding(2, "apart-attribute", "view", "rear"),
]
NEAREST, SIZES = np.array([1, 0, 1]), np.array([100, 90, 80])


def test_in_english():
    told = describe(FINDINGS, APART, SIZES, NEAREST, "en")
    assert told[0].name == "white or silver, van"
    assert told[0].text == (
        "Mostly white or silver (80 % of 96 images looked at, elsewhere 10 %), brighter than 90 % "
        "and smaller than 80 % of the other images. 12 % of the images are flooded by glare "
        "(elsewhere 1.0 %); type is van in 80 % (elsewhere 10 %); view is hardly ever rear (1.0 %, "
        "elsewhere 20 %); 4.0 % of the rows are flagged as outliers (elsewhere 1.0 %); 80 % of the "
        "21 folders met here lie wholly inside (elsewhere 10 %). 90 % of the rows are in cluster 3 "
        "of osnet (elsewhere 10 %); nearest is cluster 1 (red): here the images are sharper."
    )
    assert told[1].text.startswith("Nothing that was measured sets these images apart")


def test_what_another_set_tells_is_not_called_nothing():
    own = [finding(0, "set", "osnet", "3", inside=0.9)]
    told = describe(own, [], SIZES, NEAREST, "en")
    assert told[0].text == (
        "90 % of the rows are in cluster 3 of osnet (elsewhere 10 %); nearest is cluster 1."
    )


def test_what_alone_names_a_cluster_is_told():
    own = [finding(0, "measure", "detail", "higher", 150, 90, 0.68)]
    told = describe(own, [], SIZES, NEAREST, "en")
    assert told[0].name == "sharp"
    assert told[0].text == "Sharper than 68 % of the other images. Nearest is cluster 1."


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_attribute_that_tells_the_colour_again_is_no_part_of_a_name(language):
    own = [finding(0, "colour", value="white|silver"), finding(0, "attribute", "paint", "White")]
    bare = describe(own[:1], [], SIZES, NEAREST, language)[0].name
    assert describe(own, [], SIZES, NEAREST, language)[0].name == bare


def test_in_russian():
    text = describe(FINDINGS, APART, SIZES, NEAREST, "ru")[0].text
    assert text.startswith(
        "Преобладает белый или серебристый цвет (80 % из 96 просмотренных изображений, у остальных "
        "10 %), светлее, чем 90 %, и мельче, чем 80 % остальных изображений."
    )
    assert "из 21 папки, представленных здесь" in text
    assert "1,0 %" in text


@pytest.mark.parametrize(
    ("number", "form"),
    [(1, 0), (21, 0), (101, 0), (2, 1), (4, 1), (23, 1), (0, 2), (5, 2), (11, 2), (12, 2),
     (14, 2), (111, 2), (112, 2), (100, 2)],
)  # fmt: skip
def test_russian_plurals(number, form):
    assert ru.plural(number) == form


def test_english_plurals():
    assert [en.plural(number) for number in (0, 1, 2, 21)] == [1, 0, 1, 1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_words_for_all(language):
    told, model = words(language), words("en")
    assert set(told.COLOURS) == set(COLOURS)
    assert set(told.PICTURES) == set(IMAGE_KINDS)
    ways = {(name, way) for name in DESCRIBED_MEASURES for way in ("higher", "lower")}
    assert set(told.MEASURES) == ways
    assert set(told.SENTENCES) == set(model.SENTENCES)
    assert set(told.PLURALS_OF) == set(model.PLURALS_OF)
    for name, template in told.SENTENCES.items():
        assert fields(template) == fields(model.SENTENCES[name]), name
    assert all(described.text for described in describe(FINDINGS, APART, SIZES, NEAREST, language))


def fields(template):
    from string import Formatter

    return {field for _, field, _, _ in Formatter().parse(template) if field}


def test_names_are_unique_by_their_next_part_or_their_number():
    two = [finding(c, "colour", value="red") for c in range(4)]
    bright = [finding(0, "measure", "brightness", "higher", 9, 1, 0.7)]
    names = [
        own.name for own in describe(two + bright, [], np.full(4, 96), np.array([1, 0, 0, 0]), "en")
    ]
    assert names == ["red, bright", "red, cluster 1", "red, cluster 2", "red, cluster 3"]
    assert [own.name for own in describe([], [], np.full(2, 96), np.array([1, 0]), "en")] == [
        "cluster 0",
        "cluster 1",
    ]


def test_a_small_difference_is_part_of_a_name_only():
    told = describe(
        [finding(0, "measure", "size", "higher", 9, 1, 0.7)],
        [],
        np.full(1, 96),
        np.array([-1]),
        "en",
    )
    assert told[0].name == "large"
    assert "larger" not in told[0].text
    assert "earest" not in told[0].text


def test_values_are_text_as_they_are():
    hostile = "<b>{0}</b> %s {name}"
    told = describe([finding(0, "attribute", "a{x}", hostile, effect=math.inf)], [], np.full(1, 96),
                    np.array([-1]), "en")  # fmt: skip
    assert hostile in told[0].name
    assert f"a{{x}} is {hostile} in 80 %" in told[0].text.replace("A{x}", "a{x}")


def test_a_name_is_of_most_rows_known_or_not():
    few = finding(0, "attribute", "type", "van", inside=0.9, n=10)
    one, other = (
        describe([few], [], np.array([size]), np.array([-1]), "en")[0] for size in (11, 100)
    )
    assert (one.name, other.name) == ("van", "cluster 0")
    assert "in 90 % (" in one.text
    assert "in 90 % of the 10 known rows (" in other.text


def test_a_name_says_nothing_twice():
    told = [finding(0, "colour", value="red|pink"), finding(0, "attribute", "colour", "Red")]
    assert describe(told, [], np.full(1, 96), np.array([-1]), "en")[0].name == "red or pink"
