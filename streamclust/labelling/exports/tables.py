"""Tables of a line a row: CSV, Parquet, JSON, JSON lines."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamclust.labelling.exports.base import Export, Exported, Write
from streamclust.labelling.row_writers import row_file


class CSV(Export):
    """All columns, of any sets."""

    ending = ".csv"
    one_set = False

    @contextmanager
    def open(self, path: Path, rows: Exported) -> Iterator[Write]:
        with row_file(path, rows.columns, self.ending) as write:
            yield lambda batch: write(batch.values())


class Parquet(CSV):
    ending = ".parquet"


class JSON(CSV):
    ending = ".json"


class JSONLines(CSV):
    ending = ".jsonl"
