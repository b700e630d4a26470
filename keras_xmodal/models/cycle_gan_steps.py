"""The training step of a `CycleGANModel`, to be read beside its formulas."""

import keras
import tensorflow as tf
from keras import ops

from keras_xmodal.adversarial.gradient_norms import (
    logits_and_gradient_norms,
    penalty_values,
)
from keras_xmodal.models import cycle_gan_checks, gan_checks, gan_data_checks
from keras_xmodal.models.adversarial_model import AdversarialModel
from keras_xmodal.models.batch_losses import added_losses
from keras_xmodal.models.moving_average import follow


class CycleGANSteps(AdversarialModel):
    """Base of `CycleGANModel`: what happens with a batch.

    A subclass has the networks, and sets in `compile` what is used here.

    Args:
        preprocessors: Dict `{modality: keras.Layer}` or None.
        **kwargs: Arguments of `keras.Model`.
    """

    adam_arguments = {"beta_1": 0.5, "beta_2": 0.999}

    def build(self, input_shape):
        shapes = {name: (None, *input_shape[name][1:]) for name in input_shape}
        for name in self.modalities:
            source = keras.KerasTensor(shapes[self.other(name)])
            output = self.generators[name](source)
            cycle_gan_checks.check_output(name, output, shapes[name])
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
        cycle_gan_checks.check_identity(
            self.identity_weight, self.modality_shapes
        )
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

    def _networks(self, role):
        return list(getattr(self, f"{role}s").values())

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
        self._track({"generator_loss": loss, **distances})
        return fakes

    def _adversarial_term(self, name, real, fake):
        discriminator = self.discriminators[name]
        draw = self.modalities.index(name)
        logits = self._discriminate(discriminator, fake, (), draw)
        real_logits = None
        if self.adversarial_loss.compares:
            real_logits = tf.stop_gradient(
                self._discriminate(discriminator, real, (), draw)
            )
        return ops.mean(
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
        self._track({"discriminator_loss": loss, **penalties})
        return logits

    def _discriminator_terms(self, name, real, fake):
        """Logits, loss and penalties of one discriminator."""
        # Other noise than that of the generators' step.
        draw = len(self.modalities) + self.modalities.index(name)
        logits, norms = logits_and_gradient_norms(
            lambda x, features: self._discriminate(
                self.discriminators[name], x, features, draw
            ),
            self._points(real, fake, draw),
            (),
            self.penalties,
        )
        terms = self.adversarial_loss.discriminator_loss(
            logits["real"], logits["fake"]
        )
        return logits, ops.mean(terms), penalty_values(self.penalties, norms)

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
            values["discriminator_loss"] += ops.mean(
                loss.discriminator_loss(real, fake)
            )
            values["generator_loss"] += ops.mean(
                loss.generator_loss(real, fake)
            )
        self._track(values)
        self._track(self._distances(x, fakes, self.ema_generators, False))
        for name, metrics in self.translation_metrics.items():
            for metric in metrics:
                metric.update_state(x[name], fakes[name])
        return self._evaluation_results()

    # Parts of a step.

    def _batch(self, data):
        x = data[0] if isinstance(data, tuple) else data
        gan_data_checks.check_named(self, x)
        x = {name: ops.cast(x[name], "float32") for name in self.modalities}
        if not self.built:
            self.build({name: value.shape for name, value in x.items()})
        return x

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
                ops.mean(ops.abs(values[name] - x[name]))
                for name in self.modalities
            )
            for loss, values in made.items()
        }

    def _track(self, values):
        for name, value in values.items():
            self._trackers[name].update_state(value)
