import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from keras_xmodal import likelihoods
from tests.likelihoods.helpers import check_likelihood, check_samples

RNG = np.random.default_rng(0)
X = np.array([4, 0, 2])
LOGITS = RNG.normal(scale=2, size=(3, 5)).astype("float32")


def test_value_is_that_of_tfp():
    from tensorflow_probability import distributions as tfd

    reference = tfd.Categorical(logits=np.float64(LOGITS))
    check_likelihood(
        likelihoods.Categorical,
        {"num_classes": 5},
        X,
        LOGITS,
        reference.log_prob(X),
    )


def test_maps_of_ids():
    ids = RNG.integers(0, 5, (3, 2, 4))
    logits = RNG.normal(size=(3, 2, 4, 5)).astype("float32")
    log_probs = special.log_softmax(np.float64(logits), axis=-1)
    chosen = np.take_along_axis(log_probs, ids[..., None], -1)
    check_likelihood(
        likelihoods.Categorical,
        {"num_classes": 5},
        ids,
        logits,
        chosen.sum((1, 2, 3)),
    )


def test_uniform_logits_give_the_log_of_the_number_of_classes():
    found = likelihoods.Categorical(5).log_prob(X, np.full((3, 5), 7.0))
    np.testing.assert_allclose(found, -np.log(5), rtol=1e-6)


def test_mean_mode_and_samples():
    likelihood = likelihoods.Categorical(5)
    mean = likelihood.mean(LOGITS).numpy()
    np.testing.assert_allclose(mean, special.softmax(LOGITS, -1), rtol=1e-5)
    check_samples(likelihood, LOGITS, mean)
    mode = likelihood.mode(LOGITS)
    assert mode.dtype == "int32"
    np.testing.assert_array_equal(mode, LOGITS.argmax(-1))


def test_samples_can_be_drawn_in_compiled_functions():
    likelihood = likelihoods.Categorical(5)

    @tf.function(jit_compile=True)
    def draw(logits):
        return likelihood.sample(logits, seed=1)

    draws = draw(tf.repeat(100 * LOGITS[:1], 8, axis=0))
    np.testing.assert_array_equal(draws, LOGITS[0].argmax())


@pytest.mark.parametrize("value", [-1, 5, 1.5, np.nan])
def test_values_that_are_no_ids_are_refused(value):
    with pytest.raises(
        ValueError, match=rf"integer ids from 0 to 4 .*x\[1\]={value}"
    ):
        likelihoods.Categorical(5).check_support(np.array([0, value, 1]))


@pytest.mark.parametrize("num_classes", [0, -1])
def test_number_of_classes_is_positive(num_classes):
    with pytest.raises(ValueError, match=f"num_classes={num_classes}"):
        likelihoods.Categorical(num_classes)


@pytest.mark.parametrize("wrong", [3, -1])
def test_ids_are_those_of_the_classes(wrong):
    logits = np.zeros((2, 3), "float32")
    with pytest.raises(ValueError, match="`x` must be from 0 to 2"):
        likelihoods.Categorical(3).log_prob(np.array([0, wrong]), logits)
    missing = np.array([False, True])
    likelihoods.Categorical(3).log_prob(np.array([0, wrong]), logits, missing)
