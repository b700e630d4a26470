"""Builders of the bundled data sets."""

import numpy as np
import tensorflow_datasets as tfds

from keras_xmodal.datasets.collection import emoji, emoji_motion
from keras_xmodal.datasets.load import read_examples

# Configuration: its modalities, its languages and what it is.
_CONFIGS = {
    "english": (
        ("image", "text"),
        ("en",),
        "Pictures with their English names.",
    ),
    "multilingual": (
        ("image", "text"),
        ("en", "de", "es", "fr", "ru", "zh"),
        "Pictures with their names in six languages.",
    ),
    "speech": (
        ("image", "text", "speech"),
        ("en",),
        "Pictures with their English names, written and spoken.",
    ),
}


class Emoji(tfds.core.GeneratorBasedBuilder):
    """Build the bundled sample "emoji", without any download.

    The configurations are `"emoji/english"` (the default), pictures with
    English names; `"emoji/multilingual"`, with the names in six languages;
    and `"emoji/speech"`, with recordings of the English names. Splits and
    examples are those of `keras_xmodal.datasets.load`, in the same order.

    Example:

    ```python
    import tempfile

    import tensorflow_datasets as tfds

    import keras_xmodal.datasets.tfds

    with tempfile.TemporaryDirectory() as folder:
        train = tfds.load("emoji", split="train", data_dir=folder)
        print(train.cardinality().numpy())
    ```
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The first release."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name=name, description=description)
        for name, (_, _, description) in _CONFIGS.items()
    ]

    def _info(self):
        modalities, _, _ = _CONFIGS[self.builder_config.name]
        features = {
            "id": np.int64,
            "keywords": tfds.features.Tensor(
                shape=(emoji.NUM_KEYWORDS,), dtype=np.str_
            ),
        }
        if "image" in modalities:
            features["image"] = tfds.features.Image(
                shape=(emoji.TILE, emoji.TILE, 3)
            )
            features["style"] = tfds.features.Text()
        if "text" in modalities:
            features["text"] = tfds.features.Text()
            features["language"] = tfds.features.Text()
        if "speech" in modalities:
            features["speech"] = tfds.features.Tensor(
                shape=(emoji.num_samples(),), dtype=np.float32
            )
            features["speech_length"] = np.int64
            features["voice"] = tfds.features.Text()
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "831 concepts, each drawn in two styles at 32 x 32 pixels, "
                "with names in seven languages, English keywords and, for "
                "60 of them, four synthetic voices."
            ),
            features=tfds.features.FeaturesDict(features),
            supervised_keys=(
                {modality: modality for modality in modalities},
                "id",
            ),
            license=(
                "Noto: Apache-2.0; Fluent: MIT; names and keywords: "
                "Unicode-3.0 and MIT; speech: the terms of CMU Flite. See "
                "NOTICE."
            ),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in emoji.SPLITS}

    def _generate_examples(self, split):
        modalities, languages, _ = _CONFIGS[self.builder_config.name]
        examples = read_examples("emoji", split, modalities, languages)
        yield from enumerate(examples.as_numpy_iterator())


class EmojiMotion(tfds.core.GeneratorBasedBuilder):
    """Build "emoji_motion" from the bundled sample, without any download.

    Splits and examples are those of `keras_xmodal.datasets.load`, in the same
    order.

    Example:

    ```python
    import tensorflow_datasets as tfds

    import keras_xmodal.datasets.tfds

    train = tfds.load("emoji_motion", split="train")
    ```
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The first release."}

    def _info(self):
        clip = (emoji_motion.NUM_FRAMES, emoji.TILE, emoji.TILE, 3)
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Clips of the pictures of the bundled sample in one of nine "
                "motions, with English captions."
            ),
            features=tfds.features.FeaturesDict(
                {
                    "id": np.int64,
                    "concept": np.int64,
                    "motion": tfds.features.ClassLabel(
                        names=[m.singular for m in emoji_motion.MOTIONS]
                    ),
                    "style": tfds.features.Text(),
                    "video": tfds.features.Video(shape=clip),
                    "text": tfds.features.Text(),
                }
            ),
            supervised_keys=({"video": "video", "text": "text"}, "id"),
            license="Noto: Apache-2.0; Fluent: MIT; names: Unicode-3.0.",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {
            split: self._generate_examples(split)
            for split in emoji_motion.SPLITS
        }

    def _generate_examples(self, split):
        yield from enumerate(
            read_examples(self.name, split).as_numpy_iterator()
        )
