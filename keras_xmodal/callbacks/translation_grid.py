"""Pictures of what a model makes of one modality in the others."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from keras_xmodal import checks
from keras_xmodal.callbacks.evaluation_data import like
from keras_xmodal.callbacks.figure_callback import FigureCallback
from keras_xmodal.plots import drawing
from keras_xmodal.plots.cells import to_cells


class TranslationGrid(FigureCallback):
    """Draw examples with their translations to the other modalities.

    A row is an example. For each modality of `data`, one column shows it, and
    one column each what the model makes of it, given alone, in every other
    modality. The pictures are `translations_0001.png` and so on, with the
    number of the epoch.

    Images, of shape `(height, width, channels)`, show values from 0 to 1, or
    bytes; strings are written; all else is a heat-map, from the smallest to
    the largest value of its column, dark to light.

    Args:
        data: Dict `{modality: examples}` of the modalities to translate, raw
            as `fit` takes it, or `kx.models.Preprocessed`, none of them
            missing.
        folder: Path of the folder to write to, created where it is missing.
        num_examples: Positive integer; the first of `data` are shown.
        frequency: Positive integer, epochs from one picture to the next.
        to_text: Dict `{modality: function}`: the modality is shown as the
            strings that the function returns for a batch of the likelihood's
            modes, such as `(examples, length)` token ids, or of examples of
            `data` that are not strings. None for none.
        log_dir: Path of a TensorBoard run that gets the pictures as well,
            under the tag "translations", or None. Needs the extra
            `tensorboard`.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If a number is not positive, sizes differ, or, before
            training starts, a modality is unknown.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel({"image": 8, "text": 5}, latent_dim=4)
        model.compile("adam")
        grid = kx.callbacks.TranslationGrid(
            x, folder="pictures", num_examples=4
        )
        model.fit(x, epochs=2, verbose=0, callbacks=[grid])
        ```

    Reference:
        - Shi et al., 2019, https://arxiv.org/abs/1911.03393, figure 4
    """

    title = "translations"

    def __init__(
        self,
        data: Mapping[str, Any],
        *,
        folder: str | os.PathLike,
        num_examples: int = 8,
        frequency: int = 1,
        to_text: Mapping[str, Callable] | None = None,
        log_dir: str | os.PathLike | None = None,
    ):
        super().__init__(folder, frequency, to_text, log_dir)
        num_examples = checks.positive_integer("num_examples", num_examples)
        data = like(data, checks.examples("data", data))
        self.data = like(
            data, {name: value[:num_examples] for name, value in data.items()}
        )

    def on_train_begin(self, logs=None):
        """Check the modalities and create the folder."""
        checks.modalities("data", self.data, self.model.modalities)
        super().on_train_begin(logs)

    def draw(self, model):
        columns, titles = [], []
        for source, value in self.data.items():
            given = like(self.data, {source: value})
            titles.append(source)
            columns.append(to_cells(value, self.to_text.get(source)))
            for to in model.generated:
                if to == source:
                    continue
                titles.append(f"{source} → {to}")
                columns.append(
                    self.cells(
                        to,
                        lambda output, given=given, to=to: model.translate(
                            given, to, output=output
                        ),
                    )
                )
        rows = list(zip(*columns, strict=True))
        return drawing.draw_grid(rows, column_titles=titles)
