"""Pictures of what a model generates from nothing."""

import os
from collections.abc import Callable, Mapping

from keras_xmodal import checks
from keras_xmodal.callbacks.figure_callback import FigureCallback
from keras_xmodal.plots import drawing


class SampleGrid(FigureCallback):
    """Draw examples that a VAE generates, all modalities of each together.

    A column is an example, a row is a modality. The latents are the same in
    every epoch, so that pictures of different epochs compare. The pictures
    are `samples_0001.png` and so on, with the number of the epoch.

    Images, of shape `(height, width, channels)`, show values from 0 to 1;
    strings are written; all else is a heat-map, from the smallest to the
    largest of the modality's values, dark to light.

    Args:
        folder: Path of the folder to write to, created where it is missing.
        num_examples: Positive integer.
        frequency: Positive integer, epochs from one picture to the next.
        seed: Integer, seed of the latents.
        to_text: Dict `{modality: function}`: the modality is shown as the
            strings that the function returns for a batch of the likelihood's
            modes, such as `(examples, length)` token ids. None for none.
        log_dir: Path of a TensorBoard run that gets the pictures as well,
            under the tag "samples", or None. Needs the extra `tensorboard`.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If a number is not positive, or, before training starts, a
            modality of `to_text` is unknown, or the model generates from
            conditions only.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel({"image": 8, "text": 5}, latent_dim=4)
        model.compile("adam")
        grid = kx.callbacks.SampleGrid(folder="pictures", num_examples=4)
        model.fit(x, epochs=2, verbose=0, callbacks=[grid])
        figure = grid.draw(model)  # And of any model at any time.
        ```

    Reference:
        - Wu and Goodman, 2018, https://arxiv.org/abs/1802.05335, figure 3
    """

    title = "samples"

    def __init__(
        self,
        *,
        folder: str | os.PathLike,
        num_examples: int = 8,
        frequency: int = 1,
        seed: int = 0,
        to_text: Mapping[str, Callable] | None = None,
        log_dir: str | os.PathLike | None = None,
    ):
        super().__init__(folder, frequency, to_text, log_dir)
        self.num_examples = checks.positive_integer(
            "num_examples", num_examples
        )
        self.seed = checks.seed(seed)

    def on_train_begin(self, logs=None):
        """Check the model and create the folder."""
        if len(self.model.generated) < len(self.model.modalities):
            raise ValueError(
                "The model must generate all its modalities; `TranslationGrid` "
                "draws one with conditions. Received: a model of "
                f"{list(self.model.modalities)} that generates "
                f"{list(self.model.generated)}"
            )
        super().on_train_begin(logs)

    def draw(self, model):
        names = model.modalities or ("x",)
        generated = {}

        def generate(name, output):
            if output not in generated:
                generated[output] = model.generate(
                    self.num_examples, seed=self.seed, output=output
                )
            batch = generated[output]
            return batch[name] if model.modalities else batch

        rows = [
            self.cells(name, lambda output, name=name: generate(name, output))
            for name in names
        ]
        return drawing.draw_grid(rows, row_titles=names)
