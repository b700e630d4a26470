"""The learned temperature and bias of contrastive logits."""

import math

import keras
from keras import ops

from keras_xmodal import checks, saving

MAX_LOG_SCALE = math.log(100.0)


@saving.register
class ClipLogScale(keras.constraints.Constraint):
    """Keep the logarithm of the scale in `[0, max_log_scale]`.

    Args:
        max_log_scale: Float, by default ln 100.

    Reference:
        - Radford et al., 2021, https://arxiv.org/abs/2103.00020, section 2.5
    """

    def __init__(self, max_log_scale: float = MAX_LOG_SCALE):
        self.max_log_scale = max_log_scale

    def __call__(self, w):
        return ops.clip(w, 0.0, self.max_log_scale)


@saving.register
class LogitScale(keras.layers.Layer):
    """Turn similarities into logits: `similarity / temperature + bias`.

    The scale `1 / temperature` is learned as its logarithm, in float32 under
    every dtype policy, and kept in `[1, 100]` after each update. A start above
    100, as of SigLIP's weights, is the largest scale itself.

    Args:
        temperature: Float in `[0.001, 1]`, the start of the temperature.
        bias: Float, the start of the bias. A softmax loss does not see it.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        similarities: Tensor of shape `(...)`, usually cosines.

    Returns:
        Float32 tensor of the shape of `similarities`.

    Raises:
        ValueError: If `temperature` is outside `[0.001, 1]`.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        layer = kx.layers.LogitScale(temperature=0.1, bias=-10.0)
        print(layer(np.array([[1.0, 0.0]])))  # [[0, -10]]
        ```

    Reference:
        - Radford et al., 2021, https://arxiv.org/abs/2103.00020, section 2.3
        - Zhai et al., 2023, https://arxiv.org/abs/2303.15343, section 3.2
    """

    def __init__(self, temperature: float = 0.07, bias: float = 0.0, **kwargs):
        # Half a digit of cosine is lost if Keras casts inputs to float16.
        super().__init__(autocast=False, **kwargs)
        self.temperature = _check(temperature)
        self.bias = checks.number("bias", bias)
        self.log_scale = self._scalar(
            "log_scale",
            -math.log(self.temperature),
            ClipLogScale(self._max_log_scale()),
        )
        self.logit_bias = self._scalar("logit_bias", self.bias)
        self.built = True

    def _scalar(self, name, value, constraint=None):
        return self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(value),
            dtype="float32",
            autocast=False,
            constraint=constraint,
            name=name,
        )

    def _max_log_scale(self):
        return max(MAX_LOG_SCALE, -math.log(self.temperature))

    def restart(self, temperature, bias):
        """Move an untrained start elsewhere; keep what was learned.

        Args:
            temperature: Float in `[0.001, 1]`.
            bias: Float.
        """
        temperature = _check(temperature)
        bias = checks.number("bias", bias)
        log_scale, logit_bias = (
            float(ops.convert_to_numpy(variable))
            for variable in (self.log_scale, self.logit_bias)
        )
        untrained = math.isclose(
            log_scale, -math.log(self.temperature), abs_tol=1e-6
        ) and math.isclose(logit_bias, self.bias, abs_tol=1e-6)
        if untrained:
            self.temperature, self.bias = temperature, bias
            self.log_scale.constraint.max_log_scale = self._max_log_scale()
            self.log_scale.assign(-math.log(self.temperature))
            self.logit_bias.assign(self.bias)

    @property
    def scale(self):
        """What similarities are multiplied by: `1 / temperature`."""
        return ops.exp(self.log_scale)

    def call(self, similarities):
        similarities = ops.cast(similarities, "float32")
        return similarities * self.scale + self.logit_bias

    def compute_output_spec(self, similarities):
        return keras.KerasTensor(similarities.shape, "float32")


def _check(temperature):
    return checks.in_range("temperature", temperature, 0.001, 1)
