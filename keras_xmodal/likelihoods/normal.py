"""Real values with Gaussian noise of a given scale."""

import math

import tensorflow as tf

from keras_xmodal import checks, saving
from keras_xmodal.likelihoods.likelihood import (
    Likelihood,
    float32,
    import_tfd,
)


@saving.register
class Normal(Likelihood):
    """Independent real values, normal around the decoder's output.

    `parameters` are the means, of the shape of the data. The squared error
    counts `1 / (2 scale^2)`: the smaller the scale, the more a model spends
    on reconstruction. `CalibratedNormal` finds the scale from the data,
    `HeteroscedasticNormal` learns one for each element.

    Args:
        scale: Float > 0, the standard deviation, in units of the data.

    Raises:
        ValueError: If `scale` is not positive.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        likelihood = kx.likelihoods.Normal(scale=0.1)
        x = np.zeros((8, 32), "float32")
        print(likelihood.log_prob(x, x))  # 32 * (log(10) - 0.919) = 44.3
        ```

    Reference:
        - Kingma & Welling, 2014, https://arxiv.org/abs/1312.6114, appendix C.2
    """

    def __init__(self, scale: float = 1.0):
        self.scale = checks.positive("scale", scale)

    def element_log_prob(self, x, parameters):
        return normal_log_prob(x, parameters, self.scale)

    def mean(self, parameters):
        return float32(parameters)

    def mode(self, parameters):
        return float32(parameters)

    def _draw(self, parameters, seed):
        return draw_normal(float32(parameters), self.scale, seed)

    def distribution(self, parameters):
        return import_tfd().Normal(float32(parameters), self.scale)


def normal_log_prob(x, mean, scale):
    """Log-density of each element."""
    scale = tf.convert_to_tensor(scale, "float32")
    distance = tf.math.squared_difference(x / scale, mean / scale)
    return -0.5 * distance - (0.5 * math.log(2 * math.pi) + tf.math.log(scale))


def draw_normal(mean, scale, seed):
    """One draw for each element, of a pair of integers."""
    return tf.random.stateless_normal(tf.shape(mean), seed) * scale + mean
