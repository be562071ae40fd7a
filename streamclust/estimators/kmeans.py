"""k-means for rows that do not fit in memory, with scikit-learn's face."""

import warnings
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from streamclust.clustering import FittedKMeans, SweepSettings, fit_sweep, moved_centers
from streamclust.estimators.checked_rows import CheckedRows, stacked
from streamclust.estimators.inputs import seed_of, weights_of
from streamclust.estimators.lazy_results import map_chunks
from streamclust.events import Event, PassStarted
from streamclust.passes import LocalExecutor, Passes, Rows
from streamclust.passes.accumulators import Assignment, LloydStep

_RESTARTS = 24
_AT_LEAST_ONE = Interval(Integral, 1, None, closed="left")


class StreamingKMeans(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator
):
    """K-means by streaming passes: parameters and attributes as `sklearn.cluster.KMeans`.

    Restarts on a uniform sample of all rows choose the seeds, `MiniBatchKMeans` learns from
    shuffled batches, exact Lloyd passes over all rows run to convergence. The result does not
    depend on the order of the rows other than through the sample, nor on the number of threads.
    `partial_fit` learns from batches that come one by one, as `sklearn.cluster.MiniBatchKMeans`.

    `X` is anything with rows: numpy arrays and memory maps of any type and order, sparse matrices,
    pandas and dask frames, Zarr, HDF5 and dask arrays. It is read, converted and made dense block
    by block. A row of `sample_weight` w counts as w alike rows, one of 0 as none.

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
        float32 of rows that are float32 or float16, else float64. Largest cluster first, unless
        `init` is an array.
    labels_ : ndarray of int32 of shape (n_samples,)
        Of the rows last learnt from.
    inertia_ : float
        Sum of squared distances of these rows to their nearest centre, times their weights.
    n_iter_ : int
        Exact passes run by `fit`.
    n_steps_ : int
        Batches learnt by `partial_fit` since.
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

    _parameter_constraints: ClassVar[dict] = {
        "n_clusters": [_AT_LEAST_ONE],
        "init": [StrOptions({"k-means++", "random"}), callable, "array-like"],
        "n_init": [StrOptions({"auto"}), _AT_LEAST_ONE],
        "max_iter": [_AT_LEAST_ONE],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "copy_x": ["boolean"],
        "algorithm": [StrOptions({"lloyd"})],
        "batch_size": [_AT_LEAST_ONE],
    }

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

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Cluster the rows of `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask or Zarr array} of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional

        Raises
        ------
        InvalidParameterError
            A ValueError: a parameter is out of its range.
        ValueError
            For NaN or infinity in `X`, negative weights, or fewer rows than clusters.
        """
        rows = CheckedRows(self, X, reset=True)
        weights = _weights(sample_weight, rows)
        fitted = self._swept(rows, weights, self.max_iter)
        self.cluster_centers_ = fitted.centers.astype(rows.dtype)
        self.n_iter_ = fitted.n_iter
        self.n_steps_ = 0
        self._label(rows, weights)
        self._counts = np.bincount(self.labels_, weights, self.n_clusters).astype(np.float64)
        self._warn_of_few(len(np.unique(self.labels_)))
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Move the centres by one batch of rows, which need not be kept.

        Each centre becomes the mean of all rows that it has seen: of those before by its count, of
        the batch by the centre that is nearest now [1]_. The first batch chooses the centres as
        `fit` does, without exact passes, unless `init` is an array. After `fit` it is one more
        exact step over the old rows and the new ones. Centres that see no rows stay.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask or Zarr array} of shape (n_samples, n_features)
            One batch, whatever its size. The first has at least as many rows as there are clusters.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional

        Raises
        ------
        ValueError
            As `fit`.

        References
        ----------
        .. [1] Sculley, D. (2010). Web-scale k-means clustering. WWW '10.
        """
        first = not hasattr(self, "cluster_centers_")
        rows = CheckedRows(self, X, reset=first)
        weights = _weights(sample_weight, rows)
        if first:
            fitted = self._swept(rows, weights, 0)
            self.cluster_centers_ = fitted.centers.astype(rows.dtype)
            self._counts = np.zeros(self.n_clusters)
            self.n_steps_ = 0
        step = LloydStep([self.cluster_centers_])
        name = f"k-means step {self.n_steps_ + 1}"
        ((sizes, means, _),) = self._passes().reduce(name, _weighted(rows, weights), step).result()
        moved = moved_centers(self.cluster_centers_, self._counts, sizes, means)
        self.cluster_centers_ = moved.astype(self.cluster_centers_.dtype)
        self._counts = self._counts + sizes
        self.n_steps_ += 1
        self._label(rows, weights)
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit, and give `labels_`."""
        return self.fit(X, sample_weight=sample_weight).labels_

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit, and give the distances of the same rows to each centre."""
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def predict(self, X: Any) -> Any:
        """Nearest centre of each row of `X`.

        Returns
        -------
        ndarray of int32 of shape (n_samples,)
            A dask array of it where `X` is a dask array or frame.
        """
        check_is_fitted(self)
        rows = CheckedRows(self, X, reset=False)
        labels = partial(_labels, Assignment([self.cluster_centers_]))
        if rows.dask_array is not None:
            return map_chunks(rows.dask_array, labels, rows.dtype, np.int32)
        return np.concatenate([labels(batch) for batch in rows.batches()])

    def transform(self, X: Any) -> Any:
        """Distance of each row of `X` to each centre.

        Returns
        -------
        ndarray of shape (n_samples, n_clusters)
            float32 of rows that are float32 or float16, else float64; a dask array of it where `X`
            is a dask array or frame.
        """
        check_is_fitted(self)
        rows = CheckedRows(self, X, reset=False)
        distances = partial(_distances, Assignment([self.cluster_centers_]))
        n_clusters = len(self.cluster_centers_)
        if rows.dask_array is not None:
            return map_chunks(rows.dask_array, distances, rows.dtype, rows.dtype, n_clusters)
        return stacked(map(distances, rows.batches()), (rows.shape[0], n_clusters), rows.dtype)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Less the inertia of `X`."""
        check_is_fitted(self)
        rows = CheckedRows(self, X, reset=False)
        weights = _weights(sample_weight, rows)
        return -self._labels_and_inertia(rows, weights)[1]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _swept(self, rows: CheckedRows, weights: np.ndarray | None, max_iter: int) -> FittedKMeans:
        settings = SweepSettings(
            init=self._initial(rows),
            n_init=_RESTARTS if self.n_init == "auto" else int(self.n_init),
            max_iter=max_iter,
            tol=self.tol,
            batch_size=self.batch_size,
            seed=seed_of(self.random_state),
        )
        self._n_features_out = self.n_clusters
        seen = _weighted(rows, weights)
        return fit_sweep(seen, [self.n_clusters], settings, self._passes())[self.n_clusters]

    def _passes(self) -> Passes:
        passes = Passes(LocalExecutor())
        if self.verbose:
            passes.events.observers.append(_print_name)
        return passes

    def _label(self, rows: CheckedRows, weights: np.ndarray | None) -> None:
        self.labels_, self.inertia_ = self._labels_and_inertia(rows, weights)

    def _labels_and_inertia(
        self, rows: CheckedRows, weights: np.ndarray | None
    ) -> tuple[np.ndarray, float]:
        assignment = Assignment([self.cluster_centers_])
        labels, inertia, done = [], 0.0, 0
        for batch in rows.batches():
            nearest, squares = assignment(batch)
            labels.append(nearest[:, 0])
            if weights is None:
                inertia += float(squares.sum(dtype=np.float64))
            else:
                inertia += float(weights[done : done + len(batch)] @ squares[:, 0])
            done += len(batch)
        return np.concatenate(labels), inertia

    def _initial(self, rows: CheckedRows) -> Any:
        if isinstance(self.init, str) or callable(self.init):
            return self.init
        if self.n_init not in ("auto", 1):
            warnings.warn(
                "Explicit initial center position passed: performing only one init in "
                f"{type(self).__name__} instead of n_init={self.n_init}.",
                RuntimeWarning,
                stacklevel=5,
            )
        init = check_array(self.init, dtype=rows.dtype, input_name="init")
        expected = {"clusters": self.n_clusters, "features of the data": rows.n_columns}
        for (what, number), length in zip(expected.items(), init.shape, strict=True):
            if length != number:
                raise ValueError(
                    f"The shape of the initial centers {init.shape} does not match the number of "
                    f"{what} {number}."
                )
        return init

    def _warn_of_few(self, found: int) -> None:
        if found < self.n_clusters:
            warnings.warn(
                f"Number of distinct clusters ({found}) found smaller than n_clusters "
                f"({self.n_clusters}). Possibly due to duplicate points in X.",
                ConvergenceWarning,
                stacklevel=4,
            )


def _weights(sample_weight: Any, rows: CheckedRows) -> np.ndarray | None:
    return None if sample_weight is None else weights_of(sample_weight, rows.shape[0])


def _weighted(rows: CheckedRows, weights: np.ndarray | None) -> Rows:
    """The rows as passes take them, without those that weigh nothing."""
    return Rows(rows) if weights is None else Rows(rows, weights > 0, (weights,))


def _labels(assignment: Assignment, rows: np.ndarray) -> np.ndarray:
    return assignment(rows)[0][:, 0]


def _distances(assignment: Assignment, rows: np.ndarray) -> np.ndarray:
    # Less the shift of `predict`: the nearest centre is the same, whatever the offset.
    return euclidean_distances(rows - assignment.shift, assignment.centers).astype(
        rows.dtype, copy=False
    )


def _print_name(event: Event) -> None:
    if isinstance(event, PassStarted):
        print(event.name)
