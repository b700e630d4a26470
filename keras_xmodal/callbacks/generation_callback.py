"""What callbacks that measure generated targets share."""

import warnings

import keras
import numpy as np

from keras_xmodal import checks
from keras_xmodal.callbacks.conditions import check_pairs, take


class GenerationCallback(keras.callbacks.Callback):
    """Base of callbacks that measure what a GAN generates every few epochs.

    A subclass has a method `evaluate(model)` that returns a dict of floats.
    They are in the logs of every epoch, those of the last evaluation: a
    `ModelCheckpoint` that misses its metric in an epoch would save the model
    then, over the best one. So the first epoch is evaluated, too.
    """

    def __init__(
        self,
        data,
        *,
        num_examples,
        frequency,
        prefix,
        seed,
        batch_size,
    ):
        super().__init__()
        conditions, targets = check_pairs(data)
        self.frequency = checks.positive_integer("frequency", frequency)
        self.prefix = checks.string("prefix", prefix)
        self.seed = checks.integer("seed", seed)
        self.batch_size = checks.positive_integer("batch_size", batch_size)
        order = np.random.default_rng(self.seed).permutation(len(targets))
        self.targets = targets[order[:num_examples]]
        self.conditions = take(conditions, order[:num_examples])
        self._results = None

    def on_train_begin(self, logs=None):
        """Check the model with one example, before anything is trained."""
        first = take(self.conditions, slice(1))
        sample = self.model.generate(first, seed=self.seed, num_examples=1)
        if sample.shape[1:] != self.targets.shape[1:]:
            raise ValueError(
                "`targets` must have the shape of what the model generates, "
                f"{(None, *sample.shape[1:])}. "
                f"Received: targets.shape={self.targets.shape}"
            )
        self._results = None

    def on_epoch_end(self, epoch, logs=None):
        """Evaluate, and add the results to the logs."""
        if self._results is None or self.is_due(epoch):
            self._results = self.evaluate(self.model)
        if logs is not None:
            logs.update(self._results)

    def is_due(self, epoch):
        """Tell whether an epoch is evaluated, but for the first one."""
        return (epoch + 1) % self.frequency == 0

    def evaluate(self, model):
        """Evaluate a model, in training or not."""
        raise NotImplementedError

    def generate(self, model, num_examples):
        """Generate from the conditions, with the same noise at each call."""
        samples = model.generate(
            self.conditions,
            seed=self.seed,
            num_examples=num_examples,
            batch_size=self.batch_size,
        )
        broken = ~np.isfinite(samples.reshape(len(samples), -1)).all(axis=1)
        if not broken.any():
            return samples
        warnings.warn(
            "Measures of generated examples are NaN where these are not "
            f"finite. Received: {int(broken.sum())} of {len(broken)} with NaN "
            "or infinity",
            stacklevel=2,
        )
        return None
