import numpy as np
import tensorflow as tf

from keras_xmodal import ops


def test_l2_normalize_gives_unit_length_in_float32():
    x = np.random.default_rng(0).normal(size=(3, 5)).astype("float16")
    y = ops.l2_normalize(x)
    assert y.dtype == "float32"
    np.testing.assert_allclose(np.linalg.norm(y, axis=-1), 1, rtol=1e-6)


def test_l2_normalize_of_zero_is_zero_with_finite_gradient():
    x = tf.zeros((1, 4))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = ops.l2_normalize(x)
    np.testing.assert_array_equal(y, 0)
    assert np.isfinite(tape.gradient(y, x)).all()


def test_l2_normalize_does_not_overflow_in_half_precision():
    # 300^2 is beyond the largest float16, 65504.
    y = ops.l2_normalize(np.full((1, 4), 300, "float16"))
    np.testing.assert_allclose(y, 0.5, rtol=1e-6)


def test_dot_similarity_is_the_dot_product_of_every_pair():
    a = np.array([[1.0, 0.0], [0.0, 2.0]], "float32")
    b = np.array([[1.0, 1.0], [3.0, 0.0], [0.0, -1.0]], "float32")
    np.testing.assert_array_equal(
        ops.dot_similarity(a, b), [[1, 3, 0], [2, 0, -2]]
    )
