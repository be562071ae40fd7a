"""What is said of a choice: every code has its words in every language."""

from string import Formatter

import pytest

from streamclust.choice.remarks import CODES, Remark, in_short, remark
from streamclust.language import LANGUAGES, words

FEW = Remark("few")
# A value of each name; numbers with decimals are below 0.
VALUES = {
    **dict.fromkeys(("k", "next", "since", "separated", "groups"), 5),
    **dict.fromkeys(("ami", "own", "other", "share", "clusters"), -0.125),
    **dict.fromkeys(("why", "why_next", "cause", "balance", "index"), FEW),
    **{name: [FEW, FEW] for name in ("compared", "others", "agreeing", "votes")},
    "algorithm": "ward",
    "ks": [3, 5, 6, 7],
}


def example(code: str) -> Remark:
    of = {**VALUES, "stability": FEW if code == "by-use" else -0.125}
    return remark(code, **{name: of[name] for name in CODES[code]})


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_words_and_tells_all_its_values(language):
    texts = words(language).CHOICE
    assert texts.keys() == CODES.keys()
    for code, names in CODES.items():
        told = {name for _, name, _, _ in Formatter().parse(texts[code]) if name is not None}
        assert told == set(names), code
        in_words = example(code).in_words(language)
        assert in_words
        assert "{" not in in_words


@pytest.mark.parametrize(("language", "number"), [("en", "-0.12"), ("ru", "-0,12")])
def test_numbers_are_those_of_the_language_below_zero_too(language, number):
    silhouettes = remark("by-silhouette", algorithm="ward", own=-0.125, other=0.25)
    assert number in silhouettes.in_words(language)
    assert number in remark("halves", stability=-0.12).in_words(language)


def test_parts_are_worded_in_the_language_too():
    votes = [remark("vote", index=Remark(name), k=4) for name in ("bic", "silhouette")]
    told = remark("votes", agreeing=[Remark("bic"), Remark("silhouette")], k=4, votes=votes)
    assert str(told) == (
        "of the indices, each alone, BIC, silhouette would take about k = 4 (BIC 4, silhouette 4)"
    )
    assert "BIC, силуэт (BIC 4, силуэт 4)" in told.in_words("ru")


@pytest.mark.parametrize("code", CODES)
def test_a_remark_is_as_it_was_after_it_was_stored(code):
    import json
    from dataclasses import asdict

    told = example(code)
    assert Remark.stored(json.loads(json.dumps(asdict(told)))) == told


def test_many_numbers_are_told_in_short():
    assert in_short([3, 5, 6, 7, 9, 10]) == "3, 5:7, 9, 10"
