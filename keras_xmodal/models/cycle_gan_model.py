"""Two modalities translated into each other, without pairs to learn from."""

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import saving
from keras_xmodal.models import (
    checks,
    cycle_gan_checks,
    gan_checks,
    gan_data_checks,
)
from keras_xmodal.models.array_dataset import to_arrays
from keras_xmodal.models.cycle_gan_steps import CycleGANSteps
from keras_xmodal.models.gan_networks import batch_shape
from keras_xmodal.models.moving_average import clone
from keras_xmodal.models.unpaired_dataset import unpaired_dataset


@saving.register
class CycleGANModel(CycleGANSteps):
    """Translation between two modalities, learned from unpaired examples.

    One generator makes `a` of `b`, one makes `b` of `a`. Each has a
    discriminator that tells its translations from real examples, and both
    together must bring back what they were given. They minimise

        L(D_a(G_a(b))) + L(D_b(G_b(a)))
        + cycle_weight (E|G_a(G_b(a)) - a| + E|G_b(G_a(b)) - b|)
        + identity_weight (E|G_a(a) - a| + E|G_b(b) - b|),

    with `L` the generator's half of an adversarial loss and `|.|` the mean
    over the values of an example, while the discriminators minimise the sum of
    their halves. A batch updates the generators, then the discriminators by
    what the generators had made. What translates after training is an
    exponential moving average of each generator.

    Nothing says which of the translations that can be undone is learned but
    the networks: those that keep a picture's places keep its content.

    Args:
        generators: Dict `{modality: keras.Layer}` of two modalities: the
            network that makes the modality, from the other one.
        discriminators: Dict `{modality: keras.Layer}` from the modality to one
            logit for each example, without a sigmoid.
        ema_momentum: Float in [0, 1), how slowly the averages follow the
            generators; 0 does without averages.
        augmenter: Keras layer that changes what the discriminators see of both
            modalities, such as `DiffAugment`; it must be differentiable. None
            for none.
        preprocessors: Dict `{modality: keras.Layer}` from raw input to what
            the networks take, saved with the model and used by `preprocess`
            and `translate`.
        seed: Integer that, with the number of the step, decides the noise of
            training. Defaults to a random one.
        **kwargs: Arguments of `keras.Model`.

    Attributes:
        ema_generators: Dict of the averaged generators.
        modality_shapes: Dict of the shapes of both modalities, without the
            batch, once the model is built.
        penalty_weight: Scalar variable that multiplies all penalties, 1 unless
            a callback changes it.
        step: Scalar variable, the number of training steps.

    Call arguments:
        x: Dict `{modality: batch}` of one modality or both.
        training: Boolean. True takes the generators in training, False their
            averages.

    Returns:
        Dict `{modality: batch}` of translations, by the names of the
        modalities that are made.

    Raises:
        ValueError: If there are not two modalities, or a network does not fit.
        TypeError: If a network is not a Keras layer.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        model = kx.CycleGANModel(
            generators={
                "photo": kx.networks.ConvTranslator((4, 8), num_blocks=1),
                "painting": kx.networks.ConvTranslator((4, 8), num_blocks=1),
            },
            discriminators={
                "photo": kx.networks.ConvDiscriminator((4, 8)),
                "painting": kx.networks.ConvDiscriminator((4, 8)),
            },
        )
        model.compile()
        photos = np.random.uniform(-1, 1, (12, 16, 16, 3))
        paintings = np.random.uniform(-1, 1, (8, 16, 16, 3))
        data = {"photo": photos, "painting": paintings}
        model.fit(data, batch_size=4, verbose=0)
        model.translate({"photo": photos}, to="painting")  # (12, 16, 16, 3)
        ```

    Reference:
        - Zhu et al., 2017, https://arxiv.org/abs/1703.10593, section 3
        - Kim et al., 2017, https://arxiv.org/abs/1703.05192
    """

    layer_arguments = ("generators", "discriminators", "preprocessors")

    def __init__(
        self,
        generators,
        discriminators,
        ema_momentum=0.999,
        augmenter=None,
        preprocessors=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(preprocessors, **kwargs)
        generators = checks.check_layers("generators", generators)
        discriminators = checks.check_layers("discriminators", discriminators)
        cycle_gan_checks.check_networks(generators, discriminators)
        checks.check_modalities(
            self.preprocessors or generators, tuple(generators), "preprocessors"
        )
        gan_checks.check_momentum(ema_momentum)
        gan_checks.check_layer("augmenter", augmenter)
        self.generators = generators
        # In one order, that of all that is drawn and saved.
        self.discriminators = {
            name: discriminators[name] for name in generators
        }
        self.modalities = tuple(generators)
        self.ema_momentum = ema_momentum
        self.augmenter = augmenter
        self.seed = int(np.random.randint(2**31)) if seed is None else seed
        self.ema_generators = {
            name: clone(generator) if ema_momentum else generator
            for name, generator in generators.items()
        }
        self.cycle_weight = self.identity_weight = None
        self.modality_shapes = None
        self.translation_metrics = {}
        object.__setattr__(self, "_functions", {})
        shapes = cycle_gan_checks.known_shapes(generators)
        if shapes:
            self.build(shapes)

    def call(self, x, training=False):
        checks.check_modalities(x, self.modalities)
        networks = self.generators if training else self.ema_generators
        inputs = {self.other(name): value for name, value in x.items()}
        return {
            name: networks[name](value, training=training)
            for name, value in inputs.items()
        }

    def translate(self, x, to, batch_size=256):
        """Translate examples, by the averaged generator.

        Args:
            x: Dict `{modality: raw examples}` of the other modality, raw being
                what its preprocessor takes, or else the generator.
            to: Name of the modality to make.
            batch_size: Positive integer, examples translated at once.

        Returns:
            NumPy array of the shape of the modality's data.

        Raises:
            ValueError: If a modality is unknown, the data is empty, not finite
                or of another shape, or the model is not built yet.
            TypeError: If `x` is no dict.
        """
        cycle_gan_checks.check_translate(self, x, to, batch_size)
        if to not in self._functions:

            @tf.function(reduce_retracing=True)
            def function(x):
                return self(x)[to]

            self._functions[to] = function
        source = self.other(to)
        values, outputs = to_arrays(x[source]), []
        for start in range(0, len(values), batch_size):
            raw = {source: values[start : start + batch_size]}
            batch = {
                name: tf.cast(value, "float32")
                for name, value in self.preprocess(raw).items()
            }
            expected = (None, *self.modality_shapes[source])
            checks.check_shape(f"x[{source!r}]", batch[source], expected)
            outputs.append(self._functions[to](batch).numpy())
        return np.concatenate(outputs)

    # Training.

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        loss="least_squares",
        penalties=(),
        cycle_weight=10.0,
        identity_weight=0.0,
        metrics=None,
        **kwargs,
    ):
        """Configure the training.

        Args:
            generator_optimizer: Keras optimizer of both generators, or its
                name. Defaults to `Adam(2e-4, beta_1=0.5)`.
            discriminator_optimizer: The same of both discriminators, another
                one.
            loss: `AdversarialLoss` or its name.
            penalties: List of `Penalty` or their names, for each of the
                discriminators; empty for none.
            cycle_weight: Non-negative number. `LeastSquares` here is half of
                the paper's, so that the paper's 10 is 5 here.
            identity_weight: Non-negative number, half of `cycle_weight` in the
                paper, where colours should stay; for modalities of equal
                shapes.
            metrics: Dict `{modality: list}` of Keras metrics of `(real,
                translated)`, for `evaluate` and validation: distances of
                distributions, or errors where the rows of that data are pairs.
            **kwargs: Further arguments of `keras.Model.compile`, such as
                `jit_compile`, `run_eagerly` and `steps_per_execution`.

        Raises:
            ValueError: If an argument is out of range, both optimizers are
                one, a penalty is on a condition, or a layer of a discriminator
                or the augmenter has wrong second derivatives, on which
                penalties are built.
            TypeError: If `loss` or a penalty is something else.
        """
        cycle_gan_checks.check_weights(
            cycle_weight=cycle_weight, identity_weight=identity_weight
        )
        cycle_gan_checks.check_identity(identity_weight, self.modality_shapes)
        metrics = {} if metrics is None else metrics
        if metrics:
            checks.check_modalities(metrics, self.modalities, "metrics")
        metrics = {
            name: [keras.metrics.get(m) for m in each]
            for name, each in metrics.items()
        }
        names = ["generator_loss", "cycle_loss"]
        names += ["identity_loss"] if identity_weight else []
        names.append("discriminator_loss")
        cycle_gan_checks.check_metrics(metrics, names)
        super().compile(
            generator_optimizer,
            discriminator_optimizer,
            loss,
            penalties,
            **kwargs,
        )
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self._make_metrics(
            names, [m for each in metrics.values() for m in each]
        )
        object.__setattr__(self, "translation_metrics", metrics)

    def fit(self, x=None, y=None, **kwargs):
        """Train all networks.

        Args:
            x: Dict `{modality: array}` of both modalities, of any lengths: the
                rows are no pairs. Each is shuffled by itself; an epoch goes
                once through the longer one. Or a `tf.data.Dataset` of dicts of
                batches, with as many examples of both in each.
            y: None.
            **kwargs: Further arguments of `keras.Model.fit`, without weights
                of examples and `validation_split`. `validation_data` is like
                `x`.

        Returns:
            Keras `History`.

        Raises:
            TypeError: If `x` is no dict.
            ValueError: If the data is empty, not finite, of other shapes than
                the networks', outside what the generators can make, or comes
                with targets or weights.
            FloatingPointError: If a loss is not finite any more: the error
                says in which step, and the model is as it was when the epoch
                began.
        """
        cycle_gan_checks.check_options(y, kwargs)
        x = self._prepare(x, kwargs, training=True)
        if kwargs.get("validation_data") is not None:
            options = {
                "batch_size": kwargs.get("validation_batch_size"),
                "steps": kwargs.get("validation_steps"),
            }
            kwargs["validation_data"] = self._prepare(
                kwargs["validation_data"], options, training=False
            )
        return self._fit(x, None, kwargs)

    def evaluate(self, x=None, y=None, **kwargs):
        """Losses and metrics of data, with the averaged generators.

        Args:
            x: As for `fit`, in its order.
            y: None.
            **kwargs: Further arguments of `keras.Model.evaluate`.

        Returns:
            As `keras.Model.evaluate`.

        Raises:
            TypeError: As `fit`.
            ValueError: As `fit`.
        """
        cycle_gan_checks.check_options(y, kwargs)
        x = self._prepare(x, kwargs, training=False)
        # Past `MultimodalModel`, as `fit`.
        return keras.Model.evaluate(self, x, None, **kwargs)

    def _prepare(self, x, options, training):
        """Check data, build the model, and make arrays a data set."""
        if isinstance(x, tf.data.Dataset):
            checks.check_dataset(x, self.modalities)
            spec = x.element_spec
            examples = spec[0] if isinstance(spec, tuple) else spec
        elif isinstance(x, dict) or hasattr(x, "shape"):
            examples = to_arrays(x)
        else:  # A generator or a `PyDataset`, looked at by the first step.
            return x
        gan_data_checks.check_named(self, examples)
        if not self.built:
            self.build({n: batch_shape(value) for n, value in examples.items()})
        cycle_gan_checks.check_data(self, examples)
        if training:
            networks = [
                *self.generators.values(),
                *self.discriminators.values(),
            ]
            longest = max(examples.values(), key=lambda v: v.shape[0] or 0)
            gan_data_checks.check_batches(networks, x, longest, options)
        if isinstance(x, tf.data.Dataset):
            if training:
                options.setdefault("shuffle", False)  # It brings its order.
            return x
        batch_size = options.pop("batch_size", None) or 32
        shuffle = False
        if training:
            options.setdefault("validation_batch_size", batch_size)
            shuffle = options.get("shuffle", True)
            options["shuffle"] = False  # The data set does.
        x = unpaired_dataset(examples, batch_size, shuffle)
        steps = options.get("steps_per_epoch" if training else "steps")
        return x.repeat() if steps else x

    # Saving.

    def get_config(self):
        augmenter = self.augmenter
        if augmenter is not None:
            augmenter = keras.saving.serialize_keras_object(augmenter)
        return {
            **super().get_config(),
            "ema_momentum": self.ema_momentum,
            "augmenter": augmenter,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        if config.get("augmenter"):
            config["augmenter"] = keras.saving.deserialize_keras_object(
                config["augmenter"], custom_objects=custom_objects
            )
        return super().from_config(config, custom_objects)

    def get_compile_config(self):
        if not self.compiled:
            return {}
        return {
            **super().get_compile_config(),
            "cycle_weight": self.cycle_weight,
            "identity_weight": self.identity_weight,
            "metrics": {
                name: [keras.saving.serialize_keras_object(m) for m in each]
                for name, each in self.translation_metrics.items()
            },
        }
