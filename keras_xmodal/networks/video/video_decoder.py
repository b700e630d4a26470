"""Vectors as clips, by a compact convolutional network."""

import math
from collections.abc import Sequence

import keras
from keras import ops

from keras_xmodal.networks import checks, frames
from keras_xmodal.saving import register


@register
class VideoDecoder(keras.Model):
    """A small convolutional network from a vector to a short clip.

    `ImageDecoder` with an axis of time. An affine map makes a small grid of
    the vector; each stage convolves it over time and space, normalises by
    groups of channels and doubles frames, height and width. Beside that, a
    linear path goes from the vector to all values at once: it starts at zero
    and soon draws the blurred clip to which the convolutions add the rest.

    What comes out are the parameters of a likelihood, such as means or
    logits, without an activation.

    Args:
        num_frames: Positive integer, frames of a clip.
        image_size: Pair of positive integers, height and width in pixels.
        channels: Positive integer, parameters of each pixel: 3 for the means
            or logits of a clip in colour, 6 where a likelihood takes two
            parameters for each value, as `DiscretizedLogistic` does.
        filters: Tuple of positive integers, the channels of each stage, from
            the small grid to the clip. `()` leaves the linear path alone.
        num_blocks: Non-negative integer, residual blocks in each stage.
        linear_path: Whether the linear path is added. It has a weight for
            each pair of a latent and a value of the clip.
        dtype: Dtype policy of the layers, `None` for the global one. The
            output is float32 under each.
        **kwargs: `name` and `trainable`.

    Call arguments:
        inputs: Float tensor of shape `(batch, dim)`.

    Returns:
        Float32 tensor of shape `(batch, num_frames, *image_size, channels)`.

    Raises:
        ValueError: If an argument is out of range, no path is left, or the
            input has another rank.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        decoder = kx.networks.VideoDecoder(8, (16, 16), filters=(16, 8))
        z = np.random.default_rng(0).standard_normal((2, 12))
        decoder(z).shape  # (2, 8, 16, 16, 3)
        ```

    Reference:
        - Odena et al., 2016, https://doi.org/10.23915/distill.00003
          (enlarging without a checkerboard)
        - Tran et al., 2015, https://arxiv.org/abs/1412.0767, section 3
          (convolutions over time and space)
    """

    def __init__(
        self,
        num_frames: int = 8,
        image_size: Sequence[int] = (32, 32),
        channels: int = 3,
        filters: Sequence[int] = (64, 32, 16),
        num_blocks: int = 0,
        linear_path: bool = True,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        frames.check_image_size(image_size)
        checks.check_positive_integers("num_frames", (num_frames,))
        checks.check_positive_integers("channels", (channels,))
        checks.check_positive_integers("filters", filters)
        if not filters and not linear_path:
            raise ValueError(
                "`filters` must not be empty without `linear_path`. Received: "
                f"filters={filters}, linear_path={linear_path}"
            )
        frames.check_num_blocks(num_blocks)
        super().__init__(dtype=dtype, **kwargs)
        self.num_frames = num_frames
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
        shape = (self.num_frames, *self.image_size, self.channels)
        paths = []
        if self.linear_path:
            x = keras.layers.Dense(
                math.prod(shape),
                kernel_initializer="zeros",
                dtype="float32",
                name="linear",
            )(inputs)
            paths.append(keras.layers.Reshape(shape, dtype="float32")(x))
        if self.filters:
            paths.append(self._convolutional_path(inputs, shape[:-1], policy))
        outputs = paths[0] if len(paths) == 1 else ops.add(*paths)
        self.network = keras.Model(inputs, outputs, name="network")

    def _convolutional_path(self, x, shape, policy):
        # Frames, height and width from the grid to the clip: 1, 2, 4, 8.
        num_stages = len(self.filters)
        sizes = [
            [math.ceil(size / 2**k) for size in shape]
            for k in range(num_stages, -1, -1)
        ]
        grid = (*sizes[0], self.filters[0])
        x = keras.layers.Dense(
            math.prod(grid), activation="silu", dtype=policy, name="grid"
        )(x)
        x = keras.layers.Reshape(grid, dtype=policy)(x)
        for stage, channels in enumerate(self.filters):
            name = f"stage_{stage}"
            x = frames.convolution(x, channels, 1, policy, name)
            x = frames.normalize(x, policy, name)
            for block in range(self.num_blocks):
                x = frames.residual_block(x, policy, f"{name}_block_{block}")
            x = keras.layers.UpSampling3D(dtype=policy)(x)
            time, height, width = sizes[stage + 1]
            x = x[:, :time, :height, :width]
        return keras.layers.Conv3D(
            self.channels,
            3,
            padding="same",
            # Likelihoods start near their standard parameters, at 0.
            kernel_initializer=keras.initializers.VarianceScaling(0.1),
            dtype="float32",
            name="output",
        )(x)

    def call(self, inputs, training=False):
        return self.network(inputs, training=training)

    def compute_output_shape(self, input_shape):
        return (
            input_shape[0],
            self.num_frames,
            *self.image_size,
            self.channels,
        )

    def compute_output_spec(self, inputs, training=False):
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, "float32")
