"""labels.json of a FiftyOneImageClassificationDataset: the class of each image and a confidence."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path, PurePath, PurePosixPath

import numpy as np

from streamclust.errors import SettingsError
from streamclust.labelling.exports.base import Export, Exported, Write, as_json
from streamclust.labelling.stored_labels import RowBatch
from streamclust.memory import Need
from streamclust.sources import normalise_path, path_digests
from streamclust.steps import Job
from streamclust.store import path_blocks, paths_of

# Digests of keys, in order, with the first row and the count of each.
_BYTES_A_KEY = 48


class FiftyOne(Export):
    """Classes, and their numbers by the name of an image below their folder, without its ending."""

    def need(self, n_rows: int) -> Need:
        return Need(super().need(n_rows).fixed + n_rows * _BYTES_A_KEY)

    @contextmanager
    def open(self, path: Path, rows: Exported) -> Iterator[Write]:
        _check_keys(rows.job)
        classes, of_cluster = rows.clustering.classes()
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'{{"classes": {as_json(list(classes))},\n"labels": {{')
            between = "\n"

            def write(batch: RowBatch) -> None:
                nonlocal between
                for place, name, label, confidence in rows.found(batch):
                    if label >= 0:
                        key = _key(name or str(batch.start + place))
                        ids = {"label": int(of_cluster[label])}
                        target = as_json({**ids, "confidence": round(confidence, 6)})
                        file.write(f"{between}{as_json(key)}: {target}")
                        between = ",\n"

            yield write
            file.write("\n}}\n")


def _key(name: str) -> str:
    """What is looked for below a folder; a file that is named whole is taken as it is."""
    return name if PurePath(name).is_absolute() else _stem(name)


def _stem(path: str) -> str:
    return str(PurePosixPath(normalise_path(path)).with_suffix(""))


def _check_keys(job: Job) -> None:
    """Refuse rows whose paths are the same without their endings: one of them would have the label.

    Raises
    ------
    SettingsError
        When there are some.
    """
    blocks = path_blocks(job.workspace)
    if blocks is None:
        return
    digests = path_digests(map(_stem, chain.from_iterable(blocks)))
    _, first, counts = np.unique(digests, return_index=True, return_counts=True)
    if (n_sharing := int(counts[counts > 1].sum())) == 0:
        return
    row = int(first[counts > 1].min())
    (path,) = paths_of(job.workspace, np.array([row]))
    raise SettingsError(
        f"fiftyone knows an image by its path without the ending, which {n_sharing:,} rows share "
        f"with others, such as row {row}, {_stem(path)}: export --format coco, or a table"
    )
