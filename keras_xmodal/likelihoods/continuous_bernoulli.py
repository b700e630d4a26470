"""Intensities in [0, 1], such as grey images."""

import math

import numpy as np
import tensorflow as tf

from keras_xmodal import saving
from keras_xmodal.likelihoods.likelihood import (
    Likelihood,
    float32,
    import_tfd,
)

# Logits between which, and below which, a series of the mean is exact.
_EPSILON = np.finfo("float32").eps
_NEAR = np.power(_EPSILON * 30240, 1 / 5)
_FAR = -np.log(_EPSILON)


@saving.register
class ContinuousBernoulli(Likelihood):
    """Intensities in [0, 1] with density proportional to `exp(l x)`.

    `parameters` are the logits `l`, of the shape of the data. The
    log-density is `(x - 1/2) l - log(sinh(l / 2) / (l / 2))`, which is the
    Bernoulli term plus the log-normaliser of the paper, in one. It is 0
    everywhere at logits of 0. The mean is not `sigmoid(l)`: use `mean`.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        likelihood = kx.likelihoods.ContinuousBernoulli()
        logits = np.array([[-4.0, 0.0, 4.0]], "float32")
        print(likelihood.mean(logits))  # 0.23, 0.5, 0.77
        ```

    Reference:
        - Loaiza-Ganem & Cunningham, 2019, https://arxiv.org/abs/1907.06845
    """

    support = "in [0, 1]"

    def distribution(self, parameters):
        return import_tfd().ContinuousBernoulli(logits=float32(parameters))

    def element_log_prob(self, x, parameters):
        return (x - 0.5) * parameters - _log_sinhc(0.5 * tf.abs(parameters))

    def mean(self, parameters):
        logits = float32(parameters)
        far = logits <= -_FAR
        exact = (tf.abs(logits) > _NEAR) & ~far
        series = 0.5 + logits / 12 - logits * tf.square(logits) / 720
        safe = tf.where(exact, logits, 1.0)
        mean = -(
            tf.math.reciprocal(tf.math.expm1(-safe)) + tf.math.reciprocal(safe)
        )
        # Far below 0, the gradient of the exact form is NaN.
        limit = -tf.math.reciprocal(tf.where(far, logits, 1.0))
        return tf.where(far, limit, tf.where(exact, mean, series))

    def mode(self, parameters):
        return tf.cast(tf.sigmoid(float32(parameters)) > 0.5, "float32")

    def _draw(self, parameters, seed):
        """The quantile of a uniform draw, from the end that it is near to."""
        logits = float32(parameters)
        uniform = tf.random.stateless_uniform(tf.shape(logits), seed)
        low = tf.where(logits < 0, logits, -1.0)
        from_zero = tf.math.log1p(tf.math.expm1(low) * uniform) / low
        high = tf.where(logits > 0, logits, 1.0)
        log_part = tf.math.log(uniform) + _log1mexp(high)
        from_one = 1.0 + _log_add_exp(log_part, -high) / high
        drawn = tf.where(logits > 0, from_one, from_zero)
        return tf.where(logits == 0, uniform, drawn)

    def in_support(self, values):
        return (values >= 0) & (values <= 1)


def _log_sinhc(h):
    """`log(sinh(h) / h)` for h >= 0, smooth at 0."""
    small = h < 0.25
    square = tf.square(h)
    # Near 0, the gradient of the exact form cancels.
    series = square * (1 / 6 - square * (1 / 180 - square / 2835))
    safe = tf.where(small, 1.0, h)
    exact = safe + tf.math.log1p(-tf.exp(-2.0 * safe)) - tf.math.log(2.0 * safe)
    return tf.where(small, series, exact)


def _log1mexp(x):
    """`log(1 - exp(-x))` for x > 0."""
    near = tf.math.log(-tf.math.expm1(-x))
    return tf.where(x < math.log(2), near, tf.math.log1p(-tf.exp(-x)))


def _log_add_exp(x, y):
    """`log(exp(x) + exp(y))`."""
    larger = tf.maximum(x, y)
    return larger + tf.math.softplus((x - larger) + (y - larger))
