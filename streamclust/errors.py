"""What can go wrong, as exceptions that say what to do.

StreamclustError
├── SourceError        (ValueError)    an input file or case folder cannot be used
│   └── ImageError                     an image is missing, damaged, too large or unsupported
├── SettingsError      (ValueError)    a setting, or a combination of them, makes no sense
├── MemoryBudgetError  (MemoryError)   a step does not fit the memory it was given
├── WorkspaceError     (RuntimeError)  the results folder is locked, or of another format
│   └── DamagedError                   a stored result is not what was written
└── ClusterError       (RuntimeError)  the scheduler or its workers failed

Each is also a child of the built-in that fits, so that callers who do not know
streamclust catch them where they would expect to.
"""

import re
import reprlib
from typing import Any

MISSING, DAMAGED, TOO_LARGE = "missing image", "damaged image", "image too large"
# Its file may be in order, but it is in a format, or packed in a way, that is not read here.
UNSUPPORTED = "unsupported image"

# What ends a line, or tells a terminal something else than to show a character.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class StreamclustError(Exception):
    """Base of every error that streamclust raises on purpose.

    Its text is one line, whatever a file that is quoted in it holds.
    """

    def __str__(self) -> str:
        return _CONTROL.sub(" ", str(self.args[0] if self.args else ""))


class SourceError(StreamclustError, ValueError):
    """An input cannot be used: the message names the file, the place and the way out."""


class ImageError(SourceError):
    """One image cannot be used; the others may be.

    Attributes
    ----------
    kind : str
        `MISSING`, `DAMAGED`, `TOO_LARGE` or `UNSUPPORTED`.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message, kind)
        self.kind = kind


class SettingsError(StreamclustError, ValueError):
    """A setting cannot be used."""


class MemoryBudgetError(StreamclustError, MemoryError):
    """A step needs more memory than it was given."""


class WorkspaceError(StreamclustError, RuntimeError):
    """The results folder cannot be used as it stands."""


class DamagedError(WorkspaceError):
    """A stored result is not what was written: the message names it, and what makes it again."""


class ClusterError(StreamclustError, RuntimeError):
    """The dask scheduler or one of its workers failed."""


_shortened = reprlib.Repr()
_shortened.maxstring = _shortened.maxother = 80


def shortened(value: Any) -> str:
    """A value as a message shows it: one line, whatever was given."""
    try:
        return _shortened.repr(value)
    except ValueError:
        # Python writes no whole number of more than 4,300 digits.
        return "a number of thousands of digits"
