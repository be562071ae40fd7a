"""The pictures of a results folder as objects that show themselves in a notebook."""

import struct
from pathlib import Path
from typing import Any

from streamclust.errors import WorkspaceError
from streamclust.figures import FIGURES_FOLDER, caption

_PNG = b"\x89PNG\r\n\x1a\n"
# Pixels of the files to one of the screen.
_DENSITY = 2


class Picture:
    """A PNG that a notebook shows.

    Parameters
    ----------
    png : bytes
    description : str
        What it shows, for those who do not see it.
    """

    def __init__(self, png: bytes, description: str) -> None:
        self.png = png
        self.description = description

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = struct.unpack(">II", self.png[16:24])
        return width, height

    def save(self, file: str | Path) -> None:
        """Write the PNG."""
        Path(file).write_bytes(self.png)

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        width, height = (side // _DENSITY for side in self.size)
        return self.png, {"width": width, "height": height}

    def __repr__(self) -> str:
        return f"<Picture: {self.description}>"


class Pictures(dict[str, Path]):
    """The files in ``figures/`` by name without ending; as HTML, a list of what they show."""

    def __init__(self, folder: Path) -> None:
        files = sorted((folder / FIGURES_FOLDER).glob("[!.]*.png"))
        super().__init__({file.stem: file for file in files if ".kept-" not in file.name})
        self._folder = folder

    def show(self, name: str) -> Picture:
        """Read a picture.

        Raises
        ------
        WorkspaceError
            When there is none of this name, or it is no PNG.
        """
        if name not in self:
            known = ", ".join(self) or "none: streamclust export draws those of clusterings"
            raise WorkspaceError(f"no picture {name!r} in {self._folder}: there are {known}")
        png = self[name].read_bytes()
        if not png.startswith(_PNG):
            raise WorkspaceError(f"{self[name]} is no PNG: put it away and draw it again")
        return Picture(png, f"{name}: {caption(name)}")

    def __repr__(self) -> str:
        return f"<Pictures: {', '.join(self) or 'none'}>"

    def _repr_html_(self) -> str:
        from streamclust.markup import paragraph, table

        if not self:
            return paragraph(f"No pictures in {self._folder}")
        return table([{"picture": name, "shows": caption(name)} for name in self])
