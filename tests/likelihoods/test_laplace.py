import numpy as np
import pytest
from scipy import stats

from keras_xmodal import likelihoods
from tests.likelihoods.helpers import check_likelihood, check_samples

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4)).astype("float32")
# Away from the kink, where finite differences are not the gradient.
ERRORS = RNG.uniform(0.1, 2, (3, 4)) * RNG.choice([-1, 1], (3, 4))
LOCATION = (X + ERRORS).astype("float32")


def test_value_is_that_of_scipy():
    expected = stats.laplace(LOCATION, 0.5).logpdf(X).sum(1)
    check_likelihood(likelihoods.Laplace, {"scale": 0.5}, X, LOCATION, expected)


def test_mean_mode_and_samples():
    likelihood = likelihoods.Laplace()
    np.testing.assert_array_equal(likelihood.mean(LOCATION), LOCATION)
    np.testing.assert_array_equal(likelihood.mode(LOCATION), LOCATION)
    samples = check_samples(likelihood, LOCATION, LOCATION)
    np.testing.assert_allclose(samples.std(0), 0.75 * 2**0.5, rtol=0.1)


def test_scale_must_be_positive():
    with pytest.raises(ValueError, match="Received: scale=0"):
        likelihoods.Laplace(scale=0)
