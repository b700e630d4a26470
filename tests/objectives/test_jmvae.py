import numpy as np
import pytest
import scipy.special
import scipy.stats

from keras_xmodal.objectives import JMVAE
from keras_xmodal.ops.noise import Noise
from tests.objectives import by_hand
from tests.objectives.by_hand import BATCH, DIM, FULL, LOG_VARIANCE, MEAN

MEAN_ALL, VARIANCE_ALL = by_hand.JOINT[0], np.exp(by_hand.JOINT[1])
both_masks = pytest.mark.parametrize(
    "mask", [FULL, by_hand.PARTLY], ids=["full", "partly"]
)


@both_masks
def test_elbo_by_hand(mask):
    terms = JMVAE(beta=0.7, alpha=0.3)(
        by_hand.experts(mask), by_hand.log_likelihood(mask), Noise(3, 0)
    )
    noise = Noise(3, 0).stream(1).normal((BATCH, DIM)).numpy()
    z = MEAN_ALL + np.sqrt(VARIANCE_ALL) * noise
    values = by_hand.log_likelihood_by_hand(z, mask)
    kl = by_hand.kl(MEAN_ALL, VARIANCE_ALL)
    imitation = by_hand.kl(MEAN_ALL, VARIANCE_ALL, MEAN, np.exp(LOG_VARIANCE))
    expected = values.sum(0) - 0.7 * (kl + 0.3 * (imitation * mask).sum(0))
    np.testing.assert_allclose(terms["bound"], expected, rtol=1e-4)
    np.testing.assert_allclose(terms["kl"], kl, rtol=1e-4)


@both_masks
def test_importance_weighted_bound_by_hand(mask):
    objective = JMVAE(beta=0.7, estimator="iwae", num_samples=5, alpha=0.3)
    terms = objective(
        by_hand.experts(mask), by_hand.log_likelihood(mask), Noise(3, 0)
    )
    noise = Noise(3, 0).stream(1).normal((5, 1, BATCH, DIM)).numpy()[:, 0]
    z = MEAN_ALL + np.sqrt(VARIANCE_ALL) * noise

    def log_prob(mean, variance):
        return scipy.stats.norm.logpdf(z, mean, np.sqrt(variance)).sum(-1)

    log_q = log_prob(MEAN_ALL, VARIANCE_ALL)
    ratio = log_prob(0, 1) - log_q
    for m, present in enumerate(mask):
        log_m = log_prob(MEAN[m], np.exp(LOG_VARIANCE[m]))
        ratio += 0.3 * present * (log_m - log_q)
    values = by_hand.log_likelihood_by_hand(z, mask[:, None]).sum(0)
    log_weights = values + 0.7 * ratio
    expected = scipy.special.logsumexp(log_weights, axis=0) - np.log(5)
    np.testing.assert_allclose(terms["bound"], expected, rtol=1e-4)


def test_some_modalities_are_encoded_by_their_product():
    mask = by_hand.PARTLY
    mean, log_variance, available = JMVAE().posterior(by_hand.experts(mask))
    assert mean.shape == (1, BATCH, DIM)
    assert available.numpy().all()
    for example in range(BATCH):
        expected = MEAN_ALL[example], VARIANCE_ALL[example]
        if not mask[:, example].all():
            rows = np.flatnonzero(mask[:, example])
            expected = by_hand.product((rows, example), prior=False)
        np.testing.assert_allclose(mean[0, example], expected[0], rtol=1e-5)
        np.testing.assert_allclose(
            np.exp(log_variance[0, example]), expected[1], rtol=1e-5
        )


def test_config_keeps_alpha():
    assert JMVAE.from_config(JMVAE(alpha=0.5).get_config()).alpha == 0.5


def test_alpha_is_checked():
    with pytest.raises(ValueError, match="Received: alpha=-1"):
        JMVAE(alpha=-1)
