"""The networks of a `GANModel`: its forward pass and its noise."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_xmodal.models import gan_checks, gan_data_checks
from keras_xmodal.models.adversarial_model import AdversarialModel
from keras_xmodal.models.array_dataset import to_arrays
from keras_xmodal.ops.noise import fold_in, stateless_normal


class GANNetworks(AdversarialModel):
    """Base of `GANModel`: how its networks are built and called.

    A subclass sets in its constructor what is used here.

    Args:
        preprocessors: Dict `{modality: keras.Layer}` or None.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(self, preprocessors=None, **kwargs):
        super().__init__(preprocessors, **kwargs)
        object.__setattr__(self, "_generate_function", None)

    def build(self, input_shape):
        z = keras.KerasTensor((None, self.latent_dim))
        if self.conditional:
            condition = _symbolic(input_shape)
            features = condition
            if self.condition_encoder is not None:
                features = self.condition_encoder(condition)
            output = self.generator([z, features])
            logits = self.discriminator([output, features])
            inputs = [z, features]
        else:
            inputs = z
            output = self.generator(z)
            logits = self.discriminator(output)
        gan_checks.check_logits(self.discriminator, logits)
        if self.ema_generator is not self.generator:
            self.ema_generator(inputs)
            self.ema_generator.set_weights(self.generator.get_weights())
        self.condition_shape = input_shape if self.conditional else None
        self.target_shape = tuple(output.shape[1:])
        self._build_optimizers()

    def call(self, x, z=None, training=False):
        if not self.conditional:
            return self._network(training)(x, training=training)
        if z is None:
            num_rows = ops.shape(keras.tree.flatten(x)[0])[0]
            z = self._noise(num_rows, step=-1)
        features = self._encode(x)
        return self._network(training)([z, features], training=training)

    @property
    def encoders(self):
        """Dict of the condition's encoder, by the name of its modality."""
        if self.condition is None or self.condition_encoder is None:
            return {}
        return {self.condition: self.condition_encoder}

    def _networks(self, role):
        return [getattr(self, role)]

    def _network(self, training):
        return self.generator if training else self.ema_generator

    def _encode(self, condition):
        if self.condition_encoder is None:
            return condition
        features = self.condition_encoder(condition, training=False)
        return keras.tree.map_structure(tf.stop_gradient, features)

    def _generate(self, z, features):
        inputs = [z, features] if self.conditional else z
        return ops.cast(self.generator(inputs, training=True), "float32")

    def _noise(self, num_rows, draw=0, step=None, first_row=0):
        seeds = self._seeds(num_rows, draw, step, first_row)
        return stateless_normal((num_rows, self.latent_dim), seeds)

    def generate(
        self,
        condition=None,
        z=None,
        seed=None,
        num_examples=None,
        batch_size=256,
    ):
        """Generate targets.

        Args:
            condition: Raw conditions, raw being what the preprocessor of the
                modality takes, or else the model.
            z: Noise of shape `(examples, latent_dim)`, in place of a seed.
            seed: Integer, or integers of shape `(examples,)`, one for each
                example, which then does not depend on the others. None for a
                random one.
            num_examples: Positive integer, where there is no condition.
            batch_size: Positive integer, examples generated at once.

        Returns:
            NumPy array of shape `(examples, *target)`.

        Raises:
            ValueError: If sizes do not fit, or both or neither of noise and
                number are given.
        """
        if condition is not None:
            condition = to_arrays(condition)
        num_examples = gan_data_checks.check_generate(
            self, condition, z, seed, num_examples
        )
        if z is None:
            seed = int(np.random.randint(2**31)) if seed is None else seed
            z = self.sample_latents(num_examples, seed)
        condition = () if condition is None else condition
        if self.condition in self.preprocessors:
            condition = self.preprocess({self.condition: condition})
            condition = condition[self.condition]
        if not self.built:
            self.build(keras.tree.map_structure(batch_shape, condition))
        if self._generate_function is None:

            @tf.function(reduce_retracing=True)
            def function(condition, z):
                return self(condition, z) if self.conditional else self(z)

            object.__setattr__(self, "_generate_function", function)
        outputs = []
        for start in range(0, num_examples, batch_size):
            rows = slice(start, start + batch_size)
            batch = keras.tree.map_structure(
                lambda value: value[rows],  # noqa: B023, used at once
                condition,
            )
            outputs.append(self._generate_function(batch, z[rows]).numpy())
        return np.concatenate(outputs)

    def sample_latents(self, num_examples, seed):
        """Draw noise for `generate`.

        Args:
            num_examples: Positive integer.
            seed: Integer, or integers of shape `(examples,)`.

        Returns:
            Tensor of shape `(examples, latent_dim)`.
        """
        if not ops.ndim(seed):
            seed = fold_in(seed, ops.arange(num_examples, dtype="int32"))
        return stateless_normal((num_examples, self.latent_dim), seed)


def _symbolic(shape):
    if isinstance(shape, dict):
        return {name: _symbolic(value) for name, value in shape.items()}
    if (
        isinstance(shape, (list, tuple))
        and shape
        and isinstance(shape[0], (list, tuple, dict))
    ):
        return [_symbolic(value) for value in shape]
    return keras.KerasTensor((None, *shape[1:]))


def batch_shape(value):
    """Shape of a batch of any size.

    Args:
        value: Array, tensor or tensor spec.

    Returns:
        Tuple that starts with None.
    """
    return (None, *value.shape[1:])
