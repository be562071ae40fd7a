"""Width and height of images: out of the scan, or else read from their files."""

from contextlib import suppress

import numpy as np

from streamclust.errors import ImageError
from streamclust.images.archive import ImageStore, stored_images
from streamclust.images.pixels import MEASURES, SIDE, open_bounded
from streamclust.images.scan import scan_need
from streamclust.memory import Need
from streamclust.passes import Span
from streamclust.steps import Job
from streamclust.store import RowPaths, stored_scan

_PLACES = [MEASURES.index(name) for name in ("width", "height")]


class ImageSizes:
    """Tells the sizes of the images of spans of rows, as a task: (n_rows, 2) int32, width and
    height as they are shown, 0 where they are not known.

    Attributes
    ----------
    reads : bool
        Whether it reads the images, as they were not scanned.
    """

    def __init__(self, job: Job) -> None:
        self._pixels = stored_scan(job.workspace).pixels
        self._paths = RowPaths(job.workspace)
        images = stored_images(job) if self._pixels is None else None
        self._store = None if images is None else ImageStore(images)

    @property
    def reads(self) -> bool:
        return self._store is not None

    def need(self, n_rows: int) -> Need:
        """Memory of reading the images."""
        return scan_need(n_rows) if self.reads else Need()

    def __call__(self, span: Span) -> np.ndarray:
        if self._pixels is not None:
            return np.nan_to_num(self._pixels[span.part][:, _PLACES]).astype(np.int32)
        sizes = np.zeros((len(span), 2), np.int32)
        if self._store is not None:
            for row, path in enumerate(self._paths[span.part]):
                with suppress(ImageError), open_bounded(self._store.read(path), SIDE) as (size, _):
                    sizes[row] = size
        return sizes
