"""The rows of a set as they are: those that were ingested, or the mixture that it is."""

from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.models.joined import Block, Indicators, Joined
from streamclust.workspace import Workspace

# Which rows are mixed: descriptors, or the labels of clusterings.
DESCRIPTORS, LABELS = "descriptors", "labels"


def is_mixture(workspace: Workspace, descriptor: str) -> bool:
    """Whether a set is a mixture of others."""
    return "mixture" in workspace.root[f"descriptors/{descriptor}"].attrs


def raw_array(workspace: Workspace, descriptor: str) -> Any:
    """An array of shape (n_rows, n_columns); that of a mixture is put together as it is read.

    Raises
    ------
    SettingsError
        When a mixture's sets are not those any more that it was made of.
    """
    group = workspace.root[f"descriptors/{descriptor}"]
    if "mixture" not in group.attrs:
        return group["raw"]
    check_sources(workspace, descriptor)
    return Joined([_block(workspace, group, i) for i in range(len(group["blocks"]))])


def raw_dtype(workspace: Workspace, descriptor: str) -> np.dtype:
    """The type of a set's rows."""
    group = workspace.root[f"descriptors/{descriptor}"]
    return Joined.dtype if "mixture" in group.attrs else group["raw"].dtype


def check_sources(workspace: Workspace, descriptor: str) -> None:
    """Refuse a mixture of descriptors that have been replaced since.

    Raises
    ------
    SettingsError
        For it.
    """
    mixture = workspace.root[f"descriptors/{descriptor}"].attrs["mixture"]
    if mixture["of"] == LABELS:
        return
    changed = [
        name
        for name, mark in zip(mixture["sets"], mixture["made_of"], strict=True)
        if workspace.fingerprint_of(f"descriptors/{name}") != mark
    ]
    if changed:
        sets = ",".join(mixture["sets"])
        raise SettingsError(
            f"{descriptor} mixes {', '.join(changed)}, which changed since: run streamclust mix "
            f"{workspace.folder} --sets {sets} --name {descriptor} again"
        )


def _block(workspace: Workspace, group: Any, number: int) -> Block:
    mixture, own = group.attrs["mixture"], group[f"blocks/{number}"]
    center, factor = own["center"][...], own["factor"][...]
    if mixture["of"] == LABELS:
        indicators = Indicators(LabelColumn(group["labels"], number), len(factor))
        return Block(indicators, center, factor)
    array = workspace.root[f"descriptors/{mixture['sets'][number]}/raw"]
    return Block(array, center, factor, unit=bool(own.attrs["unit"]))


class LabelColumn:
    """One column of an array of labels."""

    def __init__(self, labels: Any, number: int) -> None:
        self.labels = labels
        self.number = number
        self.shape = labels.shape[:1]

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.asarray(self.labels[part, self.number])
