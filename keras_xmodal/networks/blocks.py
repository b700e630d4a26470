"""Convolutions that networks of pictures and of clips share."""

import math

import keras

from keras_xmodal import checks

_CONVOLUTIONS = {2: keras.layers.Conv2D, 3: keras.layers.Conv3D}


def convolution(x, channels, strides, dtype, name):
    """Convolve pictures or clips, with a normalisation to follow."""
    return _CONVOLUTIONS[len(x.shape) - 2](
        channels,
        3,
        strides=strides,
        padding="same",
        data_format="channels_last",
        use_bias=False,
        kernel_initializer="he_normal",
        dtype=dtype,
        name=f"{name}_convolution",
    )(x)


def normalize(x, dtype, name):
    """Normalise by groups of channels, then apply the SiLU."""
    x = keras.layers.GroupNormalization(
        math.gcd(8, x.shape[-1]), dtype=dtype, name=f"{name}_norm"
    )(x)
    return keras.layers.Activation(
        "silu", dtype=dtype, name=f"{name}_activation"
    )(x)


def residual_block(x, dtype, name):
    """Add what two convolutions make."""
    y = x
    for index in (1, 2):
        y = convolution(y, x.shape[-1], 1, dtype, f"{name}_{index}")
        y = normalize(y, dtype, f"{name}_{index}")
    return keras.layers.Add(dtype=dtype, name=f"{name}_add")([x, y])


def check_filters(filters, linear_path):
    """Check the channels of the stages, none only beside a linear path."""
    filters = checks.positive_integers("filters", filters, empty=True)
    if not filters and not linear_path:
        raise ValueError(
            "`filters` must not be empty without `linear_path`. Received: "
            f"filters={filters}, linear_path={linear_path}"
        )
    return filters
