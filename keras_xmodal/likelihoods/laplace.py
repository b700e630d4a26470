"""Real values with heavier tails than a normal distribution."""

import math

import numpy as np
import tensorflow as tf

from keras_xmodal import checks, saving
from keras_xmodal.likelihoods.likelihood import (
    Likelihood,
    float32,
    import_tfd,
)


@saving.register
class Laplace(Likelihood):
    """Independent real values, Laplace around the decoder's output.

    `parameters` are the locations, of the shape of the data. The absolute
    error counts `1 / scale`, so that outliers pull less than under `Normal`.

    Args:
        scale: Float > 0, in units of the data. The default is that of the
            multimodal VAE literature, for images in [0, 1].

    Raises:
        ValueError: If `scale` is not positive.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        likelihood = kx.likelihoods.Laplace()
        x = np.zeros((8, 32), "float32")
        print(likelihood.log_prob(x, x))  # -32 log(2 * 0.75) = -12.97
        ```

    Reference:
        - Shi et al., 2019, https://arxiv.org/abs/1911.03393
    """

    def __init__(self, scale: float = 0.75):
        self.scale = checks.positive("scale", scale)

    def element_log_prob(self, x, parameters):
        scale = tf.convert_to_tensor(self.scale, "float32")
        distance = tf.abs((x - parameters) / scale)
        return -distance - math.log(2) - tf.math.log(scale)

    def mean(self, parameters):
        return float32(parameters)

    def mode(self, parameters):
        return float32(parameters)

    def _draw(self, parameters, seed):
        location = float32(parameters)
        # Open at -1, whose logarithm below would be infinite.
        lowest = np.nextafter(np.float32(-1), np.float32(1))
        uniform = tf.random.stateless_uniform(
            tf.shape(location), seed, lowest, 1.0
        )
        noise = tf.sign(uniform) * tf.math.log1p(-tf.abs(uniform))
        return location - self.scale * noise

    def distribution(self, parameters):
        return import_tfd().Laplace(float32(parameters), self.scale)
