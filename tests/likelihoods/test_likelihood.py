import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal import likelihoods

X = np.zeros((3, 4), "float32")
RNG = np.random.default_rng(0)
REAL = RNG.normal(scale=3, size=(5, 4)).astype("float32")
BITS = RNG.integers(2, size=(5, 4)).astype("float32")
UNIT = RNG.random((5, 4)).astype("float32")


@pytest.mark.parametrize(
    ("x_shape", "parameters_shape"),
    [
        ((3, 4), (3, 1)),  # Would broadcast, and count one logit four times.
        ((3,), (3, 3)),
        ((3, 4), (4,)),
        ((3, 4), (1, 4)),
        ((3, 4), (4, 3, 5)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(x_shape, parameters_shape):
    if x_shape == (3,):
        likelihood = likelihoods.Categorical(5)
    else:
        likelihood = likelihoods.Bernoulli()
    with pytest.raises(ValueError, match=r"must have shape .*Received"):
        likelihood.log_prob(np.zeros(x_shape), np.zeros(parameters_shape))


def test_scalar_data():
    x = np.array([0.0, 1.0, 1.0])
    found = likelihoods.Bernoulli().log_prob(x, np.zeros(3))
    np.testing.assert_allclose(found, -np.log(2) * np.ones(3), rtol=1e-6)


def test_data_that_is_not_numbers_is_refused():
    with pytest.raises(TypeError, match=r"real numbers.*dtype <U1"):
        likelihoods.Normal().check_support(np.array(["a", "b"]))


def test_mask_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"missing.shape=\(2,\)"):
        likelihoods.Normal().check_support(X, missing=[True, False])


def test_the_first_wrong_value_is_that_of_a_row_that_is_there():
    x = X.copy()
    x[0] = np.nan
    x[2, 1] = np.inf
    with pytest.raises(ValueError, match=r"1 of 12 .*x\[2, 1\]=inf"):
        likelihoods.Normal().check_support(x, [True, False, False])


@pytest.mark.parametrize(
    ("likelihood", "x", "parameters"),
    [
        (likelihoods.Bernoulli(), BITS, REAL),
        (likelihoods.Categorical(4), BITS[:, 0], REAL),
        (likelihoods.ContinuousBernoulli(), UNIT, REAL),
        (likelihoods.HeteroscedasticNormal(), REAL[:, :2], REAL),
        (likelihoods.Laplace(0.5), BITS, REAL),
        (likelihoods.Normal(0.5), BITS, REAL),
        (likelihoods.TokenSequence(4, None), BITS, REAL[:, None] + np.eye(4)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_formulas_are_those_of_the_distribution(likelihood, x, parameters):
    """They spare users TensorFlow Probability."""
    parameters = tf.constant(parameters, "float32")
    distribution = likelihood.distribution(parameters)
    expected = tf.reduce_sum(
        tf.reshape(distribution.log_prob(x), (len(x), -1)), axis=1
    )
    found = likelihood.log_prob(x, parameters)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(
        likelihood.mode(parameters), distribution.mode()
    )
    if not isinstance(likelihood, likelihoods.Categorical):
        np.testing.assert_array_equal(
            likelihood.mean(parameters), distribution.mean()
        )
    np.testing.assert_array_equal(
        likelihood.sample(parameters, seed=tf.constant(3)),
        distribution.sample(seed=(3, 0)),
    )


def test_draws_of_levels_are_those_of_the_distribution():
    likelihood = likelihoods.DiscretizedLogistic(8)
    expected = likelihood.distribution(REAL).sample(seed=(3, 0)) / 7
    found = likelihood.sample(REAL, seed=tf.constant(3))
    np.testing.assert_array_equal(found, expected)


class Poisson(likelihoods.Likelihood):
    def distribution(self, parameters):
        from tensorflow_probability import distributions as tfd

        return tfd.Poisson(log_rate=parameters)


def test_a_distribution_alone_makes_a_likelihood():
    likelihood, rate = Poisson(), tf.fill((3, 4), np.log(2.5).astype("float32"))
    expected = 4 * (np.log(2.5) - 2.5)
    found = likelihood.log_prob(np.ones((3, 4)), rate)
    np.testing.assert_allclose(found, 3 * [expected], rtol=1e-5)
    np.testing.assert_allclose(likelihood.mean(rate), np.full((3, 4), 2.5))
    np.testing.assert_array_equal(likelihood.mode(rate), np.full((3, 4), 2))
    assert likelihood.sample(rate, seed=0).shape == (3, 4)
