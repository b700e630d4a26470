import numpy as np
import pytest

from keras_xmodal.objectives import MVTCAE
from keras_xmodal.ops.noise import Noise
from tests.objectives import by_hand
from tests.objectives.by_hand import BATCH, DIM, FULL, LOG_VARIANCE, MEAN


@pytest.mark.parametrize("mask", [FULL, by_hand.PARTLY], ids=["full", "partly"])
def test_elbo_by_hand(mask):
    terms = MVTCAE(beta=2.5, alpha=0.9)(
        by_hand.experts(mask),
        by_hand.log_likelihood(mask),
        Noise(3, 0),
    )
    noise = Noise(3, 0).stream(1).normal((BATCH, DIM)).numpy()
    for example in range(BATCH):
        rows = np.flatnonzero(mask[:, example])
        mean, variance = by_hand.product((rows, example), prior=False)
        z = mean + np.sqrt(variance) * noise[example]
        values = by_hand.log_likelihood_by_hand(np.tile(z, (BATCH, 1)), mask)[
            :, example
        ].sum()
        kl = by_hand.kl(mean, variance)
        to_experts = by_hand.kl(
            mean,
            variance,
            MEAN[rows, example],
            np.exp(LOG_VARIANCE[rows, example]),
        ).sum()
        count = len(rows)
        expected = (count - 0.9) / count * values - 2.5 * (
            0.1 * kl + 0.9 / count * to_experts
        )
        np.testing.assert_allclose(terms["bound"][example], expected, rtol=1e-4)
        np.testing.assert_allclose(terms["kl"][example], kl, rtol=1e-4)


def test_config_keeps_alpha():
    assert MVTCAE.from_config(MVTCAE(alpha=0.5).get_config()).alpha == 0.5


@pytest.mark.parametrize("alpha", [-0.1, 1.0])
def test_alpha_is_checked(alpha):
    with pytest.raises(ValueError, match=f"Received: alpha={alpha}"):
        MVTCAE(alpha=alpha)
