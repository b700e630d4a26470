"""How diverse generated targets are, after each epoch."""

import warnings
from typing import Any

import keras
import numpy as np

from keras_xmodal import checks
from keras_xmodal.callbacks.generation_callback import GenerationCallback
from keras_xmodal.metrics.features import squared_distances


class ModeCollapseMonitor(GenerationCallback):
    """Measure how diverse a GAN's samples are, and warn when they are not.

    The diversity is the mean Euclidean distance between two generated targets,
    divided by that between the real targets of the same conditions: 1 is
    right, 0 says that all are one, and more than 1 that they are noisy. It
    goes into the logs of the epoch: `History`, the progress bar, and all
    other callbacks see, after the prefix, `diversity`, of all
    pairs of targets, and, where conditions repeat, such as classes,
    `conditional_diversity`, of pairs with one condition. The second shows a
    generator that obeys the condition and ignores the noise. `EarlyStopping`
    and `ModelCheckpoint` need `mode="max"`. `report` holds the last values
    with the distances.

    A collapse is warned of, once a training, where two evaluations in a row
    find a diversity below `threshold`, or the last one. Where samples are not
    finite, results are NaN, with a warning. A diversity of 1 does not show
    that samples are good, or that no mode is missing: `GenerationEvaluation`
    has precision and recall.

    It is the averaged generator, the same conditions and the same noise in
    every epoch. Epochs between evaluations have the results of the last one,
    and the first epoch is evaluated, too.

    Args:
        data: Pair `(conditions, targets)`, as `validation_data` has it, or the
            targets alone, for a model without conditions. Conditions are raw,
            one for each target, as `GANModel.generate` takes them; targets are
            an array of shape `(examples, ...)`, as the model makes them.
        extractor: Keras model from a batch of targets to features, between
            which distances are taken. None for the targets themselves.
        num_examples: Integer from 2, targets that are drawn at random, where
            there are more.
        threshold: Float in [0, 1), the diversity to warn below; 0 for never.
        frequency: Positive integer, epochs from one evaluation to the next.
        prefix: String, the start of every name in the logs. Keras writes
            `"val_"` to the validation run of TensorBoard.
        seed: Integer, seed of what is drawn and of the noise.
        batch_size: Positive integer, examples generated and embedded at once.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If lengths do not fit, a value is out of range, real
            targets are all the same, or, before training starts, the model
            cannot take the conditions or makes targets of another shape.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x, y = np.random.rand(64, 32), np.random.rand(64, 8)
        gan = kx.GANModel(32, 8)
        gan.compile()
        monitor = kx.callbacks.ModeCollapseMonitor((x, y))
        history = gan.fit(x, y, epochs=2, verbose=0, callbacks=[monitor])
        print(history.history["val_diversity"])
        ```

    Reference:
        - Salimans et al., 2016, https://arxiv.org/abs/1606.03498, section 3.2
        - Yang et al., 2019, https://arxiv.org/abs/1901.09024, such distances
          as a loss
    """

    def __init__(
        self,
        data: Any,
        extractor: keras.Model | None = None,
        *,
        num_examples: int = 256,
        threshold: float = 0.1,
        frequency: int = 1,
        prefix: str = "val_",
        seed: int = 0,
        batch_size: int = 128,
    ):
        self.num_examples = checks.positive_integer(
            "num_examples", num_examples
        )
        super().__init__(
            data,
            num_examples=num_examples,
            frequency=frequency,
            prefix=prefix,
            seed=seed,
            batch_size=batch_size,
        )
        self.extractor = checks.instance_of(
            "extractor", extractor, keras.Model, "a Keras model", optional=True
        )
        self.threshold = checks.in_range("threshold", threshold, 0, 1, "[)")
        # Pairs of two targets, each pair once.
        pairs = np.tri(len(self.targets), k=-1, dtype=bool)
        self._pairs = {"": pairs}
        if self.conditions is not None:
            ids = _ids(self.conditions)
            self._pairs["conditional_"] = pairs & (ids[:, None] == ids)
        self._real = {
            name: distance
            for name, distance in self._distances(self.targets).items()
            if distance > 0
        }
        if "" not in self._real:
            raise ValueError(
                "`data` must hold different targets. Received: "
                f"{len(self.targets)} that are all alike"
            )
        self.report = {}
        self._times_low, self._warned = 0, False

    def on_train_begin(self, logs=None):
        """Check the model with one example, before anything is trained."""
        super().on_train_begin(logs)
        self.report = {}
        self._times_low, self._warned = 0, False

    def on_epoch_end(self, epoch, logs=None):
        """Evaluate, add the results to the logs, warn of a collapse."""
        super().on_epoch_end(epoch, logs)
        if self.is_due(epoch):
            # The samples of a new generator may be all alike: once says little.
            self._times_low = self._times_low + 1 if self._low() else 0
            if self._times_low == 2:
                self._warn()

    def on_train_end(self, logs=None):
        """Warn of a collapse that the last evaluation found."""
        if self._low():
            self._warn()

    def evaluate(self, model):
        """Evaluate a model, in training or not.

        Args:
            model: `GANModel`.

        Returns:
            Dict of floats, as they go into the logs.
        """
        samples = self.generate(model, len(self.targets))
        generated = {} if samples is None else self._distances(samples)
        self.report, results = {}, {}
        for name, real in self._real.items():
            distance = generated.get(name, float("nan"))
            self.report |= {
                f"{name}diversity": distance / real,
                f"{name}generated_distance": distance,
                f"{name}real_distance": real,
            }
            results[f"{self.prefix}{name}diversity"] = distance / real
        return results

    def _distances(self, samples):
        """Mean distance, by which pairs are taken; 0 where there are none."""
        if self.extractor is not None:
            samples = self.extractor.predict(
                samples, self.batch_size, verbose=0
            )
        samples = samples.reshape(len(samples), -1).astype("float64")
        distances = np.sqrt(np.maximum(squared_distances(samples, samples), 0))
        return {
            name: float(distances[pairs].mean()) if pairs.any() else 0.0
            for name, pairs in self._pairs.items()
        }

    def _low(self):
        """Start of the name of a diversity below the threshold, in a list."""
        return [
            name
            for name in self._real
            if self.report.get(f"{name}diversity", 1.0) < self.threshold
        ]

    def _warn(self):
        if self._warned:
            return
        self._warned = True
        name = self._low()[0]
        pairs = "with one condition" if name else "of all"
        distances = [
            self.report[f"{name}{kind}_distance"]
            for kind in ("generated", "real")
        ]
        warnings.warn(
            "The generator has collapsed: its samples differ little. Received: "
            f"a mean distance {pairs} of {distances[0]:.3g}, that of real "
            f"targets being {distances[1]:.3g}: `{name}diversity` is "
            f"{distances[0] / distances[1]:.3g}, below {self.threshold:g}. The "
            "relativistic loss with the penalties `R1` and `R2`, "
            "`MinibatchStandardDeviation` in the discriminator, `DiffAugment` "
            "for little data, or smaller learning rates may help",
            stacklevel=2,
        )


def _ids(conditions):
    """Integers of shape `(examples,)`, equal where conditions are."""
    columns = map(_codes, keras.tree.flatten(conditions))
    return _codes(np.stack(list(columns), axis=1))


def _codes(rows):
    if rows.dtype.kind == "O":  # Strings, or files: NumPy cuts their zeros.
        known = {}
        keys = map(tuple, rows.reshape(len(rows), -1).tolist())
        return np.array([known.setdefault(key, len(known)) for key in keys])
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
