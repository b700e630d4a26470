"""How much the examples of a batch differ, as a feature of each."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.saving import register


@register
class MinibatchStandardDeviation(keras.layers.Layer):
    """Append a feature: the standard deviation over a group of examples.

    The deviation of each feature over the group, averaged over features and
    positions, is one number that all examples of the group get. A discriminator
    sees by it when a generator makes one thing only. The logit of an example
    then depends on its group; a penalty on the gradient of the sum of logits
    counts these dependencies too, as its authors' code does.

    Args:
        group_size: Integer, at least 2, examples of one group. A smaller batch
            is one group. The last group, where the batch is no multiple, is
            filled up with the first examples.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        x: Tensor of shape `(batch, ..., channels)`: vectors, images or clips.
            The batch must hold two examples at least: one alone has no
            deviation.

    Returns:
        Tensor of shape `(batch, ..., channels + 1)`.

    Raises:
        ValueError: If `group_size` is less than 2, or the input has no
            channels.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        layer = kx.layers.MinibatchStandardDeviation()
        layer(np.ones((8, 4, 4, 16))).shape  # (8, 4, 4, 17)
        ```

    Reference:
        - Karras et al., 2018, https://arxiv.org/abs/1710.10196, section 3
    """

    # An example alone tells nothing, and the model refuses batches of one.
    batch_statistics = True

    def __init__(self, group_size: int = 4, **kwargs):
        super().__init__(**kwargs)
        self.group_size = checks.integer("group_size", group_size, least=2)

    def build(self, input_shape):
        checks.shape("x", input_shape, ("batch", ..., "channels"))
        self.built = True

    def call(self, x):
        # Squares of half precision overflow.
        values = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
        batch = ops.shape(x)[0]
        size = ops.minimum(batch, self.group_size)
        count = (batch + size - 1) // size
        values = ops.concatenate([values, values[: count * size - batch]])
        values = ops.reshape(values, (count, size, *ops.shape(x)[1:]))
        variance = ops.var(values, axis=1)  # (groups, ..., channels)
        deviation = ops.mean(
            ops.sqrt(variance + 1e-8),
            axis=list(range(1, len(x.shape))),
            keepdims=True,
        )  # (groups, ..., 1)
        deviation = ops.expand_dims(deviation, 1)
        ones = ops.ones_like(values[..., :1])  # (groups, size, ..., 1)
        deviation = ops.reshape(
            deviation * ones, (count * size, *ops.shape(x)[1:-1], 1)
        )[:batch]
        return ops.concatenate([x, ops.cast(deviation, x.dtype)], axis=-1)

    def compute_output_shape(self, input_shape):
        channels = input_shape[-1]
        return (*input_shape[:-1], None if channels is None else channels + 1)
