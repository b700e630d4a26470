import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from keras_xmodal.ops.importance import (
    iwae_bound,
    normalized_weights,
    scale_gradient_later,
)

LOG_WEIGHTS = np.random.default_rng(0).normal(0, 3, (5, 4)).astype("float32")


def test_bound_is_the_log_of_the_mean_weight():
    expected = np.log(np.exp(LOG_WEIGHTS.astype("float64")).mean(0))
    np.testing.assert_allclose(iwae_bound(LOG_WEIGHTS), expected, rtol=1e-5)
    np.testing.assert_allclose(iwae_bound(LOG_WEIGHTS[:1]), LOG_WEIGHTS[0])
    large = iwae_bound(LOG_WEIGHTS + 1e4)
    np.testing.assert_allclose(large, expected + 1e4, rtol=1e-5)


def test_weights_are_the_gradient_of_the_bound_and_constants():
    log_weights = tf.constant(LOG_WEIGHTS)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(log_weights)
        bound = iwae_bound(log_weights)
        weights = normalized_weights(log_weights)
    expected = scipy.special.softmax(LOG_WEIGHTS, axis=0)
    np.testing.assert_allclose(weights, expected, rtol=1e-5)
    gradient = tape.gradient(bound, log_weights)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)
    assert tape.gradient(weights, log_weights) is None


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradient_is_scaled_by_what_comes_later(jit_compile):
    x = tf.constant(LOG_WEIGHTS)

    @tf.function(jit_compile=jit_compile)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            z, set_scale = scale_gradient_later(x)
            y = tf.reduce_sum(z**2, -1)
            set_scale(tf.stop_gradient(y))
        return z, tape.gradient(y, x)

    z, result = gradient(x)
    np.testing.assert_array_equal(z, x)
    scale = (LOG_WEIGHTS**2).sum(-1, keepdims=True)
    np.testing.assert_allclose(result, 2 * LOG_WEIGHTS * scale, rtol=1e-5)


def test_scale_must_be_there_when_the_gradient_is_taken():
    x = tf.constant(LOG_WEIGHTS)
    with tf.GradientTape() as tape:
        tape.watch(x)
        z, _ = scale_gradient_later(x)
    with pytest.raises(ValueError, match="`set_scale` must be called"):
        tape.gradient(z, x)
