"""What is to be known of a choice: codes with values, and their words in each language."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from streamclust.language import localised, words

# The codes, with the names of their values. A value may be a remark itself, or a list of them.
CODES: dict[str, tuple[str, ...]] = {
    # Why this k, and which would be the next.
    "only": ("k",),
    "only-sound": ("k",),
    "best": ("k", "why"),
    "best-and-next": ("k", "why", "next", "why_next"),
    "agrees": ("ami",),
    "most-separated": ("separated", "k"),
    "groups": ("groups",),
    "largest-silhouette": (),
    # Why this algorithm.
    "algorithm": ("algorithm", "compared"),
    "larger": ("others",),
    "smaller": ("others",),
    "alike": ("others",),
    "by-silhouette": ("algorithm", "own", "other"),
    "by-use": ("algorithm", "stability", "balance"),
    "stability": ("own", "other"),
    "balance": ("own", "other"),
    "stability-unknown": (),
    "balance-unknown": (),
    # What else is known.
    "votes": ("agreeing", "k", "votes"),
    "no-votes": ("k", "votes"),
    "vote": ("index", "k"),
    "falling": (),
    "falling-from": ("since",),
    "halves": ("stability",),
    # Which clusterings are degenerate.
    "refused": ("ks", "cause"),
    "refused-of": ("algorithm", "ks", "cause"),
    "large": ("share",),
    "tiny": ("clusters", "share"),
    "noise": ("share",),
    "few": (),
    # Where the choice should not be trusted without a look.
    "none": (),
    "no-structure": (),
    "overlap": ("separated", "k"),
    "all-overlap": ("k",),
    "unstable": ("stability",),
    "two": (),
    "lower-end": ("k",),
    "upper-end": ("k",),
    "least": ("k",),
    "largest": ("k",),
    # Indices.
    "calinski_harabasz": (),
    "davies_bouldin": (),
    "silhouette_simplified": (),
    "silhouette": (),
    "stability-index": (),
    "bic": (),
}


@dataclass(frozen=True)
class Remark:
    """One thing to know of a choice; its text is English.

    Parameters
    ----------
    code : str
        One of `CODES`.
    values : dict
        What the code comes with: numbers, texts, lists of numbers, remarks and lists of remarks,
        which JSON can write.
    """

    code: str
    values: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def stored(cls, data: Mapping[str, Any]) -> Self:
        """A remark as `dataclasses.asdict` wrote it."""
        return cls(
            data["code"], {name: cls._stored(value) for name, value in data["values"].items()}
        )

    @classmethod
    def _stored(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [cls._stored(part) for part in value]
        return cls.stored(value) if isinstance(value, Mapping) else value

    def in_words(self, language: str) -> str:
        """In one of the `LANGUAGES`."""
        text: str = words(language).CHOICE[self.code]
        return _Formatter(language).format(text, **self.values)

    def __str__(self) -> str:
        return self.in_words("en")


def remark(code: str, **values: Any) -> Remark:
    """A remark with this code and these values."""
    assert set(CODES[code]) == set(values), code
    return Remark(code, values)


class _Formatter(string.Formatter):
    """Puts values into a text: numbers as a language writes them, lists joined by what stands for
    their format, numbers of clusters in short."""

    def __init__(self, language: str) -> None:
        self.language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Remark):
            return value.in_words(self.language)
        if isinstance(value, list) and format_spec:
            return format_spec.join(part.in_words(self.language) for part in value)
        if isinstance(value, list):
            return in_short(value)
        text: str = format(value, format_spec)
        return localised(text, self.language) if isinstance(value, float) else text


def in_short(numbers: Sequence[int]) -> str:
    """``[3, 5, 6, 7]`` as ``3, 5:7``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]}:{r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs)
