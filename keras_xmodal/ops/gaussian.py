"""Diagonal Gaussians, given by their mean and the log of their variance.

Everything is computed in float32 and summed over the last axis. Every function
clips the log-variances it is given, so that all of them speak of the same
Gaussian, and none of them overflows.
"""

import math

from keras import ops

from keras_xmodal import checks
from keras_xmodal.types import Tensor, TensorLike

# Standard deviations from 0.007 to 148: nothing that a latent space needs is
# outside, and `exp` of a difference of two still fits into float32.
LOG_VARIANCE_LIMIT = 10.0


def clip_log_variance(log_variance: TensorLike) -> Tensor:
    """Keep log-variances in `[-10, 10]`, in float32.

    Outside, the gradient is zero.

    Args:
        log_variance: Tensor of any shape and float dtype.

    Returns:
        Float32 tensor of the shape of `log_variance`.
    """
    return ops.clip(
        ops.cast(log_variance, "float32"),
        -LOG_VARIANCE_LIMIT,
        LOG_VARIANCE_LIMIT,
    )


def gaussian_kl(
    mean: TensorLike,
    log_variance: TensorLike,
    other_mean: TensorLike | float = 0.0,
    other_log_variance: TensorLike | float = 0.0,
) -> Tensor:
    """Kullback-Leibler divergence of one Gaussian from another.

    `KL(q || p) = 1/2 sum (exp(d) - 1 - d + (m_q - m_p)^2 exp(-lv_p))` with
    `d = lv_q - lv_p`. Without the other Gaussian, `p` is the standard normal.

    Args:
        mean: Tensor of shape `(..., dim)`, of `q`.
        log_variance: Tensor of shape `(..., dim)`, of `q`.
        other_mean: Tensor that broadcasts with `mean`, of `p`.
        other_log_variance: Tensor that broadcasts with `mean`, of `p`.

    Returns:
        Float32 tensor of shape `(...)`, in nats, not negative.

    Raises:
        TypeError: If a tensor is not of real numbers.
        ValueError: If shapes do not broadcast.

    Example:
        >>> gaussian_kl([[1.0, 0.0]], [[0.0, 0.0]]).numpy().tolist()
        [0.5]

    Reference:
        - Kingma and Welling, 2014, https://arxiv.org/abs/1312.6114, appendix B
    """
    values = _gaussian(
        mean=mean,
        log_variance=log_variance,
        other_mean=other_mean,
        other_log_variance=other_log_variance,
    )
    mean, log_variance, other_mean, other_log_variance = values
    other_log_variance = clip_log_variance(other_log_variance)
    difference = clip_log_variance(log_variance) - other_log_variance
    distance = ops.square(mean - other_mean) * ops.exp(-other_log_variance)
    # `expm1`: near `q = p`, `exp(d) - 1 - d` would be mere rounding.
    terms = ops.expm1(difference) - difference + distance
    return 0.5 * ops.sum(terms, axis=-1)


def gaussian_log_prob(
    x: TensorLike, mean: TensorLike | float, log_variance: TensorLike | float
) -> Tensor:
    """Log-density of a diagonal Gaussian.

    Args:
        x: Tensor of shape `(..., dim)`.
        mean: Tensor that broadcasts with `x`; `0.0` and a log-variance of
            `0.0` are the standard normal.
        log_variance: Tensor that broadcasts with `x`.

    Returns:
        Float32 tensor of shape `(...)`, in nats.

    Raises:
        TypeError: If a tensor is not of real numbers.
        ValueError: If shapes do not broadcast.

    Example:
        >>> gaussian_log_prob([[0.0, 0.0]], 0.0, 0.0).numpy().round(4)
        array([-1.8379], dtype=float32)
    """
    x, mean, log_variance = _gaussian(x=x, mean=mean, log_variance=log_variance)
    log_variance = clip_log_variance(log_variance)
    distance = ops.square(x - mean) * ops.exp(-log_variance)
    return -0.5 * ops.sum(
        math.log(2 * math.pi) + log_variance + distance, axis=-1
    )


def sample_gaussian(
    mean: TensorLike, log_variance: TensorLike, noise: TensorLike
) -> Tensor:
    """Reparameterised sample: `mean + exp(log_variance / 2) * noise`.

    Args:
        mean: Tensor of shape `(..., dim)`.
        log_variance: Tensor of shape `(..., dim)`.
        noise: Standard normal tensor that broadcasts with `mean`; a further
            leading axis gives several samples.

    Returns:
        Float32 tensor of the common shape.

    Raises:
        TypeError: If a tensor is not of real numbers.
        ValueError: If shapes do not broadcast.

    Example:
        >>> sample_gaussian([[1.0]], [[0.0]], [[-2.0]]).numpy().tolist()
        [[-1.0]]

    Reference:
        - Kingma and Welling, 2014, https://arxiv.org/abs/1312.6114, section 2.4
    """
    mean, log_variance, noise = _gaussian(
        mean=mean, log_variance=log_variance, noise=noise
    )
    return mean + ops.exp(0.5 * clip_log_variance(log_variance)) * noise


def _gaussian(**values):
    """Tensors of shapes that broadcast, with an axis at least."""
    tensors = {name: checks.tensor(name, x) for name, x in values.items()}
    shapes = {name: x.shape for name, x in tensors.items()}
    checks.broadcast(**shapes)
    if not any(map(len, shapes.values())):
        first = next(iter(shapes))
        checks.shape(first, shapes[first], (..., "dim"))
    return tensors.values()
