import numpy as np
import pytest

from keras_xmodal.objectives import MVAE
from keras_xmodal.ops.noise import Noise
from tests.objectives import by_hand
from tests.objectives.by_hand import BATCH, DIM, FULL, M


def bound(subset, noise, mask, beta):
    """ELBO of one subset, a boolean array `(modalities, batch)`."""
    z, kl = np.zeros((BATCH, DIM)), np.zeros(BATCH)
    for example in range(BATCH):
        rows = np.flatnonzero(subset[:, example])
        mean, variance = by_hand.product((rows, example), prior=True)
        z[example] = mean + np.sqrt(variance) * noise[example]
        kl[example] = by_hand.kl(mean, variance)
    values = by_hand.log_likelihood_by_hand(z, mask & subset)
    return values.sum(0) - beta * kl, kl


@pytest.mark.parametrize("mask", [FULL, by_hand.PARTLY], ids=["full", "partly"])
@pytest.mark.parametrize("num_subsets", [0, 2])
def test_elbo_by_hand(mask, num_subsets):
    objective = MVAE(beta=0.7, num_subsets=num_subsets)
    terms = objective(
        by_hand.experts(mask),
        by_hand.log_likelihood(mask),
        Noise(3, 0),
    )
    *random, latents = Noise(3, 0).streams(1 + bool(num_subsets))
    drawn = np.zeros((M, 0, BATCH), bool)
    if num_subsets:
        drawn = random[0].uniform((M, num_subsets, BATCH)) < 0.5
    subsets = np.concatenate(
        [
            np.ones((M, 1, BATCH), bool),
            np.broadcast_to(np.eye(M, dtype=bool)[:, :, None], (M, M, BATCH)),
            drawn,
        ],
        axis=1,
    )
    noise = latents.normal((1 + M + num_subsets, BATCH, DIM)).numpy()
    results = [
        bound(subsets[:, i] & mask, noise[i], mask, 0.7)
        for i in range(len(noise))
    ]
    expected = sum(value for value, _ in results)
    np.testing.assert_allclose(terms["bound"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(terms["kl"], results[0][1], rtol=1e-4, atol=1e-5)


def test_config_keeps_the_subsets():
    config = MVAE(num_subsets=2).get_config()
    assert MVAE.from_config(config).num_subsets == 2


def test_num_subsets_is_checked():
    with pytest.raises(ValueError, match="Received: num_subsets=-1"):
        MVAE(num_subsets=-1)
