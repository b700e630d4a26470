"""Joint posteriors of several Gaussian experts: products and mixtures.

An expert is the diagonal Gaussian `q(z|x_m)` of one modality. `mask` says which
experts an example has. A masked cell may hold anything, NaN too: it changes
nothing, and its gradient is exactly zero. An example without experts gets the
standard normal prior. Everything is computed in float32, on log-variances
clipped as in `gaussian`.
"""

import itertools

import numpy as np
from keras import ops

from keras_xmodal import checks
from keras_xmodal.ops.gaussian import clip_log_variance, gaussian_log_prob
from keras_xmodal.types import Tensor, TensorLike


def all_subsets(num_modalities: int) -> np.ndarray:
    """List the non-empty subsets of the modalities.

    Args:
        num_modalities: Positive integer M.

    Returns:
        Boolean NumPy array of shape `(2^M - 1, M)`: which subset has which
        modality. Smaller subsets come first, hence single modalities at the
        start and all of them at the end; equal sizes in lexicographic order.

    Raises:
        ValueError: If `num_modalities` is not positive.
    """
    checks.positive_integer("num_modalities", num_modalities)
    return np.array(
        [
            [modality in subset for modality in range(num_modalities)]
            for size in range(1, num_modalities + 1)
            for subset in itertools.combinations(range(num_modalities), size)
        ]
    )


def fill_missing(
    means: TensorLike, log_variances: TensorLike, mask: TensorLike | None = None
) -> tuple[Tensor, Tensor]:
    """Put the standard normal in the place of missing experts.

    What is computed from the result is finite and has no gradient with respect
    to the missing experts. A mask applied afterwards does not undo a NaN: the
    gradient would be `0 * NaN`.

    Args:
        means: Tensor of shape `(experts, ..., batch, dim)`.
        log_variances: Tensor of the shape of `means`.
        mask: Optional boolean tensor that broadcasts with
            `(experts, ..., batch)`, false where an expert is missing.

    Returns:
        Tuple of float32 tensors `(means, log_variances)`, the log-variances
        clipped.
    """
    means = checks.tensor("means", means, (..., "batch", "dim"))
    log_variances = checks.tensor("log_variances", log_variances)
    checks.same_shape(means=means.shape, log_variances=log_variances.shape)
    if mask is not None:
        mask = checks.tensor("mask", mask, (..., "batch"), dtype="bool")
        checks.broadcast(mask=mask.shape, means=means.shape[:-1])
        mask = ops.expand_dims(mask, -1)
        means = ops.where(mask, means, 0.0)
        log_variances = ops.where(mask, log_variances, 0.0)
    return means, clip_log_variance(log_variances)


def _product(means, log_variances, mask, prior):
    """Product over the first axis; `prior` is the precision of the prior."""
    means, log_variances = fill_missing(means, log_variances, mask)
    # Clipped log-variances: no precision overflows, and no sum of them is lost.
    precisions = ops.exp(-log_variances)
    if mask is not None:
        mask = ops.expand_dims(ops.cast(mask, "bool"), -1)
        precisions = ops.where(mask, precisions, 0.0)
    precision = ops.sum(precisions, axis=0) + prior  # (..., batch, dim)
    precision = ops.where(precision > 0, precision, 1.0)
    mean = ops.sum(precisions * means, axis=0) / precision
    return mean, -ops.log(precision)


