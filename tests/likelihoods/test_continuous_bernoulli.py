import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate

from keras_xmodal import likelihoods
from tests.likelihoods.helpers import (
    check_likelihood,
    check_samples,
    value_and_gradient,
)

RNG = np.random.default_rng(0)
X = RNG.random((3, 4)).astype("float32")
LOGITS = RNG.normal(scale=2, size=(3, 4)).astype("float32")


def test_value_is_that_of_tfp():
    from tensorflow_probability import distributions as tfd

    reference = tfd.ContinuousBernoulli(
        logits=np.float64(LOGITS), dtype=tf.float64
    )
    expected = tf.reduce_sum(reference.log_prob(np.float64(X)), -1)
    check_likelihood(likelihoods.ContinuousBernoulli, {}, X, LOGITS, expected)


@pytest.mark.parametrize("logit", [-8.0, -0.501, -0.499, -1e-4, 0.0, 0.3, 20.0])
def test_density_integrates_to_one_and_gives_the_mean(logit):
    likelihood = likelihoods.ContinuousBernoulli()
    grid = np.linspace(0, 1, 2001)
    logits = np.full((2001, 1), logit)
    density = np.exp(likelihood.log_prob(grid[:, None], logits).numpy())
    assert integrate.simpson(density, x=grid) == pytest.approx(1, abs=1e-5)
    mean = integrate.simpson(density * grid, x=grid)
    found = float(likelihood.mean(logits)[0, 0])
    assert found == pytest.approx(mean, abs=1e-4)


def test_gradient_near_one_half_is_that_of_float64():
    """d/dl log p = x - mean, and the mean is 1/2 + l/12 - l^3/720 + ..."""
    logits = np.concatenate([np.geomspace(1e-8, 1, 50), [0.0]])
    logits = np.concatenate([logits, -logits])
    x = np.full(logits.shape, 0.25)
    exact = -0.25 - logits / 12 + logits**3 / 720 - logits**5 / 30240
    _, gradient = value_and_gradient(
        likelihoods.ContinuousBernoulli(),
        x[:, None],
        tf.constant(logits[:, None], "float32"),
    )
    np.testing.assert_allclose(gradient[:, 0], exact, atol=2e-6)


def test_mean_and_samples():
    likelihood = likelihoods.ContinuousBernoulli()
    mean = likelihood.mean(LOGITS).numpy()
    # Bits and intensities differ: sigmoid is not the mean.
    assert np.abs(mean - 1 / (1 + np.exp(-LOGITS))).max() > 0.1
    check_samples(likelihood, LOGITS, mean)
    np.testing.assert_array_equal(likelihood.mode(LOGITS), LOGITS > 0)


@pytest.mark.parametrize("value", [-0.01, 1.01, 255.0, np.inf])
def test_values_outside_are_refused(value):
    x = X.copy()
    x[2, 3] = value
    with pytest.raises(ValueError, match=rf"in \[0, 1\] .*3\]={value}"):
        likelihoods.ContinuousBernoulli().check_support(x)
