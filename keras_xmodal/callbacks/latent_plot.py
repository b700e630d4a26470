"""Pictures of a latent space."""

import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_xmodal import checks
from keras_xmodal.callbacks.evaluation_data import check_examples, like
from keras_xmodal.callbacks.figure_callback import FigureCallback
from keras_xmodal.plots import drawing


class LatentPlot(FigureCallback):
    """Draw the plane of a latent space in which examples differ most.

    It is spanned by the two principal axes of the posterior means given all
    modalities of `data`. These are in the first panel; the others show, in the
    same plane, the posterior means given one modality alone. The pictures are
    `latent_0001.png` and so on, with the number of the epoch. Axes of
    different epochs are of their own.

    Args:
        data: Dict `{modality: examples}` of any subset of the modalities, raw
            as `fit` takes it, or `kx.models.Preprocessed`, none of them
            missing; or an array, for a model of tensors.
        labels: Array of shape `(examples,)` of any dtype with equality, by
            which points are coloured, or None. Up to 20 classes get a legend.
        folder: Path of the folder to write to, created where it is missing.
        frequency: Positive integer, epochs from one picture to the next.
        log_dir: Path of a TensorBoard run that gets the pictures as well,
            under the tag "latent", or None. Needs the extra `tensorboard`.
        batch_size: Positive integer, examples encoded at once.

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
        plot = kx.callbacks.LatentPlot(
            x, np.arange(64) % 3, folder="pictures"
        )
        model.fit(x, epochs=2, verbose=0, callbacks=[plot])
        ```

    Reference:
        - Hotelling, 1933, https://doi.org/10.1037/h0071325
    """

    title = "latent"

    def __init__(
        self,
        data: Mapping[str, Any] | np.ndarray,
        labels: np.ndarray | None = None,
        *,
        folder: str | os.PathLike,
        frequency: int = 1,
        log_dir: str | os.PathLike | None = None,
        batch_size: int = 256,
    ):
        super().__init__(folder, frequency, log_dir=log_dir)
        self.data = check_examples(data)
        size = len(
            next(iter(data.values())) if isinstance(data, dict) else self.data
        )
        self.labels = None
        if labels is not None:
            self.labels = checks.ids("labels", labels, size)
        self.batch_size = checks.positive_integer("batch_size", batch_size)

    def on_train_begin(self, logs=None):
        """Check the modalities and create the folder."""
        if isinstance(self.data, dict):
            checks.modalities("data", self.data, self.model.modalities)
        super().on_train_begin(logs)

    def draw(self, model):
        given = {"given all": self.data}
        if isinstance(self.data, dict) and len(self.data) > 1:
            given |= {
                f"given {name}": like(self.data, {name: value})
                for name, value in self.data.items()
            }
        latents = {
            title: model.encode(x, batch_size=self.batch_size)
            for title, x in given.items()
        }
        broken = [t for t, z in latents.items() if not np.isfinite(z).all()]
        if broken:
            warnings.warn(
                "A latent space is drawn where it is finite. "
                f"Received: NaN or infinity {', '.join(broken)}",
                stacklevel=2,
            )
            return None
        center, axes, shares = principal_plane(latents["given all"])
        panels = {t: (z - center) @ axes for t, z in latents.items()}
        titles = [
            f"axis {i + 1} ({share:.0%} of the variance)"
            for i, share in enumerate(shares)
        ]
        return drawing.draw_scatter(panels, self.labels, titles)


def principal_plane(z):
    """The two directions in which points differ most."""
    z = np.asarray(z, "float64")
    center = z.mean(axis=0)
    _, deviations, axes = np.linalg.svd(z - center, full_matrices=False)
    variances = deviations**2
    missing = max(0, 2 - len(axes))
    axes = np.pad(axes[:2], ((0, missing), (0, 0)))
    largest = np.abs(axes).argmax(axis=1, keepdims=True)
    axes = axes * np.where(np.take_along_axis(axes, largest, 1) < 0, -1, 1)
    shares = np.pad(variances[:2], (0, missing)) / max(variances.sum(), 1e-12)
    return center, axes.T, shares
