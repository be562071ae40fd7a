"""Which of several arrays, or columns, are the descriptors, and which the paths of their rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamclust.errors import SourceError

# Matched by the last two parts of a path, without the ending, as VERI-Wild names its images.
TAIL = "id/image"
# How likely a name is that of paths, the likeliest first.
_PATH_NAMES = (
    re.compile(r"paths?", re.IGNORECASE),
    re.compile(r"(images?|imgs?|files?)[ _]?paths?", re.IGNORECASE),
    re.compile(r"(images?|imgs?|files?)[ _]?names?", re.IGNORECASE),
    re.compile(r"(images?|imgs?|files?)", re.IGNORECASE),
    re.compile(r"names?", re.IGNORECASE),
)
NO_PATHS = len(_PATH_NAMES)
# Names of columns that number rows, as data frames write them, or tell one row from the others.
_ROW_NUMBERS = re.compile(
    r"|index|rows?|n[or]|(\w*[ _])?id|rowid|unnamed: \d+|level_\d+|__index\w*", re.IGNORECASE
)
_SHOWN = 12


class Member(NamedTuple):
    """The shape of an array in a file, and its type; None for texts."""

    shape: tuple[int, ...]
    dtype: np.dtype | None


def rank_of_name(name: str) -> int:
    """Where a name stands among those of paths, the likeliest first; `NO_PATHS` for others."""
    ranks = (i for i, names in enumerate(_PATH_NAMES) if names.fullmatch(name.strip()))
    return 0 if name.strip().lower() == TAIL else next(ranks, NO_PATHS)


def numbers_rows(name: str) -> bool:
    """Whether a column is called as those are that number rows, or tell them apart."""
    return _ROW_NUMBERS.fullmatch(name.strip()) is not None


def descriptor_columns(kinds: Mapping[str, str]) -> list[str]:
    """Those columns of numbers that are descriptors: of floats, or else of integers.

    Parameters
    ----------
    kinds : mapping of str to str
        ``f``, ``i`` or ``u`` by name; other columns have another one.
    """
    named = [name for name in kinds if not numbers_rows(name)]
    floats = [name for name in named if kinds[name] == "f"]
    return floats or [name for name in named if kinds[name] in ("i", "u")]


def note_of_unread(path: Path, names: Iterable[str]) -> str:
    """What a person is told of columns that are not read; nothing where there are none."""
    listed = list(names)
    if not listed:
        return ""
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    shown = "".join(c if c.isprintable() else "?" for c in ", ".join(listed[:_SHOWN]))
    return f"{path.name}: not read as descriptors: {shown}{more}"


def name_of_paths(names: Iterable[str]) -> str | None:
    """The name that is most likely that of paths; None where none is."""
    ranked = [(rank, name) for name in names if (rank := _rank_of_last(name)) < NO_PATHS]
    return min(ranked, key=lambda one: one[0])[1] if ranked else None


def _rank_of_last(name: str) -> int:
    return rank_of_name(name.rpartition("/")[2])


def chosen_member(path: Path, members: Mapping[str, Member], wanted: str | None) -> str:
    """The array of a file that holds the descriptors: the one that is wanted, or the only table.

    Raises
    ------
    SourceError
        When there is none of that name, no table of numbers, or several.
    """
    if wanted is not None:
        name = wanted.strip("/")
        if name in members:
            return name
        raise SourceError(f"{path}: holds no array '{wanted}', but {_listed(members)}: name one")
    tables = {
        name: one
        for name, one in members.items()
        if len(one.shape) == 2 and one.dtype is not None and one.dtype.kind in "fiu"
    }
    if len(tables) == 1 or len(members) == 1:
        return next(iter(tables or members))
    if not tables:
        raise SourceError(f"{path}: holds no table of numbers, but {_listed(members)}")
    first = next(iter(tables))
    raise SourceError(f"{path}: holds {_listed(tables)}: name one, as {path.name}/{first}")


def _listed(members: Mapping[str, Member]) -> str:
    told = [
        f"{name} {'texts' if one.dtype is None else one.dtype} {one.shape}"
        for name, one in list(members.items())[:_SHOWN]
    ]
    more = f", and {len(members) - _SHOWN} more" if len(members) > _SHOWN else ""
    return "".join(c if c.isprintable() else "?" for c in (", ".join(told) or "no array") + more)


def paths_among(members: Mapping[str, Member], n_rows: int) -> str | None:
    """The texts that are the paths of so many rows; None where there are none."""
    return name_of_paths(
        name for name, one in members.items() if one.dtype is None and one.shape == (n_rows,)
    )
