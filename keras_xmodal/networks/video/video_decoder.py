"""Vectors as clips, by a compact convolutional network."""

from collections.abc import Sequence

import keras

from keras_xmodal import checks
from keras_xmodal.networks.convolutional_decoder import ConvolutionalDecoder
from keras_xmodal.saving import register


@register
class VideoDecoder(ConvolutionalDecoder):
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
        linear_path = checks.boolean("linear_path", linear_path)
        super().__init__(
            channels, filters, num_blocks, linear_path, dtype, **kwargs
        )
        self.num_frames = checks.positive_integer("num_frames", num_frames)
        self.image_size = checks.image_size("image_size", image_size)

    @property
    def sizes(self):
        return (self.num_frames, *self.image_size)
