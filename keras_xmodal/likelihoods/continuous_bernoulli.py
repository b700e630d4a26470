"""Intensities in [0, 1], such as grey images."""

import tensorflow as tf

from keras_xmodal import saving
from keras_xmodal.likelihoods.likelihood import Likelihood, float32


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
        from tensorflow_probability import distributions as tfd

        return tfd.ContinuousBernoulli(logits=float32(parameters))

    def element_log_prob(self, x, parameters):
        return (x - 0.5) * parameters - _log_sinhc(0.5 * tf.abs(parameters))

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
