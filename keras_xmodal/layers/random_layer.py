"""What layers with noise of their own share."""

import keras

from keras_xmodal.ops.noise import Noise, resolve_seed


class RandomLayer(keras.layers.Layer):
    """Base of layers whose noise a seed and the step of training decide.

    Args:
        seed: Integer. Defaults to a random one.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        step: Scalar variable, the number of batches in training.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = resolve_seed(seed)
        self.step = add_step(self)

    def noise_of_rows(self, num_rows):
        """`Noise` of this step, a seed for each row; the step is over."""
        noise = Noise(self.seed, self.step.value).rows(num_rows)
        self.step.assign_add(1)
        return noise


def add_step(layer):
    """A saved count of batches, the same on all replicas."""
    return layer.add_weight(
        shape=(),
        initializer="zeros",
        dtype="int64",
        trainable=False,
        aggregation="only_first_replica",
        name="step",
    )
