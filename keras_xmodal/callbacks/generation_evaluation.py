"""The quality of generated targets, after each epoch."""

from typing import Any

import keras

from keras_xmodal import checks
from keras_xmodal.callbacks.conditions import take
from keras_xmodal.callbacks.generation_callback import GenerationCallback
from keras_xmodal.metrics.generation_report import generation_report

_NAMES = (
    "frechet_distance",
    "kernel_distance",
    "precision",
    "recall",
    "density",
    "coverage",
)


class GenerationEvaluation(GenerationCallback):
    """Compare what a GAN generates with real targets, by their features.

    The results go into the logs of the epoch: `History`, the progress bar, and
    all other callbacks see them. They are, after the prefix,
    `frechet_distance` and `kernel_distance`, for which `ModelCheckpoint` and
    `EarlyStopping` need `mode="min"`, and `precision`, `recall`, `density` and
    `coverage`, with `mode="max"`. `report` holds the last `generation_report`,
    with the floor, to which a perfect generator comes, and the hash of the
    extractor. Where samples are not finite, results are NaN, with a warning.

    One half of the pairs, drawn at random, are the real targets. From the
    conditions of the other half the averaged generator makes targets, which
    are compared with them, and so are, for the floor, the other half's own. It
    is the same pairs and the same noise in every epoch.

    Epochs between evaluations have the results of the last one, and the first
    epoch is evaluated, too: so the best model stays saved.

    Args:
        data: Pair `(conditions, targets)`, as `validation_data` has it, or the
            targets alone, for a model without conditions. Conditions are raw,
            one for each target, as `GANModel.generate` takes them; targets are
            an array of shape `(examples, ...)`, as the model makes them. The
            model was not trained on them.
        extractor: Keras model from a batch of targets to features of shape
            `(batch, dim)`, one that the generator's loss never saw.
        num_examples: Positive integer, on each side of a comparison, no more
            than half of the targets. Distances of different numbers do not
            compare. Defaults to half of them.
        frequency: Positive integer, epochs from one evaluation to the next.
        prefix: String, the start of every name in the logs. Keras writes
            `"val_"` to the validation run of TensorBoard.
        seed: Integer, seed of what is drawn and of the noise.
        batch_size: Positive integer, examples generated and embedded at once.
        num_neighbors: Positive integer, see `manifold_report`.
        num_subsets: Positive integer, see `kernel_distance`.
        subset_size: Integer from 2, see `kernel_distance`.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If lengths do not fit, a value is out of range, or, before
            training starts, the model cannot take the conditions or makes
            targets of another shape.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        x, y = np.random.rand(64, 32), np.random.rand(64, 8)
        extractor = keras.Sequential(
            [keras.Input((8,)), keras.layers.Dense(4, "tanh")]
        )
        gan = kx.GANModel(32, 8)
        gan.compile()
        quality = kx.callbacks.GenerationEvaluation((x, y), extractor)
        best = keras.callbacks.ModelCheckpoint(
            "best.keras",
            "val_frechet_distance",
            mode="min",
            save_best_only=True,
        )
        gan.fit(x, y, epochs=2, verbose=0, callbacks=[quality, best])
        print(quality.report["floor"]["frechet_distance"])
        ```

    Reference:
        - Heusel et al., 2017, https://arxiv.org/abs/1706.08500, equation 6
    """

    def __init__(
        self,
        data: Any,
        extractor: keras.Model,
        *,
        num_examples: int | None = None,
        frequency: int = 1,
        prefix: str = "val_",
        seed: int = 0,
        batch_size: int = 128,
        num_neighbors: int = 5,
        num_subsets: int = 100,
        subset_size: int = 1000,
    ):
        num_examples = checks.positive_integer(
            "num_examples", num_examples, optional=True
        )
        super().__init__(
            data,
            num_examples=None if num_examples is None else 2 * num_examples,
            frequency=frequency,
            prefix=prefix,
            seed=seed,
            batch_size=batch_size,
        )
        self.extractor = checks.instance_of(
            "extractor", extractor, keras.Model, "a Keras model"
        )
        self.num_neighbors = checks.positive_integer(
            "num_neighbors", num_neighbors
        )
        self.num_subsets = checks.positive_integer("num_subsets", num_subsets)
        self.subset_size = checks.integer("subset_size", subset_size, least=2)
        half = len(self.targets) // 2
        self.num_examples = half if num_examples is None else num_examples
        if not self.num_neighbors < self.num_examples <= half:
            raise ValueError(
                "`num_examples` must be more than `num_neighbors`, and half of "
                "the targets at most. Received: "
                f"num_examples={self.num_examples}, "
                f"num_neighbors={num_neighbors}, half of the targets {half}"
            )
        self.real, self.reference = self.targets[:half], self.targets[half:]
        self.reference = self.reference[:half]
        self.conditions = take(self.conditions, slice(half, 2 * half))
        self.report = {}

    def evaluate(self, model):
        """Evaluate a model, in training or not.

        Args:
            model: `GANModel`.

        Returns:
            Dict of floats, as they go into the logs.

        Raises:
            ValueError: If the extractor does not give finite features of
                shape `(batch, dim)`.
        """
        samples = self.generate(model, self.num_examples)
        self.report = {}
        if samples is not None:
            self.report = generation_report(
                self.real,
                samples,
                self.extractor,
                self.reference,
                num_neighbors=self.num_neighbors,
                num_subsets=self.num_subsets,
                subset_size=self.subset_size,
                batch_size=self.batch_size,
                seed=self.seed,
            )
        return {
            self.prefix + name: self.report.get(name, float("nan"))
            for name in _NAMES
        }
