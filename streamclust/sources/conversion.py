"""Descriptors from any format that is read into ``.npy``, Zarr or Parquet, block by block."""

import csv
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from streamclust.errors import SettingsError, SourceError
from streamclust.events import Events
from streamclust.sources.base import ArraySource, place_of
from streamclust.sources.cells import safe_cell

PIECE_BYTES = 8 * 2**20
_CHUNK_BYTES = 32 * 2**20
_LOCK = "lock"
_OF_ZARR = ("zarr.json", ".zarray", ".zgroup")

# Takes the next rows, and their paths where they have some.
Write = Callable[[np.ndarray, Sequence[str]], None]


def convert(
    source: ArraySource,
    out: Path,
    events: Events,
    *,
    paths: Iterator[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a source in the format that the ending of `out` names.

    Paths are a column of Parquet and an array of a Zarr group; beside a ``.npy`` file they are
    written to a list, ``NAME.paths.csv``.

    Parameters
    ----------
    source : ArraySource
    out : Path
        Takes its name when it is whole.
    events : Events
    paths : iterator of str, optional
        Of all rows; by default those that they come with.
    overwrite : bool

    Raises
    ------
    SettingsError
        For another ending, and when the file is there and is not to be written over.
    SourceError
        When the source cannot be read or is written meanwhile, or there are more or fewer paths.
    """
    ending = out.suffix.lower()
    if ending not in _WRITERS:
        raise SettingsError(f"{out}: {ending or 'no ending'}: write one of {', '.join(_WRITERS)}")
    if paths is None and source.has_paths:
        paths = source.iter_paths()
    targets = [out, *([_list_beside(out)] if ending == ".npy" and paths is not None else [])]
    for target in targets:
        _check_may_be_written(target, source, overwrite)
    n_rows = max(1, PIECE_BYTES // (source.shape[1] * source.dtype.itemsize))
    if source.note:
        events.note(source.note)
    with _staging_folder(out) as folder:
        staged = [folder / target.name for target in targets]
        with (
            _WRITERS[ending](staged, source, paths is not None) as write,
            events.passing(f"writing {out.name}", len(source)) as advance,
        ):
            for start in range(0, len(source), n_rows):
                rows = source.read(start, min(start + n_rows, len(source)))
                listed = [] if paths is None else list(islice(paths, len(rows)))
                if paths is not None and len(listed) < len(rows):
                    raise SourceError(
                        f"{source.path}: has {len(source)} rows, and the list {start + len(listed)}"
                        " paths: one path a row is needed"
                    )
                _check_are_texts(source.path, listed)
                write(rows, listed)
                advance(len(rows))
        if paths is not None and next(paths, None) is not None:
            raise SourceError(
                f"{source.path}: has {len(source)} rows, and the list more paths: one path a row"
            )
        source.check_unchanged()
        for part, target in zip(staged, targets, strict=True):
            _check_may_be_written(target, source, overwrite)
            if target.is_dir():
                os.replace(target, folder / f"{target.name}.old")
            os.replace(part, target)
    for target in targets[1:]:
        events.note(f"paths: in {target}")


def _check_may_be_written(target: Path, source: ArraySource, overwrite: bool) -> None:
    """Refuse a place that cannot be written, or must not.

    Raises
    ------
    SettingsError
        It says why.
    """
    if not target.parent.is_dir():
        raise SettingsError(f"{target.parent} is no folder: make it first, or name another")
    if not (target.exists() or target.is_symlink()):
        return
    if not overwrite:
        raise SettingsError(f"{target} is there: name another file, or --overwrite it")
    place, read = target.resolve(), place_of(source.path)[0].resolve()
    if place == read or place in read.parents or read in place.parents:
        raise SettingsError(f"{target} is what is read, or a part of it: name another file")
    is_zarr = target.is_dir() and any((target / name).is_file() for name in _OF_ZARR)
    if target.is_symlink() or target.is_dir() != is_zarr or is_zarr != (target.suffix == ".zarr"):
        raise SettingsError(f"{target} is there, and was not written so: name another file")


@contextmanager
def _staging_folder(out: Path) -> Iterator[Path]:
    """A folder beside what is written, which nobody else writes to; what a killed command left
    in it goes."""
    import filelock

    folder = out.with_name(f".{out.name}.part")
    try:
        folder.mkdir(exist_ok=True)
        with filelock.FileLock(folder / _LOCK, timeout=0):
            for item in folder.iterdir():
                if item.name != _LOCK:
                    _remove(item)
            yield folder
            shutil.rmtree(folder)
    except filelock.Timeout:
        raise SettingsError(
            f"{out} is being written by another command: wait for it, or name another file"
        ) from None
    except (FileExistsError, PermissionError) as error:
        raise SettingsError(f"{error.filename}: cannot be written: {error.strerror}") from None
    except BaseException:
        for item in folder.iterdir():
            _remove(item)
        folder.rmdir()
        raise


def _remove(item: Path) -> None:
    if item.is_dir() and not item.is_symlink():
        shutil.rmtree(item)
    else:
        item.unlink()


def _list_beside(out: Path) -> Path:
    return out.with_suffix(".paths.csv")


def _check_are_texts(path: Path, names: Sequence[str]) -> None:
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        name = next(one for one in names if not one.isprintable())
        raise SourceError(f"{path}: {name!r} is no name in UTF-8: rename the file") from None


@contextmanager
def _npy(staged: Sequence[Path], source: ArraySource, has_paths: bool) -> Iterator[Write]:
    header = {
        "descr": np.lib.format.dtype_to_descr(source.dtype),
        "fortran_order": False,
        "shape": source.shape,
    }
    with open(staged[0], "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        if not has_paths:
            yield lambda rows, _: rows.tofile(file)
            return
        with open(staged[1], "w", newline="", encoding="utf-8") as text:
            lines = csv.writer(text)
            lines.writerow(["paths"])

            def write(rows: np.ndarray, paths: Sequence[str]) -> None:
                rows.tofile(file)
                lines.writerows([safe_cell(path)] for path in paths)

            yield write


@contextmanager
def _zarr(staged: Sequence[Path], source: ArraySource, has_paths: bool) -> Iterator[Write]:
    import zarr

    n_rows = max(1, _CHUNK_BYTES // (source.shape[1] * source.dtype.itemsize))
    chunks = min(n_rows, len(source)), source.shape[1]
    options = {"shape": source.shape, "dtype": source.dtype, "chunks": chunks}
    if has_paths:
        group = zarr.create_group(staged[0])
        array = group.create_array("descriptors", **options)
        names = group.create_array(
            "paths", shape=source.shape[:1], chunks=chunks[:1], dtype="string"
        )
    else:
        array, names = zarr.create_array(staged[0], **options), None
    # A chunk is written once, whole.
    waiting = np.empty(chunks, source.dtype)
    waiting_paths: list[str] = []
    n_waiting = start = 0

    def write(rows: np.ndarray, paths: Sequence[str]) -> None:
        nonlocal n_waiting, start
        waiting_paths.extend(paths)
        while len(rows):
            taken = min(len(rows), len(waiting) - n_waiting)
            waiting[n_waiting : n_waiting + taken] = rows[:taken]
            rows, n_waiting = rows[taken:], n_waiting + taken
            if n_waiting == len(waiting) or start + n_waiting == len(source):
                array[start : start + n_waiting] = waiting[:n_waiting]
                if names is not None:
                    names[start : start + n_waiting] = np.array(waiting_paths[:n_waiting], object)
                    del waiting_paths[:n_waiting]
                start, n_waiting = start + n_waiting, 0

    yield write


@contextmanager
def _parquet(staged: Sequence[Path], source: ArraySource, has_paths: bool) -> Iterator[Write]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise SettingsError(
            "Parquet is written by pyarrow: pip install 'streamclust[parquet]'"
        ) from None
    kind = pyarrow.list_(pyarrow.from_numpy_dtype(source.dtype), source.shape[1])
    fields = [("path", pyarrow.string())] * has_paths + [("embedding", kind)]
    # Numbers of descriptors do not repeat: dictionaries and compression would cost time alone.
    options = {"use_dictionary": False, "compression": "none"}
    with pyarrow.parquet.ParquetWriter(staged[0], pyarrow.schema(fields), **options) as file:

        def write(rows: np.ndarray, paths: Sequence[str]) -> None:
            values = pyarrow.FixedSizeListArray.from_arrays(rows.reshape(-1), type=kind)
            columns = [pyarrow.array(paths, pyarrow.string())] * has_paths + [values]
            file.write_batch(pyarrow.record_batch(columns, schema=file.schema))

        yield write


_WRITERS: dict[str, Callable[[Sequence[Path], ArraySource, bool], AbstractContextManager[Write]]]
_WRITERS = {".npy": _npy, ".zarr": _zarr, ".parquet": _parquet}
