import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_xmodal import likelihoods
from tests.likelihoods.helpers import check_likelihood, check_samples

RNG = np.random.default_rng(0)
# Both edges, and values between.
X = np.array([[0, 255, 3, 100], [255, 0, 128, 254], [1, 77, 78, 0]]) / 255
X = X.astype("float32")
LOCATION = RNG.uniform(-0.2, 1.2, (3, 4)).astype("float32")
LOG_SCALE = RNG.uniform(-3, 0, (3, 4)).astype("float32")
PARAMETERS = np.concatenate([LOCATION, LOG_SCALE], axis=-1)


def test_value_is_that_of_tfp():
    from tensorflow_probability import distributions as tfd

    scale = 255 * np.exp(np.float64(LOG_SCALE))
    reference = tfd.QuantizedDistribution(
        tfd.Logistic(255 * np.float64(LOCATION) - 0.5, scale), 0.0, 255.0
    )
    levels = np.round(255 * np.float64(X))
    expected = tf.reduce_sum(reference.log_prob(levels), -1)
    check_likelihood(
        likelihoods.DiscretizedLogistic,
        {"num_levels": 256, "min_log_scale": -6.0, "max_log_scale": 3.0},
        X,
        PARAMETERS,
        expected,
    )


@pytest.mark.parametrize("location", [-1.0, 0.0, 0.31, 1.0])
@pytest.mark.parametrize("log_scale", [-7.0, -5.0, -1.0, 7.0])
def test_levels_have_probabilities_that_sum_to_one(location, log_scale):
    """And are those of SciPy's distribution function, level by level."""
    likelihood = likelihoods.DiscretizedLogistic(num_levels=16)
    levels = np.arange(16) / 15
    parameters = np.tile([location, log_scale], (16, 1))
    found = np.exp(likelihood.log_prob(levels[:, None], parameters))
    assert found.sum() == pytest.approx(1, abs=1e-5)
    edges = np.r_[-np.inf, levels[1:] - 0.5 / 15, np.inf]
    cdf = stats.logistic(location, np.exp(log_scale)).cdf(edges)
    np.testing.assert_allclose(found, np.diff(cdf), atol=2e-6)

    exact = np.sum(levels * np.diff(cdf))
    mean = float(likelihood.mean(parameters)[0, 0])
    assert abs(mean - exact) < 0.5 / 15
    mode = float(likelihood.mode(parameters)[0, 0])
    best = np.argmin(np.abs(levels - mode))
    assert mode == pytest.approx(levels[best])
    assert np.diff(cdf)[best] == pytest.approx(np.diff(cdf).max(), abs=1e-6)


def test_values_between_levels_count_as_the_nearest():
    likelihood = likelihoods.DiscretizedLogistic()
    parameters = tf.constant(PARAMETERS)
    np.testing.assert_allclose(
        likelihood.log_prob(np.clip(X + 0.4 / 255, 0, 1), parameters),
        likelihood.log_prob(X, parameters),
        rtol=1e-6,
    )


def test_mean_and_samples():
    likelihood = likelihoods.DiscretizedLogistic()
    mean = likelihood.mean(PARAMETERS).numpy()
    assert mean.min() > 0
    assert mean.max() < 1
    samples = check_samples(likelihood, PARAMETERS, mean, slack=0.5 / 255)
    levels = samples * 255
    np.testing.assert_allclose(levels, levels.round(), atol=1e-4)


def test_values_outside_are_refused():
    likelihood = likelihoods.DiscretizedLogistic()
    with pytest.raises(ValueError, match=r"in \[0, 1\] .*x\[0, 1\]=255.0"):
        likelihood.check_support(X * 255)


def test_shape_of_the_parameters():
    likelihood = likelihoods.DiscretizedLogistic()
    assert likelihood.parameter_shape((32, 32, 3)) == (32, 32, 6)


@pytest.mark.parametrize("num_levels", [1, 0])
def test_two_levels_at_least(num_levels):
    with pytest.raises(ValueError, match=f"num_levels={num_levels}"):
        likelihoods.DiscretizedLogistic(num_levels)
