"""Normalisation and similarity of embeddings."""

from keras import ops


def l2_normalize(x, epsilon=1e-12):
    """Scale the last axis to unit length, in float32.

    Args:
        x: Tensor of shape `(..., dim)`, of any float dtype.
        epsilon: Lower bound of the squared norm. A zero vector stays zero
            and has a finite gradient.

    Returns:
        Float32 tensor of the shape of `x`.

    Example:
        >>> import numpy as np
        >>> l2_normalize(np.array([[3.0, 4.0]])).numpy().round(1).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """
    x = ops.cast(x, "float32")
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.maximum(square, epsilon))


def dot_similarity(anchors, candidates):
    """Dot product of every anchor with every candidate.

    For L2-normalised embeddings this is the cosine similarity.

    Args:
        anchors: Tensor of shape `(batch, dim)`.
        candidates: Tensor of shape `(candidates, dim)`.

    Returns:
        Tensor of shape `(batch, candidates)`.

    Example:
        >>> import numpy as np
        >>> unit = np.eye(2, dtype="float32")
        >>> dot_similarity(unit, unit).numpy().tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return ops.matmul(anchors, ops.transpose(candidates))
