"""Two modalities translated into each other, without pairs to learn from."""

import keras
import tensorflow as tf
from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.adversarial import streams
from keras_xmodal.adversarial.gradient_norms import (
    logits_and_gradient_norms,
    penalty_values,
)
from keras_xmodal.models.data import (
    check_arrays,
    to_arrays,
    unpaired_dataset,
)
from keras_xmodal.models.endpoint import Endpoint, named
from keras_xmodal.models.gan import checks as gan_checks
from keras_xmodal.models.gan import cycle_checks
from keras_xmodal.models.gan.adversarial_model import (
    AdversarialModel,
    added_losses,
)
from keras_xmodal.models.gan.moving_average import clone, follow
from keras_xmodal.models.rows import apply_to_rows
from keras_xmodal.ops.noise import resolve_seed
from keras_xmodal.ops.weighted_mean import weighted_mean


@saving.register
class CycleGANModel(AdversarialModel):
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

    A process that loads the saved model imports `keras_xmodal` before: so Keras
    knows the class.

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
    adam_arguments = {"beta_1": 0.5, "beta_2": 0.999}

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
        generators = checks.keras_layers("generators", generators)
        discriminators = checks.keras_layers("discriminators", discriminators)
        cycle_checks.check_networks(generators, discriminators)
        checks.modalities(
            "preprocessors", self.preprocessors or generators, generators
        )
        checks.in_range("ema_momentum", ema_momentum, 0, 1, "[)")
        checks.keras_layer("augmenter", augmenter, optional=True)
        self.generators = generators
        # In one order, that of all that is drawn and saved.
        self.discriminators = {
            name: discriminators[name] for name in generators
        }
        self.modalities = checks.modality_names("generators", generators)
        self.ema_momentum = ema_momentum
        self.augmenter = augmenter
        self.seed = resolve_seed(seed)
        self.ema_generators = {
            name: clone(generator) if ema_momentum else generator
            for name, generator in generators.items()
        }
        self.cycle_weight = self.identity_weight = None
        self.modality_shapes = None
        self.translation_metrics = {}
        shapes = cycle_checks.known_shapes(generators)
        if shapes:
            self.build(shapes)

    # Networks.

    def _build_networks(self, input_shape):
        shapes = {name: (None, *input_shape[name][1:]) for name in input_shape}
        for name in self.modalities:
            source = keras.KerasTensor(shapes[self.other(name)])
            output = self.generators[name](source)
            cycle_checks.check_output(name, output, shapes[name])
            logits = self.discriminators[name](keras.KerasTensor(shapes[name]))
            gan_checks.check_logits(
                self.discriminators[name], logits, f"discriminators[{name!r}]"
            )
            if self.ema_generators[name] is not self.generators[name]:
                self.ema_generators[name](source)
                self.ema_generators[name].set_weights(
                    self.generators[name].get_weights()
                )
        self.modality_shapes = {
            name: shape[1:] for name, shape in shapes.items()
        }
        cycle_checks.check_identity(self.identity_weight, self.modality_shapes)
        self._build_optimizers()

    def other(self, modality):
        """Name of the modality that one is translated from.

        Args:
            modality: Name of a modality.

        Returns:
            The other name.
        """
        first, second = self.modalities
        return second if modality == first else first

    def call(self, x, training=False):
        checks.modalities("x", x, self.modalities)
        networks = self.generators if training else self.ema_generators
        inputs = {self.other(name): value for name, value in x.items()}
        return self._make(inputs, networks, training)

    def _networks(self, role):
        return list(getattr(self, f"{role}s").values())

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
            **kwargs: `optimizer`, a Keras optimizer or its name in place of
                both, of which each gets a copy; and further arguments of
                `keras.Model.compile`, such as `jit_compile`, `run_eagerly` and
                `steps_per_execution`.

        Raises:
            ValueError: If an argument is out of range, both optimizers are
                one, a penalty is on a condition, or a layer of a discriminator
                or the augmenter has wrong second derivatives, on which
                penalties are built.
            TypeError: If `loss` or a penalty is something else.
        """
        checks.not_negative("cycle_weight", cycle_weight)
        checks.not_negative("identity_weight", identity_weight)
        cycle_checks.check_identity(identity_weight, self.modality_shapes)
        metrics = {} if metrics is None else metrics
        if metrics:
            checks.modalities("metrics", metrics, self.modalities)
        metrics = {
            name: [keras.metrics.get(m) for m in each]
            for name, each in metrics.items()
        }
        names = ["generator_loss", "cycle_loss"]
        names += ["identity_loss"] if identity_weight else []
        names.append("discriminator_loss")
        cycle_checks.check_metrics(metrics, names)
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

    def fit(self, x=None, y=None, batch_size=None, epochs=1, *args, **kwargs):
        """Train all networks.

        Args:
            x: Dict `{modality: array}` of both modalities, of any lengths: the
                rows are no pairs. Each is shuffled by itself; an epoch goes
                once through the longer one. Or a `tf.data.Dataset`,
                `keras.utils.PyDataset` or generator of dicts of batches. The
                examples are raw: the model's preprocessors are applied, with
                augmentation; `Preprocessed` is taken as it is.
            y: None. Ids of data that other models pair are left aside.
            batch_size: Positive integer, for arrays. Defaults to 32.
            epochs: Positive integer.
            *args: Further arguments of `keras.Model.fit`, in its order.
            **kwargs: The same, by name, without weights
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
        return super().fit(x, y, batch_size, epochs, *args, **kwargs)

    # Data.

    def _check_structure(self, x, y=None, sample_weight=None, inputs=False):
        if not gan_checks.are_ids(y):
            cycle_checks.check_unpaired(y=y)
        if not inputs:
            cycle_checks.check_unpaired(sample_weight=sample_weight)
        names = () if inputs else None
        gan_checks.check_named(self, x, names)

    def _check_sizes(self, x, y, sample_weight):
        for name, value in x.items():
            check_arrays({name: value})

    def _prepare_checked(self, batch, training=False, inputs=False):
        x = keras.utils.unpack_x_y_sample_weight(batch)[0]
        if isinstance(x, dict):
            sized = {n: v for n, v in x.items() if hasattr(v, "__len__")}
            checks.same_length("x", {n: len(v) for n, v in sized.items()})
        return super()._prepare_checked(batch, training, inputs)

    def _check_input(self, x):
        checks.same_length("x", {n: v.shape[0] for n, v in x.items()})
        if self.built:
            super()._check_input(x)
        elif len(x) == 2:
            self._build_on(x)
        else:
            raise ValueError(
                "A model must be built before it translates one modality, by "
                "`fit` or by `build({modality: shape})`. "
                "Received: a model without weights"
            )

    def _check_values(self, x, y=None, sample_weight=None):
        self._check_specs(x)
        self._check_support(x)

    def _check_support(self, x, y=None, sample_weight=None):
        for name, value in x.items():
            gan_checks.check_range(
                self.generators[name], value, f"`x[{name!r}]`"
            )

    def _check_specs(self, x, y=None, sample_weight=None):
        sizes = {name: value.shape[0] for name, value in x.items()}
        if any(isinstance(value, tf.TensorSpec) for value in x.values()):
            checks.same_length("x", sizes)
        if not self.built:
            self._build_on(x)
        for name, value in x.items():
            expected = (None, *self.modality_shapes[name])
            checks.shape(f"x[{name!r}]", value.shape, expected)

    def _check_last_batch(self, size):
        networks = [*self.generators.values(), *self.discriminators.values()]
        gan_checks.check_last_batch(
            networks, size, self.distribute_strategy.num_replicas_in_sync
        )

    def _check_class_weight(self, class_weight):
        cycle_checks.check_unpaired(class_weight=class_weight)

    def _split(self, share, x, y, sample_weight):
        cycle_checks.check_unpaired(validation_split=share)

    def _array_dataset(self, arrays, batch_size, shuffle, seed):
        return unpaired_dataset(arrays[0], batch_size, shuffle, seed)

    # The step.

    def train_step(self, data):
        x = self._batch(data)
        fakes = self._generator_step(x)
        logits = self._discriminator_step(x, fakes)
        for name, generator in self.generators.items():
            follow(self.ema_generators[name], generator, self.ema_momentum)
        real, fake = (
            ops.concatenate([each[place] for each in logits])
            for place in ("real", "fake")
        )
        self._adapt_augmentation(real, fake)
        self.step.assign_add(1)
        return self.get_metrics_result()

    def _generator_step(self, x):
        """Update both generators; return what they made before that."""
        with tf.GradientTape() as tape:
            fakes = self._make(self._swap(x), self.generators)
            with keras.StatelessScope():  # Discriminators stay as they are.
                loss = sum(
                    self._adversarial_term(name, x[name], fakes[name])
                    for name in self.modalities
                )
            distances = self._distances(x, fakes, self.generators)
            total = loss + self.cycle_weight * distances["cycle_loss"]
            if self.identity_weight:
                total += self.identity_weight * distances["identity_loss"]
            total += sum(map(added_losses, self.generators.values()))
            scaled = self._scale(total, "generator")
        self._apply(tape, scaled, "generator")
        self._track({"generator_loss": loss, **distances}, x)
        return fakes

    def _adversarial_term(self, name, real, fake):
        discriminator = self.discriminators[name]
        stream = self._stream(name, "generator")
        logits = self._discriminate(discriminator, fake, (), stream)
        real_logits = None
        if self.adversarial_loss.compares:
            real_logits = tf.stop_gradient(
                self._discriminate(discriminator, real, (), stream)
            )
        return weighted_mean(
            self.adversarial_loss.generator_loss(real_logits, logits)
        )

    def _discriminator_step(self, x, fakes):
        """Update both discriminators; return their logits before that."""
        with tf.GradientTape() as tape:
            logits, terms, penalties = zip(
                *(
                    self._discriminator_terms(name, x[name], fakes[name])
                    for name in self.modalities
                ),
                strict=True,
            )
            loss = sum(terms)
            penalties = {
                name: sum(each[name] for each in penalties)
                for name in penalties[0]
            }
            total = loss + self.penalty_weight * sum(penalties.values())
            total += sum(map(added_losses, self.discriminators.values()))
            scaled = self._scale(total, "discriminator")
        self._apply(tape, scaled, "discriminator")
        self._track({"discriminator_loss": loss, **penalties}, x)
        return logits

    def _discriminator_terms(self, name, real, fake):
        """Logits, loss and penalties of one discriminator."""
        stream = self._stream(name, "discriminator")
        logits, norms = logits_and_gradient_norms(
            lambda x, features: self._discriminate(
                self.discriminators[name], x, features, stream
            ),
            self._points(real, fake, stream),
            (),
            self.penalties,
        )
        terms = self.adversarial_loss.discriminator_loss(
            logits["real"], logits["fake"]
        )
        return (
            logits,
            weighted_mean(terms),
            penalty_values(self.penalties, norms),
        )

    def test_step(self, data):
        x = self._batch(data)
        fakes = self._make(self._swap(x), self.ema_generators, training=False)
        loss = self.adversarial_loss
        values = {"discriminator_loss": 0.0, "generator_loss": 0.0}
        for name in self.modalities:
            real, fake = (
                self._discriminate(
                    self.discriminators[name], value, (), training=False
                )
                for value in (x[name], fakes[name])
            )
            values["discriminator_loss"] += weighted_mean(
                loss.discriminator_loss(real, fake)
            )
            values["generator_loss"] += weighted_mean(
                loss.generator_loss(real, fake)
            )
        values |= self._distances(x, fakes, self.ema_generators, False)
        self._track(values, x)
        for name, metrics in self.translation_metrics.items():
            for metric in metrics:
                metric.update_state(x[name], fakes[name])
        return self._evaluation_results()

    def _batch(self, data):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        x = _to_float32(x)
        if not self.built:
            self._build_on(x)
        return x

    def _stream(self, name, role):
        return streams.translation(self.modalities.index(name), role)

    def _swap(self, x):
        """What each generator is given, by the name of what it makes."""
        return {name: x[self.other(name)] for name in self.modalities}

    def _make(self, inputs, networks, training=True):
        return {
            name: ops.cast(networks[name](value, training=training), "float32")
            for name, value in inputs.items()
        }

    def _distances(self, x, fakes, networks, training=True):
        """How far from the real examples those are that should be them."""
        made = {"cycle_loss": self._make(self._swap(fakes), networks, training)}
        if self.identity_weight:
            made["identity_loss"] = self._make(x, networks, training)
        return {
            loss: sum(
                _mean_distance(values[name], x[name])
                for name in self.modalities
            )
            for loss, values in made.items()
        }

    # Use.

    def translate(self, x, to, *, batch_size=256):
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
        x = to_arrays(x)
        cycle_checks.check_translate(self, x, to, batch_size)
        return apply_to_rows(
            self,
            ("translate",),
            lambda x, rows, noise: self(_to_float32(x))[to],
            x,
            batch_size=batch_size,
        )

    @property
    def encoders(self):
        """Dict of the generator that takes each modality."""
        return {
            name: self.ema_generators[self.other(name)]
            for name in self.modalities
        }

    def input_specs(self):
        if self.modality_shapes is None:
            return super().input_specs()
        return {
            name: ((None, *shape), "float32")
            for name, shape in self.modality_shapes.items()
        }

    def endpoints(self, sampling="seed"):
        """What an exported model serves.

        Args:
            sampling: Not used: nothing is drawn.

        Returns:
            List of `Endpoint`: `translate_<source>_to_<target>`, both ways.
        """
        return [
            Endpoint(
                named("translate", self.other(target)) + f"_to_{target}",
                lambda model, x: model(x, training=False),
                (self.other(target),),
                target=target,
            )
            for target in self.modalities
        ]

    # Saving.

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


def _to_float32(x):
    return {name: ops.cast(value, "float32") for name, value in x.items()}


def _mean_distance(a, b):
    distances = ops.abs(a - b)
    axes = list(range(1, len(a.shape)))
    return weighted_mean(ops.mean(distances, axis=axes))
