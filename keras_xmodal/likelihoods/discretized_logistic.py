"""Grey levels in [0, 1], such as the 256 of an image in bytes."""

import numpy as np
import tensorflow as tf

from keras_xmodal import checks, saving
from keras_xmodal.likelihoods.likelihood import (
    Likelihood,
    doubled_last_axis,
    float32,
    halves,
    import_tfd,
    log_scale_bounds,
)


@saving.register
class DiscretizedLogistic(Likelihood):
    """Independent levels, each the part of a logistic that rounds to it.

    The probability of a level is the mass of a logistic distribution in the
    bin around it; the bins of 0 and 1 reach to infinity. It is a
    probability, not a density, so that results are comparable in bits per
    dimension. `x` is rounded to the nearest level.

    `parameters` are the locations, in units of the data, and the log-scales,
    joined in that order on the last axis: a decoder of images `(32, 32, 3)`
    returns `(32, 32, 6)`. `mean` ignores the rounding to levels, which moves
    it by less than half a level.

    Args:
        num_levels: Integer > 1, the levels, evenly spaced from 0 to 1.
        min_log_scale: Float, what smaller log-scales are raised to.
        max_log_scale: Float, what larger log-scales are lowered to.

    Raises:
        ValueError: If there are fewer than two levels, or the bounds are not
            in order.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        likelihood = kx.likelihoods.DiscretizedLogistic()
        x = np.full((8, 32, 32, 3), 128 / 255, "float32")
        location = np.full(x.shape, 0.5, "float32")
        log_scale = np.full(x.shape, -3.0, "float32")
        parameters = np.concatenate([location, log_scale], axis=-1)
        bits = -likelihood.log_prob(x, parameters) / (x[0].size * np.log(2))
        print(bits)  # 5.67
        ```

    Reference:
        - Kingma et al., 2016, https://arxiv.org/abs/1606.04934
        - Salimans et al., 2017, https://arxiv.org/abs/1701.05517, eq. 2
    """

    support = "in [0, 1]"

    def __init__(
        self,
        num_levels: int = 256,
        min_log_scale: float = -7.0,
        max_log_scale: float = 7.0,
    ):
        self.num_levels = checks.integer("num_levels", num_levels, least=2)
        self.min_log_scale, self.max_log_scale = log_scale_bounds(
            min_log_scale, max_log_scale
        )

    def parameter_shape(self, event_shape):
        return doubled_last_axis(event_shape)

    def distribution(self, parameters):
        """The distribution of the levels, numbered from 0.

        Args:
            parameters: Tensor of shape `(..., batch, *parameter_shape)`.

        Returns:
            `tfp.distributions.QuantizedDistribution` of batch shape
            `(..., batch, *event_shape)`.
        """
        tfd = import_tfd()

        location, log_scale = self._split(parameters)
        top = self.num_levels - 1.0
        # TFP rounds up; half a level less makes that the nearest.
        logistic = tfd.Logistic(top * location - 0.5, top * tf.exp(log_scale))
        return tfd.QuantizedDistribution(logistic, low=0.0, high=top)

    def element_log_prob(self, x, parameters):
        location, log_scale = self._split(parameters)
        inverse_scale = tf.exp(-log_scale)
        top = self.num_levels - 1.0
        x = tf.round(top * x) / top
        half = 0.5 / top
        # sigmoid(b) - sigmoid(a) = (1 - exp(a - b)) sigmoid(b) sigmoid(-a)
        below = -tf.nn.softplus((location - x - half) * inverse_scale)
        above = -tf.nn.softplus((x - half - location) * inverse_scale)
        width = tf.math.log(-tf.math.expm1(-inverse_scale / top))
        inner = below + above + width
        return tf.where(x < half, below, tf.where(x > 1 - half, above, inner))

    def mean(self, parameters):
        location, log_scale = self._split(parameters)
        scale = tf.exp(log_scale)
        # The integral over [0, 1] of the probability to exceed each value.
        at_least = tf.nn.softplus(location / scale)
        return scale * (at_least - tf.nn.softplus((location - 1.0) / scale))

    def mode(self, parameters):
        parameters = float32(parameters)
        location, _ = self._split(parameters)
        top = self.num_levels - 1.0
        nearest = tf.round(top * tf.clip_by_value(location, 0.0, 1.0)) / top
        # The tails of a wide distribution make an edge more probable.
        zero, one = tf.zeros_like(nearest), tf.ones_like(nearest)
        levels = tf.stack([nearest, zero, one])  # (3, ..., *event_shape)
        best = tf.argmax(self.element_log_prob(levels, parameters), axis=0)
        return tf.where(best == 0, nearest, tf.where(best == 1, zero, one))

    def sample(self, parameters, seed=None):
        return super().sample(parameters, seed) / (self.num_levels - 1.0)

    def _draw(self, parameters, seed):
        """Levels, numbered from 0: a logistic draw, rounded and clipped."""
        location, log_scale = self._split(parameters)
        top = self.num_levels - 1.0
        uniform = tf.random.stateless_uniform(
            tf.shape(location), seed, np.finfo("float32").tiny, 1.0
        )
        noise = tf.math.log(uniform) - tf.math.log1p(-uniform)
        drawn = noise * (top * tf.exp(log_scale)) + (top * location - 0.5)
        return tf.clip_by_value(tf.math.ceil(drawn), 0.0, top)

    def in_support(self, values):
        return (values >= 0) & (values <= 1)

    def _split(self, parameters):
        """Locations and bounded log-scales, of the shape of the data."""
        location, log_scale = halves(parameters)
        return location, tf.clip_by_value(
            log_scale, self.min_log_scale, self.max_log_scale
        )
