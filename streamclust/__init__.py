"""Cluster image descriptors that do not fit in memory."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from streamclust._version import __version__

if TYPE_CHECKING:
    from streamclust.api import ingest, open, plan, run
    from streamclust.case import Case
    from streamclust.estimators import IncrementalPCA, KNNOutlierDetector, StreamingKMeans

# Names are imported on first use: the command line answers --help without scikit-learn.
_HOMES = {
    "Case": "case",
    "IncrementalPCA": "estimators.pca",
    "KNNOutlierDetector": "estimators.knn_outliers",
    "StreamingKMeans": "estimators.kmeans",
    "ingest": "api",
    "open": "api",
    "plan": "api",
    "run": "api",
}

__all__ = [
    "Case",
    "IncrementalPCA",
    "KNNOutlierDetector",
    "StreamingKMeans",
    "__version__",
    "ingest",
    "open",
    "plan",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
