import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_xmodal.ops.gumbel import gumbel_softmax, stateless_gumbel

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 1.5, (16, 3, 5)).astype("float32")
NOISE = stateless_gumbel(LOGITS.shape, seed=3)


def test_noise_is_of_its_distribution():
    large = stateless_gumbel((400, 100), seed=3).numpy()
    rows = stateless_gumbel((2000, 20), np.arange(2000)).numpy()
    for values in (large, rows):
        test = scipy.stats.kstest(values.ravel(), scipy.stats.gumbel_r.cdf)
        assert test.pvalue > 1e-3


def test_samples_have_the_frequencies_of_the_softmax():
    count = 40_000
    logits = np.array([2.0, 0.0, -1.0, 0.5], "float32")
    noise = stateless_gumbel((count, 4), seed=1)
    for temperature in (0.1, 1.0, 10.0):
        samples = gumbel_softmax(logits + 0 * noise, noise, temperature)
        expected = scipy.special.softmax(logits)
        error = np.sqrt(expected * (1 - expected) / count)
        found = samples.numpy().mean(axis=0)
        assert (np.abs(found - expected) < 4 * error).all()


@pytest.mark.parametrize("temperature", [0.01, 0.3, 1.0, 7.0])
def test_hard_values_are_exactly_one_hot(temperature):
    for noise in (None, NOISE):
        values = gumbel_softmax(LOGITS, noise, temperature).numpy()
        assert set(np.unique(values)) == {0.0, 1.0}
        np.testing.assert_array_equal(values.sum(axis=-1), 1.0)
        scores = LOGITS if noise is None else LOGITS + noise.numpy()
        np.testing.assert_array_equal(
            values.argmax(axis=-1), scores.argmax(axis=-1)
        )


def test_one_of_equal_logits_is_drawn():
    values = gumbel_softmax(np.array([[1.0, 3.0, 3.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_array_equal(values, [[0, 1, 0], [1, 0, 0]])


def test_not_a_number_is_not_hidden():
    logits = np.array([[0.0, np.nan, 1.0]])
    assert np.isnan(gumbel_softmax(logits)).any()


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_gradient_is_that_of_the_soft_values(temperature):
    """Which is the Jacobian `(diag(y) - y y') / temperature`."""
    weights = RNG.normal(size=LOGITS.shape).astype("float32")
    x = tf.constant(LOGITS)
    gradients = []
    for hard in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = gumbel_softmax(x, NOISE, temperature, hard)
            value = tf.reduce_sum(y * weights)
        gradients.append(tape.gradient(value, x).numpy())
    np.testing.assert_array_equal(*gradients)
    y = scipy.special.softmax((LOGITS + NOISE.numpy()) / temperature, axis=-1)
    mean = (y * weights).sum(axis=-1, keepdims=True)
    expected = y * (weights - mean) / temperature
    np.testing.assert_allclose(gradients[0], expected, atol=1e-6)


def test_limits_of_the_temperature():
    def soft(temperature):
        return gumbel_softmax(LOGITS, NOISE, temperature, hard=False).numpy()

    hard = gumbel_softmax(LOGITS, NOISE)
    np.testing.assert_allclose(soft(1e-3), hard, atol=1e-4)
    np.testing.assert_allclose(soft(1e4), 1 / 5, atol=1e-3)
    np.testing.assert_allclose(soft(0.7).sum(axis=-1), 1.0, atol=1e-6)


def test_extreme_logits():
    logits = tf.constant([[1e4, -1e4, 0.0], [-np.inf, 0.0, -np.inf]])
    noise = stateless_gumbel((2, 3), seed=0)
    for hard in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            values = gumbel_softmax(logits, noise, hard=hard)
            value = tf.reduce_sum(values[:, 0])
        np.testing.assert_array_equal(values, [[1, 0, 0], [0, 1, 0]])
        assert np.isfinite(tape.gradient(value, logits)).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_it_computes_in_float32(dtype):
    logits = keras.ops.cast(LOGITS, dtype)
    for hard in (True, False):
        values = gumbel_softmax(logits, NOISE, 0.7, hard)
        assert values.dtype == "float32"
        expected = gumbel_softmax(
            keras.ops.cast(logits, "float32"), NOISE, 0.7, hard
        )
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("hard", [True, False])
def test_xla_computes_the_same(hard):
    def draw(logits, seed):
        noise = stateless_gumbel((16, 3, 5), seed)
        return gumbel_softmax(logits, noise, 0.7, hard)

    logits, seeds = tf.constant(LOGITS), tf.range(16)
    compiled = tf.function(draw, jit_compile=True)(logits, seeds)
    np.testing.assert_allclose(compiled, draw(logits, seeds), atol=1e-6)
    if hard:
        assert set(np.unique(compiled)) == {0.0, 1.0}
