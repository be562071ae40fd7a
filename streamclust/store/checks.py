"""The checks that results are published with: of each chunk, of which there are, of metadata.

Each ``zarr.json`` keeps, under ``checks`` of its attributes, which chunks an array has or which
members a group, and a CRC-32C of itself; each chunk ends with a CRC-32C of its bytes, by Zarr's own
codec. Results from before there were checks have none, and are read as they are.
"""

import json
import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

METADATA = "zarr.json"
_CHECKS, _CRC, _CHUNKS, _MEMBERS = "checks", "crc32c", "chunks", "members"
# A flipped bit may also hit the name that the checks stand under.
_LOST_CHECKS = re.compile(rb'"crc32c":\s*\d')
_PIECE = 2**20


class NodeError(ValueError):
    """A ``zarr.json`` that is not what was written."""


def array_checks(array: Path, content: dict[str, Any]) -> dict[str, Any]:
    """The checks of an array as it lies there."""
    return {_CHUNKS: _ranges(stored_chunks(array, content))}


def group_checks(members: Sequence[str]) -> dict[str, Any]:
    """The checks of a group with these members."""
    return {_MEMBERS: sorted(members)}


def members_of(checks: dict[str, Any] | None) -> list[str]:
    """What a group had when it was published; nothing where that is not known."""
    return list((checks or {}).get(_MEMBERS, ()))


def read_node(text: bytes) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What a ``zarr.json`` holds, without its checks, and these.

    Raises
    ------
    NodeError
        When it is not what was written.
    """
    try:
        content = json.loads(text)
        is_node = content["node_type"] in ("array", "group") and content["zarr_format"] == 3
        checks = content.get("attributes", {}).pop(_CHECKS, None)
        wrong = checks is not None and checks[_CRC] != _node_crc(content, checks)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise NodeError(f"its {METADATA} cannot be read") from None
    if not is_node or wrong or (checks is None and _LOST_CHECKS.search(text)):
        raise NodeError(f"its {METADATA} is not what was written")
    return content, checks


def node_text(content: dict[str, Any], checks: dict[str, Any]) -> bytes:
    """The text of a ``zarr.json`` with checks."""
    told = {name: value for name, value in checks.items() if name != _CRC}
    told[_CRC] = _node_crc(content, told)
    attributes = {**content.get("attributes", {}), _CHECKS: told}
    return json.dumps({**content, "attributes": attributes}, indent=2).encode()


def write_node(file: Path, content: dict[str, Any], checks: dict[str, Any]) -> None:
    """Replace a ``zarr.json``, whole."""
    part = file.with_name(f".{file.name}.part")
    part.write_bytes(node_text(content, checks))
    os.replace(part, file)


def _node_crc(content: dict[str, Any], checks: dict[str, Any]) -> int:
    told = {name: value for name, value in checks.items() if name != _CRC}
    text = json.dumps([content, told], sort_keys=True)
    return _crc(text.encode())


def _crc(piece: bytes, before: int = 0) -> int:
    import google_crc32c

    return int(google_crc32c.extend(before, piece))


def has_checksums(content: dict[str, Any]) -> bool:
    """Whether each chunk of an array ends with one."""
    codecs = content.get("codecs") or [{}]
    return bool(codecs[-1].get("name") == "crc32c")


def stored_chunks(array: Path, content: dict[str, Any]) -> list[int]:
    """Numbers of the chunks that have a file, ascending; they are cut by rows only."""
    n_dimensions = len(content["shape"])
    if not n_dimensions:
        return [0] if (array / "c").is_file() else []
    try:
        names = [name for name in os.listdir(array / "c") if name.isdecimal()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    numbers = sorted(map(int, names))
    return [n for n in numbers if n_dimensions == 1 or chunk_file(array, content, n).is_file()]


def chunk_file(array: Path, content: dict[str, Any], number: int) -> Path:
    """The file of a chunk of whole rows."""
    n_dimensions = len(content["shape"])
    return array.joinpath("c", *[str(number)][:n_dimensions], *["0"] * (n_dimensions - 1))


def _ranges(numbers: Sequence[int]) -> list[list[int]]:
    """Ascending numbers as pairs of a first one and the one after the last."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1][1] = number + 1
        else:
            found.append([number, number + 1])
    return found


def was_written(checks: dict[str, Any] | None, number: int) -> bool:
    """Whether an array had a chunk when it was published; False where that is not known."""
    noted = (checks or {}).get(_CHUNKS, ())
    return any(first <= number < stop for first, stop in noted)


def missing_chunk(array: Path, content: dict[str, Any], checks: dict[str, Any] | None) -> str:
    """Which chunks are not there that were written; empty where none is missing."""
    noted = [n for span in (checks or {}).get(_CHUNKS, ()) for n in range(*span)]
    missing = sorted(set(noted) - set(stored_chunks(array, content)))
    more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"chunk {missing[0]} is missing{more}" if missing else ""


def wrong_size(file: Path, content: dict[str, Any]) -> bool:
    """Whether a chunk that is not compressed is shorter or longer than it was."""
    codecs = [codec["name"] for codec in content["codecs"]]
    if codecs not in (["bytes"], ["bytes", "crc32c"]):
        return False
    import numpy as np

    chunk = content["chunk_grid"]["configuration"]["chunk_shape"]
    size = math.prod(chunk) * np.dtype(content["data_type"]).itemsize
    return file.stat().st_size != size + 4 * has_checksums(content)


def is_intact(data: Any) -> bool:
    """Whether bytes end with their checksum."""
    import google_crc32c

    if len(data) < 4:
        return False
    return int(google_crc32c.value(data[:-4])) == int.from_bytes(bytes(data[-4:]), "little")


def is_file_intact(file: Path, advance: Callable[[int], None]) -> bool:
    """As `is_intact`, a piece in memory at a time."""
    left, crc = file.stat().st_size - 4, 0
    with open(file, "rb") as opened:
        while left > 0:
            piece = opened.read(min(left, _PIECE))
            if not piece:
                return False
            crc, left = _crc(piece, crc), left - len(piece)
            advance(len(piece))
        return left == 0 and crc.to_bytes(4, "little") == opened.read(4)
