"""One call that checks a likelihood."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers import assert_close, check_config, check_gradient


def check_likelihood(cls, init_kwargs, x, parameters, expected, rtol=1e-5):
    """Config, value, gradient, masks, dtypes, jit and samples.

    Args:
        cls: The class.
        init_kwargs: Non-default arguments.
        x: Array of shape `(batch, *event_shape)`, batch > 1.
        parameters: Array of shape `(batch, *parameter_shape)`.
        expected: Array of shape `(batch,)`, an independent reference.
        rtol: Tolerance against the reference.

    Returns:
        The likelihood.
    """
    likelihood = check_config(cls, init_kwargs)
    event_shape = x.shape[1:]
    assert likelihood.parameter_shape(event_shape) == parameters.shape[1:]
    parameters = tf.constant(parameters, "float32")

    log_prob = likelihood.log_prob(x, parameters)
    assert log_prob.dtype == "float32"
    assert_close(log_prob, np.float32(expected), rtol=rtol, atol=rtol)
    check_gradient(
        lambda p: tf.reduce_mean(likelihood.log_prob(x, p)), parameters
    )
    likelihood.check_support(x)
    check_samples_of_the_latent(likelihood, x, parameters)
    check_missing_rows(likelihood, x, parameters)
    check_dtypes_and_extremes(likelihood, x, parameters)
    check_jit(likelihood, x, parameters)
    return likelihood


def value_and_gradient(likelihood, x, parameters, missing=None):
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        value = likelihood.log_prob(x, parameters, missing)
    return value, tape.gradient(value, parameters)


def check_samples_of_the_latent(likelihood, x, parameters):
    """Leading axes are independent copies of the computation."""
    shifts = tf.reshape(tf.range(6.0) / 10, (3, 2) + (1,) * parameters.ndim)
    value = likelihood.log_prob(x, parameters + shifts)
    assert value.shape == (3, 2, len(x))
    if hasattr(likelihood, "scale") and callable(likelihood.scale):
        return  # One scale for all samples.
    for i in range(3):
        for j in range(2):
            alone = likelihood.log_prob(x, parameters + shifts[i, j])
            assert_close(value[i, j], alone, rtol=1e-5, atol=1e-6)


def check_missing_rows(likelihood, x, parameters):
    """A missing row counts 0, has no gradient, and may hold NaN."""
    missing = np.arange(len(x)) == 1
    holes = np.array(x, "float32")
    holes[missing] = np.nan
    likelihood.check_support(holes, missing)
    with pytest.raises(ValueError, match=r"x\[1.*\]=nan"):
        likelihood.check_support(holes)
    value, gradient = value_and_gradient(likelihood, holes, parameters, missing)
    rest, rest_gradient = value_and_gradient(
        likelihood, x[~missing], tf.boolean_mask(parameters, ~missing)
    )
    assert_close(value[1], 0.0)
    assert_close(gradient[1], np.zeros(parameters.shape[1:], "float32"))
    assert_close(tf.boolean_mask(value, ~missing), rest, rtol=1e-5)
    assert_close(tf.boolean_mask(gradient, ~missing), rest_gradient, rtol=1e-4)


def check_dtypes_and_extremes(likelihood, x, parameters):
    """The maths is float32 and stays finite far from the data."""
    half = tf.cast(parameters, "float16")
    value, gradient = value_and_gradient(likelihood, x, half)
    assert value.dtype == "float32"
    assert gradient.dtype == "float16"
    exact = likelihood.log_prob(x, tf.cast(half, "float32"))
    assert_close(value, exact, rtol=1e-6)
    double = likelihood.log_prob(
        np.asarray(x, "float64"), tf.cast(parameters, "float64")
    )
    assert double.dtype == "float32"
    for limit in (100.0, -100.0, 0.0):
        extreme = tf.fill(parameters.shape, limit)
        value, gradient = value_and_gradient(likelihood, x, extreme)
        assert np.isfinite(value).all(), limit
        assert np.isfinite(gradient).all(), limit
        value = likelihood.log_prob(x, tf.cast(extreme, "float16"))
        assert np.isfinite(value).all(), limit
        assert np.isfinite(likelihood.mean(extreme)).all(), limit


def check_jit(likelihood, x, parameters):
    """Compiled with unknown batch, the same value and gradient."""
    x = tf.constant(x)
    eager = value_and_gradient(likelihood, x, parameters)

    @tf.function(
        jit_compile=True,
        input_signature=[
            tf.TensorSpec([None, *x.shape[1:]], x.dtype),
            tf.TensorSpec([None, *parameters.shape[1:]], "float32"),
        ],
    )
    def compiled(x, parameters):
        return value_and_gradient(likelihood, x, parameters)

    assert_close(compiled(x, parameters), eager, rtol=1e-4, atol=1e-5)


def check_samples(likelihood, parameters, mean, slack=0.0, draws=4000):
    """Samples follow the seed, lie in the support, and average to `mean`.

    `mean` is what the average of samples estimates, within five standard
    errors and `slack`.
    """
    parameters = tf.constant(parameters, "float32")
    many = tf.repeat(parameters[None], draws, axis=0)
    samples = likelihood.sample(many, seed=7)
    assert samples.dtype == likelihood.data_dtype
    assert_close(likelihood.sample(many, seed=7), samples)
    generator = keras.random.SeedGenerator(3)
    first = likelihood.sample(many, generator)
    assert not np.array_equal(first, likelihood.sample(many, generator))

    samples = samples.numpy()
    likelihood.check_support(samples)
    if likelihood.data_dtype == "int32":
        samples = np.eye(likelihood.num_classes)[samples]
    error = samples.std(axis=0) / np.sqrt(draws)
    assert mean.shape == samples.shape[1:]
    distance = np.abs(samples.mean(axis=0) - mean)
    assert (distance <= 5 * error + slack + 1e-6).all()
    return samples
