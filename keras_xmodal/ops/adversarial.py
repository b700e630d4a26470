"""Losses of a discriminator and a generator, from the discriminator's logits.

Each function takes `r = D(x, c)` of real examples and `f = D(G(z, c), c)` of
generated ones, and returns what the discriminator and what the generator
minimises, example by example. No logarithm of a sigmoid: `softplus` is finite
for any logit.
"""

from keras import ops

from keras_xmodal.types import Tensor, TensorLike


def minimax(real: TensorLike, fake: TensorLike) -> tuple[Tensor, Tensor]:
    """The two-player game of 2014, in which both play for one value.

    The discriminator minimises `-V = softplus(-r) + softplus(f)`, and the
    generator what is in `V` of it, `log(1 - sigmoid(f)) = -softplus(f)`. Where
    the discriminator is sure, the generator's gradient vanishes.

    Args:
        real: Logits of real examples, of shape `(batch,)`.
        fake: Logits of generated examples, of shape `(batch,)`.

    Returns:
        Pair of tensors of shape `(batch,)`, in nats: the loss of the
        discriminator and that of the generator.

    Example:
        >>> discriminator, generator = minimax(ops.zeros(1), ops.zeros(1))
        >>> round(float(discriminator[0]), 4), round(float(generator[0]), 4)
        (1.3863, -0.6931)

    Reference:
        - Goodfellow et al., 2014, https://arxiv.org/abs/1406.2661, eq. 1
    """
    return _cross_entropy(real, fake), -ops.softplus(fake)


def non_saturating(real: TensorLike, fake: TensorLike) -> tuple[Tensor, Tensor]:
    """As `minimax`, with a generator that maximises `log sigmoid(f)`.

    Args:
        real: Logits of real examples, of shape `(batch,)`.
        fake: Logits of generated examples, of shape `(batch,)`.

    Returns:
        Pair of tensors of shape `(batch,)`, in nats: `softplus(-r) +
        softplus(f)` and `softplus(-f)`.

    Example:
        >>> _, generator = non_saturating(ops.zeros(1), ops.zeros(1))
        >>> round(float(generator[0]), 4)
        0.6931

    Reference:
        - Goodfellow et al., 2014, https://arxiv.org/abs/1406.2661, section 3
    """
    return _cross_entropy(real, fake), ops.softplus(-fake)


def hinge(real: TensorLike, fake: TensorLike) -> tuple[Tensor, Tensor]:
    """Margins of 1 for the discriminator, no bound for the generator.

    Args:
        real: Logits of real examples, of shape `(batch,)`.
        fake: Logits of generated examples, of shape `(batch,)`.

    Returns:
        Pair of tensors of shape `(batch,)`: `relu(1 - r) + relu(1 + f)` and
        `-f`.

    Example:
        >>> discriminator, _ = hinge(ops.zeros(1), ops.zeros(1))
        >>> float(discriminator[0])
        2.0

    Reference:
        - Lim and Ye, 2017, https://arxiv.org/abs/1705.02894, eq. 9
    """
    return ops.relu(1.0 - real) + ops.relu(1.0 + fake), -fake


def least_squares(real: TensorLike, fake: TensorLike) -> tuple[Tensor, Tensor]:
    """Squared distance from 1 for real examples, from 0 for generated ones.

    Args:
        real: Logits of real examples, of shape `(batch,)`.
        fake: Logits of generated examples, of shape `(batch,)`.

    Returns:
        Pair of tensors of shape `(batch,)`: `((r - 1)^2 + f^2) / 2` and
        `(f - 1)^2 / 2`.

    Example:
        >>> discriminator, generator = least_squares(ops.zeros(1), ops.zeros(1))
        >>> float(discriminator[0]), float(generator[0])
        (0.5, 0.5)

    Reference:
        - Mao et al., 2017, https://arxiv.org/abs/1611.04076, eq. 9
    """
    squares = ops.square(real - 1.0) + ops.square(fake)
    return 0.5 * squares, 0.5 * ops.square(fake - 1.0)


def wasserstein(real: TensorLike, fake: TensorLike) -> tuple[Tensor, Tensor]:
    """The difference of means, a distance where D is 1-Lipschitz.

    Args:
        real: Logits of real examples, of shape `(batch,)`.
        fake: Logits of generated examples, of shape `(batch,)`.

    Returns:
        Pair of tensors of shape `(batch,)`: `f - r` and `-f`.

    Example:
        >>> discriminator, _ = wasserstein(3.0 * ops.ones(1), ops.ones(1))
        >>> float(discriminator[0])
        -2.0

    Reference:
        - Arjovsky et al., 2017, https://arxiv.org/abs/1701.07875, eq. 2
    """
    return fake - real, -fake


def relativistic(real: TensorLike, fake: TensorLike) -> tuple[Tensor, Tensor]:
    """Each real example against the generated one beside it.

    The discriminator says which of the two is real, given the same condition,
    and the generator that it is the other one. No generated example is far
    from all real ones and free of a gradient, so modes are not dropped.

    Args:
        real: Logits of real examples, of shape `(batch,)`.
        fake: Logits of generated examples, of shape `(batch,)`.

    Returns:
        Pair of tensors of shape `(batch,)`, in nats: `softplus(f - r)` and
        `softplus(r - f)`.

    Example:
        >>> discriminator, generator = relativistic(ops.zeros(1), ops.zeros(1))
        >>> round(float(discriminator[0]), 4), round(float(generator[0]), 4)
        (0.6931, 0.6931)

    Reference:
        - Jolicoeur-Martineau, 2019, https://arxiv.org/abs/1807.00734
        - Huang et al., 2024, https://arxiv.org/abs/2501.05441, eq. 2
    """
    return ops.softplus(fake - real), ops.softplus(real - fake)


def _cross_entropy(real, fake):
    return ops.softplus(-real) + ops.softplus(fake)
