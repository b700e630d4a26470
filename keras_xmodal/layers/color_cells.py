"""Colours of a picture by place."""

import keras
import numpy as np
from keras import ops

from keras_xmodal import checks
from keras_xmodal.layers.oriented_gradients import OPPONENT_COLORS
from keras_xmodal.saving import register


@register
class ColorCells(keras.layers.Layer):
    """How dark, red, green, yellow and blue each cell is, without weights.

    What `OrientedGradients` leaves out: the colour of the areas between the
    edges, averaged over the same overlapping cells. White is nothing of all.

    Args:
        cell_size: Positive integer, distance of the cells in pixels; each
            covers twice that much.
        **kwargs: Further arguments of `keras.layers.Layer`.

    Call arguments:
        images: Float tensor of shape `(batch, height, width, 3)` in [0, 1].

    Returns:
        Tensor of shape `(batch, height / cell_size, width / cell_size, 5)`,
        quotients rounded up, values from 0 to 1.

    Raises:
        TypeError: If the images are not of floats.
        ValueError: If `cell_size` is not positive or the images have another
            shape.
    """

    def __init__(self, cell_size: int = 4, **kwargs):
        super().__init__(**kwargs)
        self.cell_size = checks.positive_integer("cell_size", cell_size)
        # Darkness, red, yellow; then green and blue, the opposites.
        self._colors = np.concatenate(
            [OPPONENT_COLORS, -OPPONENT_COLORS[1:]]
        ).T  # (3, 5)

    def build(self, input_shape):
        checks.shape("images", input_shape, ("batch", "height", "width", 3))
        self.built = True

    def call(self, images):
        checks.floats("images", images, "floats in [0, 1]")
        ink = 1.0 - images
        x = ops.relu(ops.matmul(ink, ops.cast(self._colors, ink.dtype)))
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
        return (batch, *cells, 5)
