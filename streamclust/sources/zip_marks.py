"""Whether the zip files that images are read from stay the ones that they were."""

from streamclust.errors import SourceError
from streamclust.sources import fingerprint
from streamclust.sources.images import Images


class ZipMarks:
    """The state of the zip files among places of images: the index of one that is replaced
    would find damaged images, others, or none.

    Parameters
    ----------
    images : Images

    Raises
    ------
    SourceError
        If one cannot be read.
    """

    def __init__(self, images: Images) -> None:
        self._before = {file: fingerprint(file) for file in images.places if file.is_file()}

    def check(self) -> None:
        """Go on where all are what they were.

        Raises
        ------
        SourceError
            If one is another now, or gone.
        """
        for file, mark in self._before.items():
            if not file.is_file() or fingerprint(file) != mark:
                raise SourceError(f"{file}: changed while it was read: run the command again")
