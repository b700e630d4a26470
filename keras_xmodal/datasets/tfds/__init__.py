"""The data sets as TensorFlow Datasets builders.

Import this package, and `tfds.load` knows them by the names that `load` knows
them by, but for "captioned_moving_mnist". It is never imported by `import
keras_xmodal`.
"""

import importlib.util

if importlib.util.find_spec("tensorflow_datasets") is None:
    raise ImportError(
        "`keras_xmodal.datasets.tfds` needs TensorFlow Datasets. Install it "
        "with `pip install keras-xmodal[tfds]`."
    )

from keras_xmodal.datasets.tfds.builders import Emoji, EmojiMotion
from keras_xmodal.datasets.tfds.fetched_builders import (
    CaptionedMovingMnist,
    EmojiLarge,
    MnistFashion,
    PolyMnist,
    SpokenPrompts,
)

__all__ = [
    "CaptionedMovingMnist",
    "Emoji",
    "EmojiLarge",
    "EmojiMotion",
    "MnistFashion",
    "PolyMnist",
    "SpokenPrompts",
]
