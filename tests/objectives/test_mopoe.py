import itertools

import numpy as np
import pytest

from keras_xmodal.objectives import MoPoE
from keras_xmodal.objectives.experts import Experts
from keras_xmodal.ops.noise import Noise
from tests.objectives import by_hand
from tests.objectives.by_hand import BATCH, DIM, FULL, LOG_VARIANCE, MEAN, M

SUBSETS = [
    list(rows)
    for size in range(1, M + 1)
    for rows in itertools.combinations(range(M), size)
]


def components(mask):
    """Of each example: index, mean and variance of the available subsets."""
    return [
        [
            (i, *by_hand.product((rows, example), prior=len(rows) == M))
            for i, rows in enumerate(SUBSETS)
            if mask[rows, example].all()
        ]
        for example in range(BATCH)
    ]


@pytest.mark.parametrize("mask", [FULL, by_hand.PARTLY], ids=["full", "partly"])
def test_elbo_by_hand(mask):
    source = Noise(3, 0)
    terms = MoPoE(beta=0.7)(
        by_hand.experts(mask), by_hand.log_likelihood(mask), source
    )
    component, latents = Noise(3, 0).streams(2)
    uniform = component.uniform((BATCH,))
    noise = latents.normal((BATCH, DIM)).numpy()
    z, kl = np.zeros((BATCH, DIM)), np.zeros(BATCH)
    for example, gaussians in enumerate(components(mask)):
        place = int(float(uniform[example]) * len(gaussians))
        _, mean, variance = gaussians[place]
        z[example] = mean + np.sqrt(variance) * noise[example]
        kl[example] = np.mean([by_hand.kl(m, v) for _, m, v in gaussians])
    values = by_hand.log_likelihood_by_hand(z, mask)
    np.testing.assert_allclose(terms["log_likelihood"], values, rtol=1e-4)
    np.testing.assert_allclose(terms["kl"], kl, rtol=1e-4)
    np.testing.assert_allclose(
        terms["bound"], values.sum(0) - 0.7 * kl, rtol=1e-4
    )


@pytest.mark.parametrize("mask", [FULL, by_hand.PARTLY], ids=["full", "partly"])
def test_importance_weighted_bound_by_hand(mask):
    terms = MoPoE(estimator="iwae", num_samples=5)(
        by_hand.experts(mask),
        by_hand.log_likelihood(mask),
        Noise(3, 0),
    )
    noise = Noise(3, 0).stream(1).normal((5, len(SUBSETS), BATCH, DIM))
    expected = by_hand.importance_weighted(
        components(mask), noise.numpy(), mask
    )
    np.testing.assert_allclose(terms["bound"], expected, rtol=1e-4)


def test_one_modality_is_a_plain_autoencoder():
    experts = Experts(MEAN[:1], LOG_VARIANCE[:1], FULL[:1])
    mean, log_variance, available = MoPoE().posterior(experts)
    np.testing.assert_allclose(mean, experts.mean, rtol=1e-5)
    np.testing.assert_allclose(log_variance, experts.log_variance, rtol=1e-5)
    assert available.numpy().all()
