import numpy as np
import pytest
import scipy.special
import scipy.stats

from keras_xmodal.objectives import MMVAEPlus
from keras_xmodal.ops.noise import Noise
from tests.objectives import by_hand
from tests.objectives.by_hand import (
    BATCH,
    DIM,
    FULL,
    LOG_VARIANCE,
    MEAN,
    TARGETS,
    M,
)

W_MEAN, W_SCALE = by_hand.PRIVATE[0], np.exp(by_hand.PRIVATE[1] / 2)
SCALE = np.exp(LOG_VARIANCE / 2)
AUXILIARY_SCALE = np.exp(by_hand.PRIVATE[2][:, 0] / 2)
both_masks = pytest.mark.parametrize(
    "mask", [FULL, by_hand.PARTLY], ids=["full", "partly"]
)


def log_prob(x, mean, scale):
    return scipy.stats.norm.logpdf(x, mean, scale).sum(-1)


@both_masks
def test_importance_weighted_bound_by_hand(mask):
    """The formula of the docstring, one example and expert at a time."""
    num_samples, beta = 4, 0.7
    objective = MMVAEPlus(DIM, beta, num_samples=num_samples)
    terms = objective(
        by_hand.experts(mask), by_hand.log_likelihood(mask), Noise(3, 0)
    )
    noise = Noise(3, 0).streams(3)
    shape = (num_samples, M, BATCH, DIM)
    u_noise, w_noise = (n.normal(shape).numpy() for n in noise[:2])
    v_noise = noise[2].normal((M, *shape)).numpy()
    for example in range(BATCH):
        there = np.flatnonzero(mask[:, example])
        bounds = []
        for m in there:
            at = (m, example)
            u = MEAN[at] + SCALE[at] * u_noise[:, m, example]
            w = W_MEAN[at] + W_SCALE[at] * w_noise[:, m, example]
            mixture = [
                log_prob(u, MEAN[n, example], SCALE[n, example]) for n in there
            ]
            ratio = (
                log_prob(u, 0, 1)
                - (scipy.special.logsumexp(mixture, 0) - np.log(len(there)))
                + log_prob(w, 0, 1)
                - log_prob(w, W_MEAN[at], W_SCALE[at])
            )
            values = 0
            for n in there:
                v = AUXILIARY_SCALE[n] * v_noise[n, :, m, example]
                latent = u + (w if n == m else v)
                target = TARGETS[n, example, 0]
                values = values - ((target - latent) ** 2).sum(-1)
            log_weights = values + beta * ratio
            bounds.append(
                scipy.special.logsumexp(log_weights) - np.log(num_samples)
            )
        np.testing.assert_allclose(
            terms["bound"][example], np.mean(bounds), rtol=1e-4
        )


@both_masks
def test_elbo_is_that_of_each_expert(mask):
    terms = MMVAEPlus(DIM, beta=0.7, estimator="elbo")(
        by_hand.experts(mask), by_hand.log_likelihood(mask), Noise(3, 0)
    )
    kl = by_hand.kl(MEAN, SCALE**2) + by_hand.kl(W_MEAN, W_SCALE**2)
    expected = (kl * mask).sum(0) / mask.sum(0)
    np.testing.assert_allclose(terms["kl"], expected, rtol=1e-4)
    bound = terms["log_likelihood"].numpy().sum(0) - 0.7 * expected
    np.testing.assert_allclose(terms["bound"], bound, rtol=1e-4)


def test_auxiliary_prior_learns_and_private_latents_do_not_leak():
    """Another modality's decoder does not see `w_m`."""
    import tensorflow as tf

    private = [tf.constant(x) for x in by_hand.PRIVATE]
    experts = by_hand.experts(FULL)._replace(private=tuple(private))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(private)
        terms = MMVAEPlus(DIM)(
            experts, lambda z, **k: only_first(z, **k), Noise(3, 0)
        )
        first = terms["log_likelihood"][0]
    gradient = tape.gradient(first, private[0]).numpy()
    assert np.abs(gradient[0]).max() > 0
    np.testing.assert_array_equal(gradient[1:], 0)
    assert np.abs(tape.gradient(first, private[2])).max() > 0


def only_first(z, **kwargs):
    return by_hand.log_likelihood(FULL)(z, **kwargs)


def test_private_dim_is_checked():
    with pytest.raises(ValueError, match="private_dim=0"):
        MMVAEPlus(private_dim=0)
