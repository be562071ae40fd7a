"""Stored clusterings: where they lie, what is known of each, and which one a command means.

::

    descriptors/<set>/clusterings/    an attribute tells which is recommended, and why
        <algorithm>-<k>/labels        int32, (n_rows,): below 0 for rows in no cluster
                        sizes         int64, (k,)
                        means         of the reduced rows, (k, n_components)
                        …             arrays that the algorithm fitted, such as centers
                        description/  examples and findings of a description

Attributes of a clustering are what made it (algorithm, n_clusters, settings, sweep, fingerprint,
cost), what is measured of it (scores, stability, evidence), what an update changed (update), and
what its algorithm told.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import DamagedError, SettingsError
from streamclust.store.damage import are_labels, note_damage
from streamclust.store.workspace import Workspace

# A clustering's arrays that tell of rows and clusters; the others are what labels further rows.
LABELS, SIZES, MEANS = "labels", "sizes", "means"
OF_ROWS = (LABELS, SIZES, MEANS)
DESCRIPTION = "description"
# What is found out of a clustering: attributes of it.
SCORES, STABILITY, EVIDENCE, COST, BIC = "scores", "stability", "evidence", "cost", "bic"
# What is stored of a clustering beside that which its algorithm told of it.
_OF_STORE = (
    *("n_clusters", "algorithm", "sweep", "settings", COST, "fingerprint", "update"),
    *(SCORES, STABILITY, EVIDENCE),
)
# The attribute of a set's clusterings that tells which of them is recommended, and why.
RECOMMENDATION = "recommendation"


class Labels:
    """Stored labels, which are held to be those of clusters when they are read.

    Parameters
    ----------
    array : Zarr array of int32, shape (n_rows,)
    n_clusters : int
    """

    def __init__(self, array: Any, n_clusters: int) -> None:
        self._array = array
        self._n_clusters = n_clusters
        self.shape: tuple[int, ...] = array.shape
        self.chunks: tuple[int, ...] = array.chunks
        self.dtype: np.dtype = array.dtype

    @property
    def path(self) -> str:
        """Where they are in the store."""
        return str(self._array.path)

    def __getitem__(self, part: Any) -> np.ndarray:
        return self._checked(lambda: self._array[part])

    def at(self, rows: np.ndarray) -> np.ndarray:
        """The labels of some rows, ascending."""
        return self._checked(lambda: self._array.oindex[rows])

    def _checked(self, read: Callable[[], Any]) -> np.ndarray:
        what = "it holds labels of no cluster"
        try:
            values = np.asarray(read())
        except (ValueError, RuntimeError) as error:
            if isinstance(error, DamagedError):
                raise
            # Results from before there were checksums.
            values, what = np.array([-2]), "it cannot be decoded"
        if not are_labels(values, self._n_clusters):
            root = Path(str(self._array.store.root))
            raise note_damage(root, root / self._array.path, what)
        return values


@dataclass(frozen=True)
class StoredClustering:
    """One clustering of a descriptor set, published in the store.

    Parameters
    ----------
    workspace : Workspace
    set_name : str
        Its descriptor set.
    name : str
        Its name in the store, such as ``"kmeans-12"``.
    """

    workspace: Workspace
    set_name: str
    name: str

    @property
    def path(self) -> str:
        """Where it is in the store."""
        return clustering_path(self.set_name, self.name)

    @property
    def group(self) -> Any:
        """Its Zarr group."""
        return self.workspace.root[self.path]

    @property
    def fingerprint(self) -> str | None:
        return self.workspace.fingerprint_of(self.path)

    @cached_property
    def _made(self) -> tuple[str, int]:
        attributes = self.group.attrs
        return str(attributes["algorithm"]), int(attributes["n_clusters"])

    @property
    def algorithm(self) -> str:
        return self._made[0]

    @property
    def n_clusters(self) -> int:
        return self._made[1]

    @property
    def labels(self) -> "Labels":
        """Array of int32, (n_rows,): below 0 for rows in no cluster."""
        return Labels(self.label_array, self.n_clusters)

    @property
    def label_array(self) -> Any:
        """The Zarr array of its labels, as it lies there."""
        return self.group[LABELS]

    @property
    def sizes(self) -> Any:
        """Zarr array of int64, (n_clusters,): rows of each cluster."""
        return self.group[SIZES]

    @property
    def means(self) -> Any:
        """Zarr array, (n_clusters, n_components): means of the reduced rows of each cluster."""
        return self.group[MEANS]

    @property
    def tree(self) -> tuple[np.ndarray, np.ndarray]:
        """Of a cut of a tree: its merges, a linkage matrix of scipy, and the rows that each of its
        points stands for."""
        return self.group["merges"][...], self.group["weights"][...]

    @property
    def fitted_arrays(self) -> dict[str, np.ndarray]:
        """The arrays that its algorithm fitted."""
        arrays = self.group.arrays()
        return {name: array[...] for name, array in arrays if name not in OF_ROWS}

    @property
    def fitted_attributes(self) -> dict[str, Any]:
        """What its algorithm told of it."""
        attributes = self.group.attrs
        return {name: attributes[name] for name in attributes if name not in _OF_STORE}

    @property
    def sweep(self) -> str:
        """The fingerprint of what was fitted together with it."""
        return str(self.group.attrs["sweep"])

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that it follows from."""
        return self.group.attrs["settings"]

    @property
    def is_incomplete(self) -> bool:
        """Whether an older version made it, which did not store the means."""
        return MEANS not in self.group

    @property
    def is_described(self) -> bool:
        return DESCRIPTION in self.group

    @property
    def attributes(self) -> dict[str, Any]:
        """All that is known of it, read at once."""
        return dict(self.group.attrs)

    def known(self, name: str, default: Any = None) -> Any:
        """What was annotated under `name`, such as ``scores``, ``stability`` or ``evidence``."""
        return self.group.attrs.get(name, default)

    def annotate(self, **attributes: Any) -> None:
        """Add what was found out about it."""
        self.workspace.annotate(self.path, **attributes)

    def archive(self) -> None:
        """Put it aside under its fingerprint."""
        self.workspace.archive(self.path)

    def restore(self, mark: str) -> bool:
        """Make the clustering with this fingerprint stand in the store, if it was ever there."""
        return self.workspace.restore(self.path, mark)

    def publish(self, staged: Any, mark: str) -> None:
        """Let a staged clustering take its place."""
        self.workspace.publish(staged, self.path, mark)


