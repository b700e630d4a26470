"""Bits, such as binarised images."""

import tensorflow as tf

from keras_xmodal import saving
from keras_xmodal.likelihoods.likelihood import (
    Likelihood,
    float32,
    import_tfd,
)


@saving.register
class Bernoulli(Likelihood):
    """Independent bits, given their logits: `x l - softplus(l)`.

    `parameters` are the logits, of the shape of the data. Grey values are
    refused by `check_support`: the Bernoulli probabilities of the values in
    [0, 1] do not integrate to 1, see `ContinuousBernoulli`.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        likelihood = kx.likelihoods.Bernoulli()
        x = np.ones((8, 784), "float32")
        logits = np.zeros((8, 784), "float32")
        print(likelihood.log_prob(x, logits))  # -784 log(2) = -543.4
        ```

    Reference:
        - Kingma & Welling, 2014, https://arxiv.org/abs/1312.6114, appendix C.1
    """

    support = "0 or 1 (`ContinuousBernoulli` takes values between)"

    def distribution(self, parameters):
        return import_tfd().Bernoulli(
            logits=float32(parameters), dtype=tf.float32
        )

    def element_log_prob(self, x, parameters):
        return x * parameters - tf.nn.softplus(parameters)

    def mean(self, parameters):
        return tf.sigmoid(float32(parameters))

    def mode(self, parameters):
        return tf.cast(self.mean(parameters) > 0.5, "float32")

    def _draw(self, parameters, seed):
        probs = self.mean(parameters)
        uniform = tf.random.stateless_uniform(tf.shape(probs), seed)
        return tf.cast(uniform < probs, "float32")

    def in_support(self, values):
        return (values == 0) | (values == 1)
