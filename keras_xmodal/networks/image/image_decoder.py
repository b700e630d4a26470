"""Vectors as pictures, by a compact convolutional network."""

import math
from collections.abc import Sequence

import keras
from keras import ops

from keras_xmodal.saving import register


@register
class ImageDecoder(keras.Model):
    """A small convolutional network from a vector to a picture.

    The mirror of `ImageEncoder`. An affine map makes a small grid of the
    vector; each stage convolves it, normalises by groups of channels and
    doubles its height and width. Convolving before the size doubles costs a
    quarter of convolving after it. Beside that, a linear path goes from the
    vector to all pixels at once: it starts at zero and soon draws the blurred
    picture to which the convolutions add the rest.

    What comes out are the parameters of a likelihood, such as means or
    logits, without an activation.

    Args:
        image_size: Pair of positive integers, height and width in pixels.
        channels: Positive integer, parameters of each pixel: 3 for the means
            or logits of a picture in colour, 6 where a likelihood takes two
            parameters for each value, as `DiscretizedLogistic` does.
        filters: Tuple of positive integers, the channels of each stage, from
            the small grid to the picture. `()` leaves the linear path alone.
        num_blocks: Non-negative integer, residual blocks in each stage.
        linear_path: Whether the linear path is added.
        dtype: Dtype policy of the layers, `None` for the global one. The
            output is float32 under each.
        **kwargs: `name` and `trainable`.

    Call arguments:
        inputs: Float tensor of shape `(batch, dim)`.

    Returns:
        Float32 tensor of shape `(batch, *image_size, channels)`.

    Raises:
        ValueError: If an argument is out of range, no path is left, or the
            input has another rank.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        decoder = kx.networks.ImageDecoder((28, 28), channels=1)
        z = np.random.default_rng(0).standard_normal((2, 16))
        decoder(z).shape  # (2, 28, 28, 1)
        ```

    Reference:
        - Odena et al., 2016, https://doi.org/10.23915/distill.00003
          (enlarging without a checkerboard)
        - Wu and He, 2018, https://arxiv.org/abs/1803.08494 (normalisation)
        - He et al., 2016, https://arxiv.org/abs/1603.05027 (residual blocks)
    """

    def __init__(
        self,
        image_size: Sequence[int] = (32, 32),
        channels: int = 3,
        filters: Sequence[int] = (128, 64, 32),
        num_blocks: int = 0,
        linear_path: bool = True,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        _validate_arguments(
            image_size, channels, filters, num_blocks, linear_path
        )
        super().__init__(dtype=dtype, **kwargs)
        self.image_size = tuple(image_size)
        self.channels = channels
        self.filters = tuple(filters)
        self.num_blocks = num_blocks
        self.linear_path = linear_path

    def build(self, input_shape):
        if len(input_shape) != 2 or input_shape[1] is None:
            raise ValueError(
                "`inputs` must have shape (batch, dim). Received: "
                f"inputs.shape={tuple(input_shape)}"
            )
        policy = self.dtype_policy
        inputs = keras.Input(input_shape[1:], name="latents")
        paths = []
        if self.linear_path:
            shape = (*self.image_size, self.channels)
            paths.append(_linear_path(inputs, shape))
        if self.filters:
            # Height and width from the grid to the picture: 4, 7, 14, 28.
            num_stages = len(self.filters)
            sizes = [
                [math.ceil(size / 2**k) for size in self.image_size]
                for k in range(num_stages, -1, -1)
            ]
            x = _grid(inputs, (*sizes[0], self.filters[0]), policy)
            for stage, channels in enumerate(self.filters):
                name = f"stage_{stage}"
                x = _convolution(x, channels, policy, name)
                x = _normalize(x, policy, name)
                for block in range(self.num_blocks):
                    x = _residual_block(x, policy, f"{name}_block_{block}")
                x = keras.layers.UpSampling2D(dtype=policy)(x)
                height, width = sizes[stage + 1]
                x = x[:, :height, :width]
            paths.append(_output(x, self.channels))
        outputs = paths[0] if len(paths) == 1 else ops.add(*paths)
        self.network = keras.Model(inputs, outputs, name="network")

    def call(self, inputs, training=False):
        return self.network(inputs, training=training)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.image_size, self.channels)

    def compute_output_spec(self, inputs, training=False):
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, "float32")


def _linear_path(x, shape):
    x = keras.layers.Dense(
        math.prod(shape),
        kernel_initializer="zeros",
        dtype="float32",
        name="linear",
    )(x)
    return keras.layers.Reshape(shape, dtype="float32")(x)


def _grid(x, shape, dtype):
    x = keras.layers.Dense(
        math.prod(shape), activation="silu", dtype=dtype, name="grid"
    )(x)
    return keras.layers.Reshape(shape, dtype=dtype)(x)


def _output(x, channels):
    return keras.layers.Conv2D(
        channels,
        3,
        padding="same",
        # Likelihoods start near their standard parameters, at 0.
        kernel_initializer=keras.initializers.VarianceScaling(0.1),
        dtype="float32",
        name="output",
    )(x)


def _convolution(x, channels, dtype, name):
    return keras.layers.Conv2D(
        channels,
        3,
        padding="same",
        use_bias=False,  # a normalisation follows
        kernel_initializer="he_normal",
        dtype=dtype,
        name=f"{name}_convolution",
    )(x)


def _normalize(x, dtype, name):
    x = keras.layers.GroupNormalization(
        math.gcd(8, x.shape[-1]), dtype=dtype, name=f"{name}_norm"
    )(x)
    return keras.layers.Activation(
        "silu", dtype=dtype, name=f"{name}_activation"
    )(x)


def _residual_block(x, dtype, name):
    y = x
    for index in (1, 2):
        y = _convolution(y, x.shape[-1], dtype, f"{name}_{index}")
        y = _normalize(y, dtype, f"{name}_{index}")
    return keras.layers.Add(dtype=dtype, name=f"{name}_add")([x, y])


def _validate_arguments(image_size, channels, filters, num_blocks, linear_path):
    if (
        not isinstance(image_size, (tuple, list))
        or len(image_size) != 2
        or not all(isinstance(size, int) and size > 0 for size in image_size)
    ):
        raise ValueError(
            "`image_size` must be a pair of positive integers, height and "
            f"width. Received: image_size={image_size}"
        )
    if not isinstance(channels, int) or channels < 1:
        raise ValueError(
            "`channels` must be a positive integer. Received: "
            f"channels={channels}"
        )
    if not isinstance(filters, (tuple, list)) or not all(
        isinstance(size, int) and size > 0 for size in filters
    ):
        raise ValueError(
            "`filters` must be a tuple of positive integers. Received: "
            f"filters={filters}"
        )
    if not filters and not linear_path:
        raise ValueError(
            "`filters` must not be empty without `linear_path`. Received: "
            f"filters={filters}, linear_path={linear_path}"
        )
    if not isinstance(num_blocks, int) or num_blocks < 0:
        raise ValueError(
            "`num_blocks` must be a non-negative integer. Received: "
            f"num_blocks={num_blocks}"
        )
