"""How real a vector is, by dense layers."""

from collections.abc import Sequence

import keras

from keras_xmodal.networks.adversarial.dense_network import DenseNetwork
from keras_xmodal.saving import register


@register
class DenseDiscriminator(DenseNetwork):
    """Dense layers from a vector, and a condition, to one logit.

    Args:
        hidden_units: Tuple of positive integers, sizes of the hidden layers.
        dtype: Dtype policy of the layers, `None` for the global one. The
            logit is float32 under each.
        **kwargs: `name` and `trainable`.

    Call arguments:
        inputs: Tensor of shape `(batch, dim)`, or a list of it and a condition
            of shape `(batch, condition_dim)`.

    Returns:
        Float32 tensor of shape `(batch, 1)`, a logit.

    Raises:
        ValueError: If a size is not positive.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        discriminator = kx.networks.DenseDiscriminator()
        target, condition = np.zeros((2, 8)), np.zeros((2, 32))
        discriminator([target, condition]).shape  # (2, 1)
        ```

    Reference:
        - Mirza and Osindero, 2014, https://arxiv.org/abs/1411.1784, figure 1
    """

    def __init__(
        self,
        hidden_units: Sequence[int] = (128, 64),
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        output_layer = keras.layers.Dense(1, dtype="float32", name="logit")
        super().__init__(
            hidden_units, "leaky_relu", output_layer, dtype=dtype, **kwargs
        )
