"""The tables of a results folder as data frames: from the store, or from the largest CSV files."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamclust.errors import WorkspaceError
from streamclust.sources import plain_cell
from streamclust.store import Workspace

if TYPE_CHECKING:
    import pandas as pd

# Of every table what is text whatever it looks like: a set may be called 7, a cluster None.
_TEXT = {
    *("set", "clustering", "clusterings", "labels", "space", "algorithm", "same_algorithm"),
    *("mixed_set", "best_set", "sets", "attribute", "measure"),
    *("path", "kind", "name", "text", "what"),
    *("typical", "varied", "borderline", "worst"),
}
# Whole numbers also where some are missing.
_WHOLE = {"cluster", "nearest"}


def stored_table(step: str, file: str, about: str) -> property:
    """A property of a class with a `folder`: a table that a step stored.

    Parameters
    ----------
    step : str
        Called as its command.
    file : str
        That which people have of it.
    about : str
        What a line of it is.
    """
    made_by = f"streamclust {step} OUT"

    def read(owner: Any) -> "pd.DataFrame":
        import pandas as pd

        from streamclust.store import stored_tables

        stored = stored_tables(Workspace(owner.folder), step)
        if file not in stored.files:
            raise _absent(owner.folder / file, made_by)
        table = pd.DataFrame(list(stored.lines(file)), columns=stored.columns(file))
        for name in _TEXT.intersection(table):
            # Older versions of pandas write out what is missing.
            table[name] = table[name].astype(str).where(table[name].notna())
        return table.astype(dict.fromkeys(_WHOLE.intersection(table), "Int64"))

    read.__doc__ = f"{about} ``{file}`` as `{made_by}` wrote it."
    return property(read)


def table_file(
    file: str, made_by: str, about: str, numbers: Collection[str] | None = None
) -> property:
    """A property of a class with a `folder`: one of its CSV tables that has a line a row, read when
    it is asked for.

    Parameters
    ----------
    file : str
    made_by : str
        The command that writes it, for those who have no such table.
    about : str
        What a line of it is.
    numbers : collection of str, optional
        Its columns of numbers, where all others are text.
    """

    def read(owner: Any) -> "pd.DataFrame":
        return read_table(owner.folder / file, made_by, numbers)

    read.__doc__ = f"{about} ``{file}`` as `{made_by}` wrote it."
    return property(read)


def read_table(file: Path, made_by: str, numbers: Collection[str] | None = None) -> "pd.DataFrame":
    """Read a table; names and sentences stay text, empty cells are missing values.

    Raises
    ------
    WorkspaceError
        When it is not there, or is no table.
    """
    import pandas as pd

    if not file.is_file():
        raise _absent(file, made_by)
    try:
        columns = pd.read_csv(file, nrows=0).columns
        text = [name for name in columns if _is_text(name, numbers)]
        empty = {name: [""] if name in text else ["", "nan"] for name in columns}
        dtypes = dict.fromkeys(_WHOLE, "Int64") | dict.fromkeys(text, str)
        table = pd.read_csv(file, dtype=dtypes, keep_default_na=False, na_values=empty)
    except (ValueError, OSError) as error:
        raise WorkspaceError(
            f"{file} cannot be read as a table: put it away, and {made_by} makes it again"
        ) from error
    for name in text:
        table[name] = table[name].map(plain_cell, na_action="ignore")
    return table.rename(columns=plain_cell)


def _absent(file: Path, made_by: str) -> WorkspaceError:
    if file.is_file():
        return WorkspaceError(f"{file} is of an earlier streamclust: {made_by} makes it again")
    return WorkspaceError(f"there is no {file.name} in {file.parent}: {made_by} makes it")


def _is_text(column: str, numbers: Collection[str] | None) -> bool:
    return column in _TEXT if numbers is None else column not in numbers
