"""What is known of images beside descriptors: which table of attributes was used, and its codes;
which rows a person was asked about in an audit of labels, and the answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from streamclust.store.clusterings import StoredClustering
from streamclust.store.workspace import (
    StoredResult,
    Workspace,
    fingerprint,
    stage_array,
    store_array,
)

_FILE, _COLUMNS = "attributes", "attribute_columns"
_CHUNK = 65_536
_UNKNOWN = -1
_AUDITS = "audits"


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


@dataclass(frozen=True, eq=False)
class Audit:
    """A random sample of each cluster of a clustering.

    Attributes
    ----------
    clustering : str
        Its fingerprint.
    seed : int
        Of the draw.
    sizes : ndarray of int, shape (n_clusters,)
        Rows of each cluster.
    rows, labels : ndarray of int, shape (n_asked,)
        Those that were drawn, and their clusters.
    names : tuple of str
        What each was called when it was asked about.
    answers : tuple of str
        Empty where there is none yet.
    """

    clustering: str
    seed: int
    sizes: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    answers: tuple[str, ...]

    def answered(self, answers: Mapping[int, str]) -> Self:
        """With further answers, by row; the rest stay as they are."""
        pairs = zip(self.rows.tolist(), self.answers, strict=True)
        return replace(self, answers=tuple(answers.get(row) or before for row, before in pairs))


def load_audit(clustering: StoredClustering) -> Audit | None:
    """The audit of a clustering, or of one before it that was called so."""
    stored = _stored(clustering)
    if not stored.exists:
        return None
    group = stored.node
    arrays = (group[name][...] for name in ("sizes", "rows", "labels"))
    texts = (tuple(group.attrs[name]) for name in ("names", "answers"))
    return Audit(group.attrs["clustering"], int(group.attrs["seed"]), *arrays, *texts)


def save_audit(clustering: StoredClustering, audit: Audit) -> None:
    """Store an audit; what was there goes to the archive."""
    rows = [audit.rows.tolist(), list(audit.names), list(audit.answers)]
    with _stored(clustering).staged(fingerprint(_AUDITS, 1, audit.clustering, *rows)) as group:
        for name in ("sizes", "rows", "labels"):
            store_array(group, name, getattr(audit, name))
        group.attrs.update(
            clustering=audit.clustering, seed=audit.seed, names=rows[1], answers=rows[2]
        )


def _stored(clustering: StoredClustering) -> StoredResult:
    place = f"{_AUDITS}/{clustering.set_name}/{clustering.name}"
    return StoredResult(clustering.workspace, place)
