"""Exact streaming PCA as a scikit-learn estimator."""

from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from scipy import sparse
from sklearn import decomposition
from sklearn.base import _fit_context
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from streamclust.errors import SettingsError
from streamclust.estimators.checked_rows import (
    CheckedRows,
    default_batch_rows,
    float_dtype,
    stacked,
)
from streamclust.estimators.inputs import seed_of
from streamclust.estimators.lazy_results import map_chunks
from streamclust.passes import SCALINGS, Scaling, column_scale
from streamclust.passes.accumulators import Covariance, CovarianceSketch, ScatterSketch
from streamclust.reduction import (
    EXTRA_PASSES,
    PCASums,
    PrincipalComponents,
    check_range,
    log_likelihood,
    most_components,
    refined_sums,
    sketch_vectors,
)
from streamclust.sources import DaskSlices, slices_of

MAX_COVARIANCE_FEATURES = 8192  # a scatter matrix of 0.5 GiB, and as much again to decompose it
_AT_LEAST_ONE = Interval(Integral, 1, None, closed="left")

__all__ = ["MAX_COVARIANCE_FEATURES", "IncrementalPCA"]


class _Asked(NamedTuple):
    """The decomposition that was asked for when rows were last learnt."""

    n_components: int | float | None
    scaling: str
    max_components: int | None


