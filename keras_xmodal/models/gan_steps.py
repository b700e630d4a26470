"""The training step of a `GANModel`, to be read beside its formulas."""

import math

import keras
import tensorflow as tf
from keras import ops

from keras_xmodal.layers import AdaptiveAugmentation, SpectralNormalization
from keras_xmodal.models import gan_data_checks
from keras_xmodal.models.gan_networks import GANNetworks
from keras_xmodal.ops.noise import stateless_uniform

# Which noise of a step: one for each use.
_EVALUATION, _GENERATOR, _DISCRIMINATOR = 0, 1, 2


class GANSteps(GANNetworks):
    """Base of `GANModel`: what happens with a batch.

    A subclass has the networks, and sets in `compile` what is used here.

    Args:
        preprocessors: Dict `{modality: keras.Layer}` or None.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(self, preprocessors=None, **kwargs):
        super().__init__(preprocessors, **kwargs)
        self._set_metrics({}, [])

    def train_step(self, data):
        condition, real, weight = self._batch(data)
        features = self._encode(condition)
        for number in range(self.discriminator_steps):
            logits = self._discriminator_step(
                real, features, condition, weight, number
            )
        self._generator_step(real, features, weight)
        self._follow()
        if isinstance(self.augmenter, AdaptiveAugmentation):
            confidence = logits["real"]
            if self.adversarial_loss.compares:  # Then 0 says nothing.
                confidence = confidence - logits["fake"]
            self.augmenter.update(confidence)
            self._trackers["augmentation"].update_state(
                self.augmenter.probability.value
            )
        self.step.assign_add(1)
        return self.get_metrics_result()

    def _discriminator_step(self, real, features, condition, weight, number):
        """Update the discriminator; return its logits before that."""
        draw = _DISCRIMINATOR + 3 * number
        rows = ops.shape(real)[0]
        with keras.StatelessScope():  # The generator stays as it is.
            fake = self._generate(self._noise(rows, draw=draw), features)
        points = {"real": real, "fake": tf.stop_gradient(fake)}
        if any(p.location == "between" for p in self.penalties):
            share = self._noise(rows, draw + 1, stateless_uniform, dim=1)
            share = ops.reshape(share, (-1, *[1] * (len(real.shape) - 1)))
            points["between"] = share * real + (1 - share) * points["fake"]
        variables = self.discriminator.trainable_variables
        with tf.GradientTape() as tape:
            logits, slopes = self._logits_and_slopes(points, features, draw)
            terms = self._discriminator_loss(logits, real, features, condition)
            loss = total = _mean(terms, weight)
            for penalty in self.penalties:
                values = penalty(slopes[penalty.location, penalty.of_condition])
                value = _mean(values, weight)
                self._trackers[penalty.name].update_state(value)
                total = total + self.penalty_weight * value
            total = total + _added_losses(self.discriminator)
            scaled = self._scale(total, self.discriminator_optimizer)
        self._apply(tape, scaled, variables, self.discriminator_optimizer)
        for layer in self.discriminator._flatten_layers():
            if isinstance(layer, SpectralNormalization):
                layer.update()
        self._trackers["discriminator_loss"].update_state(loss)
        self._trackers["real_score"].update_state(logits["real"], weight)
        self._trackers["fake_score"].update_state(logits["fake"], weight)
        return logits

    def _logits_and_slopes(self, points, features, draw):
        """Logits at the points, and the squared norms of their gradients.

        One forward pass gives both: the logit of an example depends on that
        example, so the gradient of the sum holds the gradient of each. It is
        the gradient by the target before it is augmented.
        """
        if not self.penalties:
            return {
                place: self._discriminate(x, features, draw)
                for place, x in points.items()
            }, {}
        conditions = {
            place: keras.tree.map_structure(tf.identity, features)
            for place in points
        }
        of_condition = any(p.of_condition for p in self.penalties)
        watched = (points, conditions if of_condition else {})
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(keras.tree.flatten(watched))
            logits = {
                place: self._discriminate(x, conditions[place], draw)
                for place, x in points.items()
            }
            total = sum(ops.sum(value) for value in logits.values())
        gradients = tape.gradient(
            total, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        slopes = {}
        for place in points:
            slopes[place, False] = _squared_norm(gradients[0][place])
            if of_condition:
                slopes[place, True] = slopes[place, False] + sum(
                    _squared_norm(g)
                    for g in keras.tree.flatten(gradients[1][place])
                )
        return logits, slopes

    def _discriminator_loss(self, logits, real, features, condition):
        """The loss of each example, with mismatched conditions if asked."""
        loss = self.adversarial_loss.discriminator_loss
        values = loss(logits["real"], logits["fake"])
        if not self.mismatch_weight:
            return values
        rolled = keras.tree.map_structure(_roll, features)
        mismatched = self._discriminate(real, rolled, _DISCRIMINATOR)
        others = (1 - self.mismatch_weight) * values
        others += self.mismatch_weight * loss(logits["real"], mismatched)
        return ops.where(_equal_rows(condition), values, others)

    def _generator_step(self, real, features, weight):
        """Update the generator, against the updated discriminator."""
        variables = self.generator.trainable_variables
        rows = ops.shape(real)[0]
        with tf.GradientTape() as tape:
            fake = self._generate(self._noise(rows, draw=_GENERATOR), features)
            with keras.StatelessScope():  # The discriminator stays as it is.
                logits = self._discriminate(fake, features, _GENERATOR)
                real_logits = None
                if self.adversarial_loss.compares:
                    real_logits = tf.stop_gradient(
                        self._discriminate(real, features, _GENERATOR)
                    )
            loss = _mean(
                self.adversarial_loss.generator_loss(real_logits, logits),
                weight,
            )
            total = loss + _added_losses(self.generator)
            scaled = self._scale(total, self.generator_optimizer)
        self._apply(tape, scaled, variables, self.generator_optimizer)
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
            place: self._discriminate(x, features, None, training=False)
            for place, x in (("real", real), ("fake", fake))
        }
        loss = self.adversarial_loss
        values = {
            "discriminator_loss": loss.discriminator_loss,
            "generator_loss": loss.generator_loss,
        }
        for name, function in values.items():
            terms = function(logits["real"], logits["fake"])
            self._trackers[name].update_state(_mean(terms, weight))
        for place, value in logits.items():
            self._trackers[f"{place}_score"].update_state(value)
        for metric in self._sample_metrics:
            metric.update_state(real, fake, sample_weight=weight)
        results = self.get_metrics_result()
        in_training = {"augmentation", *(p.name for p in self.penalties)}
        return {k: v for k, v in results.items() if k not in in_training}

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

    def _scale(self, loss, optimizer):
        # Strategies sum the gradients of replicas.
        loss = loss / self.distribute_strategy.num_replicas_in_sync
        return optimizer.scale_loss(loss)

    def _apply(self, tape, loss, variables, optimizer):
        gradients = tape.gradient(
            loss,
            variables,
            # Of a penalty alone, none reaches the last bias.
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        optimizer.apply(gradients, variables)

    def _follow(self):
        """Move the averaged generator towards the generator."""
        if self.ema_generator is self.generator:
            return
        # Moving statistics and counts are no average of weights.
        trained = {id(v) for v in self.generator.trainable_variables}
        pairs = []
        for average, variable in zip(
            self.ema_generator.variables, self.generator.variables, strict=True
        ):
            value = variable.value
            if id(variable) in trained:
                old = average.value
                value = old + (1 - self.ema_momentum) * (value - old)
            pairs.append((average, value))
        _assign(pairs)

    # Metrics.

    def _make_metrics(self, metrics):
        names = ["discriminator_loss", "generator_loss"]
        names += ["real_score", "fake_score"]
        names += [penalty.name for penalty in self.penalties]
        if isinstance(self.augmenter, AdaptiveAugmentation):
            names.append("augmentation")
        trackers = {name: keras.metrics.Mean(name) for name in names}
        self._set_metrics(trackers, [keras.metrics.get(m) for m in metrics])

    def _set_metrics(self, trackers, metrics):
        # They come with `compile`, when a built model takes no more state.
        object.__setattr__(self, "_trackers", trackers)
        object.__setattr__(self, "_sample_metrics", metrics)

    @property
    def metrics(self):
        return [*self._trackers.values(), *self._sample_metrics]


def _mean(values, weight):
    if weight is None:
        return ops.mean(values)
    weight = ops.cast(weight, "float32")
    return ops.sum(weight * values) / ops.maximum(
        ops.sum(weight), keras.config.epsilon()
    )


def _squared_norm(gradient):
    gradient = ops.cast(gradient, "float32")
    return ops.sum(
        ops.square(gradient), axis=list(range(1, len(gradient.shape)))
    )


def _added_losses(network):
    return sum(ops.sum(ops.cast(value, "float32")) for value in network.losses)


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


def _assign(pairs):
    """Assign values to variables, on all replicas."""
    if not tf.distribute.has_strategy():
        for variable, value in pairs:
            variable.assign(value)
        return

    def assign(strategy, *values):
        for (variable, _), value in zip(pairs, values, strict=True):
            strategy.extended.update(
                variable.value, lambda v, new: v.assign(new), args=(value,)
            )

    tf.distribute.get_replica_context().merge_call(
        assign, args=tuple(value for _, value in pairs)
    )
