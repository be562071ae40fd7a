"""Files that are no arrays of ours, known by their first bytes, whatever they are called: what they
are, and what makes descriptors of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from streamclust.errors import SourceError

_HEAD = 1024
_LONGEST_NAME = 80

_LOAD = "np.save('{stem}.npy', {call})"

# What a file begins with; several may be given where the first tells too little.
_COMPRESSED = {
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
}
# In which arrays are read, and texts are not.
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x5d\0\0": "lzma",
    b"\x28\xb5\x2f\xfd": "zstd",
}
LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_BEGINNINGS = {
    b"MATLAB 5.0 MAT-file": ("a MATLAB file", "scipy.io.loadmat('{name}')['VARIABLE']"),
    b"FEA1": ("a Feather file", "pandas.read_feather('{name}').to_numpy('float32')"),
    LEGACY_TORCH: ("written by torch.save", "torch.load('{name}', map_location='cpu').numpy()"),
}
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body|\?xml)", re.IGNORECASE)
_POINTERS = {
    b"version https://git-lfs.github.com/spec": ("a Git LFS pointer", "git lfs pull"),
    b"/annex/objects/": ("a git-annex pointer", "git annex get {name}"),
}


def other_format(path: Path) -> str | None:
    """What a file is that is not read, and the way out.

    Returns
    -------
    str or None
        In words that follow the name of the file; None where its first bytes tell nothing, or
        where there is no such file.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    for look in _LOOKS:
        if words := look(head):
            return words.format(name=_plain(path.name), stem=_plain(path.stem))
    return None


def other_folder(path: Path) -> str | None:
    """What a folder is that is not read, as `other_format` says it."""
    if not ((path / "_versions").is_dir() and any((path / "data").glob("*.lance"))):
        return None
    name, stem = _plain(path.name), _plain(path.stem)
    to = stem if stem != name else f"{stem}-parquet"
    return (
        f"is a Lance data set: pyarrow.dataset.write_dataset(lance.dataset('{name}').scanner()"
        f".to_reader(), '{to}', format='parquet')"
    )


def no_text(path: Path) -> str | None:
    """What a file is that is offered as a table of text, and is none, as `other_format` says it."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    name = _plain(path.name)
    if head.startswith(b"PK\x03\x04"):
        is_sheet = b"[Content_Types].xml" in head or b"mimetype" in head
        return (
            f"is a {'spreadsheet: save it as CSV' if is_sheet else 'zip archive: unpack it first'}"
        )
    for magic, compression in {**_PACKED, **_COMPRESSED}.items():
        if head.startswith(magic):
            return f"is compressed with {compression}: unpack it first"
    words = _pointer(head) or _page(head)
    return words and words.format(name=name)


def _compressed(head: bytes) -> str | None:
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            return f"is compressed with {name}: unpack it first"
    return None


def _zip(head: bytes) -> str | None:
    if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None
    return "is a zip archive: unpack it first"


def _pointer(head: bytes) -> str | None:
    for start, (what, way_out) in _POINTERS.items():
        if head.startswith(start):
            return f"is {what}, not the file itself: {way_out}"
    return None


def _known_beginning(head: bytes) -> str | None:
    for start, (what, call) in _BEGINNINGS.items():
        if head.startswith(start):
            return f"is {what}: {_LOAD.format(call=call, stem='{stem}')}"
    return None


def _page(head: bytes) -> str | None:
    if not _PAGE.match(head):
        return None
    return (
        "is a web page (HTML or XML), not the file itself: download it again, signed in where "
        "that is asked for"
    )


def _others(head: bytes) -> str | None:
    if head[257:262] == b"ustar":
        return "is a tar archive: unpack it first"
    if len(head) >= 64 and not head.strip(b"\0"):
        return f"begins with {len(head)} zero bytes, as a copy that was broken off: copy it again"
    return None


_LOOKS: list[Callable[[bytes], str | None]] = [
    *(_compressed, _zip, _pointer, _page, _known_beginning, _others),
]


def _plain(name: str) -> str:
    """A name as it may stand in a line of Python."""
    return ascii(name[:_LONGEST_NAME])[1:-1]


def in_one_line(name: str | Path) -> str:
    """A name as it may stand in a line of text: what can be written nowhere, or would end the
    line, as an escape."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(name))


def check_is_no_address(path: str | Path) -> None:
    """Refuse ``s3://…`` and the like.

    Raises
    ------
    SourceError
        For it.
    """
    if is_address(path):
        scheme = str(path).partition(":")[0]
        raise SourceError(
            f"{in_one_line(path)}: addresses ({scheme}://) are not served: copy the files to a "
            "disk, or mount them, and name the folder there"
        )


def is_address(path: str | Path) -> bool:
    """Whether it names something elsewhere; `Path` takes one of two slashes away."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/+", str(path)) is not None
