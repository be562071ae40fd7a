"""k-means on a sample that lies in memory, for what is judged on other rows of the sample."""

import warnings

import numpy as np

_RESTARTS = 2
_TOLERANCE = 1e-3
_PASSES = 50


def sample_centers(rows: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Centres (n_clusters, n_columns) of the better of two short k-means runs."""
    from sklearn.cluster import KMeans

    model = KMeans(
        n_clusters, n_init=_RESTARTS, max_iter=_PASSES, tol=_TOLERANCE, random_state=seed
    )
    return model.fit(rows).cluster_centers_


def squared_distances(rows: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Squared distances (n_rows, n_centers) of rows to centres."""
    from sklearn.metrics.pairwise import euclidean_distances

    return euclidean_distances(rows, centers, squared=True)


def state(*numbers: int) -> int:
    """A seed of 31 bits that follows from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0] >> 1)


def ignore_convergence() -> None:
    """Silence what scikit-learn says of runs that are cut short on purpose.

    Call it inside `warnings.catch_warnings` around all threads, which share the filters: a task
    could not restore them in order.
    """
    from sklearn.exceptions import ConvergenceWarning

    if not any(
        action == "ignore" and kind is ConvergenceWarning
        for action, _, kind, _, _ in warnings.filters
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)
