"""Samples of categories that gradients pass through."""

from keras import ops

from keras_xmodal import checks
from keras_xmodal.ops.noise import stateless_uniform
from keras_xmodal.types import Tensor, TensorLike


def stateless_gumbel(shape: tuple, seed: TensorLike | int) -> Tensor:
    """Draw standard Gumbel noise.

    The category of the largest sum of a logit and such noise is a sample of
    the softmax of the logits.

    Args:
        shape: Tuple of integers or scalar tensors.
        seed: Integer scalar, or integer tensor of shape `(shape[0],)`: one
            seed for each row, whose noise does not depend on other rows.

    Returns:
        Float32 tensor of the given shape.

    Reference:
        - Maddison et al., 2014, https://arxiv.org/abs/1411.0030, section 2
    """
    return -ops.log(-ops.log(stateless_uniform(shape, seed)))


def gumbel_softmax(
    logits: TensorLike,
    noise: TensorLike | None = None,
    temperature: float = 1.0,
    hard: bool = True,
) -> Tensor:
    """Draw one-hot vectors, exactly or nearly, that have a gradient.

    The softmax of `(logits + noise) / temperature` approaches the one-hot
    vector of a sample as the temperature falls. With `hard`, the value is that
    one-hot vector at any temperature, and the gradient is the softmax's.

    Args:
        logits: Tensor of shape `(..., classes)`.
        noise: Tensor of that shape, of `stateless_gumbel`. None for none, the
            most probable category.
        temperature: Positive number.
        hard: Whether the value is one-hot.

    Returns:
        Float32 tensor of the shape of `logits`; each row sums to 1.

    Reference:
        - Jang et al., 2017, https://arxiv.org/abs/1611.01144, eq. 2 and
          section 2.2
        - Maddison et al., 2017, https://arxiv.org/abs/1611.00712
    """
    checks.positive("temperature", temperature)
    scores = checks.tensor("logits", logits, (..., "classes"))
    if noise is not None:
        scores = scores + checks.tensor("noise", noise, scores.shape)
    soft = ops.softmax(scores / temperature, axis=-1)
    if not hard:
        return soft
    # Of the scores: in the softmax, small differences are rounded away. And of
    # integers, for `argmax` of floats takes operators that LiteRT lacks.
    largest = ops.equal(scores, ops.max(scores, axis=-1, keepdims=True))
    index = ops.argmax(ops.cast(largest, "int32"), axis=-1)
    one_hot = ops.one_hot(index, scores.shape[-1], dtype="float32")
    # In this order, what is added is zero, and not nearly so.
    return one_hot + (soft - ops.stop_gradient(soft))
