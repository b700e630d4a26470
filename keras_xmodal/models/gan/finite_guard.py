"""Training that stops where it breaks."""

import math

import keras


class FiniteGuard(keras.callbacks.Callback):
    """Stop with an error at the first loss that is not finite.

    The model goes back to what it was when the epoch began, optimizers
    included, so that a finite model is left to look at, save, or train on with
    a smaller learning rate.
    """

    def on_epoch_begin(self, epoch, logs=None):
        """Keep a copy of all variables."""
        self._kept = [(v, v.numpy()) for v in _variables(self.model)]

    def on_train_batch_end(self, batch, logs=None):
        """Look at the losses."""
        logs = {name: float(value) for name, value in (logs or {}).items()}
        broken = {k: v for k, v in logs.items() if not math.isfinite(v)}
        if not broken:
            return
        step = self._step()
        for variable, value in self._kept:
            variable.assign(value)
        raise FloatingPointError(
            f"Losses must be finite. Received: {broken} in step {step} "
            f"(batch {batch + 1} of the epoch). The model is as it was when "
            f"the epoch began, at step {self._step()}. Lower learning "
            "rates or a penalty such as `R1` may help."
        )

    def _step(self):
        return int(self.model.step.numpy())


def _variables(model):
    optimizers = (model.generator_optimizer, model.discriminator_optimizer)
    return [
        *model.variables,
        *(v for optimizer in optimizers for v in optimizer.variables),
    ]
