"""Staged copies of published arrays with room for more rows, made of links to the same files."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamclust.store.checks import METADATA, missing_chunk, read_node
from streamclust.store.damage import note_damage


def extend_array(group: Any, name: str, old: Any, n_rows: int, chunk_rows: int) -> tuple[Any, int]:
    """Make an array in a staged group with the rows of a published one, and room for more.

    Whole chunks are links to the files of the old array, or copies where the file system has no
    links. Neither is written to again: what is published stays as it is, and what is new begins
    behind them.

    Parameters
    ----------
    group : Zarr group
    name : str
    old : Zarr array of shape (n_old, ...)
        Chunked by rows only.
    n_rows : int
        Of the new array.
    chunk_rows : int
        Its chunks; where the old ones are others, nothing is linked.

    Returns
    -------
    array : Zarr array of shape (n_rows, ...)
    first : int
        The first row that is still to be written, also of those of `old`.

    Raises
    ------
    DamagedError
        When the old array has lost chunks.
    """
    source, target = _place(old), _place(group) / name
    metadata, checks = read_node((source / METADATA).read_bytes())
    if what := missing_chunk(source, metadata, checks):
        raise note_damage(Path(str(old.store.root)), source, what)
    metadata["shape"][0] = n_rows
    metadata["chunk_grid"]["configuration"]["chunk_shape"][0] = chunk_rows
    metadata["attributes"] = {}
    target.mkdir()
    (target / METADATA).write_text(json.dumps(metadata))
    n_whole = old.shape[0] // chunk_rows if old.chunks[0] == chunk_rows else 0
    for number in range(n_whole):
        chunk = Path("c", str(number), *["0"] * (old.ndim - 1))
        # A chunk of the fill value alone has no file.
        if (source / chunk).exists():
            (target / chunk).parent.mkdir(parents=True, exist_ok=True)
            _link(source / chunk, target / chunk)
    return group[name], n_whole * chunk_rows


def link_group(group: Any, name: str, old: Any, without: Sequence[str]) -> Any:
    """Make a group in a staged one that holds what a published one holds, but for some arrays;
    its attributes are the old ones'."""
    target = _place(group) / name
    leave_out = shutil.ignore_patterns(*without)
    shutil.copytree(_place(old), target, ignore=leave_out, copy_function=_link_or_copy)
    return group[name]


def _place(node: Any) -> Path:
    return Path(str(node.store.root)) / node.path


def _link_or_copy(source: str, target: str) -> None:
    # Attributes are changed where an array or group stands; chunks are not.
    if Path(source).name == METADATA:
        content, checks = read_node(Path(source).read_bytes())
        if content["node_type"] == "array" and checks is not None:
            # They are held against the links when these are published.
            shutil.copyfile(source, target)
        else:
            Path(target).write_text(json.dumps(content))
    else:
        _link(Path(source), Path(target))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
