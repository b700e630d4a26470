"""How real features are, given a condition."""

import math

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.saving import register


@register
class ProjectionLogit(keras.layers.Layer):
    """Logit of features and how well they fit a condition.

    The head of a projection discriminator, `w h + b + <V c, h> / sqrt(d)` for
    features `h` of size `d` and a condition `c`: the first part says how real
    the features are, the inner product how well they fit. Both parts have one
    size at first for conditions of norm 1, such as classes as one-hot vectors
    or normalised embeddings; with much smaller conditions they are learned
    late, with much larger ones they drown the first part. The maths is float32
    under every dtype policy.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: List `[features, condition]` of tensors of shapes `(batch, d)`
            and `(batch, dim)`.

    Returns:
        Float32 tensor of shape `(batch, 1)`.

    Raises:
        ValueError: If the inputs are not two vectors for each example.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        features, condition = np.ones((2, 16)), np.ones((2, 5))
        kx.layers.ProjectionLogit()([features, condition]).shape  # (2, 1)
        ```

    Reference:
        - Miyato and Koyama, 2018, https://arxiv.org/abs/1802.05637, eq. 10
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def build(self, input_shape):
        features_shape, condition_shape = checks.shapes(
            "inputs",
            input_shape,
            known=("d", "dim"),
            features=("batch", "d"),
            condition=("batch", "dim"),
        )
        self.logit = keras.layers.Dense(1, dtype="float32", name="logit")
        self.projection = keras.layers.Dense(
            features_shape[-1],
            use_bias=False,
            kernel_initializer=keras.initializers.RandomNormal(stddev=1.0),
            dtype="float32",
            name="projection",
        )
        self.logit.build(features_shape)
        self.projection.build(condition_shape)
        self.built = True

    def call(self, inputs):
        features, condition = (ops.cast(x, "float32") for x in inputs)
        fit = ops.sum(
            self.projection(condition) * features, axis=-1, keepdims=True
        )
        return self.logit(features) + fit / math.sqrt(features.shape[-1])

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((inputs[0].shape[0], 1), "float32")
