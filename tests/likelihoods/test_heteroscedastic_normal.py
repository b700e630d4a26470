import numpy as np
import pytest
from scipy import stats

from keras_xmodal import likelihoods
from tests.likelihoods.helpers import check_likelihood, check_samples

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 2, 4)).astype("float32")
MEAN = RNG.normal(size=(3, 2, 4)).astype("float32")
LOG_SCALE = RNG.uniform(-1, 1, size=(3, 2, 4)).astype("float32")
PARAMETERS = np.concatenate([MEAN, LOG_SCALE], axis=-1)


def test_value_is_that_of_scipy():
    expected = stats.norm(MEAN, np.exp(LOG_SCALE)).logpdf(X).sum((1, 2))
    check_likelihood(
        likelihoods.HeteroscedasticNormal,
        {"min_log_scale": -4.0, "max_log_scale": 2.0},
        X,
        PARAMETERS,
        expected,
    )


def test_log_scales_are_bounded():
    likelihood = likelihoods.HeteroscedasticNormal(-3.0, 1.0)
    x = np.zeros((1, 1), "float32")
    for log_scale, bound in ((-50.0, -3.0), (50.0, 1.0)):
        found = likelihood.log_prob(x, [[0.1, log_scale]])
        expected = stats.norm(0.1, np.exp(bound)).logpdf(0.0)
        np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_mean_mode_and_samples():
    likelihood = likelihoods.HeteroscedasticNormal()
    np.testing.assert_array_equal(likelihood.mean(PARAMETERS), MEAN)
    np.testing.assert_array_equal(likelihood.mode(PARAMETERS), MEAN)
    samples = check_samples(likelihood, PARAMETERS, MEAN)
    np.testing.assert_allclose(samples.std(0), np.exp(LOG_SCALE), rtol=0.1)


def test_shape_of_the_parameters():
    likelihood = likelihoods.HeteroscedasticNormal()
    assert likelihood.parameter_shape((28, 28, 1)) == (28, 28, 2)
    assert likelihood.parameter_shape((None,)) == (None,)
    with pytest.raises(ValueError, match=r"event_shape=\(\)"):
        likelihood.parameter_shape(())


@pytest.mark.parametrize("bounds", [(1.0, 1.0), (2.0, 1.0)])
def test_bounds_must_be_in_order(bounds):
    with pytest.raises(ValueError, match="less than `max_log_scale`"):
        likelihoods.HeteroscedasticNormal(*bounds)