def product_of_experts(
    means: TensorLike,
    log_variances: TensorLike,
    mask: TensorLike | None = None,
    prior: bool = True,
) -> tuple[Tensor, Tensor]:
    """Multiply Gaussian experts: the precisions add up.

    `1/v = 1/v_0 + sum_m 1/v_m` and `mean = v sum_m mean_m / v_m`, over the
    experts that an example has.

    Args:
        means: Tensor of shape `(experts, ..., batch, dim)`.
        log_variances: Tensor of the shape of `means`.
        mask: Optional boolean tensor of shape `(experts, ..., batch)`, false
            where an expert is missing. It may broadcast: experts
            `(experts, 1, batch, dim)` with a mask
            `(experts, subsets, batch)` give one product for each subset.
        prior: Whether the standard normal prior is one of the experts,
            `v_0 = 1`. Without it, `1/v_0 = 0`.

    Returns:
        Tuple of float32 tensors `(mean, log_variance)`, both of shape
        `(..., batch, dim)`; the standard normal where no expert is left.

    Raises:
        TypeError: If a tensor is not of real numbers.
        ValueError: If a shape does not fit.

    Example:
        >>> mean, log_variance = product_of_experts([[[3.0]]], [[[0.0]]])
        >>> mean.numpy().tolist(), log_variance.numpy().round(4).tolist()
        ([[1.5]], [[-0.6930999755859375]])

    Reference:
        - Wu and Goodman, 2018, https://arxiv.org/abs/1802.05335, section 2.2
    """
    prior = checks.boolean("prior", prior)
    return _product(means, log_variances, mask, 1.0 if prior else 0.0)


