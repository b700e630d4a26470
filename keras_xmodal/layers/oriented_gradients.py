"""Edges of a picture by direction, place and colour."""

import keras
import numpy as np
from keras import ops

from keras_xmodal import checks
from keras_xmodal.saving import register

# Lightness, red against green, yellow against blue.
OPPONENT_COLORS = np.array(
    [[1 / 3, 1 / 3, 1 / 3], [0.5, -0.5, 0.0], [0.25, 0.25, -0.5]], "float32"
)
_SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "float32") / 8


@register
class OrientedGradients(keras.layers.Layer):
    """Histogram of oriented gradients, with colour and without weights.

    At each pixel the gradient of lightness, red-green and yellow-blue is
    measured along `num_orientations` directions around the circle. Only
    directions near the strongest one count, and what they measure is averaged
    over overlapping cells. Drawings of one thing in two styles differ in
    their pixels far more than in this description, so it is a good first
    layer where there is too little data, or too little time, to learn one.

    Args:
        num_orientations: Integer of at least 2, number of directions.
        cell_size: Positive integer, distance of the cells in pixels; each
            covers twice that much.
        sharpness: Float in [0, 1), the share of the strongest response that
            is taken from all: 0 keeps all directions.
        fill_value: Float, the value of the pixels beyond the border.
        **kwargs: Further arguments of `keras.layers.Layer`.

    Call arguments:
        images: Float tensor of shape `(batch, height, width, 3)` in [0, 1].

    Returns:
        Tensor of shape `(batch, height / cell_size, width / cell_size,
        3 * num_orientations)`, quotients rounded up, values from 0 to 1.

    Raises:
        TypeError: If the images are not of floats.
        ValueError: If an argument is out of range or the images have another
            shape.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        layer = kx.layers.OrientedGradients(num_orientations=8, cell_size=4)
        images = np.random.default_rng(0).random((2, 32, 32, 3), "float32")
        layer(images).shape  # (2, 8, 8, 24)
        ```

    Reference:
        - Dalal and Triggs, 2005, https://doi.org/10.1109/CVPR.2005.177,
          sections 6.1 to 6.3 (here without block normalisation, and with a
          square root instead)
    """

    def __init__(
        self,
        num_orientations: int = 8,
        cell_size: int = 4,
        sharpness: float = 0.7,
        fill_value: float = 1.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_orientations = checks.integer(
            "num_orientations", num_orientations, least=2
        )
        self.cell_size = checks.positive_integer("cell_size", cell_size)
        self.sharpness = checks.in_range("sharpness", sharpness, 0, 1, "[)")
        self.fill_value = checks.number("fill_value", fill_value)
        orientations = np.arange(self.num_orientations)
        angles = 2 * np.pi * orientations / self.num_orientations
        filters = (
            np.cos(angles) * _SOBEL[..., None]
            + np.sin(angles) * _SOBEL.T[..., None]
        )  # (3, 3, orientations)
        kernel = np.einsum("yxo,dc->yxcdo", filters, OPPONENT_COLORS)
        self._kernel = kernel.reshape(3, 3, 3, -1).astype("float32")

    def build(self, input_shape):
        checks.shape("images", input_shape, ("batch", "height", "width", 3))
        self.built = True

    def call(self, images):
        checks.floats("images", images, "floats in [0, 1]")
        # A border of zeros is then a border of the background.
        x = images - self.fill_value
        x = ops.conv(
            x,
            ops.cast(self._kernel, x.dtype),
            padding="same",
            data_format="channels_last",
        )
        x = ops.relu(x)
        if self.sharpness:
            shape = ops.shape(x)
            x = ops.reshape(x, (-1, *shape[1:3], 3, self.num_orientations))
            strongest = ops.max(x, axis=-1, keepdims=True, initial=0.0)
            x = ops.relu(x - self.sharpness * strongest)
            x = ops.reshape(x, (-1, *shape[1:]))
        x = ops.average_pool(
            x,
            2 * self.cell_size,
            self.cell_size,
            padding="same",
            data_format="channels_last",
        )
        # The square root with a finite slope at zero.
        return ops.sqrt(x + 1e-4) - 1e-2

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        cells = [
            None if size is None else -(-size // self.cell_size)
            for size in (height, width)
        ]
        return (batch, *cells, 3 * self.num_orientations)
