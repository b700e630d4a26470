import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal import likelihoods
from tests.likelihoods.helpers import check_likelihood, check_samples

RNG = np.random.default_rng(0)
X = RNG.integers(0, 2, (3, 2, 4)).astype("float32")
LOGITS = RNG.normal(scale=2, size=(3, 2, 4)).astype("float32")


def test_value_is_that_of_tfp():
    from tensorflow_probability import distributions as tfd

    reference = tfd.Bernoulli(logits=np.float64(LOGITS))
    expected = tf.reduce_sum(reference.log_prob(X), (1, 2))
    check_likelihood(likelihoods.Bernoulli, {}, X, LOGITS, expected)


def test_mean_mode_and_samples():
    likelihood = likelihoods.Bernoulli()
    probabilities = 1 / (1 + np.exp(-LOGITS))
    mean = likelihood.mean(LOGITS).numpy()
    np.testing.assert_allclose(mean, probabilities, rtol=1e-5)
    check_samples(likelihood, LOGITS, mean)
    np.testing.assert_array_equal(likelihood.mode(LOGITS), LOGITS > 0)


def test_grey_values_are_refused():
    likelihood = likelihoods.Bernoulli()
    x = X.copy()
    x[1, 0, 2] = 0.5
    with pytest.raises(
        ValueError, match=r"0 or 1 .*1 of 24 .* x\[1, 0, 2\]=0.5"
    ):
        likelihood.check_support(x)
    likelihood.check_support(X.astype("bool"))
    likelihood.check_support(X.astype("uint8"))
