"""Tables of a line a row, written as they come: CSV, Parquet, JSON, JSON lines."""

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.memory import MIB
from streamclust.sources import safe_cell

INT, FLOAT, FLAG, TEXT, CODE = "int", "float", "flag", "text", "code"
# Lines that stand as Python objects at once.
_SLICE = 8192
# What a step that writes a table holds of it, whatever its rows.
WRITING_BYTES = 88 * MIB


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
    kind : str
        Of its values: `INT`, `FLOAT` (NaN is no value), `FLAG` (True or False), `TEXT` (a list of
        str), or `CODE`, a number that stands for a text; those below 0 stand for none.
    values : tuple of str
        The texts of a code.
    format : str
        Of the numbers of a `FLOAT` in a CSV, and in JSON.
    """

    name: str
    kind: str
    values: tuple[str, ...] = ()
    format: str = ".6g"


# Takes the values of all columns for the next rows.
Write = Callable[[Sequence[Any]], None]


def row_file(path: Path, columns: Sequence[Column], ending: str) -> AbstractContextManager[Write]:
    """Open a table by the ending of its name, ``.csv``, ``.parquet``, ``.json`` or ``.jsonl``.

    Parameters
    ----------
    path : Path
        Where it is written, whatever that is called.
    columns : sequence of Column
    ending : str
        One of `ENDINGS`.

    Raises
    ------
    SettingsError
        When Parquet is asked for and pyarrow is not there.
    """
    return _OPENERS[ending](path, columns)


def check_ending(file: Path) -> str:
    """The ending of a file's name.

    Raises
    ------
    SettingsError
        When no table is written by it.
    """
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        raise SettingsError(f"{file}: {ending or 'no ending'}: write one of {', '.join(ENDINGS)}")
    if ending == ".parquet":
        _pyarrow()
    return ending


@contextmanager
def _csv(path: Path, columns: Sequence[Column]) -> Iterator[Write]:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([safe_cell(column.name) for column in columns])

        def write(values: Sequence[Any]) -> None:
            for cells in _cells(columns, values, _as_text):
                writer.writerows(zip(*cells, strict=True))

        yield write


@contextmanager
def _json_lines(path: Path, columns: Sequence[Column]) -> Iterator[Write]:
    with open(path, "w", encoding="utf-8") as file:
        yield lambda values: file.writelines(f"{line}\n" for line in _json_texts(columns, values))


@contextmanager
def _json_array(path: Path, columns: Sequence[Column]) -> Iterator[Write]:
    with open(path, "w", encoding="utf-8") as file:
        between = ["\n"]

        def write(values: Sequence[Any]) -> None:
            for line in _json_texts(columns, values):
                file.write(between[0] + line)
                between[0] = ",\n"

        file.write("[")
        yield write
        file.write("\n]\n")


@contextmanager
def _parquet(path: Path, columns: Sequence[Column]) -> Iterator[Write]:
    arrow = _pyarrow()
    import pyarrow.parquet

    kinds = {
        INT: arrow.int64(),
        FLOAT: arrow.float32(),
        FLAG: arrow.bool_(),
        TEXT: arrow.string(),
        CODE: arrow.dictionary(arrow.int32(), arrow.string()),
    }
    schema = arrow.schema([(column.name, kinds[column.kind]) for column in columns])

    def array(column: Column, values: Any) -> Any:
        if column.kind == CODE:
            codes = np.where(values < 0, len(column.values), values).astype(np.int32)
            return arrow.DictionaryArray.from_arrays(codes, [*column.values, ""])
        mask = np.isnan(values) if column.kind == FLOAT else None
        return arrow.array(values, kinds[column.kind], mask=mask)

    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        yield lambda values: writer.write_batch(
            arrow.record_batch(list(map(array, columns, values)), schema=schema)
        )


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise SettingsError(
            "Parquet takes pyarrow, which is not there: pip install 'streamclust[parquet]', or "
            "write .csv or .jsonl"
        ) from None
    return pyarrow


def _cells(
    columns: Sequence[Column], values: Sequence[Any], as_cells: Callable[[Column, Any], list]
) -> Iterator[list[list]]:
    """Columns as lists of cells, a slice of the rows at a time."""
    for start in range(0, len(values[0]), _SLICE):
        part = slice(start, start + _SLICE)
        pairs = zip(columns, values, strict=True)
        yield [as_cells(column, of_column[part]) for column, of_column in pairs]


def _as_text(column: Column, values: Any) -> list:
    if column.kind == FLOAT:
        return [
            "" if math.isnan(value) else format(value, column.format) for value in values.tolist()
        ]
    if column.kind == FLAG:
        return values.astype(np.int8).tolist()
    if column.kind == CODE:
        return _texts(column, values, safe_cell)
    return list(map(safe_cell, values)) if column.kind == TEXT else values.tolist()


def _as_json(column: Column, values: Any) -> list:
    if column.kind == FLOAT:
        # JSON has no infinity: that of a row without a score is told by its reason.
        numbers = (float(format(value, column.format)) for value in values.tolist())
        return [number if math.isfinite(number) else None for number in numbers]
    if column.kind == CODE:
        return _texts(column, values, str)
    return values if column.kind == TEXT else values.tolist()


def _texts(column: Column, codes: np.ndarray, as_cell: Callable[[str], str]) -> list:
    # Codes below 0 take the last.
    texts = np.array([*map(as_cell, column.values), ""], object)
    return texts[np.maximum(codes, -1)].tolist()


def _json_texts(columns: Sequence[Column], values: Sequence[Any]) -> Iterator[str]:
    names = [column.name for column in columns]
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    for cells in _cells(columns, values, _as_json):
        for line in zip(*cells, strict=True):
            yield encode(dict(zip(names, line, strict=True)))


_OPENERS: dict[str, Callable[[Path, Sequence[Column]], AbstractContextManager[Write]]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".json": _json_array,
    ".jsonl": _json_lines,
}
ENDINGS = tuple(_OPENERS)
