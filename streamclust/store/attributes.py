"""What is known of images beside descriptors: which table of attributes was used, and its codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.store.workspace import Workspace, stage_array

_FILE, _COLUMNS = "attributes", "attribute_columns"
_CHUNK = 65_536
_UNKNOWN = -1


@dataclass(frozen=True)
class AttributeTable:
    """A table of attributes; with `columns`, of these alone
    (`streamclust.sources.attributes.read_attributes`)."""

    file: Path
    columns: tuple[str, ...] | None = None


def last_table(workspace: Workspace) -> AttributeTable | None:
    """The table that was used last; None where none was. The file may be gone."""
    attributes = workspace.root.attrs
    file, columns = attributes.get(_FILE), attributes.get(_COLUMNS)
    if file is None:
        return None
    return AttributeTable(Path(file), None if columns is None else tuple(columns))


def remember_table(workspace: Workspace, table: AttributeTable) -> None:
    """Keep the name of a table, and its columns if they were chosen, for `last_table`."""
    workspace.root.attrs.update({_FILE: str(table.file.resolve()), _COLUMNS: table.columns})


def stage_codes(staged: Any, rows: np.ndarray, codes: Mapping[str, np.ndarray], n_rows: int) -> Any:
    """Write codes of values into a staged group.

    Parameters
    ----------
    staged : Zarr group
    rows : ndarray of int64, shape (n_known,)
        Rows of which something is known, ascending.
    codes : mapping of str to ndarray of int32, shape (n_known,)
        Of each attribute.
    n_rows : int
        All rows.

    Returns
    -------
    Zarr array of int32, shape (n_rows, n_attributes)
        -1 for all other rows.
    """
    columns: Sequence[np.ndarray] = list(codes.values())
    shape = (n_rows, len(columns))
    array = stage_array(staged, "codes", shape, np.int32, _CHUNK, fill_value=_UNKNOWN)
    for start in range(0, n_rows, _CHUNK):
        part = slice(*np.searchsorted(rows, [start, start + _CHUNK]))
        block = np.full((min(_CHUNK, n_rows - start), shape[1]), _UNKNOWN, np.int32)
        for number, column in enumerate(columns):
            block[rows[part] - start, number] = column[part]
        array[start : start + len(block)] = block
    return array
