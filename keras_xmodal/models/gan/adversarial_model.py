"""What models share whose generators and discriminators compete."""

import keras
import tensorflow as tf
from keras import ops

from keras_xmodal import adversarial, checks, saving
from keras_xmodal.adversarial import streams
from keras_xmodal.layers import (
    AdaptiveAugmentation,
    DiffAugment,
    SpectralNormalization,
)
from keras_xmodal.layers.random_layer import add_step
from keras_xmodal.models.base import MultimodalModel
from keras_xmodal.models.gan import checks as gan_checks
from keras_xmodal.models.gan.finite_guard import FiniteGuard
from keras_xmodal.ops.noise import Noise
from keras_xmodal.ops.weighted_mean import total_weight


class AdversarialModel(MultimodalModel):
    """Base of models with two optimizers, of generators and discriminators.

    It holds the optimizers, the count of the steps, from which all noise is
    drawn, the augmentation and the metrics, and how these are saved. A subclass
    has the networks, `augmenter` and `seed`, and the formulas of a step.

    Args:
        preprocessors: Dict `{modality: keras.Layer}` or None.
        **kwargs: Arguments of `keras.Model`.
    """

    conditional = False
    # Of the optimizers that are made where none is given.
    adam_arguments = {"beta_1": 0.0, "beta_2": 0.99}

    def __init__(self, preprocessors=None, **kwargs):
        super().__init__(preprocessors, **kwargs)
        self.step = add_step(self)
        self.penalty_weight = self.add_weight(
            shape=(),
            initializer="ones",
            dtype="float32",
            autocast=False,
            trainable=False,
            name="penalty_weight",
        )
        self.generator_optimizer = self.discriminator_optimizer = None
        self._set_metrics({}, [])

    def _networks(self, role):
        """List of the networks that the optimizer of a role trains."""
        raise NotImplementedError

    def _trained_variables(self, role):
        return [
            variable
            for network in self._networks(role)
            for variable in network.trainable_variables
        ]

    # Training.

    def compile(
        self,
        generator_optimizer,
        discriminator_optimizer,
        loss,
        penalties,
        optimizer=None,
        **kwargs,
    ):
        """Check and keep what every training takes.

        Args:
            generator_optimizer: Keras optimizer, its name or None.
            discriminator_optimizer: The same, another one.
            loss: `AdversarialLoss` or its name.
            penalties: List of `Penalty` or their names; empty for none.
            optimizer: Keras optimizer or its name, in place of both: each role
                gets one of its config.
            **kwargs: Further arguments of `keras.Model.compile`.

        Raises:
            ValueError: If an argument does not fit.
            TypeError: If `loss` or a penalty is something else.
        """
        checks.left_out(
            "Penalties have weights of their own, and `metrics` are weighted "
            "by `sample_weight`",
            loss_weights=kwargs.get("loss_weights"),
            weighted_metrics=kwargs.get("weighted_metrics"),
        )
        loss = saving.resolve("loss", loss, adversarial.AdversarialLoss)
        penalties = () if penalties is None else penalties
        penalty_list = [
            saving.resolve("penalties", p, adversarial.Penalty)
            for p in checks.items("penalties", penalties, "a list")
        ]
        gan_checks.check_penalties(
            penalty_list,
            [*self._networks("discriminator"), self.augmenter],
            self.conditional,
        )
        if optimizer is not None:
            gan_checks.check_one_optimizer(
                generator_optimizer, discriminator_optimizer
            )
            config = keras.optimizers.serialize(keras.optimizers.get(optimizer))
            generator_optimizer, discriminator_optimizer = (
                keras.optimizers.deserialize(config) for _ in range(2)
            )
        optimizers = [
            keras.optimizers.Adam(2e-4, **self.adam_arguments)
            if optimizer is None
            else keras.optimizers.get(optimizer)
            for optimizer in (generator_optimizer, discriminator_optimizer)
        ]
        gan_checks.check_two_optimizers(*optimizers)
        # Keras would make and save an optimizer of its own for the two.
        super().compile(optimizer=None, **kwargs)
        scales = kwargs.get("auto_scale_loss", True)
        if scales and self.dtype_policy.name == "mixed_float16":
            optimizers = [_with_loss_scale(o) for o in optimizers]
        self.generator_optimizer, self.discriminator_optimizer = optimizers
        self.adversarial_loss = loss
        self.penalties = penalty_list
        self._build_optimizers()

    def _build_optimizers(self):
        for role in ("generator", "discriminator"):
            optimizer = getattr(self, f"{role}_optimizer")
            if optimizer is None or optimizer.built:
                continue
            variables = self._trained_variables(role)
            if variables and all(n.built for n in self._networks(role)):
                optimizer.build(variables)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        *args,
        **kwargs,
    ):
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = keras.tree.flatten(callbacks or [])
            gan_checks.check_callbacks(callbacks)
            callbacks = [*callbacks, FiniteGuard()]
        return super().fit(
            x, y, batch_size, epochs, verbose, callbacks, *args, **kwargs
        )

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: the gate has built the model, and `call` takes no batch."""

    # Parts of a step.

    def _discriminate(
        self, discriminator, x, features, stream=None, training=True
    ):
        """Logits of shape `(batch,)`, of augmented targets in training."""
        if self.augmenter is not None and training:
            x = self._augment(x, stream)
        inputs = [x, features] if self.conditional else x
        logits = discriminator(inputs, training=training)
        return ops.reshape(ops.cast(logits, "float32"), (-1,))

    def _augment(self, x, stream):
        if isinstance(self.augmenter, DiffAugment):
            noise = self._noise(streams.augmentation(stream))
            return self.augmenter(x, seed=noise.rows(ops.shape(x)[0]).seed)
        return self.augmenter(x, training=True)

    def _points(self, real, fake, stream):
        """Where a discriminator is looked at, by the names of locations."""
        points = {"real": real, "fake": tf.stop_gradient(fake)}
        if any(p.location == "between" for p in self.penalties):
            rows = ops.shape(real)[0]
            share = self._noise(stream).rows(rows).uniform((rows, 1))
            share = ops.reshape(share, (-1, *[1] * (len(real.shape) - 1)))
            points["between"] = share * real + (1 - share) * points["fake"]
        return points

    def _noise(self, stream=0, step=None):
        """The noise of a use, in this step or another."""
        step = self.step.value if step is None else step
        return Noise(self.seed, step).stream(stream)

    def _scale(self, loss, role):
        # Strategies sum the gradients of replicas.
        loss = loss / self.distribute_strategy.num_replicas_in_sync
        return getattr(self, f"{role}_optimizer").scale_loss(loss)

    def _apply(self, tape, loss, role):
        """Update the networks of a role by the gradient of a scaled loss."""
        variables = self._trained_variables(role)
        # Of a penalty alone, none reaches the last bias.
        gradients = [
            ops.zeros_like(variable) if gradient is None else gradient
            for gradient, variable in zip(
                tape.gradient(loss, variables), variables, strict=True
            )
        ]
        getattr(self, f"{role}_optimizer").apply(gradients, variables)
        if role == "discriminator":
            for network in self._networks(role):
                for layer in network._flatten_layers():
                    if isinstance(layer, SpectralNormalization):
                        layer.update()

    def _adapt_augmentation(self, real, fake):
        """Augment more where the discriminator is sure of real examples."""
        if not isinstance(self.augmenter, AdaptiveAugmentation):
            return
        # Where the loss compares, 0 says nothing.
        compares = self.adversarial_loss.compares
        self.augmenter.update(real - fake if compares else real)
        self._trackers["augmentation"].update_state(
            self.augmenter.probability.value
        )

    # Metrics.

    def _make_metrics(self, names, metrics):
        """Means of the named losses, and metrics of samples."""
        names = [*names, *(penalty.name for penalty in self.penalties)]
        if isinstance(self.augmenter, AdaptiveAugmentation):
            names.append("augmentation")
        trackers = {name: keras.metrics.Mean(name) for name in names}
        self._set_metrics(trackers, metrics)

    def _set_metrics(self, trackers, metrics):
        # They come with `compile`, when a built model takes no more state.
        object.__setattr__(self, "_trackers", trackers)
        object.__setattr__(self, "_sample_metrics", metrics)
        object.__setattr__(
            self, "_rows_seen", keras.metrics.Sum("rows_seen", "int64")
        )

    def _track(self, values, x, weight=None):
        """Keep means of batches, to be means over the examples of all."""
        total = total_weight(keras.tree.flatten(x)[0], weight)
        for name, value in values.items():
            self._trackers[name].update_state(value, total)

    def reset_metrics(self):
        super().reset_metrics()
        self._rows_seen.reset_state()

    def _evaluation_results(self):
        """Results without those that training alone has."""
        results = self.get_metrics_result()
        in_training = {"augmentation", *(p.name for p in self.penalties)}
        return {k: v for k, v in results.items() if k not in in_training}

    @property
    def metrics(self):
        return [*self._trackers.values(), *self._sample_metrics]

    # Saving.

    def get_compile_config(self):
        if not self.compiled:
            return {}
        serialize = keras.saving.serialize_keras_object
        return {
            "generator_optimizer": serialize(self.generator_optimizer),
            "discriminator_optimizer": serialize(self.discriminator_optimizer),
            "loss": serialize(self.adversarial_loss),
            "penalties": [serialize(p) for p in self.penalties],
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
            "jit_compile": self.jit_compile,
            "auto_scale_loss": isinstance(
                self.generator_optimizer, keras.optimizers.LossScaleOptimizer
            ),
        }


def _with_loss_scale(optimizer):
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)


def added_losses(network):
    """The sum of the losses that layers of a network add, in float32."""
    return sum(ops.sum(ops.cast(value, "float32")) for value in network.losses)
