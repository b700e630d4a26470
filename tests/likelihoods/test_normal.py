import numpy as np
import pytest
from scipy import stats

from keras_xmodal import likelihoods
from tests.likelihoods.helpers import check_likelihood, check_samples

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 2, 4)).astype("float32")
MEAN = RNG.normal(size=(3, 2, 4)).astype("float32")


def test_value_is_that_of_scipy():
    expected = stats.norm(MEAN, 0.5).logpdf(X).sum((1, 2))
    check_likelihood(likelihoods.Normal, {"scale": 0.5}, X, MEAN, expected)


def test_mean_mode_and_samples():
    likelihood = likelihoods.Normal(0.5)
    np.testing.assert_array_equal(likelihood.mean(MEAN), MEAN)
    np.testing.assert_array_equal(likelihood.mode(MEAN), MEAN)
    samples = check_samples(likelihood, MEAN, MEAN)
    np.testing.assert_allclose(samples.std(0), 0.5, rtol=0.08)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value):
    x = X.copy()
    x[2, 1, 3] = value
    with pytest.raises(ValueError, match=rf"finite .*x\[2, 1, 3\]={value}"):
        likelihoods.Normal().check_support(x)


@pytest.mark.parametrize("scale", [0, -1.0, np.nan, np.inf])
def test_scale_must_be_positive(scale):
    with pytest.raises(ValueError, match=f"Received: scale={scale}"):
        likelihoods.Normal(scale)
