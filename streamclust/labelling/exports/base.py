"""What an export format is: it opens a file, or a folder, that takes rows as they come.

To add one, write a module with a class that is an `Export`, and enter it in
`streamclust.registries.EXPORTS`; docs/labels.md has an example.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from streamclust.errors import ImageError
from streamclust.images import ImageStore, scan_need, stored_images
from streamclust.labelling.row_writers import Column
from streamclust.labelling.stored_labels import NamedClustering, RowBatch
from streamclust.memory import Need
from streamclust.registries import EXPORTS, instance_of
from streamclust.sources import normalise_path
from streamclust.steps import Job

NO_CLUSTER = "in no cluster"
# Takes the next rows.
Write = Callable[[RowBatch], None]


@dataclass(eq=False)
class Exported:
    """What is exported to one place.

    Attributes
    ----------
    job : Job
    n_rows : int
    clusterings : sequence of NamedClustering
        One of each set.
    columns : sequence of Column
        Of the values of a batch, as a table.
    n_without, n_without_size : int
        Rows that were left out, as their images are not there; and such whose images are of no
        known size.
    """

    job: Job
    n_rows: int
    clusterings: Sequence[NamedClustering]
    columns: Sequence[Column]
    n_without: int = 0
    n_without_size: int = 0

    @property
    def clustering(self) -> NamedClustering:
        """The one of a format that takes one set."""
        return self.clusterings[0]

    @property
    def title(self) -> str:
        """Of what set and clustering the labels are."""
        return f"{self.clustering.set_name} {self.clustering.name}"

    @cached_property
    def images(self) -> ImageStore | None:
        """The images of the rows; None where the case has none."""
        images = stored_images(self.job)
        if images is None:
            return None
        store = ImageStore(images)
        store.tell(self.job.events)
        return store

    def found(self, batch: RowBatch) -> Iterator[tuple[int, str, int, float]]:
        """Of each row of a batch whose image is there: its place in the batch, what the image is
        called in its folder or archive, label and confidence in the first set's clustering.

        Where the case has no images, all rows with their paths.
        """
        assigned = batch.assigned[0]
        labels, confidences = assigned.label.tolist(), assigned.confidence.tolist()
        for place, path in enumerate(batch.paths):
            try:
                name = normalise_path(path) if self.images is None else self.images.name_of(path)
            except ImageError:
                self.n_without += 1
                continue
            if batch.sizes is not None and batch.sizes[place, 0] == 0:
                self.n_without_size += 1
            yield place, name, labels[place], confidences[place]


class Export(ABC):
    """A format.

    Attributes
    ----------
    ending : str
        Of the file, such as ``.json``; empty for a folder, which is made.
    one_set : bool
        Whether an image has one label there, so that one set must be named.
    sizes : bool
        Whether it writes the sizes of images: only then batches have them.
    """

    ending: str = ".json"
    one_set: bool = True
    sizes: bool = False

    def need(self, n_rows: int) -> Need:
        """Memory beyond that of the batches, such as the index of an archive of images."""
        return Need(fixed=scan_need(n_rows).fixed) if self.one_set else Need()

    @abstractmethod
    def open(self, path: Path, rows: Exported) -> AbstractContextManager[Write]:
        """Open what is exported, a file that is not there yet or an empty folder; it is put in its
        place when the block ends well.

        Parameters
        ----------
        path : Path
            Where it is written, whatever that is called.
        rows : Exported

        Returns
        -------
        context manager
            Of what takes the batches of all rows, in their order.
        """


def export_format(name: str) -> Export:
    """The format of a name of `streamclust.registries.EXPORTS`."""
    return instance_of(EXPORTS[name])


class JSONItems:
    """Items of a JSON array, a line each."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.n_items = 0

    def add(self, item: dict[str, Any]) -> None:
        self.file.write((",\n" if self.n_items else "\n") + as_json(item))
        self.n_items += 1


def as_json(content: Any) -> str:
    """JSON on one line."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False)
