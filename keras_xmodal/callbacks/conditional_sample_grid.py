"""Pictures of what a GAN generates from conditions."""

import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_xmodal import checks
from keras_xmodal.callbacks.conditions import check_conditions, take
from keras_xmodal.callbacks.figure_callback import FigureCallback
from keras_xmodal.plots import drawing
from keras_xmodal.plots.cells import to_cells


class ConditionalSampleGrid(FigureCallback):
    """Draw what a GAN generates, a row for each condition.

    A column is one noise, the same in every row and in every epoch, so that
    pictures of different epochs compare: columns that are all alike show a
    generator that ignores the noise, rows that are, one that ignores the
    condition. The averaged generator draws, which is what `generate` uses. The
    pictures are `samples_0001.png` and so on, with the number of the epoch.

    Before the samples stands the condition, or its title: strings and
    numbers are written, images, of values from 0 to 1 or bytes, are shown, all
    else is a heat-map, dark to light. So are samples that are no images of
    shape `(height, width, channels)`.

    Args:
        data: Raw conditions, one for each row, as `GANModel.generate` takes
            them. None for a model without conditions, in one row.
        folder: Path of the folder to write to, created where it is missing.
        num_examples: Positive integer, samples in each row.
        frequency: Positive integer, epochs from one picture to the next.
        seed: Integer, seed of the noise.
        row_titles: List of strings, one for each row, in place of the
            conditions. None for none.
        value_range: Pair of numbers, the values of generated images that are
            black and white: `(-1, 1)` for a generator that ends in a tanh,
            `(0, 1)` for a sigmoid.
        log_dir: Path of a TensorBoard run that gets the pictures as well,
            under the tag "samples", or None. Needs the extra `tensorboard`.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If a number or a range is not positive, lengths do not fit,
            or, before training starts, the model cannot take the conditions.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        labels, images = np.arange(32) % 3, np.random.rand(32, 8, 8, 1)
        gan = kx.GANModel(
            generator=kx.networks.ConvGenerator((8, 8, 1), filters=(8,)),
            discriminator=kx.networks.ConvDiscriminator(filters=(8,)),
            condition_encoder=keras.layers.CategoryEncoding(3, "one_hot"),
        )
        gan.compile()
        grid = kx.callbacks.ConditionalSampleGrid(
            [0, 1, 2],
            folder="pictures",
            num_examples=4,
            row_titles=["cat", "dog", "fox"],
        )
        gan.fit(labels, 2 * images - 1, verbose=0, callbacks=[grid])
        figure = grid.draw(gan)  # And of any model at any time.
        ```

    Reference:
        - Mirza and Osindero, 2014, https://arxiv.org/abs/1411.1784, figure 2
    """

    title = "samples"

    def __init__(
        self,
        data: Any = None,
        *,
        folder: str | os.PathLike,
        num_examples: int = 8,
        frequency: int = 1,
        seed: int = 0,
        row_titles: Sequence[str] | None = None,
        value_range: tuple[float, float] = (-1.0, 1.0),
        log_dir: str | os.PathLike | None = None,
    ):
        super().__init__(folder, frequency, log_dir=log_dir)
        self.data = check_conditions(data)
        self.num_examples = checks.positive_integer(
            "num_examples", num_examples
        )
        self.seed = checks.seed(seed)
        self.row_titles = row_titles
        self.value_range = checks.increasing_pair("value_range", value_range)
        self._row_cells = _row_cells(self.data, row_titles)

    def on_train_begin(self, logs=None):
        """Check that the model takes the conditions, and create the folder."""
        first = take(self.data, slice(1))
        self.model.generate(first, seed=self.seed, num_examples=1)
        super().on_train_begin(logs)

    def draw(self, model):
        num_rows = len(self._row_cells)
        order = np.repeat(np.arange(num_rows), self.num_examples)
        z = np.asarray(model.sample_latents(self.num_examples, seed=self.seed))
        samples = model.generate(
            take(self.data, order), z=np.tile(z, (num_rows, 1))
        )
        low, high = self.value_range
        cells = to_cells((samples - low) / (high - low))
        rows = [
            cells[start : start + self.num_examples]
            for start in range(0, len(cells), self.num_examples)
        ]
        return drawing.draw_grid(
            [
                [*before, *samples]
                for before, samples in zip(self._row_cells, rows, strict=True)
            ]
        )


def _row_cells(conditions, row_titles):
    """What stands before the samples, for each row a list of a cell or none."""
    num_rows = 1
    if conditions is not None:
        num_rows = len(keras.tree.flatten(conditions)[0])
    if row_titles is not None:
        row_titles = checks.strings("row_titles", row_titles, empty=True)
        if len(row_titles) != num_rows:
            raise ValueError(
                "`row_titles` must hold one for each row. "
                f"Received: {len(row_titles)} for {num_rows} rows"
            )
        return [[title] for title in row_titles]
    if conditions is None or isinstance(conditions, dict):
        return [[]] * num_rows
    if conditions.dtype.kind in "iu" and conditions.size == num_rows:
        conditions = conditions.ravel().astype(str)
    return [[cell] for cell in to_cells(conditions)]
