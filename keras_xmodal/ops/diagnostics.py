"""What retrieval scores do not show: the geometry of an embedding space."""

from keras import ops

from keras_xmodal import checks
from keras_xmodal.types import Tensor, TensorLike


def alignment(x: TensorLike, y: TensorLike, exponent: float = 2.0) -> Tensor:
    """Mean distance between the two embeddings of an item; 0 is best.

    Args:
        x: Tensor of shape `(items, dim)`, L2-normalised.
        y: Tensor of shape `(items, dim)`; row `i` belongs to row `i` of `x`.
        exponent: Positive float, the power of the distance.

    Returns:
        float32 scalar; from 0 to 4, up to rounding, with the default exponent.

    Raises:
        TypeError: If a tensor is not of real numbers.
        ValueError: If the shapes of `x` and `y` differ, or there is no row.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> float(alignment(x, x)), float(alignment(x, x[::-1]))
        (0.0, 2.0)

    Reference:
        - Wang and Isola, 2020, https://arxiv.org/abs/2005.10242, section 4.1
    """
    exponent = checks.positive("exponent", exponent)
    x, y = _embeddings(x, "x"), _embeddings(y, "y")
    checks.same_shape(x=x.shape, y=y.shape)
    square = ops.sum(ops.square(x - y), axis=-1)  # (items,)
    return ops.mean(_power(square, exponent / 2.0))


def uniformity(x: TensorLike, t: float = 2.0, chunk_size: int = 1024) -> Tensor:
    """Log of the mean Gaussian potential of all pairs; lower is more even.

    It is 0 for a collapsed model and approaches about -4 for embeddings that
    cover the sphere. All pairs of different rows count, none is sampled.
    Peak memory is `chunk_size * items` floats. The number of rows has to be
    static for that; an unknown one is taken in a single chunk.

    Args:
        x: Tensor of shape `(items, dim)`, L2-normalised; 2 items at least.
        t: Positive float, the sharpness of the potential.
        chunk_size: Positive integer, rows compared with all rows at once.

    Returns:
        float32 scalar.

    Raises:
        TypeError: If `x` is not of real numbers.
        ValueError: If `x` is known to have fewer than 2 rows.

    Example:
        >>> import numpy as np
        >>> float(uniformity(np.array([[1.0, 0.0], [-1.0, 0.0]])))
        -8.0

    Reference:
        - Wang and Isola, 2020, https://arxiv.org/abs/2005.10242, section 4.1
    """
    t = checks.positive("t", t)
    chunk_size = checks.positive_integer("chunk_size", chunk_size)
    x = _embeddings(x, "x")
    num_items = ops.shape(x)[0]
    if not isinstance(num_items, int):
        chunks = [(0, num_items)]
    elif num_items < 2:
        raise ValueError(
            "`x` must have at least 2 rows, uniformity compares pairs. "
            f"Received: x.shape={tuple(x.shape)}"
        )
    else:
        chunks = [
            (start, min(start + chunk_size, num_items))
            for start in range(0, num_items, chunk_size)
        ]
    norms = ops.sum(ops.square(x), axis=-1)  # (items,)
    columns = ops.arange(num_items)[None, :]
    potentials = []
    for start, stop in chunks:
        distance = (  # (chunk, items)
            norms[start:stop, None]
            + norms[None, :]
            - 2.0 * ops.matmul(x[start:stop], ops.transpose(x))
        )
        potential = -t * ops.maximum(distance, 0.0)
        itself = ops.arange(start, stop)[:, None] == columns
        potential = ops.where(itself, -float("inf"), potential)
        potentials.append(ops.logsumexp(potential, axis=-1))  # (chunk,)
    num_items = ops.cast(num_items, "float32")
    num_pairs = num_items * (num_items - 1.0)
    return ops.logsumexp(ops.concatenate(potentials)) - ops.log(num_pairs)


def modality_gap(x: TensorLike, y: TensorLike) -> Tensor:
    """Distance between the centres of two modalities.

    Args:
        x: Tensor of shape `(examples of one modality, dim)`, L2-normalised.
        y: Tensor of shape `(examples of the other, dim)`, L2-normalised. The
            rows need not correspond.

    Returns:
        float32 scalar, from 0 to 2, up to rounding.

    Raises:
        TypeError: If a tensor is not of real numbers.
        ValueError: If the dims of `x` and `y` differ, or there is no row.

    Example:
        >>> import numpy as np
        >>> float(modality_gap(np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0]])))
        2.0

    Reference:
        - Liang et al., 2022, https://arxiv.org/abs/2203.02053
    """
    x, y = _embeddings(x, "x"), _embeddings(y, "y")
    checks.same_dim(x=x.shape, y=y.shape)
    difference = ops.mean(x, axis=0) - ops.mean(y, axis=0)
    return _power(ops.sum(ops.square(difference)), 0.5)


def _power(x, exponent):
    """A positive power of what is not negative; of 0, the gradient is 0."""
    positive = x > 0
    return ops.where(
        positive, ops.power(ops.where(positive, x, 1.0), exponent), 0.0
    )


def _embeddings(x, argument):
    x = checks.tensor(argument, x, ("items", "dim"))
    if x.shape[0] == 0:
        raise ValueError(
            f"`{argument}` must hold an embedding at least. "
            f"Received: {argument}.shape={tuple(x.shape)}"
        )
    return x