class _Learned:
    """An attribute of the decomposition, which is made when it is first asked for."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, estimator: "IncrementalPCA | None", owner: type | None = None) -> Any:
        if estimator is None:
            return self
        if estimator._sums is None:
            raise AttributeError(f"{self.name} is learnt by fit, partial_fit or merge")
        try:
            principal = estimator._principal()
        except SettingsError as error:  # `hasattr` wants an AttributeError
            raise NotFittedError(f"{self.name} cannot be told: {error}") from error
        return estimator._as_rows(getattr(principal, self.name.removesuffix("_")))


class IncrementalPCA(decomposition.IncrementalPCA):
    """Principal component analysis of any number of rows, exact, in one pass.

    A drop-in for :class:`sklearn.decomposition.IncrementalPCA` that sums the centred covariance
    of the rows (float32 products, float64 sums) in place of updating a truncated decomposition:
    the result is that of :class:`sklearn.decomposition.PCA` to rounding, whatever the batches and
    their order, a batch may be as small as one row, and two estimators that saw different rows
    can be merged. The decomposition is made when a learned attribute is first asked for, with
    `n_components`, `max_components` and `scaling` as they were when rows were last learnt.

    Parameters
    ----------
    n_components : int, float in (0, 1] or None, default 0.90
        That many components; or the fewest that hold this share of the variance, but no more
        than `max_components`; or all, ``min(n_samples, n_features)``, as in scikit-learn.
    whiten : bool, default False
        Divide the reduced columns by their standard deviations.
    copy : bool, default True
        Of scikit-learn's signature. X is never written to, so there is nothing to choose.
    batch_size : int, optional
        Rows read at once by `fit` and `transform`; by default, as many as make 32 MiB. It does
        not change the result.
    scaling : {"none", "standard", "minmax", "l2"}, default "none"
        Scale the columns by their standard deviations or ranges (constant columns are left), or
        make the rows of unit length. No further pass is needed.
    normalize : bool, default False
        Make the reduced rows of unit length.
    max_components : int or None, default 128
        Limit where `n_components` is a share of variance. `share_reached_` tells whether the
        share was reached within it.
    svd_solver : {"auto", "covariance", "randomized"}, default "auto"
        Keep the covariance matrix, which is exact, or a sketch of it, which is approximate and
        needs memory for n_features × (n_components + 32) numbers only. "auto" takes the sketch
        above `MAX_COVARIANCE_FEATURES` (8192) columns. With it `fit` passes over X three times,
        which brings it near to exact; `partial_fit` alone is the single-pass approximation.
    random_state : int, RandomState or None, default None
        Of the sketch. Estimators that are to be merged need the same int.

    Attributes
    ----------
    components_ : ndarray of shape (n_components_, n_features_in_)
        Principal axes in the space of the scaled columns, signs as in scikit-learn. All learned
        numbers are float32 where all rows were float32 or float16, as those of
        :class:`sklearn.decomposition.PCA`, else float64; they are kept, and used, in float64.
        What float32 does not hold is told in float64.
    explained_variance_, explained_variance_ratio_, singular_values_ : ndarray (n_components_,)
        The ratio is relative to the total variance of the scaled columns.
    mean_, var_, scale_ : ndarray of shape (n_features_in_,)
        Mean and variance (ddof 0) of the columns (for "l2", of the unit rows), and what each
        column is divided by.
    noise_variance_ : float
        Mean of the variances left out.
    n_components_, n_samples_seen_, n_features_in_, batch_size_ : int
    share_reached_ : bool
        False if `n_components` is a share of variance that `max_components` does not hold.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where X has names.

    Raises
    ------
    InvalidParameterError
        A ValueError: a parameter is out of its range.
    SettingsError
        A ValueError: more components than rows or columns, fewer than two rows, or values too
        large or too small for their squares. A learned attribute raises NotFittedError instead.

    Examples
    --------
    >>> import numpy as np
    >>> from streamclust.estimators.pca import IncrementalPCA
    >>> rows = np.random.default_rng(0).standard_normal((1000, 20)) * np.arange(1, 21)
    >>> pca = IncrementalPCA(n_components=3)
    >>> for batch in np.array_split(rows, 7):
    ...     _ = pca.partial_fit(batch)
    >>> pca.transform(rows).shape
    (1000, 3)
    >>> bool(np.allclose(pca.explained_variance_, IncrementalPCA(3).fit(rows).explained_variance_))
    True
    """

    n_features_in_: int
    feature_names_in_: np.ndarray
    _sums: PCASums | None = None
    _asked: _Asked
    _dtype: np.dtype

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [_AT_LEAST_ONE, Interval(RealNotInt, 0, 1, closed="right"), None],
        "whiten": ["boolean"],
        "copy": ["boolean"],
        "batch_size": [_AT_LEAST_ONE, None],
        "scaling": [StrOptions(set(SCALINGS))],
        "normalize": ["boolean"],
        "max_components": [_AT_LEAST_ONE, None],
        "svd_solver": [StrOptions({"auto", "covariance", "randomized"})],
        "random_state": ["random_state"],
    }

    components_ = _Learned()
    explained_variance_ = _Learned()
    explained_variance_ratio_ = _Learned()
    singular_values_ = _Learned()
    noise_variance_ = _Learned()
    n_components_ = _Learned()
    share_reached_ = _Learned()

    def __init__(
        self,
        n_components: int | float | None = 0.9,
        *,
        whiten: bool = False,
        copy: bool = True,
        batch_size: int | None = None,
        scaling: Scaling = "none",
        normalize: bool = False,
        max_components: int | None = 128,
        svd_solver: Literal["auto", "covariance", "randomized"] = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(n_components, whiten=whiten, copy=copy, batch_size=batch_size)
        self.scaling = scaling
        self.normalize = normalize
        self.max_components = max_components
        self.svd_solver = svd_solver
        self.random_state = random_state

    @property
    def n_samples_seen_(self) -> int:
        """Rows seen since the last `fit`."""
        return self._fitted("n_samples_seen_").moments.count

    @property
    def batch_size_(self) -> int:
        """Rows of a batch."""
        return self.batch_size or default_batch_rows(self.n_features_in_)

    @property
    def mean_(self) -> np.ndarray:
        """Mean of the columns."""
        return self._as_rows(self._fitted("mean_").moments.result().mean)

    @property
    def var_(self) -> np.ndarray:
        """Variance of the columns, divided by the number of rows."""
        return self._as_rows(self._fitted("var_").moments.result().variance)

    @property
    def scale_(self) -> np.ndarray:
        """What the columns are divided by."""
        moments = self._fitted("scale_").moments.result()
        return self._as_rows(column_scale(self._asked.scaling, moments))

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Forget what was learnt, and learn the rows of X batch by batch.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask or Zarr array} of shape (n_samples, n_features)
            Also a frame of pandas or dask; read, converted and made dense block by block.
        y : ignored

        Raises
        ------
        SettingsError
            More components are wanted than there are rows or columns, X has one row, or its
            values are too large or too small for their squares.
        """
        self._sums = sums = None
        rows = CheckedRows(self, X, reset=True)
        for batch in rows.batches(self.batch_size):
            sums = self._learn(sums, batch)
        assert sums is not None  # no rows are refused
        self._check_possible(sums)
        for _ in range(EXTRA_PASSES if sums.sketched else 0):
            sketch = sums.scatter.result()
            assert isinstance(sketch, ScatterSketch)
            sums = refined_sums(sketch, sums.moments.result(), self.scaling)
            for batch in rows.batches(self.batch_size):
                sums.update(batch)
        return self._keep(sums, rows.dtype)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, check_input: bool = True) -> Self:
        """Learn more rows; X is as for `fit`, but not sparse.

        With ``check_input=False``, X is taken to be a finite array of floats as it is.

        Raises
        ------
        SettingsError
            More components are wanted than there are columns.
        TypeError
            X is sparse.
        """
        if sparse.issparse(X):
            raise TypeError(
                "IncrementalPCA.partial_fit does not support sparse input. Either convert data "
                "to dense or use IncrementalPCA.fit to do so in batches."
            )
        first = self._sums is None
        if not check_input:
            if first:
                self.n_features_in_ = X.shape[1]
            return self._keep(self._learn(self._sums, X), self._joint(float_dtype(X.dtype)))
        rows = CheckedRows(self, X, reset=first)
        if rows.slices.in_memory:  # a bad row leaves nothing of its batch learnt
            for _ in rows.batches(self.batch_size):
                pass
        dtype = self._joint(rows.dtype)
        for batch in rows.batches(self.batch_size):
            self._keep(self._learn(self._sums, batch), dtype)
        return self

    def merge(self, other: "IncrementalPCA") -> Self:
        """Take in what another estimator with the same settings learnt from other rows.

        Raises
        ------
        SettingsError
            Rows of different length, row scalings or solvers, or different random matrices.
        """
        theirs = other._fitted("merge")
        sums = self._sums or self._make_sums(other.n_features_in_)
        dtype = self._joint(other._dtype)
        sums.merge(theirs)
        if self._sums is None:
            self.n_features_in_ = other.n_features_in_
            if hasattr(other, "feature_names_in_"):
                self.feature_names_in_ = other.feature_names_in_
        return self._keep(sums, dtype)

    def transform(self, X: Any) -> Any:
        """Reduce rows to (n_samples, n_components_).

        Parameters
        ----------
        X : {array-like, sparse matrix, dask or Zarr array} of shape (n_samples, n_features)
            All but the result is held a batch at a time.

        Returns
        -------
        ndarray, or a lazy dask array where X is a dask array or frame
            float32 for float32 or float16 rows, else float64.
        """
        check_is_fitted(self)
        rows = CheckedRows(self, X, reset=False)
        principal = self._principal()
        project = principal.projection(whiten=self.whiten, normalize=self.normalize)
        n_components = principal.n_components
        if rows.dask_array is not None:
            return map_chunks(rows.dask_array, project, rows.dtype, rows.dtype, n_components)
        shape = rows.shape[0], n_components
        return stacked(map(project, rows.batches(self.batch_size)), shape, rows.dtype)

    def inverse_transform(self, X: Any) -> Any:
        """Give the rows, (n_samples, n_features), whose reduction is X.

        The lengths that `scaling="l2"` and `normalize` take away are not restored.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_components_)

        Returns
        -------
        ndarray, or a lazy dask array for a dask array
            float32 for float32 or float16 rows, else float64.
        """
        check_is_fitted(self)
        restore = partial(self._principal().restore, whiten=self.whiten)
        if isinstance(slices := slices_of(X), DaskSlices):
            dtype = float_dtype(slices.dtype)
            return map_chunks(slices.array, restore, dtype, dtype, self.n_features_in_)
        dtypes = float_dtype(slices.dtype) if slices else (np.float64, np.float32)
        reduced = check_array(X, input_name="X", dtype=dtypes)
        return restore(reduced).astype(reduced.dtype, copy=False)

    def score_samples(self, X: Any) -> Any:
        """Log-likelihood of each row by the probabilistic model of PCA (Tipping & Bishop 1999).

        With a `scaling`, of the scaled rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask or Zarr array} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of float64 of shape (n_samples,), or a lazy dask array where X is one

        Raises
        ------
        SettingsError
            A ValueError: the components leave directions without variance.
        """
        check_is_fitted(self)
        rows = CheckedRows(self, X, reset=False)
        likelihood = partial(log_likelihood, self._principal())
        if rows.dask_array is not None:
            return map_chunks(rows.dask_array, likelihood, rows.dtype, np.float64)
        batches = rows.batches(self.batch_size)
        return stacked(map(likelihood, batches), rows.shape[:1], np.float64)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-likelihood of the rows: see `score_samples`."""
        return float(self.score_samples(X).mean())

    def __sklearn_is_fitted__(self) -> bool:
        return self._sums is not None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _fitted(self, attribute: str) -> PCASums:
        if self._sums is None:
            raise NotFittedError(f"{attribute}: this IncrementalPCA has not seen any rows")
        return self._sums

    def _joint(self, dtype: np.dtype) -> np.dtype:
        """The dtype of what is learnt from rows of this one, and from those before."""
        return dtype if self._sums is None else np.result_type(self._dtype, dtype)

    def _as_rows(self, value: Any) -> Any:
        """A learned number or array of them in the rows' dtype; others as they are, and what
        float32 does not hold, such as the variances of rows whose squares it does not."""
        if isinstance(value, bool | int):
            return value
        largest, limits = np.abs(value).max(initial=0), np.finfo(self._dtype)
        if largest and not limits.tiny <= largest <= limits.max:
            return value
        return self._dtype.type(value) if np.ndim(value) == 0 else value.astype(self._dtype)

    def _keep(self, sums: PCASums, dtype: np.dtype) -> Self:
        self._sums, self._dtype = sums, dtype
        self._asked = _Asked(self.n_components, self.scaling, self.max_components)
        return self

    def _principal(self) -> PrincipalComponents:
        return self._fitted("components_").decompose(*self._asked)

    def _learn(self, sums: PCASums | None, batch: np.ndarray) -> PCASums:
        n_features = batch.shape[1]
        if isinstance(self.n_components, Integral) and self.n_components > n_features:
            raise SettingsError(
                f"n_components={self.n_components!r} invalid for n_features={n_features}: "
                "there cannot be more components than columns"
            )
        sums = sums or self._make_sums(n_features)
        sums.update(batch)
        return sums

    def _check_possible(self, sums: PCASums) -> None:
        n_rows, n_features = sums.moments.count, self.n_features_in_
        most_components(self.n_components, self.max_components, n_rows, n_features)
        check_range(sums.moments.result())

    def _make_sums(self, n_features: int) -> PCASums:
        wide = n_features > MAX_COVARIANCE_FEATURES
        unit = self.scaling == "l2"
        if not (self.svd_solver == "randomized" or (self.svd_solver == "auto" and wide)):
            return PCASums(Covariance(), unit=unit)
        n_rows = max(n_features, 2)  # not known yet; no component is beyond the columns
        wanted = most_components(self.n_components, self.max_components, n_rows, n_features)
        n_vectors = sketch_vectors(n_features, wanted)
        seed = seed_of(self.random_state)
        return PCASums(CovarianceSketch(n_vectors, random_state=seed), unit=unit)
