"""Normalisation and similarity of embeddings."""

from keras import ops

from keras_xmodal import checks
from keras_xmodal.types import Tensor, TensorLike


def l2_normalize(x: TensorLike, epsilon: float = 1e-12) -> Tensor:
    """Scale the last axis to unit length, in float32.

    Args:
        x: Tensor of shape `(..., dim)`, of any float dtype.
        epsilon: Positive float, a lower bound of the squared norm: what is
            shorter gets shorter than 1. A zero vector stays zero and has a
            finite gradient.

    Returns:
        Float32 tensor of the shape of `x`.

    Raises:
        TypeError: If `x` is not of real numbers.
        ValueError: If `x` has no axis.

    Example:
        >>> import numpy as np
        >>> l2_normalize(np.array([[3.0, 4.0]])).numpy().round(1).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """
    epsilon = checks.positive("epsilon", epsilon)
    x = checks.tensor("x", x, (..., "dim"))
    # Squares of what is divided by its largest entry do not overflow.
    largest = ops.max(ops.abs(x), axis=-1, keepdims=True, initial=0.0)
    scale = ops.stop_gradient(ops.maximum(largest, epsilon**0.5))
    x = x / scale
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.maximum(square, epsilon / ops.square(scale)))


def dot_similarity(anchors: TensorLike, candidates: TensorLike) -> Tensor:
    """Dot product of every anchor with every candidate.

    For L2-normalised embeddings this is the cosine similarity.

    Args:
        anchors: Tensor of shape `(batch, dim)`.
        candidates: Tensor of shape `(candidates, dim)`.

    Returns:
        Tensor of shape `(batch, candidates)`.
    """
    return ops.matmul(anchors, ops.transpose(candidates))


def relative_representation(
    embeddings: TensorLike, anchors: TensorLike, temperature: float = 0.05
) -> Tensor:
    """Describe embeddings by the anchors that they are similar to.

    Where image and text were trained together, and speech and text, an image
    and a recording of the same thing are each near its text, but need not be
    near each other: each has its own distance from the text. With texts as
    anchors, `r_k = sqrt(softmax_k(cos(e, a_k) / temperature))` says which texts
    an embedding may stand for, and the dot product of two of them, the
    Bhattacharyya coefficient, says how far they may stand for the same one.

    Args:
        embeddings: Tensor of shape `(batch, dim)`, of any modality.
        anchors: Tensor of shape `(anchors, dim)`, embeddings of the modality
            that all others were trained with, each thing once.
        temperature: Float > 0; lower makes the nearest anchor count for more.

    Returns:
        Float32 tensor of shape `(batch, anchors)`, rows of unit length.

    Raises:
        TypeError: If a tensor is not of real numbers.
        ValueError: If `temperature` is not positive or a shape does not fit.

    Example:
        >>> import numpy as np
        >>> anchors = np.eye(3, dtype="float32")
        >>> image = np.array([[0.5, 0.1, -0.2]], "float32")
        >>> speech = np.array([[0.4, -0.3, 0.2]], "float32")
        >>> of_image, of_speech = (
        ...     relative_representation(x, anchors) for x in (image, speech)
        ... )
        >>> round(float(np.sum(of_image * of_speech)), 2)
        1.0

    Reference:
        - Moschella et al., 2023, https://arxiv.org/abs/2209.15430, section 3
          (similarities to anchors as a representation)
        - Wang et al., 2023, https://arxiv.org/abs/2305.14381
          (a softmax over the texts that two models share)
    """
    checks.positive("temperature", temperature)
    embeddings = checks.tensor("embeddings", embeddings, ("batch", "dim"))
    anchors = checks.tensor("anchors", anchors, ("anchors", "dim"))
    checks.same_dim(embeddings=embeddings.shape, anchors=anchors.shape)
    cosines = dot_similarity(l2_normalize(embeddings), l2_normalize(anchors))
    # Not the root of what may be 0, where its gradient is infinite.
    return ops.exp(0.5 * ops.log_softmax(cosines / temperature, axis=-1))
