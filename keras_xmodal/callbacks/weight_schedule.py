"""Weights of the objective that change during training."""

import math
from collections.abc import Callable

import keras

from keras_xmodal import checks
from keras_xmodal.callbacks.periodic_callback import CopyableCallback


class WeightSchedule(CopyableCallback):
    """Set a weight of the model before each batch, by the training step.

    The step is the `step` of the model, the batches that it was trained on,
    also where the optimizer accumulates the gradients of several: a training
    that is resumed from a file goes on where it stopped. With
    `steps_per_execution`, all steps of one execution have the weight of the
    first. The weight is in the logs of the epoch, under its name.

    `val_loss` is computed with the weight that the epoch ended with. While it
    changes, losses of different epochs do not compare: `EarlyStopping` needs
    `start_from_epoch`, and `ModelCheckpoint` a metric such as `val_text_loss`
    of which the weight is no part.

    Args:
        name: `"kl_weight"`, `"free_bits"`, `"modality_weights/text"` of a
            `VAEModel`, `"penalty_weight"` of a `GANModel`, or the name of any
            other attribute of the model that is a non-trainable scalar
            `keras.Variable` of a float dtype, or of a dict of them and its key.
        schedule: Function from the step, an integer from 0, to a number: a
            function of yours, or a
            `keras.optimizers.schedules.LearningRateSchedule`.

    Raises:
        TypeError: If `name` is no string or `schedule` cannot be called.
        ValueError: If, when training starts, the model has no such weight, or
            the schedule gives a negative number or one that is not finite.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        def cyclical(step):
            return min(1.0, 2 * (step % 100) / 100)

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel({"image": 8, "text": 5}, latent_dim=4)
        model.compile("adam")
        schedule = kx.callbacks.WeightSchedule("kl_weight", cyclical)
        history = model.fit(x, epochs=3, verbose=0, callbacks=[schedule])
        print(history.history["kl_weight"])
        ```

    Reference:
        - Fu et al., 2019, https://arxiv.org/abs/1903.10145, cyclical weights
    """

    adds_logs = True

    def __init__(self, name: str, schedule: Callable):
        super().__init__()
        if not callable(schedule):
            raise TypeError(
                "`schedule` must be a function of the step. "
                f"Received: schedule={schedule!r}"
            )
        self.name = checks.string("name", name)
        self.schedule = schedule
        self._variable = None

    def on_train_begin(self, logs=None):
        """Find the weight, and set it."""
        weights = _weights(self.model)
        if self.name not in weights:
            raise ValueError(
                f"`name` must be a weight of the model, one of {list(weights)}."
                f" Received: name={self.name!r}"
            )
        self._variable = weights[self.name]
        self._update()

    def on_train_batch_begin(self, batch, logs=None):
        """Set the weight."""
        self._update()

    def on_epoch_end(self, epoch, logs=None):
        """Add the weight to the logs."""
        if logs is not None:
            logs[self.name] = float(self._variable.numpy())

    def _update(self):
        step = training_step(self.model)
        value = float(self.schedule(step))
        if not 0 <= value < math.inf:
            raise ValueError(
                "`schedule` must give finite numbers that are not negative. "
                f"Received: {value} at step {step} for {self.name!r}"
            )
        self._variable.assign(value)


def training_step(model):
    """Count the batches that a model was trained on."""
    if hasattr(model, "step"):
        return int(model.step.numpy())
    optimizer = model.optimizer
    steps = optimizer.gradient_accumulation_steps or 1
    return int(optimizer.iterations.numpy()) * steps


def _weights(model):
    """Public float scalars of a model that are not trained, by name."""
    weights = {}
    for name, value in vars(model).items():
        if isinstance(value, dict):
            weights |= {f"{name}/{key}": v for key, v in value.items()}
        else:
            weights[name] = value
    return {
        name: value
        for name, value in weights.items()
        if not name.startswith("_")
        and isinstance(value, keras.Variable)
        and len(value.shape) == 0
        and not value.trainable
        and keras.backend.is_float_dtype(value.dtype)
    }
