"""A Zarr store on disk that hands out nothing that was not written."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from zarr.storage import LocalStore

from streamclust.errors import DamagedError
from streamclust.store.checks import (
    METADATA,
    NodeError,
    has_checksums,
    is_intact,
    members_of,
    node_text,
    read_node,
    was_written,
    wrong_size,
)
from streamclust.store.damage import is_aside, note_damage

Stamp = tuple[int, int]
# Chunks that were whole when they were read first. A pass reads them again and again; Zarr's own
# codec looks each time, but cannot tell what it is of. A file that was written since is looked at
# anew.
_WHOLE: dict[Path, Stamp] = {}
_MOST_WHOLE = 2**20


class CheckedStore(LocalStore):
    """A folder of arrays and groups with the checks of `streamclust.store.checks`.

    What has none is read and written as by any other store. Checks are not shown among the
    attributes, and follow when attributes change.
    """

    def __init__(self, root: Path | str, *, read_only: bool = False) -> None:
        super().__init__(root, read_only=read_only)
        self._known: dict[Path, tuple[Stamp, dict[str, Any], dict[str, Any] | None]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_known": {}}

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        # Read and checked in one thread: there and back takes longer than a short read.
        return await asyncio.to_thread(
            self.get_sync, key, prototype=prototype, byte_range=byte_range
        )

    def get_sync(self, key: str, *, prototype: Any = None, byte_range: Any = None) -> Any:
        data = super().get_sync(key, prototype=prototype, byte_range=byte_range)
        return data if byte_range is not None else self._checked(key, data)

    async def set(self, key: str, value: Any) -> None:
        await super().set(key, self._with_checks(key, value))

    def set_sync(self, key: str, value: Any) -> None:
        super().set_sync(key, self._with_checks(key, value))

    def check_chunk(self, key: str) -> None:
        """Read a chunk whole, once as long as it stays the same: for those who read parts of it.

        Raises
        ------
        DamagedError
            When it is not what was written.
        """
        file = self.root / key
        if _WHOLE.get(file) != _stamp(file):
            self._checked(key, super().get_sync(key))

    def _checked(self, key: str, data: Any) -> Any:
        file = self.root / key
        if file.name == METADATA:
            return self._without_checks(file, data)
        array, number = _chunk_of(file)
        if array is None:
            return data
        content, checks = self._metadata(array)
        if data is None:
            if was_written(checks, number):
                raise self._damaged(array, f"chunk {number} is missing")
            return None
        stamp = _stamp(file)
        if _WHOLE.get(file) != stamp:
            whole = (
                is_intact(data.as_numpy_array())
                if has_checksums(content)
                else not wrong_size(file, content)
            )
            if not whole:
                raise self._damaged(array, f"chunk {number} is not what was written")
            if len(_WHOLE) > _MOST_WHOLE:
                _WHOLE.clear()
            _WHOLE[file] = stamp
        return data

    def _without_checks(self, file: Path, data: Any) -> Any:
        node = file.parent
        if data is None:
            lost = _holds_files(node) or node.name in self._members_beside(node)
            if lost and not is_aside(self.root.parent, node.relative_to(self.root).as_posix()):
                raise self._damaged(node, f"its {METADATA} is missing")
            return None
        try:
            content, checks = read_node(data.to_bytes())
        except NodeError as error:
            raise self._damaged(node, str(error)) from None
        return data if checks is None else type(data).from_bytes(_plain(content))

    def _members_beside(self, node: Path) -> list[str]:
        try:
            return members_of(read_node((node.parent / METADATA).read_bytes())[1])
        except (OSError, NodeError):
            return []

    def _with_checks(self, key: str, value: Any) -> Any:
        file = self.root / key
        if file.name != METADATA or not file.exists():
            return value
        try:
            _, checks = read_node(file.read_bytes())
        except NodeError as error:
            raise self._damaged(file.parent, str(error)) from None
        if checks is None:
            return value
        content, _ = read_node(value.to_bytes())
        return type(value).from_bytes(node_text(content, checks))

    def _metadata(self, array: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Metadata and checks of an array, read again when they change."""
        file = array / METADATA
        try:
            stamp = _stamp(file)
            known = self._known.get(array)
            if known is None or known[0] != stamp:
                known = stamp, *read_node(file.read_bytes())
                self._known[array] = known
        except FileNotFoundError:
            raise self._damaged(array, f"its {METADATA} is missing") from None
        except NodeError as error:
            raise self._damaged(array, str(error)) from None
        return known[1:]

    def _damaged(self, node: Path, what: str) -> DamagedError:
        return note_damage(self.root, node, what)


def _plain(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()


def _stamp(file: Path) -> Stamp:
    told = os.stat(file)
    return told.st_mtime_ns, told.st_ino


def _holds_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _chunk_of(file: Path) -> tuple[Path | None, int]:
    """The array that a chunk is of, and its number; of other files None."""
    for folder in file.parents:
        if folder.name == "c" and not (folder / METADATA).exists():
            parts = file.relative_to(folder).parts
            if all(part.isdecimal() for part in parts):
                return folder.parent, int(parts[0])
            return None, 0
    return (file.parent, 0) if file.name == "c" else (None, 0)
