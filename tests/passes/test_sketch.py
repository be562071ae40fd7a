import numpy as np
import pytest
from rounding import rounding
from tracing import traced

from streamclust.errors import SettingsError
from streamclust.passes.accumulators.covariance import CovarianceSketch


def decaying_rows(n_rows: int = 2000, n_features: int = 120, decay: float = 0.7) -> np.ndarray:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((n_features, n_features))).Q
    return rng.standard_normal((n_rows, n_features)) * decay ** np.arange(n_features) @ basis + 5


def scatter_of(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0)
    return centred.T @ centred


def sketch_of(values: np.ndarray, n_vectors: int, **settings: object) -> CovarianceSketch:
    sketch = CovarianceSketch(n_vectors, **settings)
    for block in np.array_split(values, 5):
        sketch.update(block)
    return sketch


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_product_is_that_of_the_scatter(dtype: type) -> None:
    values = decaying_rows().astype(dtype)
    known, scatter = sketch_of(values, 20).result(), scatter_of(values.astype(float))
    off = np.abs(known.product - scatter @ known.test_matrix)
    # Rows of 120 columns by vectors of unit length, then blocks of 400 of these products; and
    # what it is held to, a sum over 2,000 rows in float64.
    tolerance = rounding(120, dtype) + rounding(400, dtype) + rounding(2000, np.float64)
    sizes = np.sqrt(np.diag(scatter) * np.trace(scatter))[:, None]
    assert (off <= tolerance * sizes).all()
    np.testing.assert_allclose(known.test_matrix.T @ known.test_matrix, np.eye(20), atol=1e-12)


def test_a_low_rank_is_found_exactly() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((500, 6)) @ rng.standard_normal((6, 80)) + 100
    factor = sketch_of(values, 12).result().factor()
    expected = scatter_of(values)
    assert np.abs(factor @ factor.T - expected).max() < 1e-9 * np.abs(expected).max()


def test_as_many_vectors_as_columns_are_exact() -> None:
    values = decaying_rows(n_features=30, decay=0.9)
    known = sketch_of(values, 99).result()
    assert known.product.shape == (30, 30)
    factor, expected = known.factor(), scatter_of(values)
    assert np.abs(factor @ factor.T - expected).max() < 1e-9 * np.abs(expected).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_approximation_keeps_its_bound(dtype: type) -> None:
    """Expected nuclear error: (1 + r/(ℓ−r−1)) × the tail beyond r (Tropp et al. 2017, 4.1)."""
    values = decaying_rows()
    scatter = scatter_of(values)
    spectrum = np.linalg.eigvalsh(scatter)[::-1]
    n_vectors, rank = 20, 10
    bound = (1 + rank / (n_vectors - rank - 1)) * spectrum[rank:].sum()
    errors = []
    for seed in range(10):
        factor = sketch_of(values.astype(dtype), n_vectors, random_state=seed).result().factor()
        missing = scatter - factor @ factor.T
        errors.append(np.trace(missing))
        assert np.linalg.eigvalsh(missing)[0] > -1e-5 * spectrum[0]
    assert np.mean(errors) < bound


def test_a_further_pass_from_the_product_is_closer() -> None:
    values = decaying_rows(decay=0.95)
    scatter = scatter_of(values)
    first = sketch_of(values, 30).result()
    second = sketch_of(values, 30, test_matrix=np.linalg.qr(first.product).Q).result()
    once, twice = (
        np.linalg.norm(scatter - known.factor() @ known.factor().T) for known in (first, second)
    )
    assert twice < 0.5 * once


def test_constant_rows_have_an_empty_factor() -> None:
    assert not sketch_of(np.full((50, 8), 3.0), 4).result().factor().any()


def test_sketches_with_different_test_matrices_do_not_merge() -> None:
    values = decaying_rows(50, 10)
    sketch = sketch_of(values, 4, random_state=0)
    with pytest.raises(SettingsError, match="different test matrices"):
        sketch.merge(sketch_of(values, 4, random_state=1))
    with pytest.raises(SettingsError, match="9 columns cannot join rows of 10"):
        sketch.update(values[:, :9])


def test_a_test_matrix_of_other_columns_is_refused() -> None:
    with pytest.raises(SettingsError, match="10 columns cannot join rows of 9"):
        sketch_of(decaying_rows(50, 10), 4, test_matrix=np.eye(9)[:, :4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_rows", "n_features"), [(3000, 1500), (100, 20000)])
def test_nbytes_is_true(dtype: type, n_rows: int, n_features: int) -> None:
    values = np.ones((n_rows, n_features), dtype)

    def updated_twice() -> CovarianceSketch:
        sketch = CovarianceSketch(40)
        sketch.update(values)
        sketch.update(values)
        return sketch

    _, peak = traced(updated_twice)
    stated = CovarianceSketch.nbytes(n_features, n_rows, 40, values.itemsize)
    assert 0.7 * stated < peak <= stated + 2**18
