"""Lines of a CSV file, read one after the other."""

import csv
from collections.abc import Iterator
from pathlib import Path

from streamclust.errors import SourceError


def csv_lines(file: str | Path, separators: str = ",") -> Iterator[list[str]]:
    """Read the lines of a CSV in UTF-8, with a byte order mark or without.

    Parameters
    ----------
    file : path
    separators : str
        What may stand between fields: the one that the first line has most of does.

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
            first = text.readline() if len(separators) > 1 else ""
            text.seek(0)
            yield from csv.reader(text, delimiter=max(separators, key=first.count))
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{file}: is not UTF-8 text ({error.reason}): save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise SourceError(f"{file}: is not a CSV ({error}): check its quotes") from error
    except OSError as error:
        raise SourceError(f"{file}: cannot be read: {error.strerror or error}") from error
