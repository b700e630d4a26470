"""What networks of clips share: convolutions of frames."""

import math

import keras

from keras_xmodal.networks import checks

_CONVOLUTIONS = {2: keras.layers.Conv2D, 3: keras.layers.Conv3D}


def convolution(x, channels, strides, dtype, name):
    """Convolve pictures or clips, with a normalisation to follow.

    Args:
        x: Symbolic tensor of shape `(batch, ..., channels)`.
        channels: Positive integer, channels of the result.
        strides: Positive integer.
        dtype: Dtype policy.
        name: Beginning of the name of the layer.

    Returns:
        Symbolic tensor.
    """
    return _CONVOLUTIONS[len(x.shape) - 2](
        channels,
        3,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        dtype=dtype,
        name=f"{name}_convolution",
    )(x)


def normalize(x, dtype, name):
    """Normalise by groups of channels, then apply the SiLU.

    Args:
        x: Symbolic tensor of shape `(batch, ..., channels)`.
        dtype: Dtype policy.
        name: Beginning of the names of the layers.

    Returns:
        Symbolic tensor of the shape of `x`.
    """
    x = keras.layers.GroupNormalization(
        math.gcd(8, x.shape[-1]), dtype=dtype, name=f"{name}_norm"
    )(x)
    return keras.layers.Activation(
        "silu", dtype=dtype, name=f"{name}_activation"
    )(x)


def residual_block(x, dtype, name):
    """Add what two convolutions make.

    Args:
        x: Symbolic tensor of shape `(batch, ..., channels)`.
        dtype: Dtype policy.
        name: Beginning of the names of the layers.

    Returns:
        Symbolic tensor of the shape of `x`.
    """
    y = x
    for index in (1, 2):
        y = convolution(y, x.shape[-1], 1, dtype, f"{name}_{index}")
        y = normalize(y, dtype, f"{name}_{index}")
    return keras.layers.Add(dtype=dtype, name=f"{name}_add")([x, y])


def check_image_size(image_size):
    """Check that a size of pictures is a pair of positive integers.

    Args:
        image_size: What was passed.

    Raises:
        ValueError: If it is not.
    """
    checks.check_positive_integers("image_size", image_size)
    if len(image_size) != 2:
        raise ValueError(
            "`image_size` must be a pair of positive integers, height and "
            f"width. Received: image_size={image_size}"
        )


def check_num_blocks(num_blocks):
    """Check that a number of blocks is a non-negative integer.

    Args:
        num_blocks: What was passed.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(num_blocks, int) or num_blocks < 0:
        raise ValueError(
            "`num_blocks` must be a non-negative integer. Received: "
            f"num_blocks={num_blocks}"
        )
