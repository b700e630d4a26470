"""Noise that is a function of a seed, and the same wherever it is computed.

TensorFlow's random numbers differ between XLA and the rest, and LiteRT has
none. These are a hash of seed and position, made of integer operations that all
of them have: training resumes exactly, XLA equals eager, and a served model
answers a seed with the same sample in every batch.
"""

import math

import numpy as np
from keras import ops

from keras_xmodal import checks
from keras_xmodal.ops.replicas import rows_before
from keras_xmodal.types import Tensor, TensorLike

# The 32-bit constants as int32, whose products wrap around.
_FIRST, _SECOND, _GOLDEN = -2048144789, -1028477387, -1640531527


def resolve_seed(seed: int | None) -> int:
    """A seed, or a random one, which `keras.utils.set_random_seed` decides.

    Args:
        seed: Integer from 0 to 2**32 - 1, or None.

    Returns:
        Integer.
    """
    seed = checks.seed(seed, optional=True)
    return int(np.random.randint(2**31)) if seed is None else seed


def fold_in(seed: TensorLike | int, value: TensorLike | int) -> Tensor:
    """Derive a seed from another and a number.

    Args:
        seed: Integer tensor of any shape.
        value: Integer or integer tensor that broadcasts with `seed`, such as
            the number of a step.

    Returns:
        Int32 tensor of the common shape.

    Reference:
        - Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3",
          counter-based generators; the hash is MurmurHash3's finaliser
    """
    seed, value = (ops.cast(x, "int32") for x in (seed, value))
    return _mix(ops.bitwise_xor(_mix(seed), _mix(value + _GOLDEN)))


def stateless_uniform(shape: tuple, seed: TensorLike | int) -> Tensor:
    """Uniform noise in (0, 1).

    Args:
        shape: Tuple of integers or scalar tensors.
        seed: Integer scalar, or integer tensor of shape `(shape[0],)`: one
            seed for each row, whose noise does not depend on other rows.

    Returns:
        Float32 tensor of the given shape.
    """
    seed = ops.cast(seed, "int32")
    if len(ops.shape(seed)):
        # Each row counts its own elements from 0.
        row = shape[1:]
        seed = ops.expand_dims(seed, list(range(1, len(shape))))
        index = ops.reshape(ops.arange(_size(row), dtype="int32"), (1, *row))
    else:
        index = ops.reshape(ops.arange(_size(shape), dtype="int32"), shape)
    # 23 bits, so that adding a half is exact and 1 is never reached.
    bits = _shift(fold_in(seed, index), 9)
    return (ops.cast(bits, "float32") + 0.5) / 2**23


def stateless_normal(shape: tuple, seed: TensorLike | int) -> Tensor:
    """Standard normal noise.

    Args:
        shape: Tuple of integers or scalar tensors.
        seed: Integer scalar, or integer tensor of shape `(shape[0],)`: one
            seed for each row, whose noise does not depend on other rows.

    Returns:
        Float32 tensor of the given shape.

    Reference:
        - Box and Muller, 1958, https://doi.org/10.1214/aoms/1177706645
    """
    radius = ops.sqrt(
        -2.0 * ops.log(stateless_uniform(shape, fold_in(seed, 1)))
    )
    angle = 2 * math.pi * stateless_uniform(shape, fold_in(seed, 2))
    return radius * ops.cos(angle)


class Noise:
    """Noise that a seed, a step and rows decide: the one source of all of it.

    A source gives the same noise at each draw, so each use takes a stream of
    its own, and gives it a name:

        component, latents = noise.streams(2)

    Args:
        seed: Integer, or integer tensor: a scalar, or one seed for each row.
        step: Integer or scalar integer tensor, the number of the step; None
            where the seed alone decides.

    Attributes:
        seed: Int32 tensor, what `stateless_normal` and its like take.

    Example:
        >>> latents, masks = Noise(7, step=3).streams(2)
        >>> latents.rows(64).normal((64, 8)).shape
        TensorShape([64, 8])
    """

    def __init__(self, seed, step=None):
        self.seed = seed if step is None else fold_in(seed, step)

    def stream(self, number):
        """The source of a number, other noise than that of other numbers."""
        return Noise(fold_in(self.seed, number))

    def streams(self, count):
        """Tuple of the streams from 1 to `count`."""
        return tuple(self.stream(number) for number in range(1, count + 1))

    def rows(self, num_rows, first_row=0):
        """The source of each row, whose noise does not depend on other rows.

        Replicas hold consecutive rows of a batch, of any numbers, and draw what
        one device would draw for it.

        Args:
            num_rows: Integer or scalar tensor, rows of this replica.
            first_row: Integer or scalar tensor, the number of the batch's first
                row.
        """
        return Noise(fold_in(self.seed, _rows(num_rows, first_row)))

    def latents(self, num_rows, first_row=0):
        """The source of latents whose axis before the last is the batch.

        Args:
            num_rows: As for `rows`.
            first_row: As for `rows`.

        Returns:
            `LatentNoise`.
        """
        return LatentNoise(self, _rows(num_rows, first_row))

    def uniform(self, shape):
        """Uniform noise in (0, 1), as `stateless_uniform`."""
        return stateless_uniform(shape, self.seed)

    def normal(self, shape):
        """Standard normal noise, as `stateless_normal`."""
        return stateless_normal(shape, self.seed)


class LatentNoise:
    """`Noise` of latents `(..., batch, dim)`, of each row of the batch its own.

    So it is the same in batches of any size, and on replicas.

    Args:
        noise: `Noise` of a scalar seed.
        rows: Integer tensor of shape `(batch,)`, the numbers of the rows.

    Attributes:
        seed: Int32 tensor of shape `(batch,)`.
    """

    def __init__(self, noise, rows):
        self._noise, self._rows = noise, rows
        self.seed = fold_in(noise.seed, rows)

    def stream(self, number):
        """As that of `Noise`."""
        return LatentNoise(self._noise.stream(number), self._rows)

    def streams(self, count):
        """As those of `Noise`."""
        return tuple(self.stream(number) for number in range(1, count + 1))

    def uniform(self, shape):
        """Uniform noise in (0, 1), of shape `(..., batch)`."""
        return self._draw(stateless_uniform, shape, -1)

    def normal(self, shape):
        """Standard normal noise, of shape `(..., batch, dim)`."""
        return self._draw(stateless_normal, shape, -2)

    def _draw(self, function, shape, axis):
        others = list(shape)
        rows = others.pop(axis)
        return ops.moveaxis(function((rows, *others), self.seed), 0, axis)


def _rows(num_rows, first_row):
    """Numbers of the rows of this replica."""
    first_row = first_row + rows_before(num_rows)
    return first_row + ops.arange(num_rows, dtype="int32")


def _size(shape):
    size = 1
    for length in shape:
        size = size * length
    return size


def _shift(x, count):
    """Logical shift to the right; that of int32 copies the sign.

    LiteRT has no `bitwise_and` to mask the copies with.
    """
    sign = ops.right_shift(x, 31)  # 0 or -1
    return ops.right_shift(x, count) - sign * 2 ** (32 - count)


def _mix(x):
    x = ops.bitwise_xor(x, _shift(x, 16)) * _FIRST
    x = ops.bitwise_xor(x, _shift(x, 13)) * _SECOND
    return ops.bitwise_xor(x, _shift(x, 16))
