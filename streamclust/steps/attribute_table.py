"""Which table of attributes a comparison uses: the one that is named, or that of the last time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamclust.errors import SettingsError
from streamclust.steps.job import Job

_FILE, _COLUMNS = "attributes", "attribute_columns"


@dataclass(frozen=True)
class AttributeTable:
    """A table of attributes; with `columns`, of these alone (`read_attributes`)."""

    file: Path
    columns: tuple[str, ...] | None = None


def named_or_last(
    job: Job, file: Path | None, columns: Sequence[str] | None
) -> AttributeTable | None:
    """The table that is named, or that which `remember` kept, with other columns where these are
    named; None where there is none.

    Raises
    ------
    SettingsError
        When columns are named, but no table is, nor has been.
    """
    wanted = None if columns is None else tuple(columns)
    if file is not None:
        return AttributeTable(file, wanted)
    kept = job.workspace.root.attrs
    last = kept.get(_FILE)
    if last is not None and Path(last).is_file():
        before = kept.get(_COLUMNS)
        if wanted is None and before is not None:
            wanted = tuple(before)
        of = "" if wanted is None else f": {', '.join(wanted)}"
        job.events.note(f"with the attributes of {last}, as before{of}")
        return AttributeTable(Path(last), wanted)
    if wanted is not None:
        raise SettingsError(
            f"columns {', '.join(wanted)} of no table{f': {last} is gone' if last else ''}: "
            "name it with --attributes"
        )
    if last is not None:
        job.events.warn(f"{last} is gone: what was told of its attributes is removed")
    return None


def remember(job: Job, table: AttributeTable) -> None:
    """Keep the name of a table, and its columns if they were chosen, for `named_or_last`."""
    kept = {_FILE: str(table.file.resolve()), _COLUMNS: table.columns}
    job.workspace.root.attrs.update(kept)
