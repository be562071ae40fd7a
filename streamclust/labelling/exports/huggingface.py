"""An ImageFolder of Hugging Face datasets: images, and metadata.csv with a line for each."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import compress
from pathlib import Path, PurePosixPath

import numpy as np

from streamclust.labelling.exports.base import NO_CLUSTER, Exported, Write
from streamclust.labelling.exports.folders import Folders, Links, file_name
from streamclust.labelling.row_writers import CODE, FLAG, FLOAT, INT, TEXT, Column, row_file
from streamclust.labelling.stored_labels import RowBatch
from streamclust.sources import normalise_path

_IMAGES = "images"


class ImageFolder(Folders):
    """Images are called by their rows, as words such as ``test`` in a name would tell of a split,
    and every row has a name, as columns have the type of their first lines."""

    @contextmanager
    def open(self, path: Path, rows: Exported) -> Iterator[Write]:
        classes, of_cluster = rows.clustering.classes()
        columns = [
            Column("file_name", TEXT),
            Column("path", TEXT),
            Column("row", INT),
            Column("label", INT),
            Column("name", CODE, (*classes, NO_CLUSTER)),
            Column("confidence", FLOAT),
            Column("outlier", FLAG),
            Column("outlier_score", FLOAT),
        ]
        links = Links(rows)
        # Label -1 takes the last.
        code_of = np.append(of_cluster, len(classes))

        def write(batch: RowBatch) -> None:
            listed = enumerate(batch.paths, batch.start)
            names = [f"{_IMAGES}/{row:07d}{_ending(shown)}" for row, shown in listed]
            pairs = zip(batch.paths, names, strict=True)
            there = np.array([links.add(shown, path / name) for shown, name in pairs])
            texts = (list(compress(column, there)) for column in (names, batch.paths))
            label, _, confidence = batch.assigned[0]
            numbers = np.arange(batch.start, batch.start + len(names))
            values = numbers, label, code_of[label], confidence, batch.outlier, batch.score
            write_rows([*texts, *(column[there] for column in values)])

        with row_file(path / "metadata.csv", columns, ".csv") as write_rows:
            yield write


def _ending(path: str) -> str:
    suffix = PurePosixPath(normalise_path(path)).suffix
    return f".{file_name(suffix)}" if suffix else ""
