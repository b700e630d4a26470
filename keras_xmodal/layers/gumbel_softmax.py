"""One-hot vectors drawn from logits, with a gradient."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.layers.random_layer import RandomLayer
from keras_xmodal.ops.gumbel import gumbel_softmax, stateless_gumbel
from keras_xmodal.saving import register


@register
class GumbelSoftmax(RandomLayer):
    """Draw categories as one-hot vectors that a gradient passes through.

    It ends a generator of tokens: a discriminator compares one-hot vectors with
    one-hot vectors, and its gradient reaches the logits nevertheless, that of

        softmax((logits + noise) / temperature),  noise ~ Gumbel(0, 1).

    In training the vectors are samples of the softmax of the logits. In
    inference there is no noise, the category is the most probable one, and what
    a generator makes is a function of its own noise `z` alone.

    The noise is a function of the seed, of how many batches the layer has been
    trained on, which is saved, and of the row: the same under XLA and without,
    and the same in resumed training. The maths is float32 under every dtype
    policy.

    Args:
        temperature: Positive number. A lower one makes the gradient less
            biased, but of a higher variance; with `hard=False`, it makes the
            vectors more nearly one-hot, too.
        hard: Whether values are one-hot. Otherwise they are the softmax itself,
            which a discriminator tells from one-hot targets at once.
        seed: Integer. Defaults to a random one.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        step: Scalar variable, the number of batches in training.

    Call arguments:
        x: Logits of shape `(batch, ..., classes)`.
        seed: Integer tensor of shape `(batch,)`, one for each example: noise
            of these seeds, in training or not, and no step. None for the
            layer's own, in training.
        training: Boolean, whether there is noise.

    Returns:
        Float32 tensor of the shape of `x`; the classes sum to 1.

    Raises:
        ValueError: If `temperature` is not positive, or the input has no axis
            of classes of a known size.

    Example:
        ```python
        import keras
        import keras_xmodal as kx
        import numpy as np

        z, condition = keras.Input((16,)), keras.Input((10,))
        logits = kx.networks.ConvGenerator((8, 30), activation=None)
        tokens = kx.layers.GumbelSoftmax()(logits([z, condition]))
        generator = keras.Model([z, condition], tokens)
        ids = np.argmax(generator([np.ones((2, 16)), np.ones((2, 10))]), -1)
        ids.shape  # (2, 8)
        ```

    Reference:
        - Jang et al., 2017, https://arxiv.org/abs/1611.01144
        - Kusner and Hernandez-Lobato, 2016, https://arxiv.org/abs/1611.04051
          (generators of sequences)
    """

    def __init__(
        self,
        temperature: float = 1.0,
        hard: bool = True,
        seed: int | None = None,
        **kwargs,
    ):
        # As bfloat16, noise would often draw two categories at once.
        super().__init__(seed, autocast=False, **kwargs)
        self.temperature = checks.positive("temperature", temperature)
        self.hard = checks.boolean("hard", hard)

    def build(self, input_shape):
        expected = ("batch", ..., "classes")
        checks.shape("x", input_shape, expected, known=("classes",))
        self.built = True

    def call(self, x, seed=None, training=False):
        shape = ops.shape(x)
        if seed is not None:
            seed = checks.tensor("seed", seed, (x.shape[0],), dtype=None)
        elif training:
            seed = self.noise_of_rows(shape[0]).seed
        noise = None if seed is None else stateless_gumbel(shape, seed)
        return gumbel_softmax(x, noise, self.temperature, self.hard)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def compute_output_spec(self, x, seed=None, training=False):
        return keras.KerasTensor(x.shape, "float32")