def clustering_name(algorithm: str, n_clusters: int | None) -> str:
    """What a clustering is called: ``kmeans-12``; without a number where the algorithm finds it."""
    return algorithm if n_clusters is None else f"{algorithm}-{n_clusters}"


def clustering_path(set_name: str, name: str) -> str:
    """Where a clustering of a set is, or will be, in the store."""
    return f"{_clusterings_path(set_name)}/{name}"


def _clusterings_path(set_name: str) -> str:
    return f"descriptors/{set_name}/clusterings"


def stored_clusterings(workspace: Workspace, set_name: str) -> list[StoredClustering]:
    """All clusterings of a set, by algorithm and number of clusters."""
    names = workspace.clusterings(set_name)
    return [StoredClustering(workspace, set_name, name) for name in names]


def named_clustering(workspace: Workspace, set_name: str, name: str) -> StoredClustering:
    """The clustering of a set that has this name.

    Raises
    ------
    SettingsError
        When there is none.
    """
    names = workspace.clusterings(set_name)
    if name not in names:
        raise SettingsError(
            f"{set_name} has no clustering {name}: there are {', '.join(names) or 'none'}; "
            "--descriptors names sets"
        )
    return StoredClustering(workspace, set_name, name)


def find_clustering(
    workspace: Workspace, set_name: str, which: str | int | None = None
) -> StoredClustering | None:
    """The clustering of a set that is meant.

    Parameters
    ----------
    workspace : Workspace
    set_name : str
    which : str or int, optional
        A name such as ``"kmeans-12"`` or ``"hdbscan"``; a number of clusters: of k-means, or of the
        only algorithm that has it; or an algorithm alone: its only clustering, else the recommended
        one if that is of it, else that of the largest simplified silhouette. The recommended one by
        default.

    Returns
    -------
    StoredClustering or None
        None where none is asked for and none is recommended.

    Raises
    ------
    SettingsError
        When the set has no such clustering, or several have this number.
    """
    if which is None:
        return recommended_clustering(workspace, set_name)
    asked = str(which)
    if asked in workspace.clusterings(set_name):
        return StoredClustering(workspace, set_name, asked)
    stored = stored_clusterings(workspace, set_name)
    if asked.isdecimal():
        of_number = [one for one in stored if one.n_clusters == int(asked)]
        of_kmeans = [one for one in of_number if one.algorithm == "kmeans"]
        if len(of_kmeans or of_number) == 1:
            return (of_kmeans or of_number)[0]
    of_algorithm = [one for one in stored if one.algorithm == asked]
    if len(of_algorithm) > 1:
        recommended = recommended_clustering(workspace, set_name)
        return recommended if recommended in of_algorithm else max(of_algorithm, key=_silhouette)
    # An algorithm that has one, or the refusal of a name that there is not.
    name = of_algorithm[0].name if of_algorithm else asked
    return named_clustering(workspace, set_name, name)


