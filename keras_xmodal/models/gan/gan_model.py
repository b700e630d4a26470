"""One modality generated from another, by two networks that compete."""

import math

import keras
import tensorflow as tf
from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.adversarial import streams
from keras_xmodal.adversarial.gradient_norms import (
    logits_and_gradient_norms,
    penalty_values,
)
from keras_xmodal.models.encoders import (
    check_input,
    declared_input,
    one_tensor,
    symbolic,
)
from keras_xmodal.models.endpoint import Endpoint
from keras_xmodal.models.gan import checks as gan_checks
from keras_xmodal.models.gan.adversarial_model import (
    AdversarialModel,
    added_losses,
)
from keras_xmodal.models.gan.moving_average import clone, follow
from keras_xmodal.models.rows import apply_to_rows
from keras_xmodal.networks.adversarial.dense_discriminator import (
    DenseDiscriminator,
)
from keras_xmodal.networks.adversarial.dense_generator import DenseGenerator
from keras_xmodal.ops.noise import (
    fold_in,
    resolve_seed,
    stateless_normal,
)
from keras_xmodal.ops.replicas import sum_over_replicas
from keras_xmodal.ops.weighted_mean import weighted_mean


@saving.register
class GANModel(AdversarialModel):
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

    A process that loads the saved model imports `keras_xmodal` before: so Keras
    knows the class.

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
            takes noise of the model's seed and of the row, the same at each
            call; `predict` counts rows over all its batches. For fresh noise
            there is `generate`.
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
        conditional = checks.boolean("conditional", conditional)
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
        self.seed = resolve_seed(seed)
        self.ema_generator = generator
        if ema_momentum:
            self.ema_generator = clone(generator)
        self.condition_shape = self.target_shape = None
        if not conditional:
            self.build((None, latent_dim))
        elif self._textbook:
            self.build((None, input_dim))

    # Networks.

    def _build_networks(self, input_shape):
        z = keras.KerasTensor((None, self.latent_dim))
        if self.conditional:
            condition = symbolic(input_shape, self._input_dtype)
            features = condition
            if self.condition_encoder is not None:
                features = self.condition_encoder(condition)
            output = one_tensor("generator", self.generator([z, features]))
            logits = self.discriminator([output, features])
            inputs = [z, features]
        else:
            inputs = z
            output = one_tensor("generator", self.generator(z))
            logits = self.discriminator(output)
        gan_checks.check_logits(self.discriminator, logits)
        if self.ema_generator is not self.generator:
            self.ema_generator(inputs)
            self.ema_generator.set_weights(self.generator.get_weights())
        self.condition_shape = input_shape if self.conditional else None
        self.target_shape = tuple(output.shape[1:])
        self._build_optimizers()

    def call(self, x, z=None, training=False):
        network = self._network(training)
        if not self.conditional:
            return ops.cast(network(x, training=training), "float32")
        if z is None:
            num_rows = ops.shape(keras.tree.flatten(x)[0])[0]
            z = self._latents(self._noise(step=-1), num_rows)
        features = self._encode(x)
        return ops.cast(network([z, features], training=training), "float32")

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

    def _latents(self, noise, num_rows, first_row=0):
        shape = (num_rows, self.latent_dim)
        return noise.rows(num_rows, first_row).normal(shape)

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
            **kwargs: `optimizer`, a Keras optimizer or its name in place of
                both, of which each gets a copy; and further arguments of
                `keras.Model.compile`, such as `jit_compile`, `run_eagerly` and
                `steps_per_execution`.

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

    def fit(self, x=None, y=None, batch_size=None, epochs=1, *args, **kwargs):
        """Train both networks.

        Args:
            x: Array of conditions, with `y`; array of targets, where there is
                no condition; dict of both, where the modalities have names; or
                a `tf.data.Dataset`, `keras.utils.PyDataset` or generator of
                batches `(condition, target)`, `(target,)` or of dicts, with
                `sample_weight` after them if you like: `(dict, None,
                sample_weight)`. Where modalities have names, the examples are
                raw: the model's preprocessors are applied, with augmentation;
                `Preprocessed` is taken as it is.
            y: Array of targets, with conditions. Ids of data that other
                models pair are left aside.
            batch_size: Positive integer, for arrays. Defaults to 32.
            epochs: Positive integer.
            *args: Further arguments of `keras.Model.fit`, in its order.
            **kwargs: The same, by name.

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
        return super().fit(x, y, batch_size, epochs, *args, **kwargs)

    # Data.

    def _name(self, x, y=None, sample_weight=None, inputs=False):
        if inputs:
            if self.condition and not isinstance(x, dict):
                x = {self.condition: x}
            return x, None, sample_weight
        whole = y is not None or not self.conditional
        if self.modalities and whole and not isinstance(x, dict):
            values = x
            x = {self.target: values}
            if self.conditional:
                x, y = {self.condition: values, self.target: y}, None
        return x, y, sample_weight

    def _check_structure(self, x, y=None, sample_weight=None, inputs=False):
        if inputs:
            if self.condition:
                gan_checks.check_named(self, x, [self.condition])
            return
        if self.modalities:
            super()._check_structure(x, None, sample_weight)
            gan_checks.check_named(self, x)
        if self.modalities or not self.conditional:
            gan_checks.check_no_targets(self, y)
        elif y is None:
            raise ValueError(
                "`y` must hold the targets, beside the conditions in `x`. "
                "Received: y=None. A model without conditions is made with "
                "`conditional=False`."
            )
        elif isinstance(y, dict):
            raise TypeError(
                "`y` must be the targets alone, of a model whose modalities "
                f"have no names. Received: y with keys {list(y)}"
            )

    def _arrange(self, x, y, sample_weight, inputs):
        """Pairs `(condition, target)`; the target twice without conditions."""
        if inputs:
            return x[self.condition] if self.condition else x, None, None
        if self.modalities:
            if isinstance(sample_weight, dict):
                sample_weight = math.prod(sample_weight.values())
            target = x[self.target]
            x = x[self.condition] if self.conditional else target
            return x, target, sample_weight
        return x, y if self.conditional else x, sample_weight

    def _check_values(self, x, y=None, sample_weight=None):
        self._check_specs(x, y)
        self._check_support(x, y)

    def _check_support(self, x, y=None, sample_weight=None):
        gan_checks.check_range(self.generator, y)

    def _check_input(self, x):
        if not self.built:
            self._build_on(x)
        elif self.conditional and self.condition_shape is not None:
            check_input("condition", x, self.condition_shape)

    def _check_specs(self, x, y=None, sample_weight=None):
        if self.conditional:
            self._check_input(x)
        gan_checks.check_target_shape(self, y)

    def _check_last_batch(self, size):
        networks = (self.generator, self.discriminator)
        gan_checks.check_last_batch(
            networks, size, self.distribute_strategy.num_replicas_in_sync
        )

    # The step.

    def train_step(self, data):
        condition, real, weight = self._batch(data)
        features = self._encode(condition)
        for number in range(self.discriminator_steps):
            logits = self._discriminator_step(
                real, features, condition, weight, number
            )
        self._generator_step(real, features, weight)
        follow(self.ema_generator, self.generator, self.ema_momentum)
        self._adapt_augmentation(logits["real"], logits["fake"])
        self.step.assign_add(1)
        return self.get_metrics_result()

    def _discriminator_step(self, real, features, condition, weight, number):
        """Update the discriminator; return its logits before that."""
        stream = streams.discriminator(number)
        rows = ops.shape(real)[0]
        with keras.StatelessScope():  # The generator stays as it is.
            z = self._latents(self._noise(stream), rows)
            fake = self._generate(z, features)
        points = self._points(real, fake, streams.interpolation(number))
        with tf.GradientTape() as tape:
            logits, norms = logits_and_gradient_norms(
                lambda x, features: self._discriminate(
                    self.discriminator, x, features, stream
                ),
                points,
                features,
                self.penalties,
            )
            terms = self._discriminator_loss(logits, real, features, condition)
            loss = total = weighted_mean(terms, weight)
            penalties = penalty_values(self.penalties, norms, weight)
            for value in penalties.values():
                total = total + self.penalty_weight * value
            total = total + added_losses(self.discriminator)
            scaled = self._scale(total, "discriminator")
        self._apply(tape, scaled, "discriminator")
        self._track({"discriminator_loss": loss, **penalties}, real, weight)
        self._trackers["real_score"].update_state(logits["real"], weight)
        self._trackers["fake_score"].update_state(logits["fake"], weight)
        return logits

    def _discriminator_loss(self, logits, real, features, condition):
        """The loss of each example, with mismatched conditions if asked."""
        loss = self.adversarial_loss.discriminator_loss
        values = loss(logits["real"], logits["fake"])
        if not self.mismatch_weight:
            return values
        rolled = keras.tree.map_structure(_roll, features)
        mismatched = self._discriminate(
            self.discriminator, real, rolled, streams.discriminator(0)
        )
        others = (1 - self.mismatch_weight) * values
        others += self.mismatch_weight * loss(logits["real"], mismatched)
        return ops.where(_equal_rows(condition), values, others)

    def _generator_step(self, real, features, weight):
        """Update the generator, against the updated discriminator."""
        network, stream = self.discriminator, streams.GENERATOR
        rows = ops.shape(real)[0]
        with tf.GradientTape() as tape:
            z = self._latents(self._noise(stream), rows)
            fake = self._generate(z, features)
            with keras.StatelessScope():  # The discriminator stays as it is.
                logits = self._discriminate(network, fake, features, stream)
                real_logits = None
                if self.adversarial_loss.compares:
                    real_logits = tf.stop_gradient(
                        self._discriminate(network, real, features, stream)
                    )
            terms = self.adversarial_loss.generator_loss(real_logits, logits)
            loss = weighted_mean(terms, weight)
            total = loss + added_losses(self.generator)
            scaled = self._scale(total, "generator")
        self._apply(tape, scaled, "generator")
        self._track({"generator_loss": loss}, real, weight)

    def test_step(self, data):
        condition, real, weight = self._batch(data)
        # Other noise for every batch, the same in every evaluation.
        z = self._new_latents(
            ops.shape(real)[0], step=-2, stream=streams.EVALUATION
        )
        features = self._encode(condition)
        inputs = [z, features] if self.conditional else z
        fake = self.ema_generator(inputs, training=False)
        logits = {
            place: self._discriminate(
                self.discriminator, x, features, training=False
            )
            for place, x in (("real", real), ("fake", fake))
        }
        loss = self.adversarial_loss
        values = {
            "discriminator_loss": loss.discriminator_loss,
            "generator_loss": loss.generator_loss,
        }
        for name, function in values.items():
            terms = function(logits["real"], logits["fake"])
            self._trackers[name].update_state(terms, weight)
        for place, value in logits.items():
            self._trackers[f"{place}_score"].update_state(value, weight)
        for metric in self._sample_metrics:
            metric.update_state(real, fake, sample_weight=weight)
        return self._evaluation_results()

    def predict(self, x, batch_size=None, verbose="auto", **kwargs):
        self._rows_seen.reset_state()
        return super().predict(x, batch_size, verbose, **kwargs)

    def predict_on_batch(self, x):
        self._rows_seen.reset_state()
        return super().predict_on_batch(x)

    def predict_step(self, data):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        if not self.conditional:
            return self(x, training=False)
        rows = ops.shape(keras.tree.flatten(x)[0])[0]
        return self(x, self._new_latents(rows, step=-1), training=False)

    def _new_latents(self, rows, step, stream=0):
        """Noise of the next rows, other than that of those seen so far."""
        first_row = ops.cast(self._rows_seen.result(), "int32")
        self._rows_seen.update_state(sum_over_replicas(rows))
        return self._latents(self._noise(stream, step), rows, first_row)

    def _batch(self, data):
        condition, real, weight = keras.utils.unpack_x_y_sample_weight(data)
        condition = condition if self.conditional else ()
        if not self.built:
            self._build_on(condition)
        return condition, ops.cast(real, "float32"), weight

    # Use.

    def generate(
        self,
        condition=None,
        z=None,
        num_examples=None,
        *,
        seed=None,
        batch_size=256,
    ):
        """Generate targets.

        Args:
            condition: Raw conditions, raw being what the preprocessor of the
                modality takes, or else the model; where it has a name, also
                in a dict `{modality: examples}`, or in `Preprocessed`.
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
        if condition is not None and self.conditional:
            condition, _, _ = self._check_given(condition, inputs=True)
        num_examples = gan_checks.check_generate(
            self, condition, z, seed, num_examples
        )
        rows = {"z": z}
        if z is None:
            rows = {"seed": _row_seeds(num_examples, seed)}

        def generate(condition, rows, noise):
            z = rows.get("z")
            if z is None:
                num_rows = ops.shape(rows["seed"])[0]
                z = self.sample_latents(num_rows, seed=rows["seed"])
            return self(condition, z) if self.conditional else self(z)

        return apply_to_rows(
            self,
            ("generate", *rows),
            generate,
            () if condition is None else condition,
            rows,
            batch_size=batch_size,
        )

    def sample_latents(self, num_examples, *, seed):
        """Draw noise for `generate`.

        Args:
            num_examples: Positive integer.
            seed: Integer, or integers of shape `(examples,)`.

        Returns:
            Tensor of shape `(examples, latent_dim)`.
        """
        if not tf.is_tensor(num_examples):
            checks.positive_integer("num_examples", num_examples)
        seed = _row_seeds(num_examples, seed)
        return stateless_normal((num_examples, self.latent_dim), seed)

    def input_specs(self):
        if not self.conditional:
            return {}
        if self.condition_encoder is not None and self.condition:
            return {self.condition: declared_input(self.condition_encoder)}
        dtype = "float32" if self.condition else None
        return {self.condition: (self.condition_shape, dtype)}

    def endpoints(self, sampling="seed"):
        """What an exported model serves.

        Args:
            sampling: Not used: one endpoint takes a seed, one takes noise.

        Returns:
            List of `Endpoint`: `generate`, from the condition, if there is
            one, and a seed for each row, and `generate_from_z`.
        """
        fields = {
            "modalities": tuple(self.input_specs()),
            "target": self.target,
        }
        seed = tf.TensorSpec((None,), tf.int32, "seed")
        z = tf.TensorSpec((None, self.latent_dim), tf.float32, "z")
        return [
            Endpoint(
                "generate{raw}", _generate_from_seed, further=(seed,), **fields
            ),
            Endpoint(
                "generate_from_z{raw}",
                _generate_from_z,
                further=(z,),
                **fields,
            ),
        ]

    def _call_on(self, x):
        condition = next(iter(x.values()), None)
        if condition is None:
            return self(ops.zeros((1, self.latent_dim)), training=False)
        return self(condition, training=False)

    # Saving.

    def get_config(self):
        config = saving.signature_config(GANModel, self)
        if self._textbook:
            config |= {"generator": None, "discriminator": None}
        return config

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


