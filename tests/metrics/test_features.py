import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.distance import cdist

from keras_xmodal.metrics.features import (
    check_feature_pair,
    check_samples,
    squared_distances,
)


def test_features_become_float64():
    real, generated = check_feature_pair(
        tf.ones((2, 3), "bfloat16"), [[1, 2, 3], [4, 5, 6]], 2
    )
    assert real.dtype == generated.dtype == np.float64
    large = np.full((2, 1), 1e200)
    assert check_feature_pair(large, large, 2)[0].max() == 1e200


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"real": np.ones(3)}, ValueError, r"`real` must have shape.*\(3,\)"),
        (
            {"generated": np.ones((5, 2, 2))},
            ValueError,
            "`generated` must have",
        ),
        ({"generated": np.ones((5, 2))}, ValueError, r"same dim.*3\).*5, 2\)"),
        (
            {"real": np.full((5, 3), np.inf)},
            ValueError,
            "`real` must be finite",
        ),
        (
            {"generated": np.full((5, 3), np.nan)},
            ValueError,
            "`generated` must",
        ),
        ({"real": [["a"] * 3] * 5}, TypeError, "`real` must be real numbers"),
        (
            {"generated": np.ones((4, 3))},
            ValueError,
            r"`gen.* 5 samp.*\(4, 3\)",
        ),
    ],
)
def test_bad_features(change, error, match):
    pair = {"real": np.ones((5, 3)), "generated": np.ones((5, 3)), **change}
    with pytest.raises(error, match=match):
        check_feature_pair(**pair, min_samples=5)


def test_samples_become_arrays_in_order():
    a, b = check_samples(a=[[1, 2]], b=np.zeros((3, 2), "uint8"))
    assert a.tolist() == [[1, 2]]
    assert b.shape == (3, 2)


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (np.ones(4), ValueError, r"`b` must have shape.*\(4,\)"),
        (np.ones((0, 2)), ValueError, r"`b` must have shape.*\(0, 2\)"),
        (np.ones((4, 3)), ValueError, r"`a`, `b`.*same.*\(1, 2\).*\(4, 3\)"),
        ([[1.0, np.nan]], ValueError, "`b` must be finite"),
        ([["a", "b"]], TypeError, "`b` must be real numbers.*<U1"),
    ],
)
def test_bad_samples(value, error, match):
    with pytest.raises(error, match=match):
        check_samples(a=np.ones((1, 2)), b=value)


def test_distances():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
    expected = cdist(x, y, "sqeuclidean")
    np.testing.assert_allclose(squared_distances(x, y), expected, rtol=1e-10)
    # The same, a long way off.
    found = squared_distances(x + 1e5, y + 1e5)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_equal_points_have_no_distance():
    """Though the sum of squares less the products leaves some."""
    x = 100 * np.random.default_rng(0).normal(size=(200, 64))
    lengths = np.sum(x**2, axis=1)
    rounded = lengths[:, None] + lengths - 2 * (x @ x.T)
    assert np.diagonal(rounded).any()
    distances = squared_distances(x, x[::-1])[:, ::-1]
    assert not np.diagonal(distances).any()
    assert (distances + np.eye(200) > 0).all()
