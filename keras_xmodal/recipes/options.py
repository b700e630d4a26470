"""What a recipe was asked for."""

import dataclasses
import pathlib
from collections.abc import Mapping

import keras

from keras_xmodal import losses
from keras_xmodal.recipes.pretrained import Pretrained


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of a recipe, checked."""

    augmentation: Mapping[str, keras.layers.Layer | None]
    image_size: int | None
    backup: pathlib.Path | None
    seed: int
    verbose: bool
    towers: Mapping[str, Pretrained] = dataclasses.field(default_factory=dict)
    network: str | bool = False
    reader: str | bool = False
    loss: losses.ContrastiveLoss | None = None
    duration: float | None = None
    num_frames: int = 8
    temperature: float = 0.1
    choices: Mapping[str, list] | None = None  # made on a part of the data
    from_baseline: bool = False  # as that part says

    @property
    def stops_early(self) -> bool:
        """Whether there is data that is not trained on."""
        return self.choices is None
