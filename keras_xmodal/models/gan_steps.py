"""The training step of a `GANModel`, to be read beside its formulas."""

import math

import keras
import tensorflow as tf
from keras import ops

from keras_xmodal.adversarial.gradient_norms import (
    logits_and_gradient_norms,
    penalty_values,
)
from keras_xmodal.models import gan_data_checks
from keras_xmodal.models.batch_losses import added_losses
from keras_xmodal.models.gan_networks import GANNetworks
from keras_xmodal.models.moving_average import follow
from keras_xmodal.ops.weighted_mean import weighted_mean

# Which noise of a step: one for each use.
_EVALUATION, _GENERATOR, _DISCRIMINATOR = 0, 1, 2


class GANSteps(GANNetworks):
    """Base of `GANModel`: what happens with a batch.

    A subclass has the networks, and sets in `compile` what is used here.

    Args:
        preprocessors: Dict `{modality: keras.Layer}` or None.
        **kwargs: Arguments of `keras.Model`.
    """

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
        draw = _DISCRIMINATOR + 3 * number
        rows = ops.shape(real)[0]
        with keras.StatelessScope():  # The generator stays as it is.
            fake = self._generate(self._noise(rows, draw=draw), features)
        points = self._points(real, fake, draw + 1)
        with tf.GradientTape() as tape:
            logits, norms = logits_and_gradient_norms(
                lambda x, features: self._discriminate(
                    self.discriminator, x, features, draw
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
        for name, value in penalties.items():
            self._trackers[name].update_state(value)
        self._trackers["discriminator_loss"].update_state(loss)
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
            self.discriminator, real, rolled, _DISCRIMINATOR
        )
        others = (1 - self.mismatch_weight) * values
        others += self.mismatch_weight * loss(logits["real"], mismatched)
        return ops.where(_equal_rows(condition), values, others)

    def _generator_step(self, real, features, weight):
        """Update the generator, against the updated discriminator."""
        network = self.discriminator
        rows = ops.shape(real)[0]
        with tf.GradientTape() as tape:
            fake = self._generate(self._noise(rows, draw=_GENERATOR), features)
            with keras.StatelessScope():  # The discriminator stays as it is.
                logits = self._discriminate(network, fake, features, _GENERATOR)
                real_logits = None
                if self.adversarial_loss.compares:
                    real_logits = tf.stop_gradient(
                        self._discriminate(network, real, features, _GENERATOR)
                    )
            terms = self.adversarial_loss.generator_loss(real_logits, logits)
            loss = weighted_mean(terms, weight)
            total = loss + added_losses(self.generator)
            scaled = self._scale(total, "generator")
        self._apply(tape, scaled, "generator")
        self._trackers["generator_loss"].update_state(loss)

    def test_step(self, data):
        condition, real, weight = self._batch(data)
        # Other noise for every batch, the same in every evaluation.
        seen = ops.cast(self._trackers["fake_score"].count, "int32")
        rows = ops.shape(real)[0]
        z = self._noise(rows, _EVALUATION, step=-2, first_row=seen)
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
            self._trackers[name].update_state(weighted_mean(terms, weight))
        for place, value in logits.items():
            self._trackers[f"{place}_score"].update_state(value)
        for metric in self._sample_metrics:
            metric.update_state(real, fake, sample_weight=weight)
        return self._evaluation_results()

    # Parts of a step.

    def _batch(self, data):
        data = data if isinstance(data, tuple) else (data,)
        condition, real, weight = self._split(data)
        if not self.built:
            self.build(
                keras.tree.map_structure(lambda value: value.shape, condition)
            )
        return condition, ops.cast(real, "float32"), weight

    def _split(self, data):
        """Condition, `()` for none, target and weight of a batch."""
        x, y, weight = (*data, None, None)[:3]
        if self.modalities and y is None:
            gan_data_checks.check_named(self, x)
            if isinstance(weight, dict):
                weight = math.prod(weight.values())
            condition = x[self.condition] if self.conditional else ()
            return condition, x[self.target], weight
        if not self.conditional:
            return (), x if y is None else y, weight
        if y is None:
            raise ValueError(
                "`y` must hold the targets, beside the conditions in `x`. "
                "Received: y=None. A model without conditions is made with "
                "`conditional=False`."
            )
        return x, y, weight


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
