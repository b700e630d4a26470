"""Vectors as pictures, by a compact convolutional network."""

from collections.abc import Sequence

import keras

from keras_xmodal import checks
from keras_xmodal.networks.convolutional_decoder import ConvolutionalDecoder
from keras_xmodal.saving import register


@register
class ImageDecoder(ConvolutionalDecoder):
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
        linear_path = checks.boolean("linear_path", linear_path)
        super().__init__(
            channels, filters, num_blocks, linear_path, dtype, **kwargs
        )
        self.image_size = checks.image_size("image_size", image_size)

    @property
    def sizes(self):
        return self.image_size
