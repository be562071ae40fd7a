"""Lines of a CSV file, read one after the other."""

import csv
from collections.abc import Iterator
from pathlib import Path

from streamclust.errors import SourceError


def csv_lines(file: str | Path) -> Iterator[list[str]]:
    """Read the lines of a CSV in UTF-8, with a byte order mark or without.

    Yields
    ------
    list of str
        The fields of a line, as they stand in it; none for an empty line.

    Raises
    ------
    SourceError
        If the file cannot be read, or is no such text.
    """
    try:
        with open(file, encoding="utf-8-sig", newline="") as text:
            yield from csv.reader(text)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{file}: is not UTF-8 text ({error.reason}): save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise SourceError(f"{file}: is not a CSV ({error}): check its quotes") from error
    except OSError as error:
        raise SourceError(f"{file}: cannot be read: {error.strerror or error}") from error
