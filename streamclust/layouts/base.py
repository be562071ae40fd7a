"""What a layout is: it is fitted once, and places blocks of rows afterwards.

To add one, write a module with a class that is a `Layout`, and enter it in
`streamclust.registries.LAYOUTS`.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from streamclust.errors import SettingsError
from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.registries import LAYOUTS, instance_of
from streamclust.settings import Settings

DIMENSIONS = (2, 3)


@dataclass(frozen=True, eq=False)
class RowSums:
    """Sums over the rows that are to be laid out.

    Attributes
    ----------
    scatter : ndarray of float64 of shape (n_columns, n_columns)
        Sum of (x − mean)(x − mean)ᵀ; where there are clusters, of the rows that are in one.
    sizes : ndarray of int64 of shape (n_clusters,), optional
    means : ndarray of float64 of shape (n_clusters, n_columns), optional
        Of the clusters that are to be told apart.
    """

    scatter: np.ndarray
    sizes: np.ndarray | None = None
    means: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class FittedLayout:
    """A fitted layout, as small as it is stored.

    Attributes
    ----------
    arrays : dict of str to ndarray
        All that is needed to place rows, by name, such as ``axes``.
    attributes : dict
        What else is known, as JSON can write it.
    """

    arrays: dict[str, np.ndarray]
    attributes: dict[str, Any] = field(default_factory=dict)


class Placement(Protocol):
    """Places rows, each by itself; it is sent to workers, so it can be pickled."""

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Positions, float32 of shape (n_rows, n_dimensions), of rows (n_rows, n_columns)."""


class Layout(Protocol):
    """One way to lay rows out.

    Attributes
    ----------
    version : int
        Raised when what it finds changes, so that stored results are made anew.
    depends_on : tuple of str
        The settings that its result follows from.
    of_clusters : bool
        Whether it tells the clusters of a clustering apart.
    axis_name : str
        What an axis is called, for pictures.
    """

    version: int
    depends_on: tuple[str, ...]
    of_clusters: bool
    axis_name: str

    def check(self, n_rows: int) -> None:
        """Refuse what cannot be laid out.

        Parameters
        ----------
        n_rows : int
            Valid rows.

        Raises
        ------
        SettingsError
            When these are too few, or a library is not installed.
        """

    def needs(self, rows: Rows, n_dimensions: int) -> list[Need]:
        """Memory of fitting and placing, a `Need` for each stage."""

    def fit(
        self, rows: Rows, sums: RowSums, n_dimensions: int, settings: Settings, passes: Passes
    ) -> FittedLayout:
        """Fit the layout.

        Parameters
        ----------
        rows : Rows
            Of shape (n_rows, n_columns), without extras.
        sums : RowSums
            With clusters if it is `of_clusters`.
        n_dimensions : int
        settings : Settings
        passes : Passes

        Raises
        ------
        SettingsError
            When the rows are too much alike.
        """

    def placement(self, fitted: FittedLayout) -> Placement:
        """What places rows as `fitted` by this layout."""


def load_layout(name: str) -> Layout:
    """The layout of this name; its module is imported now.

    Raises
    ------
    SettingsError
        When there is none.
    """
    if name not in LAYOUTS:
        raise SettingsError(f"no layout is called {name}: choose from {', '.join(LAYOUTS)}")
    layout: Layout = instance_of(LAYOUTS[name])
    return layout
