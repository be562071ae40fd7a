"""Descriptor sets of the store: ingested, or mixed of others."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.passes import Indicators, Joined, Rows, ScaledBlock
from streamclust.store.clusterings import StoredClustering, stored_clusterings
from streamclust.store.set_content import (
    BLOCKS,
    LABELS,
    LAYOUTS,
    OF_REDUCTION,
    PCA,
    RAW,
    REDUCED,
    SetContent,
    StagedSet,
)
from streamclust.store.workspace import Workspace

# Which rows are mixed: descriptors, or the `LABELS` of clusterings.
DESCRIPTORS = "descriptors"
# The attribute of reduced rows that tells how many groups a mixture finds in them.
_MIXTURE_GROUPS = "groups_of_mixture"


@dataclass(frozen=True)
class DescriptorSet(SetContent):
    """One descriptor set in the store: its rows, as they were ingested or are mixed of others, what
    PCA made of them, and what is known of it.

    Parameters
    ----------
    workspace : Workspace
    name : str
    """

    workspace: Workspace
    name: str

    @property
    def path(self) -> str:
        """Where it is in the store."""
        return set_path(self.name)

    @property
    def group(self) -> Any:
        """Its Zarr group."""
        return self.workspace.root[self.path]

    @property
    def fingerprint(self) -> str | None:
        return self.workspace.fingerprint_of(self.path)

    @property
    def raw(self) -> Any:
        """An array (n_rows, n_columns); that of a mixed set is put together as it is read.

        Raises
        ------
        SettingsError
            When a mixed set's sets are not those any more that it was made of.
        """
        group, mixture = self.group, self.mixture
        if mixture is None:
            return group[RAW]
        if words := self.stale_words:
            raise SettingsError(words)
        if mixture["of"] == LABELS:
            labels = group[LABELS]
            return Joined(
                self._blocks(lambda i, n: Indicators(LabelColumn(labels, i), n), group, mixture)
            )
        return self.joined({name: self.beside(name).group[RAW] for name in mixture["sets"]})

    def joined(self, arrays: Mapping[str, Any]) -> Joined:
        """Rows of the sets that it mixes, by their names, put together as its own rows are."""
        assert self.mixture is not None
        mixture = self.mixture
        return Joined(
            self._blocks(lambda i, _: arrays[mixture["sets"][i]], self.group, self.mixture)
        )

    def _blocks(
        self, array: Callable[[int, int], Any], group: Any, mixture: dict[str, Any]
    ) -> list[ScaledBlock]:
        """The blocks of a mixture, each of an array by its number and number of columns."""
        blocks = []
        for number in range(len(mixture["sets"])):
            stored = group[f"{BLOCKS}/{number}"]
            center, factor = stored["center"][...], stored["factor"][...]
            unit = bool(stored.attrs["unit"])
            blocks.append(ScaledBlock(array(number, len(factor)), center, factor, unit))
        return blocks

    @property
    def raw_dtype(self) -> np.dtype:
        """The type of its rows."""
        return Joined.dtype if self.is_mixed else self.group[RAW].dtype

    @property
    def reduced_path(self) -> str:
        return f"{self.path}/{REDUCED}"

    @property
    def reduced(self) -> Any:
        """Zarr array (n_rows, n_components); None where it is not reduced."""
        return self.workspace.get(self.reduced_path)

    @property
    def reduced_fingerprint(self) -> str | None:
        return self.workspace.fingerprint_of(self.reduced_path)

    @property
    def pca_fingerprint(self) -> str | None:
        return self.workspace.fingerprint_of(f"{self.path}/{PCA}")

    @property
    def is_reduced(self) -> bool:
        return self.reduced_fingerprint is not None

    @property
    def mixture_groups(self) -> dict[str, Any]:
        """How many groups a Gaussian mixture finds in its rows: ``number``, None where it cannot
        tell, and what that was ``made_of``; empty where it was not asked."""
        reduced = self.reduced
        return {} if reduced is None else reduced.attrs.get(_MIXTURE_GROUPS, {})

    def note_mixture_groups(self, number: int | None, made_of: Mapping[str, Any]) -> None:
        """Write how many groups a mixture finds."""
        told = {"number": number, "made_of": made_of}
        self.workspace.annotate(self.reduced_path, **{_MIXTURE_GROUPS: told})

    @property
    def has_layouts(self) -> bool:
        return LAYOUTS in self.group

    @property
    def clusterings(self) -> list[StoredClustering]:
        """Its clusterings, by algorithm and number of clusters."""
        return stored_clusterings(self.workspace, self.name)

    def clusterings_by(self, algorithm: str) -> list[StoredClustering]:
        """Its clusterings by one algorithm, by number of clusters."""
        return [one for one in self.clusterings if one.algorithm == algorithm]

    def rows(self, of: str = REDUCED) -> Rows:
        """Its ``raw`` or ``reduced`` rows, with the invalid ones masked."""
        array = self.raw if of == RAW else self.group[of]
        # A mixed set is not stored, and has no chunks.
        chunk = getattr(array, "chunks", [0])[0]
        return Rows(array, self.valid if self.n_invalid else None, rows_a_block=chunk)

    def beside(self, name: str) -> "DescriptorSet":
        """Another set of the same store."""
        return DescriptorSet(self.workspace, name)

    @property
    def parts(self) -> set[str]:
        """The sets that it is mixed of, and those that these are mixed of; itself where it is not
        mixed."""
        if self.mixture is None:
            return {self.name}
        stored = [name for name in self.mixture["sets"] if name in self.workspace.descriptors]
        return set().union(*(self.beside(name).parts for name in stored))

    @property
    def mixed_labels(self) -> tuple[Any, list[int]] | None:
        """The labels that a consensus mixes, an array (n_rows, n_sets), and how many clusters each
        column has; None for other sets."""
        group = self.group
        if (self.mixture or {}).get("of") != LABELS:
            return None
        n_mixed = group[LABELS].shape[1]
        return group[LABELS], [group[f"{BLOCKS}/{i}/factor"].shape[0] for i in range(n_mixed)]

    @property
    def stale_sources(self) -> list[str]:
        """The sets of a mixed one that are not those any more that it was made of."""
        mixture = self.mixture
        if mixture is None:
            return []
        made = zip(mixture["sets"], mixture["sources"], mixture["made_of"], strict=True)
        known = self.workspace.fingerprint_of
        return [name for name, source, mark in made if known(source) != mark]

    @property
    def stale_words(self) -> str:
        """What a person should know of a mixed set whose sets changed; empty where they did not."""
        changed = self.stale_sources
        if not changed:
            return ""
        assert self.mixture is not None
        return (
            f"{self.name} mixes {', '.join(changed)}, which changed since: run streamclust mix "
            f"{self.workspace.folder} --sets {','.join(self.mixture['sets'])} --name {self.name} "
            "again"
        )

    def archive(self) -> None:
        """Put it aside, with all that was made of it."""
        self.workspace.archive(self.path)

    def restore(self, mark: str) -> bool:
        """Make the set with this fingerprint stand in the store, if it was ever published."""
        return self.workspace.restore(self.path, mark)

    def restore_reduction(self, mark: str) -> bool:
        """Make the reduction with this fingerprint stand, with its clusterings."""
        # Every part, also behind one that is not there.
        restored = [self.workspace.restore(f"{self.path}/{part}", mark) for part in OF_REDUCTION]
        return all(restored)

    @contextmanager
    def writing(self) -> Iterator[StagedSet]:
        """What is written of it before it is published."""
        with self.workspace.staging() as staged:
            yield StagedSet(staged)

    def publish(self, staged: StagedSet, mark: str) -> None:
        """Let what was written take its place."""
        self.workspace.publish(staged.group, self.path, mark)

    def publish_reduction(self, staged: StagedSet, mark: str) -> None:
        """Let a reduction that was written take its place; it has no clusterings yet.

        Parts of it that are there stay: they were published with others that were damaged since.
        """
        staged.create_clusterings()
        for part in OF_REDUCTION:
            path = f"{self.path}/{part}"
            if not self.workspace.restore(path, mark):
                self.workspace.publish(staged.group[part], path, mark)


def set_path(name: str) -> str:
    """Where a set is, or will be, in the store."""
    return f"descriptors/{name}"


def descriptor_sets(workspace: Workspace) -> list[DescriptorSet]:
    """All sets of the store, by name."""
    return [DescriptorSet(workspace, name) for name in workspace.descriptors]


def n_rows_of_case(workspace: Workspace) -> int:
    """Rows of the case; a mixed set has fewer, where rows were added since it was mixed."""
    return max(own.n_rows for own in descriptor_sets(workspace))


class LabelColumn:
    """One column of an array of labels."""

    def __init__(self, labels: Any, number: int) -> None:
        self.labels = labels
        self.number = number
        self.shape = labels.shape[:1]

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.asarray(self.labels[part, self.number])
