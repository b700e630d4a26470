"""Real values with Gaussian noise of the scale that fits the batch best."""

import tensorflow as tf

from keras_xmodal import checks, saving
from keras_xmodal.likelihoods.likelihood import Likelihood, float32, per_row
from keras_xmodal.likelihoods.normal import normal_log_prob


@saving.register
class CalibratedNormal(Likelihood):
    """Normal noise of one scale, the root mean squared error of the batch.

    The optimal sigma-VAE: of all scales that the elements of a batch may
    share, this one makes the batch most probable, and no weight between
    reconstruction and KL divergence has to be tuned. `parameters` are the
    means, of the shape of the data.

    The scale is held constant in the gradient. At the optimum that changes
    nothing, for the derivative by the scale is 0 there.

    The log-probability of a row depends on its batch. For samples, and for
    log-likelihoods that may be compared, fix the scale after training, with
    `Normal(float(likelihood.scale(x, parameters)))`.

    Args:
        min_scale: Float > 0, the smallest scale, in units of the data.

    Raises:
        ValueError: If `min_scale` is not positive.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        likelihood = kx.likelihoods.CalibratedNormal()
        x = np.random.default_rng(0).normal(size=(64, 32))
        print(likelihood.scale(x, 0 * x))  # about 1
        print(likelihood.log_prob(x, 0 * x).shape)
        ```

    Reference:
        - Rybkin et al., 2021, https://arxiv.org/abs/2006.13202, optimal
          sigma-VAE
    """

    def __init__(self, min_scale: float = 1e-3):
        self.min_scale = checks.positive("min_scale", min_scale)

    def scale(self, x, parameters, missing=None):
        """Root mean squared error over batch, elements and samples.

        Args:
            x: Tensor of shape `(batch, *event_shape)`.
            parameters: Tensor of shape `(..., batch, *event_shape)`.
            missing: Optional boolean tensor of shape `(batch,)`; rows that
                do not count.

        Returns:
            Float32 scalar, at least `min_scale`.
        """
        return self._scale(*self._prepare(x, parameters, missing), missing)

    def log_prob(self, x, parameters, missing=None):
        x, mean = self._prepare(x, parameters, missing)
        scale = self._scale(x, mean, missing)
        log_probs = normal_log_prob(x, mean, scale)
        return self._sum_event(log_probs, x, missing)

    def _scale(self, x, mean, missing):
        errors = tf.square(x - mean)  # (..., batch, *event_shape)
        present = 1.0
        if missing is not None:
            missing = per_row(missing, x)
            errors = tf.where(missing, 0.0, errors)
            present = 1.0 - tf.reduce_mean(tf.cast(missing, "float32"))
        variance = tf.math.divide_no_nan(tf.reduce_mean(errors), present)
        return tf.stop_gradient(tf.maximum(tf.sqrt(variance), self.min_scale))

    def mean(self, parameters):
        return float32(parameters)

    def mode(self, parameters):
        return float32(parameters)

    def distribution(self, parameters):
        raise NotImplementedError(
            "The scale of `CalibratedNormal` comes from data, so that there "
            "is no distribution without it. Fix the scale: "
            "`Normal(float(likelihood.scale(x, parameters)))`"
        )
