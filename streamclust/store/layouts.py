"""Stored layouts: the positions of all rows on a plane or in space, and what is known of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.store.clusterings import clustering_path
from streamclust.store.descriptors import DescriptorSet, set_path
from streamclust.store.workspace import Workspace, stage_array, store_array

_POSITIONS = "positions"


@dataclass(frozen=True)
class StoredLayout:
    """One layout of a descriptor set, published in the store.

    Parameters
    ----------
    workspace : Workspace
    set_name : str
        Its descriptor set.
    name : str
        Such as ``"umap-2"``.
    """

    workspace: Workspace
    set_name: str
    name: str

    @property
    def path(self) -> str:
        """Where it is in the store."""
        return layout_path(self.set_name, self.name)

    @property
    def group(self) -> Any:
        """Its Zarr group."""
        return self.workspace.root[self.path]

    @property
    def fingerprint(self) -> str | None:
        return self.workspace.fingerprint_of(self.path)

    @property
    def positions(self) -> Any:
        """Zarr array of float32, (n_rows, n_dimensions): NaN for rows that are not valid."""
        return self.group[_POSITIONS]

    @property
    def method(self) -> str:
        return str(self.group.attrs["method"])

    @property
    def dimensions(self) -> int:
        return int(self.group.attrs["dimensions"])

    @property
    def axis_name(self) -> str:
        """What its axes are called."""
        return str(self.group.attrs["axis_name"])

    @property
    def clustering(self) -> str | None:
        """The name of the clustering that it tells apart; None where it tells none."""
        return self.group.attrs["clustering"]

    @property
    def limits(self) -> np.ndarray:
        """Ends of the axes, (n_dimensions, 2), between which nearly all rows lie."""
        return np.array(self.group.attrs["limits"])

    @property
    def outside(self) -> int:
        """Rows beyond the limits."""
        return int(self.group.attrs["outside"])

    @property
    def quality(self) -> dict[str, Any]:
        """How far neighbourhoods are kept: `LayoutQuality` of `streamclust.layouts` by name,
        None for NaN."""
        return dict(self.group.attrs["quality"])

    @property
    def is_current(self) -> bool:
        """Whether it is of the reduced rows, and of the clustering, that are stored now."""
        attributes = self.group.attrs
        made_of = layout_sources(self.workspace, self.set_name, attributes["clustering"])
        return bool(attributes["made_of"] == made_of)


def layout_path(set_name: str, name: str) -> str:
    """Where a layout of a set is, or will be, in the store."""
    return f"{set_path(set_name)}/layouts/{name}"


def layout_sources(workspace: Workspace, set_name: str, clustering: str | None) -> list[str | None]:
    """Fingerprints of what a layout follows from: the reduced rows, and the clustering."""
    reduced = DescriptorSet(workspace, set_name).reduced_fingerprint
    if clustering is None:
        return [reduced]
    return [reduced, workspace.fingerprint_of(clustering_path(set_name, clustering))]


def stored_layouts(workspace: Workspace, set_name: str) -> list[StoredLayout]:
    """All layouts of a set, by name."""
    folder = workspace.store / layout_path(set_name, "")
    names = sorted(file.parent.name for file in folder.glob("*/zarr.json"))
    return [StoredLayout(workspace, set_name, name) for name in names]


def layouts_of(workspace: Workspace, set_name: str) -> dict[str, StoredLayout]:
    """The layouts of a set by name that show what is stored now: not those of reduced rows or of a
    clustering that have been replaced since."""
    layouts = stored_layouts(workspace, set_name)
    return {layout.name: layout for layout in layouts if layout.is_current}


def stage_layout(
    staged: Any, arrays: Mapping[str, np.ndarray], shape: tuple[int, int], chunk_rows: int
) -> tuple[Any, Any]:
    """A group in a staged one with what was fitted, and with room for positions.

    Parameters
    ----------
    staged : Zarr group
    arrays : mapping of str to ndarray
        All that is needed to place rows.
    shape : (int, int)
        Rows and dimensions.
    chunk_rows : int
        As of the reduced rows.

    Returns
    -------
    group, positions : Zarr group and array
    """
    group = staged.create_group("layout")
    for name, values in arrays.items():
        store_array(group, name, values)
    positions = stage_array(group, _POSITIONS, shape, np.float32, chunk_rows, fill_value=np.nan)
    return group, positions


def publish_layout(group: Any, layout: StoredLayout, mark: str, **attributes: Any) -> None:
    """Publish a staged layout with what is known of it: the properties of `StoredLayout`, and
    whatever else, as JSON can write it."""
    group.attrs.update(attributes)
    layout.workspace.publish(group, layout.path, mark)
