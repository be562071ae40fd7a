"""k-means for rows that do not fit in memory, with scikit-learn's face."""

import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from streamclust.clustering import SweepSettings, fit_sweep
from streamclust.estimators.inputs import (
    CheckedRows,
    Number,
    check_parameters,
    default_batch_rows,
    is_dask,
    is_lazy,
    iter_batches,
    map_dask_rows,
    seed_of,
    validated_batches,
)
from streamclust.events import Event, PassStarted
from streamclust.passes import LocalExecutor, Passes, Rows
from streamclust.passes.accumulators import Assignment

_RESTARTS = 24


class StreamingKMeans(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator
):
    """K-means by streaming passes: parameters and attributes as `sklearn.cluster.KMeans`.

    Restarts on a uniform sample of all rows choose the seeds, `MiniBatchKMeans` learns from
    shuffled batches, exact Lloyd passes over all rows run to convergence. The result does not
    depend on the order of the rows other than through the sample, nor on the number of threads.
    There is no `sample_weight`.

    Parameters
    ----------
    n_clusters : int, default=8
    init : {"k-means++", "random"}, callable or array-like of shape (n_clusters, n_features), \
            default="k-means++"
        Exact passes begin with the centres of an array, and keep their order.
    n_init : "auto" or int, default="auto"
        Restarts on the sample; "auto" is 24, or 1 where `init` is an array.
    max_iter : int, default=300
        Exact passes at most.
    tol : float, default=1e-4
        Relative tolerance of the centres' squared movement, as in scikit-learn.
    verbose : int, default=0
        Print the name of each pass.
    random_state : int, RandomState instance or None, default=None
    copy_x : bool, default=True
        For drop-in use: `X` is never written to, whichever is given.
    algorithm : {"lloyd"}, default="lloyd"
    batch_size : int, default=4096
        Rows of a mini-batch.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
    labels_ : ndarray of int32 of shape (n_samples,)
    inertia_ : float
        Sum of squared distances of all rows to their nearest centre.
    n_iter_ : int
        Exact passes run.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)

    See Also
    --------
    streamclust.clustering.kmeans_sweep.fit_sweep : many numbers of clusters in the same passes.

    References
    ----------
    Sculley, D. (2010). Web-scale k-means clustering. WWW '10.
    Lloyd, S. (1982). Least squares quantization in PCM. IEEE Transactions on Information
    Theory 28(2).

    Examples
    --------
    >>> import numpy as np
    >>> from streamclust import StreamingKMeans
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0], [9.0, 8.0]])
    >>> model = StreamingKMeans(n_clusters=2, random_state=0).fit(X)
    >>> bool(model.labels_[0] == model.labels_[1] != model.labels_[2])
    True
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: str | int = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: Any = None,
        copy_x: bool = True,
        algorithm: str = "lloyd",
        batch_size: int = 4096,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.batch_size = batch_size

    def fit(self, X: Any, y: Any = None) -> Self:
        """Cluster the rows of `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Also a memmap, Zarr or dask array, which is read block by block.
        y : ignored

        Raises
        ------
        ValueError
            For a parameter out of its range, NaN or infinity in `X`, or fewer rows than clusters.
        """
        self._check_parameters()
        X = self._rows_of(X)
        settings = SweepSettings(
            init=self._initial(X),
            n_init=_RESTARTS if self.n_init == "auto" else int(self.n_init),
            max_iter=self.max_iter,
            tol=self.tol,
            batch_size=self.batch_size,
            seed=seed_of(self.random_state),
        )
        passes = Passes(LocalExecutor())
        if self.verbose:
            passes.events.observers.append(_print_name)
        fitted = fit_sweep(Rows(X), [self.n_clusters], settings, passes)[self.n_clusters]
        self.cluster_centers_ = fitted.centers.astype(X.dtype)
        self.n_iter_ = fitted.n_iter
        self._n_features_out = self.n_clusters
        self.labels_, self.inertia_ = self._assign(iter_batches(X, default_batch_rows(X.shape[1])))
        self._warn_of_few(len(np.unique(self.labels_)))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Nearest centre of each row of `X`.

        Returns
        -------
        ndarray of int32 of shape (n_samples,), or a dask array of it where `X` is one
        """
        check_is_fitted(self)
        if is_dask(X):
            from dask_ml.wrappers import ParallelPostFit

            return ParallelPostFit(self).predict(X)
        return self._assign(self._validated(X))[0]

    def transform(self, X: Any) -> np.ndarray:
        """Distance of each row of `X` to each centre, of shape (n_samples, n_clusters)."""
        check_is_fitted(self)
        if is_dask(X):
            return map_dask_rows(X, self.transform, self.n_clusters, self.cluster_centers_.dtype)
        # Less the shift of `predict`: the nearest centre is the same, whatever the offset.
        assignment = Assignment([self.cluster_centers_])
        distances = [
            euclidean_distances(batch - assignment.shift, assignment.centers).astype(
                batch.dtype, copy=False
            )
            for batch in self._validated(X)
        ]
        return np.concatenate(distances)

    def score(self, X: Any, y: Any = None) -> float:
        """Less the inertia of `X`."""
        check_is_fitted(self)
        return -self._assign(self._validated(X))[1]

    def _validated(self, X: Any) -> Iterator[np.ndarray]:
        return validated_batches(self, X, None, reset=False)

    def _assign(self, batches: Iterator[np.ndarray]) -> tuple[np.ndarray, float]:
        assignment = Assignment([self.cluster_centers_])
        labels, inertia = [], 0.0
        for batch in batches:
            nearest, distances = assignment(batch)
            labels.append(nearest[:, 0])
            inertia += float(distances.sum(dtype=np.float64))
        return np.concatenate(labels), inertia

    def _rows_of(self, X: Any) -> Any:
        if not is_lazy(X):
            return validate_data(self, X, dtype=[np.float64, np.float32], order="C")
        return CheckedRows(X, next(validated_batches(self, X, None, reset=True)).dtype)

    def _initial(self, X: Any) -> Any:
        if isinstance(self.init, str) or callable(self.init):
            return self.init
        if self.n_init not in ("auto", 1):
            warnings.warn(
                f"centres are given: they are the one start, not n_init={self.n_init}",
                RuntimeWarning,
                stacklevel=3,
            )
        init = check_array(self.init, dtype=[np.float64, np.float32])
        if init.shape != (self.n_clusters, X.shape[1]):
            raise ValueError(
                f"The shape of the initial centers {init.shape} does not match the "
                f"{self.n_clusters} clusters and {X.shape[1]} features."
            )
        return init.astype(X.dtype)

    def _check_parameters(self) -> None:
        at_least_one = Number(Integral, 1)
        check_parameters(
            self,
            {
                **dict.fromkeys(("n_clusters", "max_iter", "batch_size"), (at_least_one,)),
                "tol": (Number(Real, 0),),
                "n_init": ("auto", at_least_one),
            },
        )
        if isinstance(self.init, str) and self.init not in ("k-means++", "random"):
            raise ValueError(f"init must be 'k-means++', 'random', centres, not {self.init!r}")
        if self.algorithm != "lloyd":
            raise ValueError(f"algorithm must be 'lloyd', not {self.algorithm!r}: only it streams")

    def _warn_of_few(self, found: int) -> None:
        if found < self.n_clusters:
            warnings.warn(
                f"Number of distinct clusters ({found}) found smaller than n_clusters "
                f"({self.n_clusters}). Possibly due to duplicate points in X.",
                ConvergenceWarning,
                stacklevel=3,
            )


def _print_name(event: Event) -> None:
    if isinstance(event, PassStarted):
        print(event.name)
