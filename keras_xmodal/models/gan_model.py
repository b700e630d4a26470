"""One modality generated from another, by two networks that compete."""

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import saving
from keras_xmodal.models import gan_checks, gan_data_checks
from keras_xmodal.models.array_dataset import as_dataset
from keras_xmodal.models.gan_networks import batch_shape
from keras_xmodal.models.gan_steps import GANSteps
from keras_xmodal.models.moving_average import clone
from keras_xmodal.networks.adversarial.dense_discriminator import (
    DenseDiscriminator,
)
from keras_xmodal.networks.adversarial.dense_generator import DenseGenerator

_NETWORKS = ("generator", "discriminator", "condition_encoder", "augmenter")


@saving.register
class GANModel(GANSteps):
    """Generative adversarial network, from a condition to a target.

    The generator makes a target `G(z, c)` of noise `z ~ N(0, I)` and a
    condition `c`; the discriminator's logit `D(x, c)` says how real a target
    is, given its condition. In turns, each minimises its half of an adversarial
    loss, at first, of 2014,

        min_G max_D  E log sigmoid(D(x, c)) + E log(1 - sigmoid(D(G(z, c), c))),

    now, by default, the relativistic loss with the penalties `R1` and `R2`,
    with which training converges. What generates after training is an
    exponential moving average of the generator.

    With two integers it is the textbook's generator, dense layers of 128, 64
    and `output_dim` units and a sigmoid, with a discriminator to train it:
    `fit(x, y)` learns to make `y` of `x`.

    Args:
        input_dim: Positive integer, size of the condition, a vector; for the
            textbook's networks. None for none.
        output_dim: Positive integer, size of the target, a vector in (0, 1).
        generator: Keras layer from `[z, c]` to the target, or from `z` where
            there is no condition.
        discriminator: Keras layer from `[target, c]`, or the target, to one
            logit for each example, without a sigmoid.
        latent_dim: Positive integer, size of the noise.
        condition_encoder: Keras layer from the condition to what both networks
            get of it, such as `keras.layers.CategoryEncoding` for classes or
            the trained tower of an `EmbeddingModel`. It is not trained here.
            None passes the condition on.
        conditional: Whether there is a condition. Defaults to True, unless
            there is an `output_dim` alone.
        condition: Name of the condition's modality, with `target`, for data
            that is a dict of modalities. None for pairs `(condition, target)`.
        target: Name of the target's modality.
        ema_momentum: Float in [0, 1), how slowly the average follows the
            generator; 0 does without the average.
        augmenter: Keras layer that changes targets, real and generated, before
            the discriminator sees them, such as `DiffAugment`; it must be
            differentiable. None for none.
        preprocessors: Dict `{modality: keras.Layer}` from raw input to what
            the networks take, saved with the model and used by `preprocess`.
        seed: Integer that, with the number of the step, decides the noise of
            training. Defaults to a random one.
        **kwargs: Arguments of `keras.Model`.

    Attributes:
        ema_generator: The averaged generator.
        penalty_weight: Scalar variable that multiplies all penalties, 1 unless
            a callback changes it.
        step: Scalar variable, the number of training steps.

    Call arguments:
        x: Batch of conditions; or of noise, where there is no condition.
        z: Noise of shape `(batch, latent_dim)`, with conditions only. None
            takes noise of the model's seed, the same at each call; for fresh
            noise there is `generate`.
        training: Boolean. True takes the generator in training, False its
            average.

    Returns:
        Batch of generated targets.

    Raises:
        ValueError: If arguments exclude each other or are out of range.
        TypeError: If a network is not a Keras layer.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x, y = np.random.rand(64, 32), np.random.rand(64, 8)
        gan = kx.GANModel(32, 8)
        gan.compile()
        gan.fit(x, y, epochs=1, verbose=0)
        generated = gan.generate(x, seed=0)  # (64, 8)
        ```

    Reference:
        - Goodfellow et al., 2014, https://arxiv.org/abs/1406.2661
        - Mirza and Osindero, 2014, https://arxiv.org/abs/1411.1784, eq. 2
        - Huang et al., 2024, https://arxiv.org/abs/2501.05441
    """

    layer_arguments = ("preprocessors",)

    def __init__(
        self,
        input_dim=None,
        output_dim=None,
        *,
        generator=None,
        discriminator=None,
        latent_dim=64,
        condition_encoder=None,
        conditional=None,
        condition=None,
        target=None,
        ema_momentum=0.999,
        augmenter=None,
        preprocessors=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(preprocessors, **kwargs)
        if conditional is None:
            conditional = generator is not None or input_dim is not None
        gan_checks.check_arguments(
            {
                "input_dim": input_dim,
                "output_dim": output_dim,
                "generator": generator,
                "discriminator": discriminator,
                "latent_dim": latent_dim,
                "condition_encoder": condition_encoder,
                "conditional": conditional,
                "condition": condition,
                "target": target,
                "ema_momentum": ema_momentum,
                "augmenter": augmenter,
            }
        )
        self.input_dim = input_dim
        self.output_dim = output_dim
        self._textbook = generator is None
        if self._textbook:
            generator = DenseGenerator(output_dim, name="generator")
            discriminator = DenseDiscriminator(name="discriminator")
        self.generator = generator
        self.discriminator = discriminator
        self.latent_dim = latent_dim
        self.condition_encoder = condition_encoder
        self.conditional = conditional
        self.condition = condition
        self.target = target
        self.modalities = tuple(n for n in (condition, target) if n)
        self.ema_momentum = ema_momentum
        self.augmenter = augmenter
        self.seed = int(np.random.randint(2**31)) if seed is None else seed
        self.ema_generator = generator
        if ema_momentum:
            self.ema_generator = clone(generator)
        self.condition_shape = self.target_shape = None
        if not conditional:
            self.build((None, latent_dim))
        elif self._textbook:
            self.build((None, input_dim))

    # Training.

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        loss="relativistic",
        penalties=("r1", "r2"),
        mismatch_weight=0.0,
        discriminator_steps=1,
        metrics=None,
        **kwargs,
    ):
        """Configure the training.

        Args:
            generator_optimizer: Keras optimizer or its name. Defaults to
                `Adam(2e-4, beta_1=0, beta_2=0.99)`.
            discriminator_optimizer: The same, another one.
            loss: `AdversarialLoss` or its name.
            penalties: List of `Penalty` or their names; empty for none.
            mismatch_weight: Float in [0, 1]. The share of real targets with
                the condition of another example, as against generated targets,
                in what the discriminator learns to tell from real pairs. 0 is
                without, and 0.5 is usual. An example whose neighbour has the
                same condition is left out.
            discriminator_steps: Positive integer, updates of the discriminator
                for each one of the generator, on one batch, with new noise.
            metrics: List of Keras metrics of `(target, generated target)`, for
                `evaluate` and validation.
            **kwargs: Further arguments of `keras.Model.compile`, such as
                `jit_compile`, `run_eagerly` and `steps_per_execution`.

        Raises:
            ValueError: If an argument is out of range, both optimizers are
                one, or a layer of the discriminator or the augmenter has wrong
                second derivatives, on which penalties are built.
            TypeError: If `loss` or a penalty is something else.

        Reference:
            - Reed et al., 2016, https://arxiv.org/abs/1605.05396, algorithm 1,
              mismatched conditions
        """
        gan_checks.check_compile(self, mismatch_weight, discriminator_steps)
        super().compile(
            generator_optimizer,
            discriminator_optimizer,
            loss,
            penalties,
            **kwargs,
        )
        self.mismatch_weight = mismatch_weight
        self.discriminator_steps = discriminator_steps
        self._make_metrics(
            (
                "discriminator_loss",
                "generator_loss",
                "real_score",
                "fake_score",
            ),
            [keras.metrics.get(m) for m in metrics or ()],
        )

    def fit(self, x=None, y=None, **kwargs):
        """Train both networks.

        Args:
            x: Array of conditions, with `y`; array of targets, where there is
                no condition; dict of both, where the modalities have names; or
                a `tf.data.Dataset` of batches `(condition, target)`, `(target,
                )` or of dicts, with `sample_weight` after them if you like.
            y: Array of targets.
            **kwargs: Further arguments of `keras.Model.fit`.

        Returns:
            Keras `History`.

        Raises:
            ValueError: If the data is empty, not finite, of unequal sizes, of
                another shape than what the generator makes, or outside what it
                can make.
            FloatingPointError: If a loss is not finite any more: the error
                says in which step, and the model is as it was when the epoch
                began.
        """
        x, y, weight = self._prepare(x, y, kwargs, training=True)
        kwargs["sample_weight"] = weight
        if isinstance(x, tf.data.Dataset):
            kwargs.setdefault("shuffle", False)  # It brings its order.
        elif y is not None:
            x, y = as_dataset(x, y, kwargs)
        return self._fit(x, y, kwargs)

    def evaluate(self, x=None, y=None, **kwargs):
        """Losses and metrics of data, with the averaged generator.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            **kwargs: Further arguments of `keras.Model.evaluate`.

        Returns:
            As `keras.Model.evaluate`.

        Raises:
            ValueError: As `fit`.
        """
        x, y, weight = self._prepare(x, y, kwargs, training=False)
        kwargs["sample_weight"] = weight
        return super().evaluate(x, y, **kwargs)

    def _prepare(self, x, y, options, training):
        """Check data, bring arrays into pairs, and build the model."""
        weight = options.get("sample_weight")
        if isinstance(x, tf.data.Dataset):
            spec = x.element_spec
            parts = spec if isinstance(spec, tuple) else (spec,)
            condition, target, _ = self._split(parts)
        elif hasattr(x, "shape") or isinstance(x, (dict, list, tuple)):
            condition, target, weight = self._split((x, y, weight))
            gan_data_checks.check_arrays(self, condition, target, weight)
            x, y = (condition, target) if self.conditional else (target, target)
        else:  # A generator or a `PyDataset`, looked at by the first step.
            return x, y, weight
        if not self.built:
            self.build(keras.tree.map_structure(batch_shape, condition))
        gan_data_checks.check_target_shape(self, target)
        if training:
            networks = (self.generator, self.discriminator)
            gan_data_checks.check_batches(networks, x, target, options)
        return x, y, weight

    # Saving.

    def get_config(self):
        config = super().get_config()
        for argument in _NETWORKS:
            layer = getattr(self, argument)
            keep = layer is not None and not (
                self._textbook and argument in ("generator", "discriminator")
            )
            config[argument] = (
                keras.saving.serialize_keras_object(layer) if keep else None
            )
        for argument in (
            "input_dim",
            "output_dim",
            "latent_dim",
            "conditional",
            "condition",
            "target",
            "ema_momentum",
            "seed",
        ):
            config[argument] = getattr(self, argument)
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for argument in _NETWORKS:
            if config.get(argument):
                config[argument] = keras.saving.deserialize_keras_object(
                    config[argument], custom_objects=custom_objects
                )
        return super().from_config(config, custom_objects)

    def get_compile_config(self):
        if not self.compiled:
            return {}
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_compile_config(),
            "mismatch_weight": self.mismatch_weight,
            "discriminator_steps": self.discriminator_steps,
            "metrics": [serialize(m) for m in self._sample_metrics],
        }
