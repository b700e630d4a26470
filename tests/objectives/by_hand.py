"""Objectives and their parts in NumPy, for one comparison each."""

import numpy as np
import scipy.special
import scipy.stats

from keras_xmodal.objectives.experts import Experts

M, BATCH, DIM = 3, 4, 2
RNG = np.random.default_rng(0)
MEAN = RNG.normal(size=(M, BATCH, DIM)).astype("float32")
LOG_VARIANCE = RNG.normal(size=(M, BATCH, DIM)).astype("float32") - 1
TARGETS = RNG.normal(size=(M, BATCH, 1, DIM)).astype("float32")
FULL = np.ones((M, BATCH), bool)
# Someone lacks one modality, another one two, the last one nothing.
PARTLY = np.array([[1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 0, 1]], bool)


JOINT = (
    RNG.normal(size=(BATCH, DIM)).astype("float32"),
    RNG.normal(size=(BATCH, DIM)).astype("float32") - 1,
)
PRIVATE = (
    RNG.normal(size=(M, BATCH, DIM)).astype("float32"),
    RNG.normal(size=(M, BATCH, DIM)).astype("float32") - 1,
    RNG.normal(size=(M, 1, DIM)).astype("float32"),
)


def repeat(x, times):
    """The batch of an array `(..., batch, dim)`, many times over."""
    return np.tile(x, (times, 1))


def experts(mask, mean=MEAN, log_variance=LOG_VARIANCE, times=1):
    """What the encoders say, with all that an objective may ask for."""
    return Experts(
        mean if times == 1 else repeat(mean, times),
        repeat(log_variance, times),
        np.tile(mask, times),
        tuple(repeat(x, times) for x in JOINT),
        (*(repeat(x, times) for x in PRIVATE[:2]), PRIVATE[2]),
        names=("a", "b", "c"),
    )


def log_likelihood(mask, times=1):
    """`log p(x_m|z) = -|x_m - z|^2` up to a constant; 0 where missing.

    Private latents are added to `z`.
    """
    import keras

    all_targets = repeat(TARGETS[:, :, 0], times)
    mask = np.tile(mask, times)

    def compute(z, needed=None, frozen=False, private=None):
        values = []
        for m, (targets, present) in enumerate(
            zip(all_targets, mask, strict=True)
        ):
            latent = z if private is None else z + private[m]
            value = -keras.ops.sum((targets - latent) ** 2, axis=-1)
            value = keras.ops.where(present, value, 0.0)
            if needed is not None:
                value = keras.ops.where(needed[m][:, None], value, 0.0)
            values.append(value)
        return keras.ops.stack(values)

    return compute


def log_likelihood_by_hand(z, mask):
    """As above, for `z` of shape `(..., batch, dim)`."""
    return np.stack(
        [
            np.where(present, -((targets - z) ** 2).sum(-1), 0.0)
            for targets, present in zip(TARGETS[:, :, 0], mask, strict=True)
        ]
    )


def product(members, prior):
    """Product of the experts of one example: indices of modalities, row."""
    rows, example = members
    precision = np.exp(-LOG_VARIANCE[rows, example]).sum(0) + float(prior)
    if not len(rows) and not prior:
        return np.zeros(DIM), np.ones(DIM)
    weighted = np.exp(-LOG_VARIANCE[rows, example]) * MEAN[rows, example]
    return weighted.sum(0) / precision, 1 / precision


def kl(mean, variance, other_mean=0.0, other_variance=1.0):
    return 0.5 * np.sum(
        variance / other_variance
        + (mean - other_mean) ** 2 / other_variance
        - 1
        - np.log(variance / other_variance),
        axis=-1,
    )


def importance_weighted(components, noise, mask):
    """`1/C sum_c log 1/K sum_k w_ck`, components as lists by example."""
    bounds = []
    for example, gaussians in enumerate(components):
        per_component = []
        for index, mean, variance in gaussians:
            z = mean + np.sqrt(variance) * noise[:, index, example]
            log_q = scipy.special.logsumexp(
                [
                    scipy.stats.norm.logpdf(z, m, np.sqrt(v)).sum(-1)
                    for _, m, v in gaussians
                ],
                axis=0,
            ) - np.log(len(gaussians))
            values = sum(
                -((TARGETS[m, example, 0] - z) ** 2).sum(-1)
                for m in range(M)
                if mask[m, example]
            )
            log_p = scipy.stats.norm.logpdf(z).sum(-1)
            log_weights = values + log_p - log_q
            per_component.append(
                scipy.special.logsumexp(log_weights) - np.log(len(z))
            )
        bounds.append(np.mean(per_component))
    return np.array(bounds)
