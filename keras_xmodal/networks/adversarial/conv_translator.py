"""Pictures, spectrograms and clips made of others, by convolutions."""

from collections.abc import Sequence

import keras

from keras_xmodal import checks
from keras_xmodal.networks.adversarial import convolutions
from keras_xmodal.saving import register


@register
class ConvTranslator(keras.Model):
    """Residual convolutions from a picture to one of the same size.

    A convolution, then the positions halved by averages from one stage to the
    next, residual blocks at the small grid, and back: each stage doubled by
    repetition, until a last convolution makes values of it. Any sizes come
    back as they were. For the generators of a `CycleGANModel`.

    There is no normalisation: blocks start at zero. An example does not depend
    on the others of its batch, and keeps what an instance normalisation would
    take from it, such as how light it is.

    Args:
        filters: Tuple of positive integers, the channels of each stage, from
            the picture to the small grid, and on the way back.
        num_blocks: Positive integer, residual blocks at the small grid.
        output_channels: Positive integer, channels of the output.
        activation: Activation of the output, `None` for none.
        dtype: Dtype policy of the layers, `None` for the global one. The
            output is float32 under each.
        **kwargs: `name` and `trainable`.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)` for pictures
            and spectrograms, `(batch, frames, height, width, channels)` for
            clips, or `(batch, length, channels)` for sequences.

    Returns:
        Float32 tensor of the shape of `inputs`, but for the channels.

    Raises:
        ValueError: If an argument is out of range, or the input has another
            rank or an unknown size.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        translator = kx.networks.ConvTranslator((8, 16), num_blocks=2)
        translator(np.zeros((2, 30, 20, 1))).shape  # (2, 30, 20, 3)
        ```

    Reference:
        - Zhu et al., 2017, https://arxiv.org/abs/1703.10593, section 7.2
        - Johnson et al., 2016, https://arxiv.org/abs/1603.08155
        - Odena et al., 2016, https://doi.org/10.23915/distill.00003
          (enlarging without a checkerboard)
    """

    def __init__(
        self,
        filters: Sequence[int] = (32, 64),
        num_blocks: int = 4,
        output_channels: int = 3,
        activation: str = "tanh",
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.filters = checks.positive_integers("filters", filters)
        self.num_blocks = checks.positive_integer("num_blocks", num_blocks)
        self.output_channels = checks.positive_integer(
            "output_channels", output_channels
        )
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        _check_shape(input_shape)
        policy = self.dtype_policy
        inputs = keras.Input(input_shape[1:], dtype=self.compute_dtype)
        x = convolutions.convolution(
            inputs, self.filters[0], 5, policy, "stage_0"
        )
        sizes = []
        for stage, channels in enumerate(self.filters[1:], 1):
            sizes.append(x.shape[1:-1])
            name = f"stage_{stage}"
            x = convolutions.activate(x, policy, f"{name}_activation")
            x = convolutions.convolution(
                x, channels, 3, policy, name, convolutions.ACTIVATED
            )
            x = convolutions.shrink(x, policy, name)
        for block in range(self.num_blocks):
            x = convolutions.residual_block(
                x, self.num_blocks, policy, f"block_{block}"
            )
        for stage in reversed(range(len(sizes))):
            name = f"back_{stage}"
            x = convolutions.activate(x, policy, f"{name}_activation")
            x = convolutions.convolution(
                convolutions.enlarge(x, sizes[stage]),
                self.filters[stage],
                3,
                policy,
                name,
                convolutions.ACTIVATED,
            )
        x = convolutions.activate(x, policy, "activation")
        # Last, so that its activation shows what range the values have.
        outputs = convolutions.convolution(
            x,
            self.output_channels,
            5,
            "float32",
            "output",
            activation=self.activation,
        )
        self.network = keras.Model(inputs, outputs, name="network")

    def call(self, inputs, training=False):
        return self.network(inputs, training=training)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.output_channels)

    def compute_output_spec(self, inputs, training=False):
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, "float32")


def _check_shape(shape):
    known = isinstance(shape[0], (int, type(None))) and None not in shape[1:]
    if not known or len(shape) not in (3, 4, 5):
        raise ValueError(
            "`inputs` must be pictures, clips or sequences of known sizes, "
            f"with the channels at the end. Received: shape {tuple(shape)}"
        )
