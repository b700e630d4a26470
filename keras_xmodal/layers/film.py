"""Features modulated by a condition."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.saving import register


@register
class FiLM(keras.layers.Layer):
    """Scale and shift features: `(1 + gamma(c)) * x + beta(c)`.

    `gamma` and `beta`, one of each for every channel, are an affine map of the
    condition that starts at zero: at first the layer passes `x` on.

    A normalisation followed by it is a conditional normalisation; let it have
    no scale and shift of its own, such as
    `keras.layers.GroupNormalization(8, center=False, scale=False)`.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: List `[x, condition]` of a tensor of shape
            `(batch, ..., channels)` and one of shape `(batch, dim)`.

    Returns:
        Tensor of the shape of `x`.

    Raises:
        ValueError: If the inputs are not two tensors of such shapes.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        x, condition = np.ones((2, 8, 8, 16)), np.ones((2, 5))
        kx.layers.FiLM()([x, condition]).shape  # (2, 8, 8, 16)
        ```

    Reference:
        - Perez et al., 2018, https://arxiv.org/abs/1709.07871, eq. 2
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def build(self, input_shape):
        x_shape, condition_shape = checks.shapes(
            "inputs",
            input_shape,
            known=("channels", "dim"),
            x=("batch", ..., "channels"),
            condition=("batch", "dim"),
        )
        self.modulation = keras.layers.Dense(
            2 * x_shape[-1],
            kernel_initializer="zeros",
            dtype=self.dtype_policy,
            name="modulation",
        )
        self.modulation.build(condition_shape)
        self.built = True

    def call(self, inputs):
        x, condition = inputs
        channels = x.shape[-1]
        shape = (-1, *[1] * (len(x.shape) - 2), channels)
        gamma, beta = ops.split(self.modulation(condition), 2, axis=-1)
        return x * (1 + ops.reshape(gamma, shape)) + ops.reshape(beta, shape)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])
