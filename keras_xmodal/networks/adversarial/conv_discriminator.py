"""How real a picture, spectrogram or clip is, by convolutions."""

from collections.abc import Sequence

import keras

from keras_xmodal import checks
from keras_xmodal.layers import MinibatchStandardDeviation, ProjectionLogit
from keras_xmodal.networks.adversarial import convolutions
from keras_xmodal.saving import register


@register
class ConvDiscriminator(keras.Model):
    """Residual convolutions from a picture, and a condition, to one logit.

    The mirror of `ConvGenerator`: a convolution with stride 2, then stages of
    residual blocks, the positions halved from one to the next by averages, then
    a dense layer and the logit. Where there is a condition, the logit says how
    well the picture fits it, too; its scale is taken care of as there. There is
    no normalisation of features, and second derivatives are right, for
    penalties on the gradient.

    Args:
        filters: Tuple of positive integers, the channels of each stage, from
            the picture to the small grid.
        num_blocks: Positive integer, residual blocks in each stage.
        minibatch_deviation: Whether the dense layer sees how much the examples
            of a batch differ, by `MinibatchStandardDeviation`.
        dtype: Dtype policy of the layers, `None` for the global one. The
            logit is float32 under each.
        **kwargs: `name` and `trainable`.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)` for pictures
            and spectrograms, `(batch, frames, height, width, channels)` for
            clips, or `(batch, length, channels)` for sequences; or a list of
            it and a condition of shape `(batch, condition_dim)`.

    Returns:
        Float32 tensor of shape `(batch, 1)`, a logit.

    Raises:
        ValueError: If an argument is out of range, or an input has another
            rank or an unknown size.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        discriminator = kx.networks.ConvDiscriminator(filters=(16, 32))
        images, condition = np.zeros((2, 28, 28, 1)), np.zeros((2, 10))
        discriminator([images, condition]).shape  # (2, 1)
        ```

    Reference:
        - Huang et al., 2024, https://arxiv.org/abs/2501.05441, section 4
        - Miyato and Koyama, 2018, https://arxiv.org/abs/1802.05637
    """

    def __init__(
        self,
        filters: Sequence[int] = (32, 64, 128),
        num_blocks: int = 1,
        minibatch_deviation: bool = False,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.filters = checks.positive_integers("filters", filters)
        self.num_blocks = checks.positive_integer("num_blocks", num_blocks)
        self.minibatch_deviation = checks.boolean(
            "minibatch_deviation", minibatch_deviation
        )

    def build(self, input_shape):
        shapes = convolutions.split_shapes(input_shape)
        _check_shapes(shapes)
        policy = self.dtype_policy
        inputs = [
            keras.Input(shape[1:], dtype=self.compute_dtype) for shape in shapes
        ]
        x = inputs[0]
        for stage, channels in enumerate(self.filters):
            name = f"stage_{stage}"
            if stage == 0:
                x = convolutions.convolution(
                    x, channels, 4, policy, name, strides=2
                )
            else:
                x = convolutions.shrink(x, policy, name)
                if x.shape[-1] != channels:
                    x = convolutions.convolution(x, channels, 1, policy, name)
            for block in range(self.num_blocks):
                x = convolutions.residual_block(
                    x,
                    len(self.filters) * self.num_blocks,
                    policy,
                    f"{name}_block_{block}",
                )
        if self.minibatch_deviation:
            x = MinibatchStandardDeviation(
                dtype=policy, name="minibatch_deviation"
            )(x)
        x = convolutions.activate(x, policy, "activation")
        x = keras.layers.Flatten(data_format="channels_last", dtype=policy)(x)
        x = convolutions.dense(
            x, self.filters[-1], policy, "features", convolutions.ACTIVATED
        )
        x = convolutions.activate(x, policy, "features_activation")
        if len(inputs) > 1:
            logit = ProjectionLogit(dtype=policy, name="logit")
            condition = convolutions.scale_condition(inputs[1])
            outputs = logit([x, condition])
        else:
            outputs = keras.layers.Dense(1, dtype="float32", name="logit")(x)
            inputs = inputs[0]
        self.network = keras.Model(inputs, outputs, name="network")

    def call(self, inputs, training=False):
        return self.network(inputs, training=training)

    def compute_output_shape(self, input_shape):
        return (convolutions.split_shapes(input_shape)[0][0], 1)

    def compute_output_spec(self, inputs, training=False):
        batch = keras.tree.flatten(inputs)[0].shape[0]
        return keras.KerasTensor((batch, 1), "float32")


def _check_shapes(shapes):
    known = all(None not in shape[1:] for shape in shapes)
    fits = len(shapes[0]) in (3, 4, 5) and len(shapes) <= 2
    if not known or not fits or any(len(shape) != 2 for shape in shapes[1:]):
        raise ValueError(
            "`inputs` must be pictures, clips or sequences of known sizes, "
            "with the channels at the end, or a list of them and a condition "
            f"of shape (batch, dim). Received: shapes {shapes}"
        )
