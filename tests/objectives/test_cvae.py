import numpy as np
import pytest
import scipy.special
import scipy.stats

from keras_xmodal.objectives import CVAE
from keras_xmodal.ops.noise import Noise
from tests.objectives import by_hand
from tests.objectives.by_hand import BATCH, DIM, FULL

MEAN, VARIANCE = by_hand.JOINT[0], np.exp(by_hand.JOINT[1])
# The target, "b", is missing in the last example but one.
MASK = np.array([[1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]], bool)


def prior(example, mask):
    """Product of the experts of "a" and "c" that are there."""
    rows = [m for m in (0, 2) if mask[m, example]]
    return by_hand.product((rows, example), prior=False)


def only_target(mask):
    keep = np.zeros_like(mask)
    keep[1] = mask[1]
    return keep


@pytest.mark.parametrize("mask", [FULL, MASK], ids=["full", "partly"])
def test_elbo_by_hand(mask):
    terms = CVAE("b", beta=0.7)(
        by_hand.experts(mask),
        by_hand.log_likelihood(only_target(mask)),
        Noise(3, 0),
    )
    noise = Noise(3, 0).stream(1).normal((BATCH, DIM)).numpy()
    z = MEAN + np.sqrt(VARIANCE) * noise
    values = by_hand.log_likelihood_by_hand(z, only_target(mask)).sum(0)
    for example in range(BATCH):
        expected = 0.0
        if mask[1, example]:
            kl = by_hand.kl(
                MEAN[example], VARIANCE[example], *prior(example, mask)
            )
            expected = values[example] - 0.7 * kl
        np.testing.assert_allclose(
            terms["bound"][example], expected, rtol=1e-4, atol=1e-5
        )


def test_importance_weighted_bound_by_hand():
    terms = CVAE("b", estimator="iwae", num_samples=5)(
        by_hand.experts(FULL),
        by_hand.log_likelihood(only_target(FULL)),
        Noise(3, 0),
    )
    noise = Noise(3, 0).stream(1).normal((5, 1, BATCH, DIM)).numpy()[:, 0]
    z = MEAN + np.sqrt(VARIANCE) * noise
    mask = only_target(FULL)[:, None]
    log_weights = by_hand.log_likelihood_by_hand(z, mask).sum(0)
    for example in range(BATCH):
        mean, variance = prior(example, FULL)
        for sign, m, v in (
            (1, mean, variance),
            (-1, MEAN[example], VARIANCE[example]),
        ):
            log_prob = scipy.stats.norm.logpdf(z[:, example], m, np.sqrt(v))
            log_weights[:, example] += sign * log_prob.sum(-1)
    expected = scipy.special.logsumexp(log_weights, axis=0) - np.log(5)
    np.testing.assert_allclose(terms["bound"], expected, rtol=1e-4)


def test_without_the_target_the_prior_encodes():
    mean, _, _ = CVAE("b").posterior(by_hand.experts(MASK))
    np.testing.assert_allclose(mean[0, 2], prior(2, MASK)[0], rtol=1e-5)
    np.testing.assert_allclose(mean[0, 3], MEAN[3], rtol=1e-5)


def test_target_is_a_modality_among_others():
    with pytest.raises(ValueError, match="Received: target='d', modalities"):
        CVAE("d").check_modalities(("a", "b"))
    with pytest.raises(ValueError, match=r"Received: .* modalities \['a'\]"):
        CVAE("a").check_modalities(("a",))
