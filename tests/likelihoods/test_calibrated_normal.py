import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_xmodal import likelihoods
from tests.likelihoods.helpers import check_likelihood, value_and_gradient

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4)).astype("float32")
MEAN = RNG.normal(size=(5, 4)).astype("float32")
RMSE = np.sqrt(np.mean((X - MEAN) ** 2))


def test_value_is_the_normal_of_the_root_mean_squared_error():
    expected = stats.norm(MEAN, RMSE).logpdf(X).sum(1)
    check_likelihood(
        likelihoods.CalibratedNormal, {"min_scale": 0.01}, X, MEAN, expected
    )


def test_no_other_scale_makes_the_batch_more_probable():
    best = tf.reduce_sum(likelihoods.CalibratedNormal().log_prob(X, MEAN))
    for factor in (0.8, 0.99, 1.01, 1.25):
        other = likelihoods.Normal(float(RMSE) * factor)
        assert tf.reduce_sum(other.log_prob(X, MEAN)) < best


def test_gradient_is_that_through_the_scale():
    """-n log(rmse) + constant, differentiated with nothing held constant."""
    mean = tf.constant(MEAN)
    with tf.GradientTape() as tape:
        tape.watch(mean)
        value = -0.5 * X.size * tf.math.log(tf.reduce_mean((X - mean) ** 2))
    _, gradient = value_and_gradient(likelihoods.CalibratedNormal(), X, mean)
    np.testing.assert_allclose(
        gradient, tape.gradient(value, mean), rtol=1e-4, atol=1e-5
    )


def test_scale_of_samples_of_the_latent_is_shared():
    likelihood = likelihoods.CalibratedNormal()
    means = np.stack([MEAN, MEAN + 1, MEAN - 2])
    expected = np.sqrt(np.mean((X - means) ** 2))
    np.testing.assert_allclose(likelihood.scale(X, means), expected, rtol=1e-5)
    missing = np.array([True, False, True, False, False])
    expected = np.sqrt(np.mean((X - means)[:, ~missing] ** 2))
    found = likelihood.scale(X, means, missing)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_perfect_reconstructions_and_empty_batches_stay_finite():
    likelihood = likelihoods.CalibratedNormal(min_scale=0.01)
    assert float(likelihood.scale(X, X)) == np.float32(0.01)
    value, gradient = value_and_gradient(likelihood, X, tf.constant(X))
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    value, gradient = value_and_gradient(
        likelihood, X * np.nan, tf.constant(X), np.ones(5, "bool")
    )
    np.testing.assert_array_equal(value, np.zeros(5))
    np.testing.assert_array_equal(gradient, np.zeros((5, 4)))


def test_mean_needs_no_scale_and_samples_say_how_to_get_one():
    likelihood = likelihoods.CalibratedNormal()
    np.testing.assert_array_equal(likelihood.mean(MEAN), MEAN)
    np.testing.assert_array_equal(likelihood.mode(MEAN), MEAN)
    with pytest.raises(NotImplementedError, match="Fix the scale"):
        likelihood.sample(MEAN)
    fixed = likelihoods.Normal(float(likelihood.scale(X, MEAN)))
    np.testing.assert_allclose(
        fixed.log_prob(X, MEAN), likelihood.log_prob(X, MEAN), rtol=1e-5
    )


def test_min_scale_must_be_positive():
    with pytest.raises(ValueError, match="Received: min_scale=0"):
        likelihoods.CalibratedNormal(min_scale=0)
