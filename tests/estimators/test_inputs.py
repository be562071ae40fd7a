import numpy as np
import pytest

from streamclust.estimators.inputs import seed_of, weights_of


def test_seeds():
    assert seed_of(7) == seed_of(np.random.RandomState(7)) != seed_of(8)
    with pytest.raises(ValueError, match="seed"):
        seed_of("seven")


def test_weights_of_any_container():
    pandas = pytest.importorskip("pandas")
    import dask.array as da

    expected = np.array([1.0, 0, 2])
    for given in ([1, 0, 2], (1, 0, 2), expected, pandas.Series(expected), da.from_array(expected)):
        weights = weights_of(given, 3)
        assert weights.dtype == np.float64
        np.testing.assert_array_equal(weights, expected)
    np.testing.assert_array_equal(weights_of(2, 3), [2, 2, 2])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], "shape"),
        ([[1], [2], [3]], "shape"),
        ([1, -1, 1], "negative"),
        ([0, 0, 0], "non-zero"),
        (0, "non-zero"),
        ([1, np.nan, 1], "NaN"),
        (["a", "b", "c"], "could not convert"),
    ],
    ids=str,
)
def test_what_are_no_weights(given, message):
    with pytest.raises(ValueError, match=message):
        weights_of(given, 3)
