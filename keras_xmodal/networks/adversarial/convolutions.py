"""What convolutional generators and discriminators share.

Their inputs have one, two or three axes of positions: sequences, pictures and
spectrograms, clips. All of it has right second derivatives.
"""

import math

import keras
from keras import ops

_CONVOLUTIONS = {
    1: keras.layers.Conv1D,
    2: keras.layers.Conv2D,
    3: keras.layers.Conv3D,
}
_POOLINGS = {
    1: keras.layers.AveragePooling1D,
    2: keras.layers.AveragePooling2D,
}
_SLOPE = 0.2
# Variances that keep their size through a map, and through one that follows
# an activation.
LINEAR = 1.0
ACTIVATED = 2.0 / (1.0 + _SLOPE**2)


def split_shapes(input_shape):
    """List the shapes of one input, or of a list of them."""
    many = isinstance(input_shape[0], (list, tuple))
    return [tuple(s) for s in (input_shape if many else [input_shape])]


def scale_condition(condition):
    """Append a 1 to a vector and scale both to a norm of the root of 2.

    So a vector of norm 1, such as a class or an embedding, stays as it is, a
    long one drowns nothing, and no two vectors become one.
    """
    dtype = keras.backend.result_type(condition.dtype, "float32")
    x = ops.cast(condition, dtype)
    x = ops.concatenate([x, ops.ones_like(x[:, :1])], axis=-1)
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(0.5 * square)


def convolution(x, channels, kernel_size, dtype, name, scale=LINEAR, **kwargs):
    """Convolve, with as many positions after it as before."""
    kwargs.setdefault("kernel_initializer", _initializer(scale))
    return _CONVOLUTIONS[len(x.shape) - 2](
        channels,
        kernel_size,
        padding="same",
        data_format="channels_last",
        dtype=dtype,
        name=name,
        **kwargs,
    )(x)


def dense(x, units, dtype, name, scale=LINEAR):
    """Map vectors."""
    return keras.layers.Dense(
        units, kernel_initializer=_initializer(scale), dtype=dtype, name=name
    )(x)


def activate(x, dtype, name):
    """Apply the leaky ReLU."""
    return keras.layers.LeakyReLU(_SLOPE, dtype=dtype, name=name)(x)


def residual_block(x, num_blocks, dtype, name):
    """Add what three convolutions make, which is nothing at first."""
    channels = x.shape[-1]
    scale = ACTIVATED / math.sqrt(num_blocks)
    y = convolution(x, channels, 1, dtype, f"{name}_1", scale)
    y = activate(y, dtype, f"{name}_activation_1")
    y = convolution(y, channels, 3, dtype, f"{name}_2", scale)
    y = activate(y, dtype, f"{name}_activation_2")
    y = convolution(
        y, channels, 1, dtype, f"{name}_3", kernel_initializer="zeros"
    )
    return keras.layers.Add(dtype=dtype, name=f"{name}_add")([x, y])


def enlarge(x, sizes):
    """Repeat each position on each axis, then crop."""
    for axis in range(1, len(x.shape) - 1):
        # Beside itself on the next axis, which reshaping makes rows of: the
        # second derivative takes a tenth of the time of that of `repeat`.
        shape = list(x.shape[1:])
        shape[axis - 1] *= 2
        x = ops.reshape(ops.concatenate([x, x], axis=axis + 1), (-1, *shape))
    if x.shape[1:-1] == tuple(sizes):
        return x
    return x[(slice(None), *(slice(size) for size in sizes))]


def shrink(x, dtype, name):
    """Halve the number of positions on each axis, rounded up, by averages."""
    frames = x.shape[1:-3]  # () but of a clip
    if frames:
        # Pooling in three dimensions knows float32 only.
        x = ops.reshape(x, (-1, *x.shape[2:]))
    pooling = _POOLINGS[len(x.shape) - 2]
    same = {"padding": "same", "data_format": "channels_last"}
    x = pooling(2, **same, dtype=dtype, name=f"{name}_pooling")(x)
    if not frames:
        return x
    shape = x.shape[1:]
    x = ops.reshape(x, (-1, *frames, math.prod(shape)))
    x = _POOLINGS[1](2, **same, dtype=dtype, name=f"{name}_pooling_of_frames")(
        x
    )
    return ops.reshape(x, (-1, x.shape[1], *shape))


def _initializer(scale):
    return keras.initializers.VarianceScaling(scale)
