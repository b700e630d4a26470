"""Losses of a discriminator and a generator, from the discriminator's logits.

Each function takes `r = D(x, c)` of real examples and `f = D(G(z, c), c)` of
generated ones, both of shape `(batch,)`, and returns the pair of what the
discriminator and what the generator minimises, example by example. No
logarithm of a sigmoid: `softplus` is finite for any logit. The papers are
beside the classes in `adversarial/`.
"""

from keras import ops

from keras_xmodal import checks
from keras_xmodal.types import Tensor, TensorLike


def minimax(real: TensorLike, fake: TensorLike) -> tuple[Tensor, Tensor]:
    """`-V = softplus(-r) + softplus(f)`, and what is in `V` of the generator.

    Where the discriminator is sure, the generator's gradient vanishes.
    """
    real, fake = _logits(real, fake)
    return _cross_entropy(real, fake), -ops.softplus(fake)


def non_saturating(real: TensorLike, fake: TensorLike) -> tuple[Tensor, Tensor]:
    """As `minimax`, with a generator that maximises `log sigmoid(f)`."""
    real, fake = _logits(real, fake)
    return _cross_entropy(real, fake), ops.softplus(-fake)


def hinge(real: TensorLike, fake: TensorLike) -> tuple[Tensor, Tensor]:
    """Margins of 1 for the discriminator, no bound for the generator."""
    real, fake = _logits(real, fake)
    return ops.relu(1.0 - real) + ops.relu(1.0 + fake), -fake


def least_squares(real: TensorLike, fake: TensorLike) -> tuple[Tensor, Tensor]:
    """Squared distance from 1 for real examples, from 0 for generated ones."""
    real, fake = _logits(real, fake)
    squares = ops.square(real - 1.0) + ops.square(fake)
    return 0.5 * squares, 0.5 * ops.square(fake - 1.0)


def wasserstein(real: TensorLike, fake: TensorLike) -> tuple[Tensor, Tensor]:
    """The difference of means, a distance where D is 1-Lipschitz."""
    real, fake = _logits(real, fake)
    return fake - real, -fake


def relativistic(real: TensorLike, fake: TensorLike) -> tuple[Tensor, Tensor]:
    """Each real example against the generated one beside it."""
    real, fake = _logits(real, fake)
    return ops.softplus(fake - real), ops.softplus(real - fake)


def _logits(real, fake):
    """Both in float32, of one shape."""
    real, fake = checks.tensor("real", real), checks.tensor("fake", fake)
    checks.same_shape(real=real.shape, fake=fake.shape)
    return real, fake


def _cross_entropy(real, fake):
    return ops.softplus(-real) + ops.softplus(fake)
