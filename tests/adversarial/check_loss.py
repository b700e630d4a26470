"""One-call check of an adversarial loss."""

import keras
import numpy as np
import tensorflow as tf

from tests.helpers import check_config, check_gradient

REAL = np.array([0.3, -1.2, 2.0], "float32")

FAKE = np.array([-0.7, 0.4, 1.1], "float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def check_adversarial(cls, at_zero, by_hand):
    """Values at zero and by hand, gradients, dtypes, extremes, XLA.

    Args:
        cls: Class of the loss.
        at_zero: Pair of its values where both logits are 0.
        by_hand: Function from NumPy logits to the pair of losses.
    """
    loss = check_config(cls, {})
    functions = (loss.discriminator_loss, loss.generator_loss)
    zeros = np.zeros((2, 1), "float32")
    for function, value in zip(functions, at_zero, strict=True):
        np.testing.assert_allclose(function(zeros, zeros), [value] * 2, 1e-6)
    for function, expected in zip(functions, by_hand(REAL, FAKE), strict=True):
        assert expected.shape == (3,)
        np.testing.assert_allclose(function(REAL, FAKE), expected, 1e-5)
        # A column of logits is as many logits, no matrix of pairs.
        columns = function(REAL[:, None], FAKE[:, None])
        np.testing.assert_allclose(columns, expected, 1e-5)
        half = function(REAL.astype("float16"), FAKE.astype("float16"))
        assert keras.backend.standardize_dtype(half.dtype) == "float32"
        jitted = tf.function(function, jit_compile=True)(REAL, FAKE)
        np.testing.assert_allclose(jitted, expected, 1e-5)
        check_gradient(lambda x, f=function: tf.reduce_sum(f(REAL, x)), FAKE)
        if loss.compares or function == loss.discriminator_loss:
            check_gradient(
                lambda x, f=function: tf.reduce_sum(f(x, FAKE)), REAL
            )
        for scale in (1e4, -1e4):
            logits = tf.constant(scale * REAL), tf.constant(scale * FAKE)
            with tf.GradientTape() as tape:
                tape.watch(logits)
                value = function(*logits)
            gradients = tape.gradient(
                value, logits, unconnected_gradients="zero"
            )
            assert np.isfinite(value).all()
            assert np.isfinite(gradients).all()
    if not loss.compares:
        np.testing.assert_array_equal(
            loss.generator_loss(None, FAKE), loss.generator_loss(REAL, FAKE)
        )
