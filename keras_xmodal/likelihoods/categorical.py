"""Class ids, such as labels or quantised codes."""

import tensorflow as tf

from keras_xmodal import checks, saving
from keras_xmodal.likelihoods.likelihood import (
    Likelihood,
    float32,
    import_tfd,
)


@saving.register
class Categorical(Likelihood):
    """Independent class ids, given the logits of the classes.

    Data are integer ids of any shape, often `()`: one label for each
    example. `parameters` are the logits, with the classes on one more axis
    at the end. `mean` gives the probabilities of the classes, which is the
    expected one-hot vector; `mode` gives the most probable ids.

    Args:
        num_classes: Integer > 0; ids are from 0 to `num_classes - 1`.

    Raises:
        ValueError: If `num_classes` is not a positive integer.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        likelihood = kx.likelihoods.Categorical(num_classes=10)
        print(likelihood.parameter_shape(()))  # (10,)
        logits = np.zeros((8, 10), "float32")
        print(likelihood.log_prob(np.arange(8), logits))  # -log(10) = -2.30
        ```

    Reference:
        - Wu & Goodman, 2018, https://arxiv.org/abs/1802.05335, labels as a
          modality
    """

    data_dtype = "int32"

    def __init__(self, num_classes: int):
        self.num_classes = checks.positive_integer("num_classes", num_classes)

    @property
    def support(self):
        return f"integer ids from 0 to {self.num_classes - 1}"

    def parameter_shape(self, event_shape):
        return (*event_shape, self.num_classes)

    def distribution(self, parameters):
        return import_tfd().Categorical(logits=float32(parameters))

    def element_log_prob(self, x, parameters):
        checks.known_values("x", x, 0, self.num_classes - 1)
        ids = tf.broadcast_to(x, tf.shape(parameters)[:-1])
        chosen = tf.gather(
            parameters, ids, batch_dims=parameters.shape.rank - 1
        )
        return chosen - tf.reduce_logsumexp(parameters, axis=-1)

    def mean(self, parameters):
        return tf.nn.softmax(float32(parameters))

    def mode(self, parameters):
        return tf.argmax(float32(parameters), axis=-1, output_type="int32")

    def _draw(self, parameters, seed):
        logits = float32(parameters)
        drawn = tf.random.stateless_categorical(
            tf.reshape(logits, (-1, self.num_classes)), 1, seed, "int32"
        )
        return tf.reshape(drawn, tf.shape(logits)[:-1])

    def in_support(self, values):
        whole = values == values.round()
        return whole & (values >= 0) & (values < self.num_classes)