def _silhouette(clustering: StoredClustering) -> float:
    value = clustering.known(SCORES, {}).get("silhouette_simplified")
    return -math.inf if value is None else float(value)


def recommended_clustering(workspace: Workspace, set_name: str) -> StoredClustering | None:
    """The clustering that was recommended when those of a set were last measured; None where none
    is.

    Raises
    ------
    SettingsError
        When it has clusterings, and an older version, or a run that was broken off, left no
        recommendation.
    """
    told = stored_recommendation(workspace, set_name)
    if told is not None:
        name = told["clustering"]
        return None if name is None else StoredClustering(workspace, set_name, name)
    if workspace.clusterings(set_name):
        raise SettingsError(
            f"{set_name}: which clustering is recommended is not stored: run streamclust measure "
            f"{workspace.folder}"
        )
    return None


def recommended_clusterings(
    workspace: Workspace, set_names: Iterable[str]
) -> dict[str, StoredClustering]:
    """The recommended clustering of each set that has one."""
    found = {name: recommended_clustering(workspace, name) for name in set_names}
    return {name: clustering for name, clustering in found.items() if clustering is not None}


def stored_recommendation(workspace: Workspace, set_name: str) -> dict[str, Any] | None:
    """What `store_recommendation` stored; None where nothing is, or its clustering is gone."""
    group = workspace.get(_clusterings_path(set_name))
    told = None if group is None else group.attrs.get(RECOMMENDATION)
    if told is None or told["clustering"] in (None, *workspace.clusterings(set_name)):
        return told
    return None


def store_recommendation(
    workspace: Workspace, set_name: str, name: str | None, mark: str, **about: Any
) -> None:
    """Store which clustering of a set is recommended.

    Parameters
    ----------
    workspace : Workspace
    set_name : str
        A set with clusterings.
    name : str or None
        Of the clustering; None where none is recommended.
    mark : str
        The fingerprint of what that follows from.
    **about
        What else is to be known of it, as JSON can write it.
    """
    told = {"clustering": name, "fingerprint": mark, **about}
    if workspace.get(_clusterings_path(set_name)) is None:
        # It was damaged, and is about to be made again.
        return
    if stored_recommendation(workspace, set_name) != told:
        workspace.annotate(_clusterings_path(set_name), **{RECOMMENDATION: told})


def forget_recommendation(workspace: Workspace, set_name: str) -> None:
    """Take away what was recommended of a set, before its clusterings change."""
    group = workspace.get(_clusterings_path(set_name))
    if group is not None and RECOMMENDATION in group.attrs:
        del group.attrs[RECOMMENDATION]
