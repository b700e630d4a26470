"""What callbacks that measure generated targets share."""

import warnings

import numpy as np

from keras_xmodal import checks
from keras_xmodal.callbacks.conditions import check_pairs, take
from keras_xmodal.callbacks.periodic_callback import EvaluationCallback


class GenerationCallback(EvaluationCallback):
    """Base of callbacks that measure what a GAN generates every few epochs."""

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
        super().__init__(frequency, prefix, batch_size)
        conditions, targets = check_pairs(data)
        self.seed = checks.seed(seed)
        order = np.random.default_rng(self.seed).permutation(len(targets))
        self.targets = targets[order[:num_examples]]
        self.conditions = take(conditions, order[:num_examples])

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
        super().on_train_begin(logs)

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
