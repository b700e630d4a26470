"""Second derivatives, as the penalty R1 needs them."""

import numpy as np
import tensorflow as tf

from tests.helpers import assert_close


def randomize_weights(layer, seed=0):
    """Give values to weights that start at zero, and to all others."""
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        scale = 1 / np.sqrt(max(1, np.prod(weight.shape[:-1])))
        weight.assign(scale * rng.standard_normal(weight.shape))


def check_r1(logit, x, weights, step=1e-5, rtol=1e-5):
    """Gradient of `sum ||grad_x D||^2` against differences; jit = graph.

    `logit` is a function of `x`. A rectifier makes the penalty jump, so the
    defaults are for float64, in which a step is too small to meet a jump.
    """

    def penalty():
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(logit(x))
        return tf.reduce_sum(tf.square(tape.gradient(total, x)))

    def gradients():
        with tf.GradientTape() as tape:
            value = penalty()
        return tape.gradient(
            value,
            [weight.value for weight in weights],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )

    x = tf.convert_to_tensor(x)
    found = tf.function(gradients)()
    jitted = tf.function(gradients, jit_compile=True)()
    largest = max(np.abs(gradient).max() for gradient in found)
    assert largest > 0
    assert_close(jitted, found, atol=rtol * largest)

    penalty = tf.function(penalty)
    assert penalty() > 0
    rng = np.random.default_rng(1)
    for weight, gradient in zip(weights, found, strict=True):
        value = weight.numpy()
        direction = rng.standard_normal(value.shape)
        ends = []
        for sign in (1, -1):
            weight.assign(value + sign * step * direction)
            ends.append(float(penalty()))
        weight.assign(value)
        expected = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(
            np.sum(gradient * direction),
            expected,
            rtol=rtol,
            atol=rtol * float(largest),
            err_msg=weight.path,
        )
