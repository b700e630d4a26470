import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.objectives import TELBO
from keras_xmodal.ops.noise import Noise
from tests.objectives import by_hand
from tests.objectives.by_hand import BATCH, DIM, FULL, LOG_VARIANCE, MEAN, M

VARIANCE = np.exp(LOG_VARIANCE)


@pytest.mark.parametrize("mask", [FULL, by_hand.PARTLY], ids=["full", "partly"])
def test_elbo_by_hand(mask):
    terms = TELBO(beta=0.7, gamma=0.5)(
        by_hand.experts(mask), by_hand.log_likelihood(mask), Noise(3, 0)
    )
    joint, single = Noise(3, 0).streams(2)
    mean, variance = by_hand.JOINT[0], np.exp(by_hand.JOINT[1])
    z = mean + np.sqrt(variance) * joint.normal((BATCH, DIM)).numpy()
    kl = by_hand.kl(mean, variance)
    expected = by_hand.log_likelihood_by_hand(z, mask).sum(0) - 0.7 * kl
    z = MEAN + np.sqrt(VARIANCE) * single.normal((M, BATCH, DIM)).numpy()
    for m in range(M):
        alone = by_hand.log_likelihood_by_hand(z[m], mask)[m]
        divergence = by_hand.kl(MEAN[m], VARIANCE[m])
        expected += mask[m] * (0.5 * alone - 0.7 * divergence)
    np.testing.assert_allclose(terms["bound"], expected, rtol=1e-4)
    np.testing.assert_allclose(terms["kl"], kl, rtol=1e-4)


def test_importance_weighted_with_one_sample_estimates_the_elbo():
    def bounds(estimator):
        bound = TELBO(estimator=estimator, gamma=0.5)(
            by_hand.experts(by_hand.PARTLY, times=600),
            by_hand.log_likelihood(by_hand.PARTLY, times=600),
            Noise(1, 0),
        )["bound"]
        return np.reshape(bound, (600, BATCH))

    elbo, iwae = bounds("elbo"), bounds("iwae")
    error = np.sqrt((elbo.var(0) + iwae.var(0)) / 600)
    assert (np.abs(elbo.mean(0) - iwae.mean(0)) < 5 * error).all()


@pytest.mark.parametrize("estimator", ["elbo", "iwae", "dreg"])
def test_decoders_learn_from_the_joint_bound_only(estimator):
    """The same gradient for any weight of the bounds of single modalities."""
    x = {"a": tf.random.stateless_normal((16, 6), (0, 1))}
    x["b"] = x["a"][:, :4]
    gradients = {}
    for gamma in (0.0, 5.0):
        keras.utils.set_random_seed(1)
        model = kx.VAEModel(
            {"a": 6, "b": 4},
            3,
            objective=TELBO(gamma=gamma, estimator=estimator),
            seed=1,
        )
        model.compile("adam")
        model(x)
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x)
        weights = {
            weight.path: gradient
            for weight, gradient in zip(
                model.trainable_variables,
                tape.gradient(loss, model.trainable_variables),
                strict=True,
            )
        }
        gradients[gamma] = {
            part: tf.concat(
                [tf.reshape(g, -1) for p, g in weights.items() if part in p], 0
            ).numpy()
            for part in ("decoder", "a_posterior", "b_posterior")
        }
    np.testing.assert_allclose(
        gradients[0.0]["decoder"], gradients[5.0]["decoder"], atol=1e-6
    )
    assert np.abs(gradients[0.0]["decoder"]).max() > 0
    for part in ("a_posterior", "b_posterior"):
        assert np.abs(gradients[5.0][part] - gradients[0.0][part]).max() > 0.1


def test_config_keeps_gamma():
    assert TELBO.from_config(TELBO(gamma=0.5).get_config()).gamma == 0.5


def test_gamma_is_checked():
    with pytest.raises(ValueError, match="Received: gamma=-1"):
        TELBO(gamma=-1)
