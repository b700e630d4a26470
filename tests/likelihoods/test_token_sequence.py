import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal import likelihoods
from tests.likelihoods.helpers import (
    check_likelihood,
    check_samples,
    value_and_gradient,
)

RNG = np.random.default_rng(0)
IDS = np.array([[4, 1, 0, 2], [1, 2, 2, 2], [2, 2, 2, 2]])
LOGITS = RNG.normal(scale=2, size=(3, 4, 5)).astype("float32")


def test_value_is_that_of_tfp_without_padding():
    from tensorflow_probability import distributions as tfd

    tokens = tfd.Categorical(logits=np.float64(LOGITS))
    expected = tf.reduce_sum(tokens.log_prob(IDS) * (IDS != 2), -1)
    check_likelihood(
        likelihoods.TokenSequence,
        {"vocabulary_size": 5, "padding_id": 2},
        IDS,
        LOGITS,
        expected,
    )


def test_padding_has_no_gradient():
    likelihood = likelihoods.TokenSequence(5, padding_id=2)
    value, gradient = value_and_gradient(likelihood, IDS, tf.constant(LOGITS))
    assert value[2] == 0
    used = np.abs(gradient).sum(-1) > 0
    np.testing.assert_array_equal(used, IDS != 2)


def test_without_padding_every_position_counts():
    likelihood = likelihoods.TokenSequence(5, padding_id=None)
    uniform = np.zeros((3, 4, 5), "float32")
    np.testing.assert_allclose(
        likelihood.log_prob(IDS, uniform), -4 * np.log(5), rtol=1e-6
    )
    assert likelihood.get_config()["padding_id"] is None


def test_mean_mode_and_samples():
    likelihood = likelihoods.TokenSequence(5)
    check_samples(likelihood, LOGITS, likelihood.mean(LOGITS).numpy())
    np.testing.assert_array_equal(likelihood.mode(LOGITS), LOGITS.argmax(-1))


def test_shape_of_the_parameters():
    assert likelihoods.TokenSequence(7).parameter_shape((16,)) == (16, 7)


def test_ids_out_of_the_vocabulary_are_refused():
    with pytest.raises(ValueError, match=r"from 0 to 3 .*x\[0, 0\]=4"):
        likelihoods.TokenSequence(4).check_support(IDS)


@pytest.mark.parametrize("padding_id", [-1, 5])
def test_padding_is_an_id(padding_id):
    with pytest.raises(ValueError, match=f"padding_id={padding_id}"):
        likelihoods.TokenSequence(5, padding_id)


def test_vocabulary_has_tokens():
    with pytest.raises(ValueError, match="vocabulary_size=0"):
        likelihoods.TokenSequence(0)
