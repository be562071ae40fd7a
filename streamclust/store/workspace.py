"""The results of one case on disk: a Zarr store, published by rename, locked, and never emptied.

Layout of the results folder::

    workspace.zarr/                 what was computed, a plain Zarr (format 3) group
      images/path
      descriptors/<set>/{raw, valid, moments, pca, reduced}
      descriptors/<set>/clusterings/<algorithm>-<k>/{labels, sizes, means, ...}
      descriptors/<set>/{space, neighbors, outliers}
      outliers/{score, flagged, kind}
      tables/<step>/<file>
    .streamclust/staging/           what is being written; swept when the next run begins
    .streamclust/pending/           what is published together, until all of it is
    .streamclust/scratch/           parts of results that a killed run goes on from
    .streamclust/archive/           results of other settings, put back when those return
    .streamclust/damage/            what was found to be damaged, until it is made again
    .streamclust/damaged/           damaged results that were made again
    .streamclust/lock               held by one run at a time

Every published array or group carries a ``fingerprint`` attribute: a digest of the settings
and inputs that made it, so that a step knows whether its result is there already.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamclust.errors import DamagedError, WorkspaceError
from streamclust.sources import check_is_no_address
from streamclust.store.checks import METADATA
from streamclust.store.damage import (
    HIDDEN,
    STORE,
    Damage,
    drop_note,
    find_damage,
    is_aside,
    is_shelf,
    keep_note,
    makes_again,
    mend_group,
    move_aside,
    notes,
    refused,
    remedy,
    results_below,
    seal,
    stored_bytes,
    take_in,
)
from streamclust.store.outputs import may_write, sweep

if TYPE_CHECKING:
    import numpy as np
    import zarr

FORMAT = 1
_COMMIT, _DAMAGED = "commit.json", "damaged"


def fingerprint(*parts: Any) -> str:
    """Digest of settings and inputs (anything JSON can write), 16 hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class Workspace:
    """The store of one results folder.

    Parameters
    ----------
    folder : path-like
        The results folder (``OUT``).
    create : bool
        Make the store when there is none.

    Raises
    ------
    WorkspaceError
        When there is no store and `create` is False, or it has a format this version of
        streamclust does not know.
    DamagedError
        When the metadata of the store is damaged and `create` is False.
    """

    def __init__(self, folder: str | Path, create: bool = False) -> None:
        self.folder = Path(folder).resolve()
        self.store = self.folder / STORE
        self._hidden = self.folder / HIDDEN
        self._root: tuple[tuple[int, int] | None, zarr.Group] | None = None
        if create:
            check_is_no_address(folder)
        if create and not self.store.exists():
            self._create()
        is_known = (self.store / METADATA).exists() or self._hidden.exists()
        if create and not is_known:
            raise WorkspaceError(
                f"{self.store} is in the way: it is there and holds no streamclust results: move "
                "it away, or name another --out"
            )
        if damage := self._root_damage():
            if not create:
                raise DamagedError(damage.in_words)
            self._mend_root(damage)
        if not (self.store / METADATA).exists():
            raise WorkspaceError(
                f"{folder} holds no streamclust results: streamclust run CASE --out {folder} "
                "makes them"
            )
        found = self.root.attrs.get("streamclust", {}).get("format")
        if found != FORMAT:
            raise WorkspaceError(
                f"{self.store} has format {found}, this streamclust reads format {FORMAT}: "
                "use the version that wrote it, or another --out"
            )

    def _root_damage(self) -> Damage | None:
        if not self.store.is_dir() or not any(self.store.iterdir()):
            return None
        return find_damage(self.folder, self.store, "")

    def _mend_root(self, damage: Damage) -> None:
        """Make the metadata of the store again: its results are not touched."""
        with self._held():
            mend_group(self.store, "", self._hidden / _DAMAGED, self._about())
            drop_note(self.folder, damage.path)

    @staticmethod
    def _about() -> dict[str, Any]:
        from streamclust._version import __version__

        return {"streamclust": {"format": FORMAT, "version": __version__}}

    def _create(self) -> None:
        import zarr

        self._hidden.mkdir(parents=True, exist_ok=True)
        staged = self._hidden / f"new-{uuid.uuid4().hex}"
        zarr.create_group(staged, attributes=self._about())
        seal(staged, "")
        try:
            os.replace(staged, self.store)
        except OSError:
            shutil.rmtree(staged, ignore_errors=True)
            # Another first run was faster; the lock decides which of the two goes on.
            if not self.store.exists():
                raise

    @property
    def root(self) -> "zarr.Group":
        """The store, read-only by intention: what is written is staged and published.

        Raises
        ------
        WorkspaceError
            When it is damaged.
        """
        import zarr

        from streamclust.store.checked_store import CheckedStore

        written = self._root_written()
        if self._root is None or self._root[0] != written:
            with self._intact(self.store):
                store = CheckedStore(self.store)
                self._root = written, zarr.open_group(store, mode="r+", zarr_format=3)
        return self._root[1]

    def _root_written(self) -> tuple[int, int] | None:
        """When the metadata of the store were written: the store is opened anew only then."""
        try:
            told = os.stat(self.store / METADATA)
        except OSError:
            return None
        return told.st_mtime_ns, told.st_ino

    @property
    def read_only(self) -> "zarr.Group":
        """The store, for those who only look."""
        import zarr

        from streamclust.store.checked_store import CheckedStore

        return zarr.open_group(CheckedStore(self.store, read_only=True), mode="r", zarr_format=3)

    @contextmanager
    def _intact(self, place: Path) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError) as error:
            path = place.relative_to(self.store) if place.is_relative_to(self.store) else place
            raise DamagedError(
                f"{place} is damaged ({error}): {remedy(self.folder, path.as_posix())}"
            ) from error

    def get(self, path: str) -> Any:
        """The array or group at `path`, or None."""
        if not (self.store / path / METADATA).exists() and not self._lost_metadata(path):
            return None
        root = self.root
        with self._intact(self.store / path):
            return root[path]

    def _lost_metadata(self, path: str) -> bool:
        """Whether there is more at `path` than results within what was moved aside."""
        place = self.store / path
        holds_files = place.is_dir() and any(place.iterdir())
        return holds_files and not is_aside(self.folder, path)

    def fingerprint_of(self, path: str) -> str | None:
        """The fingerprint of what is published at `path`, or None."""
        node = self.get(path)
        return None if node is None else str(node.attrs.get("fingerprint"))

    @property
    def descriptors(self) -> list[str]:
        """Names of the descriptor sets that are whole in the store, sorted."""
        folder = self.store / "descriptors"
        return sorted(p.parent.name for p in folder.glob("*/zarr.json"))

    def clusterings(self, descriptor: str) -> list[str]:
        """Names of a set's clusterings, by algorithm and k."""
        folder = self.store / "descriptors" / descriptor / "clusterings"
        names = [p.parent.name for p in folder.glob("*/zarr.json")]
        return sorted(names, key=_by_number)

    @property
    def is_writable(self) -> bool:
        """Whether results can be changed."""
        return may_write(self.folder)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the workspace for one run; the lock falls with the process, however it ends.

        One that cannot be written to is not locked: nobody here changes it, and what is made of it
        goes elsewhere.

        Raises
        ------
        WorkspaceError
            When another run holds it.
        """
        if not self.is_writable:
            yield
            return
        with self._held():
            self._finish_pending()
            # Only the holder sweeps: what another run left half-written is nobody's now.
            shutil.rmtree(self._hidden / "staging", ignore_errors=True)
            sweep(self.folder)
            yield

    @contextmanager
    def _held(self) -> Iterator[None]:
        import filelock

        self._hidden.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self._hidden / "lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise WorkspaceError(
                f"{self.folder} is in use by another streamclust run: wait for it, or name "
                "another --out"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def make_way(self, command: str) -> list[Damage]:
        """Move aside what is damaged and a command makes again; under the lock.

        What is there is looked at, and what was found to be damaged is read; the rest is read when
        it is used.

        Returns
        -------
        list of Damage
            What was moved.

        Raises
        ------
        DamagedError
            When the command would go on from other results that are damaged.
        """
        found = self._known_damage()
        for damage in found:
            if is_shelf(damage.path):
                mend_group(self.store / damage.path, damage.path, self._hidden / _DAMAGED)
                drop_note(self.folder, damage.path)
            elif refused(command, damage) and not makes_again(command, damage):
                raise DamagedError(damage.in_words)
        moved = [one for one in found if not is_shelf(one.path) and makes_again(command, one)]
        for damage in moved:
            # It stays noted until it is back: what comes of the rest alone must not pass for all.
            keep_note(self.folder, damage, aside=True)
            move_aside(self.store / damage.path, damage.path, self._hidden / _DAMAGED)
        return moved

    def _known_damage(self) -> list[Damage]:
        """Damage that is seen without reading, and that was noted and is still there."""
        noted = notes(self.folder)
        found = {}
        for place, path in results_below(self.store, ""):
            damage = find_damage(self.folder, place, path)
            if damage is None and path in noted:
                damage = find_damage(self.folder, place, path, lambda amount: None)
                if damage is None:
                    drop_note(self.folder, path)
            if damage is not None:
                found[path] = damage
        for path, (damage, aside) in noted.items():
            if path not in found and not (self.store / path / METADATA).exists():
                if aside:
                    found[path] = damage
                else:
                    drop_note(self.folder, path)
        return list(found.values())

    def verify(self, advance: Callable[[int], None]) -> list[Damage]:
        """Read everything, also in the archive; under the lock.

        What is damaged is noted, for the command that makes it again. In the archive it is moved
        aside: it is made again when its settings return.

        Parameters
        ----------
        advance : callable
            Told how many bytes were read.
        """
        found = [
            damage
            for place, path in results_below(self.store, "")
            if (damage := find_damage(self.folder, place, path, advance))
        ]
        for path in notes(self.folder):
            if path not in {damage.path for damage in found}:
                drop_note(self.folder, path)
        for damage in found:
            keep_note(self.folder, damage)
        return [*found, *self._verified_archive(advance)]

    def _verified_archive(self, advance: Callable[[int], None]) -> list[Damage]:
        found = []
        for kept in sorted((self._hidden / "archive").glob("*/*")):
            for place, path in results_below(kept, kept.parent.name.replace("~", "/")):
                if damage := find_damage(self.folder, place, path, advance):
                    told = "it was kept for other settings and is made again when they return"
                    found.append(replace(damage, place=f"{path} in the archive", remedy=told))
                    move_aside(place, path, self._hidden / _DAMAGED)
        return found

    @property
    def stored_bytes(self) -> int:
        """Bytes of all results, those in the archive included."""
        return stored_bytes(self.store) + stored_bytes(self._hidden / "archive")

    @contextmanager
    def staging(self) -> Iterator["zarr.Group"]:
        """A group to write results into before they are published; swept when the block ends."""
        import zarr

        folder = self._hidden / "staging" / uuid.uuid4().hex
        folder.parent.mkdir(parents=True, exist_ok=True)
        from streamclust.store.checked_store import CheckedStore

        try:
            yield zarr.create_group(CheckedStore(folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def scratch(self, step: str, mark: str) -> Iterator[Path]:
        """A folder for parts of a step's result with fingerprint `mark`: what an error or a kill
        leaves there is found again, and it goes when the block ends well. What the step left of
        other results goes at once."""
        folder = self._hidden / "scratch" / step / mark
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.parent.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)

    def publish(self, staged: "zarr.Array | zarr.Group", path: str, mark: str) -> None:
        """Move a staged result to `path` whole; what stands there goes to the archive.

        The groups above `path` are made when they are missing.
        """
        staged.attrs["fingerprint"] = mark
        folder = Path(str(staged.store.root)) / staged.path
        seal(folder, path)
        self._ensure_group(Path(path).parent)
        self.archive(path)
        self._put(folder, path)

    def publish_together(self, results: Sequence[tuple[Any, str, str]]) -> None:
        """Publish staged results, each with its path and fingerprint, so that all are there or
        none: after a kill in between, whoever takes the lock next moves the rest in."""
        pending = self._hidden / "pending"
        shutil.rmtree(pending, ignore_errors=True)
        pending.mkdir(parents=True)
        for number, (staged, path, mark) in enumerate(results):
            staged.attrs["fingerprint"] = mark
            folder = Path(str(staged.store.root)) / staged.path
            seal(folder, path)
            os.replace(folder, pending / str(number))
        listed = pending / "listed.json"
        listed.write_text(json.dumps([path for _, path, _ in results]))
        os.replace(listed, pending / _COMMIT)
        self._finish_pending()

    def _finish_pending(self) -> None:
        pending = self._hidden / "pending"
        if (pending / _COMMIT).exists():
            for number, path in enumerate(json.loads((pending / _COMMIT).read_text())):
                if (pending / str(number)).exists():
                    self._ensure_group(Path(path).parent)
                    self.archive(path)
                    self._put(pending / str(number), path)
        shutil.rmtree(pending, ignore_errors=True)

    def _ensure_group(self, path: Path) -> None:
        if str(path) != "." and not (self.store / path / METADATA).exists():
            self._ensure_group(path.parent)
            self.root.create_group(str(path))

    def _put(self, folder: Path, path: str) -> None:
        """Let a whole result stand at `path`, where nothing does but results within it."""
        target = self.store / path
        if target.is_dir():
            take_in(target, folder)
        else:
            os.replace(folder, target)
        drop_note(self.folder, path)

    def archive(self, path: str) -> None:
        """Put what stands at `path` aside under its fingerprint."""
        mark = self.fingerprint_of(path)
        if mark is None:
            return
        kept = self._kept(path, mark)
        kept.parent.mkdir(parents=True, exist_ok=True)
        if kept.exists():
            shutil.rmtree(kept)
        os.replace(self.store / path, kept)

    def restore(self, path: str, mark: str) -> bool:
        """Make the result with fingerprint `mark` stand at `path`, if it was ever published."""
        if self.fingerprint_of(path) == mark:
            return True
        kept = self._kept(path, mark)
        if not kept.exists():
            return False
        self._ensure_group(Path(path).parent)
        self.archive(path)
        self._put(kept, path)
        return True

    def find(self, path: str, mark: str) -> Any:
        """The group that was published at `path` with fingerprint `mark`, for reading; None where
        it is no more. The archive is looked through, too, also for groups that held it."""
        import zarr

        from streamclust.store.checked_store import CheckedStore

        if self.fingerprint_of(path) == mark:
            return self.get(path)
        parts = Path(path).parts
        for depth in range(len(parts), 0, -1):
            folder = self._kept("/".join(parts[:depth]), mark).parent
            for kept in sorted(folder.iterdir()) if folder.exists() else ():
                place = kept.joinpath(*parts[depth:])
                if (place / "zarr.json").exists():
                    with self._intact(place):
                        node = zarr.open_group(CheckedStore(place), mode="r", zarr_format=3)
                    if node.attrs.get("fingerprint") == mark:
                        return node
        return None

    def _kept(self, path: str, mark: str) -> Path:
        return self._hidden / "archive" / path.replace("/", "~") / mark

    def annotate(self, path: str, **attributes: Any) -> None:
        """Add attributes to a published array or group."""
        self.root[path].attrs.update(attributes)


@dataclass(frozen=True)
class StoredResult:
    """A result at one place of the store, which may not be there yet.

    Parameters
    ----------
    workspace : Workspace
    path : str
        Where it is, or will be.
    """

    workspace: Workspace
    path: str

    @property
    def exists(self) -> bool:
        return self.workspace.get(self.path) is not None

    @property
    def node(self) -> Any:
        """Its Zarr group or array."""
        return self.workspace.root[self.path]

    @property
    def fingerprint(self) -> str | None:
        return self.workspace.fingerprint_of(self.path)

    def restore(self, mark: str) -> bool:
        """Put the result with this fingerprint in its place, if it was ever published."""
        return self.workspace.restore(self.path, mark)

    def archive(self) -> None:
        """Put it aside under its fingerprint."""
        self.workspace.archive(self.path)

    @contextmanager
    def staged(self, mark: str) -> Iterator[Any]:
        """A staged group, published in its place with this fingerprint when the block ends well."""
        with self.workspace.staging() as staged:
            group = staged.create_group(self.path.rpartition("/")[2])
            yield group
            self.workspace.publish(group, self.path, mark)


def _by_number(name: str) -> tuple[str, int]:
    """``kmeans-12`` after ``kmeans-5``; the last part need not be a number."""
    algorithm, _, k = name.rpartition("-")
    return (algorithm, int(k)) if k.isdigit() else (name, 0)


def stage_array(
    group: "zarr.Group",
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    chunk_rows: int,
    fill_value: Any = 0,
    compress: bool = False,
) -> "zarr.Array":
    """Create an array in a staged group, chunked by rows only, uncompressed unless asked."""
    from zarr.codecs import Crc32cCodec, ZstdCodec

    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(chunk_rows, *shape[1:]),
        fill_value=fill_value,
        compressors=[*([ZstdCodec(level=0)] if compress else []), Crc32cCodec()],
    )


def store_array(group: "zarr.Group", name: str, values: "np.ndarray") -> "zarr.Array":
    """Write a small array into a staged group as one chunk."""
    from zarr.codecs import Crc32cCodec

    chunks = tuple(max(1, n) for n in values.shape) or "auto"
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunks,
        compressors=[Crc32cCodec()],
    )
    array[...] = values
    return array
