import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from keras_xmodal.objectives import MMVAE
from keras_xmodal.ops.noise import Noise
from tests.objectives import by_hand
from tests.objectives.by_hand import BATCH, DIM, FULL, LOG_VARIANCE, MEAN, M

VARIANCE = np.exp(LOG_VARIANCE)


@pytest.mark.parametrize("mask", [FULL, by_hand.PARTLY], ids=["full", "partly"])
@pytest.mark.parametrize("num_samples", [1, 6])
def test_importance_weighted_bound_by_hand(mask, num_samples):
    terms = MMVAE(num_samples=num_samples)(
        by_hand.experts(mask),
        by_hand.log_likelihood(mask),
        Noise(3, 0),
    )
    noise = Noise(3, 0).stream(1).normal((num_samples, M, BATCH, DIM))
    components = [
        [
            (m, MEAN[m, example], VARIANCE[m, example])
            for m in range(M)
            if mask[m, example]
        ]
        for example in range(BATCH)
    ]
    expected = by_hand.importance_weighted(components, noise.numpy(), mask)
    np.testing.assert_allclose(terms["bound"], expected, rtol=1e-4)


def test_elbo_by_hand():
    mask = by_hand.PARTLY
    terms = MMVAE(beta=0.7, estimator="elbo")(
        by_hand.experts(mask),
        by_hand.log_likelihood(mask),
        Noise(3, 0),
    )
    noise = Noise(3, 0).stream(1).normal((M, BATCH, DIM))
    z = MEAN + np.sqrt(VARIANCE) * noise.numpy()
    values = by_hand.log_likelihood_by_hand(z, mask[:, None]).sum(0)
    bounds = values - 0.7 * by_hand.kl(MEAN, VARIANCE)
    expected = (bounds * mask).sum(0) / mask.sum(0)
    np.testing.assert_allclose(terms["bound"], expected, rtol=1e-4)


def test_dreg_gradient_by_definition():
    """`sum_k w_k dlog w_k / dz - d(sum_c r_c W_c) / dz`, times dz / dmean.

    `W_c` is the weight of `z_k` among the other samples of component c.
    """
    mean = tf.constant(MEAN)
    with tf.GradientTape() as tape:
        tape.watch(mean)
        bound = MMVAE(estimator="dreg", num_samples=6)(
            by_hand.experts(FULL, mean=mean),
            by_hand.log_likelihood(FULL),
            Noise(3, 0),
        )["bound"]
    gradient = tape.gradient(bound, mean)

    noise = Noise(3, 0).stream(1).normal((6, M, BATCH, DIM))
    z = tf.constant(MEAN + np.sqrt(VARIANCE) * noise.numpy())

    def log_densities(z):
        log_q = [
            tf.reduce_sum(
                -0.5 * (z - MEAN[m]) ** 2 / VARIANCE[m] - LOG_VARIANCE[m] / 2,
                axis=-1,
            )
            for m in range(M)
        ]
        values = tf.reduce_sum(by_hand.log_likelihood(FULL)(z), 0)
        log_q = tf.stack(log_q, 1)  # (samples, components, components, batch)
        log_w = values - tf.reduce_sum(z**2, -1) / 2
        return log_w - tf.reduce_logsumexp(log_q, 1), log_q

    fixed, _ = log_densities(z)
    weights = scipy.special.softmax(fixed.numpy(), axis=0)
    others = np.stack(
        [
            scipy.special.logsumexp(np.delete(fixed, k, axis=0), axis=0)
            for k in range(6)
        ]
    )
    with tf.GradientTape() as tape:
        tape.watch(z)
        log_w, log_q = log_densities(z)
        in_place = tf.sigmoid(log_w[:, None] - others[:, :, None])
        share = tf.nn.softmax(log_q, axis=1)
        total = tf.reduce_sum(weights * log_w)
        total -= tf.reduce_sum(share * in_place)
    # The mean of an expert shifts its samples one to one.
    expected = tape.gradient(total, z).numpy().sum(0) / M
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4)
