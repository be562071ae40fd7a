"""Values of dicts by their names, those of lists and tuples by their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.pickled.items import TEXT, Array, ByteSpan, Items, Kinds, Run
from streamclust.sources.pickled.rows import ArrowTexts, FixedTexts
from streamclust.sources.pickled.texts import TextPlaces, only_text

AGAIN = "written by protocol 2 or less: load it and pickle it again with protocol 4"
MOST_NAMED = 1000

Texts = TextPlaces | FixedTexts | ArrowTexts


def named_values(path: Path, value: object) -> Iterator[tuple[str, object]]:
    """Names and values of a dict; those of a list or tuple are numbers."""
    if isinstance(value, tuple):
        yield from ((str(number), one) for number, one in enumerate(value))
    if not isinstance(value, Items) or len(value) > MOST_NAMED:
        return
    for number, (kinds, parts) in enumerate(value.each()):
        if value.width == 1:
            yield str(number), parts[0] if kinds is None else value_of(kinds, parts)
        elif kinds is None:
            key = parts[0]
            if isinstance(key, ByteSpan) and key.parts:
                yield only_text(path, key.place), parts[1]
        elif kinds[0] == TEXT:
            yield only_text(path, parts[0]), value_of(kinds[1:], parts[1:])


def value_of(kinds: Kinds, places: tuple[int, ...]) -> object:
    """An array, or None for anything else."""
    is_array = len(kinds) == 1 and kinds[0] != TEXT and kinds[0][0] == "array"
    return Array.at(kinds[0], places[0]) if is_array else None


def texts_of(path: Path, value: object) -> Texts | None:
    """Texts, if it is a list or array of them."""
    if isinstance(value, Texts):
        return value
    if isinstance(value, Array) and value.content:
        shape, dtype, _, inner = value.content
        if len(shape) == 1 and isinstance(inner, Items):
            found = texts_of(path, inner)
            return found if found and len(found) == shape[0] else None
        if len(shape) == 1 and dtype.kind in "US" and isinstance(inner, ByteSpan):
            if value.parts is None:
                raise SourceError(f"{path}: holds an array of texts as text: {AGAIN}")
            return FixedTexts(path, inner.start, shape[0], dtype)
        return None
    if not isinstance(value, Items | tuple) or not len(value):
        return None
    if isinstance(value, tuple):
        spans = [one for one in value if isinstance(one, ByteSpan) and one.parts]
        if len(spans) < len(value):
            return None
        return TextPlaces(path, np.asarray([one.place for one in spans], np.int64))
    places = value.text_places()
    return TextPlaces(path, places) if value.width == 1 and len(places) == len(value) else None


def lacking(value: object) -> int | None:
    """The first item of a list of texts that is none; None where it is no such list."""
    if isinstance(value, Array) and value.content:
        value = value.content[3]
    if not isinstance(value, Items) or value.width != 1:
        return None
    row, n_texts, other = 0, 0, None
    for entry in value.entries:
        is_texts = isinstance(entry, Run) and entry.kinds == (TEXT,)
        count = entry.count if isinstance(entry, Run) else 1
        n_texts += count * is_texts
        if not is_texts and other is None:
            other = row
        row += count
    return other if n_texts else None