def _generate_from_z(model, x, z):
    condition = next(iter(x.values()), None)
    y = model(z) if condition is None else model(condition, z)
    return {model.target or "y": y}


def _generate_from_seed(model, x, seed):
    z = model.sample_latents(ops.shape(seed)[0], seed=seed)
    return _generate_from_z(model, x, z)


def _row_seeds(num_rows, seed):
    """One seed for each row, of one for all or of as many."""
    seed = resolve_seed(None) if seed is None else seed
    if not tf.is_tensor(seed):
        seed = checks.array("seed", seed)
        if not seed.ndim:
            seed = resolve_seed(seed.item())
    if not ops.ndim(seed):
        return fold_in(seed, ops.arange(num_rows, dtype="int32"))
    seed = checks.tensor("seed", seed, ("examples",), dtype=None)
    if "int" not in keras.backend.standardize_dtype(seed.dtype):
        raise TypeError(
            f"`seed` must be integers. Received: seed of dtype {seed.dtype}"
        )
    return ops.cast(seed, "int32")


def _roll(value):
    return ops.roll(value, 1, axis=0)


def _equal_rows(condition):
    """Whether a row of the condition equals the one before it."""
    equal = [
        ops.all(
            ops.equal(value, _roll(value)),
            axis=list(range(1, len(value.shape))),
        )
        for value in keras.tree.flatten(condition)
    ]
    return ops.all(ops.stack(equal), axis=0)
