"""Real values with Gaussian noise whose scale the decoder learns."""

import tensorflow as tf

from keras_xmodal import saving
from keras_xmodal.likelihoods.likelihood import (
    Likelihood,
    doubled_last_axis,
    halves,
    import_tfd,
    log_scale_bounds,
)
from keras_xmodal.likelihoods.normal import draw_normal, normal_log_prob


@saving.register
class HeteroscedasticNormal(Likelihood):
    """Independent real values, each with a mean and a scale of its own.

    `parameters` are the means and the log-scales, joined in that order on
    the last axis: a decoder of images `(28, 28, 1)` returns `(28, 28, 2)`.

    Args:
        min_log_scale: Float, what smaller log-scales are raised to. It
            bounds the density where a pixel can be predicted exactly.
        max_log_scale: Float, what larger log-scales are lowered to.

    Raises:
        ValueError: If the bounds are not in order.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        likelihood = kx.likelihoods.HeteroscedasticNormal()
        print(likelihood.parameter_shape((32,)))  # (64,)
        x = np.zeros((8, 32), "float32")
        print(likelihood.log_prob(x, np.zeros((8, 64), "float32")))  # -29.4
        ```

    Reference:
        - Kingma & Welling, 2014, https://arxiv.org/abs/1312.6114, appendix C.2
    """

    def __init__(self, min_log_scale: float = -6.0, max_log_scale: float = 6.0):
        self.min_log_scale, self.max_log_scale = log_scale_bounds(
            min_log_scale, max_log_scale
        )

    def parameter_shape(self, event_shape):
        return doubled_last_axis(event_shape)

    def element_log_prob(self, x, parameters):
        return normal_log_prob(x, *self._split(parameters))

    def mean(self, parameters):
        return self._split(parameters)[0]

    def mode(self, parameters):
        return self.mean(parameters)

    def _draw(self, parameters, seed):
        return draw_normal(*self._split(parameters), seed)

    def _split(self, parameters):
        """Means and bounded scales, of the shape of the data."""
        mean, log_scale = halves(parameters)
        log_scale = tf.clip_by_value(
            log_scale, self.min_log_scale, self.max_log_scale
        )
        return mean, tf.exp(log_scale)

    def distribution(self, parameters):
        return import_tfd().Normal(*self._split(parameters))