def product_of_subsets(
    means: TensorLike,
    log_variances: TensorLike,
    mask: TensorLike | None = None,
    subsets: TensorLike | None = None,
    prior: TensorLike | bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Multiply the experts of every subset of the modalities, all at once.

    Args:
        means: Tensor of shape `(experts, batch, dim)`.
        log_variances: Tensor of the shape of `means`.
        mask: Optional boolean tensor of shape `(experts, batch)`, false where
            an expert is missing.
        subsets: Boolean array of shape `(subsets, experts)`, which expert
            belongs to which subset. Defaults to `all_subsets(experts)`.
        prior: Boolean, or boolean array of shape `(subsets,)`: whether the
            standard normal prior is an expert of each subset. MoPoE has it in
            the full set only, `prior=subsets.all(axis=1)`; that set is all
            modalities of the model, so that an example that lacks one has no
            subset with the prior.

    Returns:
        Tuple `(means, log_variances, available)` of shapes
        `(subsets, batch, dim)` twice, in float32, and `(subsets, batch)`,
        boolean. A subset is available to an example that has all its
        modalities; elsewhere its Gaussian is the standard normal.

    Reference:
        - Sutter et al., 2021, https://arxiv.org/abs/2105.02470, MoPoE;
          the prior as in https://github.com/thomassutter/MoPoE
    """
    means = ops.cast(means, "float32")
    log_variances = ops.cast(log_variances, "float32")
    if subsets is None:
        subsets = all_subsets(means.shape[0])
    subsets = np.asarray(subsets, bool)
    if mask is None:
        mask = ops.ones(ops.shape(means)[:2], dtype="bool")
    mask = ops.expand_dims(ops.cast(mask, "bool"), 1)
    members = subsets.T[:, :, None]  # (experts, subsets, 1)
    available = ops.all(ops.logical_or(mask, ~members), axis=0)
    prior = np.broadcast_to(np.asarray(prior, "float32"), len(subsets))
    mean, log_variance = _product(
        ops.expand_dims(means, 1),
        ops.expand_dims(log_variances, 1),
        ops.logical_and(available, members),
        prior[:, None, None],
    )
    return mean, log_variance, available


def _available(mask):
    """Components to weigh: those of the mask, or all where it has none."""
    mask = ops.cast(mask, "bool")
    return ops.logical_or(
        mask, ops.logical_not(ops.any(mask, axis=0, keepdims=True))
    )


def mixture_log_prob(
    z: TensorLike,
    means: TensorLike,
    log_variances: TensorLike,
    mask: TensorLike | None = None,
) -> Tensor:
    """Log-density of a uniform mixture of the Gaussians that are there.

    `log 1/C sum_c q_c(z)`, over the C available components of an example.

    Args:
        z: Tensor of shape `(..., batch, dim)`. Unlike the components, it has
            to be finite everywhere.
        means: Tensor of shape `(components, batch, dim)`.
        log_variances: Tensor of the shape of `means`.
        mask: Optional boolean tensor of shape `(components, batch)`, false
            where a component is missing.

    Returns:
        Float32 tensor of shape `(..., batch)`, in nats; the log-density of the
        standard normal where no component is left.

    Raises:
        TypeError: If a tensor is not of real numbers.
        ValueError: If a shape does not fit.

    Example:
        >>> mixture_log_prob(
        ...     [[0.0]], [[[0.0]], [[9.0]]], [[[0.0]], [[0.0]]]
        ... ).numpy().round(4).tolist()  # log(1/2) more than a Gaussian.
        [-1.6121000051498413]

    Reference:
        - Shi et al., 2019, https://arxiv.org/abs/1911.03393, section 3
    """
    means, log_variances = fill_missing(means, log_variances, mask)
    checks.shape("means", means.shape, ("components", "batch", "dim"))
    z = checks.tensor("z", z, (..., "batch", "dim"))
    checks.broadcast(z=z.shape, means=means.shape[1:])
    log_probs = gaussian_log_prob(
        ops.expand_dims(z, -3), means, log_variances
    )  # (..., components, batch)
    if mask is None:
        count = ops.cast(ops.shape(means)[0], "float32")
    else:
        mask = _available(mask)
        count = ops.sum(ops.cast(mask, "float32"), axis=0)
        log_probs = ops.where(mask, log_probs, -float("inf"))
    return ops.logsumexp(log_probs, axis=-2) - ops.log(count)


def component_index(uniform: TensorLike, mask: TensorLike) -> Tensor:
    """Choose one of the available components for each example.

    Independent noise chooses at random. A stratified choice, equal shares of
    the batch for all components, takes one number for the whole batch:
    `(u + ops.arange(batch) / batch) % 1`.

    Args:
        uniform: Tensor of shape `(batch,)`, uniform in `[0, 1)`.
        mask: Boolean tensor of shape `(components, batch)`, false where a
            component is missing.

    Returns:
        Int32 tensor of shape `(batch,)`, an index of `mask`. Where no
        component is left, any.
    """
    mask = ops.cast(_available(mask), "int32")
    count = ops.sum(mask, axis=0)
    rank = ops.floor(ops.cast(uniform, "float32") * ops.cast(count, "float32"))
    # Rounding may make the product as large as the count.
    rank = ops.minimum(ops.cast(rank, "int32"), count - 1)
    # The first component with `rank + 1` available ones up to and including it.
    reached = ops.cumsum(mask, axis=0) > rank  # (components, batch)
    return ops.cast(ops.argmax(ops.cast(reached, "int32"), axis=0), "int32")


def select_component(
    uniform: TensorLike,
    means: TensorLike,
    log_variances: TensorLike,
    mask: TensorLike | None = None,
) -> tuple[Tensor, Tensor]:
    """Choose one of the available Gaussians for each example.

    A reparameterised sample of the result is a sample of the mixture, whose
    gradient reaches the chosen component only.

    Args:
        uniform: Tensor of shape `(batch,)`, uniform in `[0, 1)`; see
            `component_index`.
        means: Tensor of shape `(components, batch, dim)`.
        log_variances: Tensor of the shape of `means`.
        mask: Optional boolean tensor of shape `(components, batch)`, false
            where a component is missing.

    Returns:
        Tuple of float32 tensors `(mean, log_variance)`, both of shape
        `(batch, dim)`; the standard normal where no component is left.

    Reference:
        - Sutter et al., 2021, https://arxiv.org/abs/2105.02470, MoPoE
    """
    means, log_variances = fill_missing(means, log_variances, mask)
    if mask is None:
        mask = ops.ones(ops.shape(means)[:2], dtype="bool")
    index = component_index(uniform, mask)
    components = ops.arange(means.shape[0], dtype="int32")[:, None]
    chosen = ops.expand_dims(ops.equal(components, index), -1)
    return tuple(
        ops.sum(ops.where(chosen, x, 0.0), axis=0)
        for x in (means, log_variances)
    )
