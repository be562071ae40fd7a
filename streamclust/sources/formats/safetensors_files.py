"""Tensors in safetensors files: a header in JSON, and bytes as they are in memory.

Reference: the format's description in the documentation of the safetensors library.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, RawBytes, stored_array
from streamclust.sources.formats.brain_floats import BrainFloats
from streamclust.sources.members import Member, chosen_member

ENDINGS = (".safetensors",)
# A hundred thousand tensors; what JSON makes of it takes ten times as much.
_MOST_HEADER = 8_000_000
_BEGINNING = re.compile(rb".{8}\s*\{\s*(\}|\")", re.DOTALL)
_DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2"},
    **{"I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"},
}


def is_one(path: Path, head: bytes) -> bool:
    """Whether it begins with the length of a header in JSON that tells of tensors."""
    length = int.from_bytes(head[:8], "little")
    return (
        2 <= length <= _MOST_HEADER
        and _BEGINNING.match(head) is not None
        and (b'"dtype"' in head or b'"__metadata__"' in head)
    )


def open_array(path: Path, member: str | None = None) -> ArraySource:
    """Open the tensor of a file that is a table, or the one that is named.

    Raises
    ------
    SourceError
        When there is none or several, or the header does not fit the file.
    """
    header, first = _header(path)
    size = os.stat(path).st_size
    members = {name: _member(path, name, one) for name, one in header.items()}
    name = chosen_member(path, members, member)
    shape = members[name].shape
    start, stop = header[name]["data_offsets"]
    if not 0 <= start <= stop <= size - first:
        raise SourceError(f"{path}: ends before tensor '{name}' does: copy it again")
    end = first + max(one["data_offsets"][1] for one in header.values())
    if end < size:
        raise SourceError(f"{path}: has {size} bytes, and its tensors end at {end}: copy it again")
    payload = RawBytes(first + start, stop - start)
    if header[name]["dtype"] == "BF16":
        return BrainFloats.opened(path, shape, payload)
    dtype = _DTYPES.get(header[name]["dtype"])
    if dtype is None:
        raise SourceError(
            f"{path}: '{name}' holds {header[name]['dtype']} values: save it as F32 or F16"
        )
    return stored_array(path, shape, np.dtype(dtype), "C", payload)


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """What is told of each tensor, and where their bytes begin."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(_MOST_HEADER, os.fstat(file.fileno()).st_size - 8):
            raise SourceError(f"{path}: ends before its header does: copy it again")
        text = file.read(length)
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        for one in header.values():
            shape, offsets = one["shape"], one["data_offsets"]
            is_whole = all(type(number) is int and number >= 0 for number in (*shape, *offsets))
            if not is_whole or len(offsets) != 2 or not isinstance(one["dtype"], str):
                raise ValueError("no tensor")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise SourceError(f"{path}: its header is damaged: save it again") from None
    return header, 8 + length


def _member(path: Path, name: str, told: dict[str, Any]) -> Member:
    dtype = "<f4" if told["dtype"] == "BF16" else _DTYPES.get(told["dtype"], "V1")
    return Member(tuple(told["shape"]), np.dtype(dtype))
