"""Importance-weighted bounds and their gradients.

A log-weight is `log p(x, z_k) - log q(z_k|x)` of one of K samples `z_k ~ q`.
Four estimators are the same bound with different gradients of the encoder:

- the ELBO: the mean of the log-weights;
- IWAE: `iwae_bound(log_weights)`;
- STL: the ELBO with `stop_gradient` on the parameters of `q` inside `log q`, so
  that the encoder learns through the samples only;
- DReG: IWAE with that `stop_gradient`, and with the gradient of each sample
  multiplied by its weight, `scale_gradient_later`. With K = 1 it is STL.
"""

from collections.abc import Callable

from keras import ops

from keras_xmodal import checks
from keras_xmodal.types import Tensor, TensorLike

_SAMPLES = ("samples", ...)


def iwae_bound(log_weights: TensorLike) -> Tensor:
    """Importance-weighted lower bound of the log-likelihood.

    `log 1/K sum_k exp(log_weights_k)`; with K = 1, the ELBO.

    Args:
        log_weights: Tensor of shape `(samples, ...)`.

    Returns:
        Float32 tensor of shape `(...)`, in nats. Its gradient with respect to
        `log_weights` is `normalized_weights(log_weights)`.

    Reference:
        - Burda et al., 2016, https://arxiv.org/abs/1509.00519, eq. 8
    """
    log_weights = checks.tensor("log_weights", log_weights, _SAMPLES)
    count = ops.cast(ops.shape(log_weights)[0], "float32")
    return ops.logsumexp(log_weights, axis=0) - ops.log(count)


def normalized_weights(log_weights: TensorLike) -> Tensor:
    """Importance weights that add up to 1, as constants.

    Args:
        log_weights: Tensor of shape `(samples, ...)`.

    Returns:
        Float32 tensor of the shape of `log_weights`, without a gradient.

    Reference:
        - Burda et al., 2016, https://arxiv.org/abs/1509.00519, eq. 14
    """
    log_weights = ops.stop_gradient(
        checks.tensor("log_weights", log_weights, _SAMPLES)
    )
    # Not `softmax`, which warns of a single sample.
    return ops.exp(
        log_weights - ops.logsumexp(log_weights, axis=0, keepdims=True)
    )


def mixture_weights(
    log_weights: TensorLike,
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights of samples of a mixture, among the samples of each component.

    The K samples of one component are weighed among themselves. The doubly
    reparameterised gradient asks as well what a sample would weigh in the place
    of one of another component: `W = w / (w + sum_{j != k} w_cj)`.

    Args:
        log_weights: Tensor of shape `(samples, components, batch)`.

    Returns:
        Tuple of constants, in float32: `log w` among the samples of its own
        component, of the shape of `log_weights`; `log W` and `log (1 - W)`, of
        shape `(samples, components, components, batch)`, components `c` of the
        others first.
    """
    log_weights = ops.stop_gradient(ops.cast(log_weights, "float32"))
    num_samples = ops.shape(log_weights)[0]
    itself = ops.reshape(
        ops.eye(num_samples, dtype="bool"), (num_samples, num_samples, 1, 1)
    )
    others = ops.logsumexp(
        ops.where(itself, -1e30, log_weights[None]), axis=1
    )  # (samples, components, batch)
    odds = log_weights[:, None] - others[:, :, None]
    own = log_weights - ops.logsumexp(log_weights, axis=0, keepdims=True)
    return own, -ops.softplus(-odds), -ops.softplus(odds)


def scale_gradient_later(
    z: TensorLike,
) -> tuple[Tensor, Callable[[TensorLike], None]]:
    """Let a tensor pass, and multiply its gradient by a factor given later.

    The doubly reparameterised gradient (DReG) weighs the gradient of each
    sample by its importance weight, which is known only once the sample went
    through the decoder. `set_scale` gives it afterwards, in the same function
    and before the gradient is taken.

    Args:
        z: Tensor of shape `(..., dim)`, samples.

    Returns:
        Tuple `(z, set_scale)`: `z` unchanged, and a function that takes the
        factor, a tensor of shape `(...)`.

    Raises:
        ValueError: If the gradient is taken before `set_scale` is called.

    Reference:
        - Tucker et al., 2019, https://arxiv.org/abs/1810.04152, IWAE-DReG
    """
    factors = []

    def set_scale(scale):
        factors[:] = [ops.expand_dims(ops.stop_gradient(scale), -1)]

    @ops.custom_gradient
    def identity(x):
        def gradient(upstream):
            if not factors:
                raise ValueError(
                    "`set_scale` must be called before the gradient is taken."
                )
            return upstream * ops.cast(factors[0], upstream.dtype)

        return x, gradient

    return identity(z), set_scale
