"""What PCA takes and makes of a set, as it lies in the store: sums of rows, and components."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.passes.accumulators import ColumnMoments, Scatter, ScatterSketch
from streamclust.store.workspace import store_array

MOMENTS, PCA = "moments", "pca"
# Of the reduced rows, beside the components that made them.
_MEAN, _SCATTER = "reduced_mean", "reduced_scatter"
OF_REDUCED = (_MEAN, _SCATTER)
_OF_COLUMNS = ("mean", "m2", "minimum", "maximum")
_COMPONENTS = (
    *("components", "explained_variance", "explained_variance_ratio", "singular_values"),
    *("mean", "scale"),
)
# The last is missing in what an older version stored.
_OF_COMPONENTS = ("noise_variance", "n_samples", "scaling", "share_reached", "rounding")


@dataclass(frozen=True)
class StoredComponents:
    """Principal components as they are stored, and how rows are reduced to them.

    Attributes
    ----------
    values : mapping of str to ndarray, float, int, str or bool
        The fields of `streamclust.reduction.components.PrincipalComponents`, by name.
    whiten, normalize : bool
        Whether reduced columns are divided by their deviations, and reduced rows made of unit
        length.
    share : float or None
        Of the variance that was asked for; None where a number of components was.
    settings : dict or None
        Those that the reduction follows from; None in what an older version stored.
    """

    values: Mapping[str, Any]
    whiten: bool
    normalize: bool
    share: float | None
    settings: dict[str, Any] | None


def save_sums(group: Any, moments: ColumnMoments, scatter: Scatter | ScatterSketch) -> None:
    """Write the sums of a set's rows into its staged group."""
    made = group.create_group(MOMENTS, attributes={"count": moments.count})
    for name in _OF_COLUMNS:
        store_array(made, name, getattr(moments, name))
    made.attrs["precision"] = scatter.precision
    if isinstance(scatter, Scatter):
        store_array(made, "scatter", scatter.scatter)
        return
    store_array(made, "test_matrix", scatter.test_matrix)
    store_array(made, "product", scatter.product)


def load_moments(group: Any) -> ColumnMoments:
    """The moments of a set's columns, out of the group that `save_sums` made."""
    return ColumnMoments(group.attrs["count"], *(group[name][...] for name in _OF_COLUMNS))


def load_scatter(group: Any) -> Scatter | ScatterSketch:
    """The scatter matrix of a set's columns, or its sketch."""
    count, mean = group.attrs["count"], group["mean"][...]
    if "scatter" in group:
        # What an older version stored was mostly of float32 products, and does not tell.
        precision = group.attrs.get("precision", float(np.finfo(np.float32).eps))
        return Scatter(count, mean, group["scatter"][...], precision)
    sketch = group["test_matrix"][...], group["product"][...]
    return ScatterSketch(count, mean, *sketch, group.attrs["precision"])


def scatter_bytes(group: Any) -> int:
    """Bytes of what `load_scatter` gives."""
    if "scatter" in group:
        return int(group["scatter"].nbytes)
    return 2 * int(group["product"].nbytes)


def save_components(group: Any, components: StoredComponents) -> None:
    """Write principal components into a staged group of a set."""
    values = components.values
    attributes = {name: values[name] for name in _OF_COMPONENTS}
    attributes |= {"share": components.share, "settings": components.settings}
    attributes |= {"whiten": components.whiten, "normalize": components.normalize}
    made = group.create_group(PCA, attributes=attributes)
    for name in _COMPONENTS:
        store_array(made, name, values[name])


def load_components(group: Any) -> StoredComponents:
    """Read what `save_components` wrote, out of the group that it made."""
    values = {name: group[name][...] for name in _COMPONENTS}
    values |= {name: group.attrs[name] for name in _OF_COMPONENTS if name in group.attrs}
    return StoredComponents(
        values,
        bool(group.attrs["whiten"]),
        bool(group.attrs["normalize"]),
        group.attrs["share"],
        group.attrs.get("settings"),
    )


def load_variance_ratio(group: Any) -> np.ndarray:
    """The shares of the variance that stored components explain, without the components."""
    return np.asarray(group["explained_variance_ratio"][...])


def save_reduced_scatter(group: Any, scatter: Scatter) -> None:
    """Write mean and scatter of the reduced rows beside their components."""
    store_array(group, _MEAN, scatter.mean)
    store_array(group, _SCATTER, scatter.scatter)


def load_reduced_scatter(group: Any, count: int) -> Scatter:
    """Read what `save_reduced_scatter` wrote, of `count` rows."""
    return Scatter(count, group[_MEAN][...], group[_SCATTER][...])


def load_reduced_mean(group: Any) -> np.ndarray:
    """The mean of the reduced rows."""
    return np.asarray(group[_MEAN][...])
