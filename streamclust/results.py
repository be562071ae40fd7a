"""The results of a case as an object: what they hold, and the steps that add to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamclust.contents import Contents
from streamclust.events import Observer

if TYPE_CHECKING:
    from streamclust.steps.evaluate import Evaluation

PathLike = str | Path


class Case(Contents):
    """The results of a case, and the steps that add to them.

    Parameters
    ----------
    out : path
        The results folder.

    Attributes
    ----------
    folder : Path
    store : zarr.Group
        All that was computed, as plain Zarr arrays.
    """

    def reduce(self, *observers: Observer, **changes: Any) -> "Case":
        """See `streamclust.api.reduce`."""
        from streamclust import api

        return api.reduce(self.folder, None, *observers, **changes)

    def cluster(self, *observers: Observer, **changes: Any) -> "Case":
        """See `streamclust.api.cluster`."""
        from streamclust import api

        return api.cluster(self.folder, None, *observers, **changes)

    def measure(self, *observers: Observer, **changes: Any) -> "Case":
        """See `streamclust.api.measure`."""
        from streamclust import api

        return api.measure(self.folder, None, *observers, **changes)

    def outliers(self, *observers: Observer, **changes: Any) -> "Case":
        """See `streamclust.api.outliers`."""
        from streamclust import api

        return api.outliers(self.folder, None, *observers, **changes)

    def compare(
        self,
        attributes: PathLike | None = None,
        *observers: Observer,
        columns: Sequence[str] | None = None,
        **changes: Any,
    ) -> "Case":
        """See `streamclust.api.compare`."""
        from streamclust import api

        return api.compare(self.folder, attributes, None, *observers, columns=columns, **changes)

    def describe(
        self,
        attributes: PathLike | None = None,
        *observers: Observer,
        columns: Sequence[str] | None = None,
        algorithm: str | None = None,
        n_clusters: int | None = None,
        language: str = "en",
        **changes: Any,
    ) -> "Case":
        """See `streamclust.api.describe`."""
        from streamclust import api

        own: dict[str, Any] = {"columns": columns, "algorithm": algorithm, "n_clusters": n_clusters}
        return api.describe(
            self.folder, attributes, None, *observers, language=language, **own, **changes
        )

    def report(
        self,
        to: PathLike | None = None,
        *observers: Observer,
        language: str = "en",
        overwrite: bool = False,
        **changes: Any,
    ) -> "Case":
        """See `streamclust.api.report`."""
        from streamclust import api

        return api.report(
            self.folder, to, None, *observers, language=language, overwrite=overwrite, **changes
        )

    def mix(
        self,
        sets: Sequence[str],
        weights: str | Sequence[float] | None = None,
        *observers: Observer,
        consensus: bool = False,
        name: str | None = None,
        **changes: Any,
    ) -> "Case":
        """See `streamclust.api.mix`."""
        from streamclust import api

        return api.mix(
            self.folder, sets, weights, None, *observers, consensus=consensus, name=name, **changes
        )

    def layout(
        self,
        method: str = "umap",
        dimensions: int = 2,
        *observers: Observer,
        clustering: str | None = None,
        **changes: Any,
    ) -> "Case":
        """See `streamclust.api.layout`."""
        from streamclust import api

        return api.layout(
            self.folder, method, dimensions, None, *observers, clustering=clustering, **changes
        )

    def evaluate(self, truth: PathLike, *observers: Observer, **changes: Any) -> "Evaluation":
        """See `streamclust.api.evaluate`."""
        from streamclust import api

        return api.evaluate(self.folder, truth, None, *observers, **changes)

    def label(
        self,
        names: PathLike | None = None,
        *observers: Observer,
        template: PathLike | None = None,
        overwrite: bool = False,
        **changes: Any,
    ) -> "Case":
        """See `streamclust.api.label`."""
        from streamclust import api

        return api.label(
            self.folder, names, None, *observers, template=template, overwrite=overwrite, **changes
        )

    def assign(
        self,
        new: PathLike | Sequence[PathLike],
        to: PathLike,
        *observers: Observer,
        clustering: str | None = None,
        outliers: bool = True,
        overwrite: bool = False,
        **changes: Any,
    ) -> "Case":
        """See `streamclust.api.assign`."""
        from streamclust import api

        return api.assign(
            self.folder,
            new,
            to,
            None,
            *observers,
            clustering=clustering,
            outliers=outliers,
            overwrite=overwrite,
            **changes,
        )

    def update(
        self, new: PathLike | Sequence[PathLike], *observers: Observer, **changes: Any
    ) -> "Case":
        """See `streamclust.api.update`."""
        from streamclust import api

        return api.update(self.folder, new, None, *observers, **changes)

    def export(self, *observers: Observer, **changes: Any) -> "Case":
        """See `streamclust.api.export`."""
        from streamclust import api

        return api.export(self.folder, None, *observers, **changes)

    def info(self) -> dict[str, Any]:
        """See `streamclust.api.info`."""
        from streamclust import api

        return api.info(self.folder)
