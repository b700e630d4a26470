"""Builders of the data sets that `fetch` fetches; import `builders` instead.

Splits and examples are those of `keras_xmodal.datasets.load`, in the same
order.
"""

import numpy as np
import tensorflow_datasets as tfds

from keras_xmodal.datasets.collection import (
    emoji_large,
    mnist,
    mnist_fashion,
    moving_mnist,
    poly_mnist,
    spoken_prompts,
)
from keras_xmodal.datasets.load import read_examples

_CLASS = tfds.features.ClassLabel(num_classes=mnist.NUM_CLASSES)


class _FetchedBuilder(  # type: ignore[call-arg]
    tfds.core.GeneratorBasedBuilder, skip_registration=True
):
    """Base of the builders that read what `fetch` left in `manual_dir`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The first release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    `manual_dir` must be a folder that `keras_xmodal.datasets.fetch(name,
    manual_dir)` has filled, where `name` is that of the data set.
    """

    def _describe(self, source, description, features, license):
        self._source = source
        return tfds.core.DatasetInfo(
            builder=self,
            description=description,
            features=tfds.features.FeaturesDict({"id": np.int64, **features}),
            supervised_keys=(
                {modality: modality for modality in source.MODALITIES},
                "id",
            ),
            license=license,
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {
            split: self._generate_examples(split, dl_manager.manual_dir)
            for split in self._source.SPLITS
        }

    def _generate_examples(self, split, data_dir):
        config, languages = self.builder_config, None
        if config is not None and config.name == "multilingual":
            languages = self._source.LANGUAGES
        name = self._source.__name__.rpartition(".")[2]
        examples = read_examples(
            name, split, languages=languages, data_dir=data_dir
        )
        yield from enumerate(examples.as_numpy_iterator())


_CONFIGS = [
    tfds.core.BuilderConfig(name="english", description="In English."),
    tfds.core.BuilderConfig(
        name="multilingual", description="In all languages."
    ),
]


class EmojiLarge(_FetchedBuilder):
    """Build "emoji_large" from the files in `manual_dir`.

    The configurations are `"emoji_large/english"` (the default), with English
    names, and `"emoji_large/multilingual"`, with the names in 13 languages.

    Example:

    ```python
    import tensorflow_datasets as tfds

    import keras_xmodal as kx
    import keras_xmodal.datasets.tfds

    folder = kx.datasets.fetch("emoji_large")
    files = tfds.download.DownloadConfig(manual_dir=folder)
    train = tfds.load(
        "emoji_large",
        split="train",
        download_and_prepare_kwargs={"download_config": files},
    )
    ```
    """

    BUILDER_CONFIGS = _CONFIGS

    def _info(self):
        shape = (emoji_large.SIZE, emoji_large.SIZE, 3)
        return self._describe(
            emoji_large,
            "1,599 concepts, drawn by Google, Twitter and Microsoft at 64 x 64 "
            "pixels, with names and English keywords.",
            {
                "keywords": tfds.features.Tensor(
                    shape=(emoji_large.NUM_KEYWORDS,), dtype=np.str_
                ),
                "image": tfds.features.Image(shape=shape),
                "style": tfds.features.Text(),
                "text": tfds.features.Text(),
                "language": tfds.features.Text(),
            },
            license=(
                "Google (Noto): Apache-2.0; Twitter (Twemoji): CC-BY-4.0; "
                "Fluent 3D: MIT; names and keywords: MIT and Unicode-3.0."
            ),
        )


class SpokenPrompts(_FetchedBuilder):
    """Build "spoken_prompts" from the files in `manual_dir`.

    The configurations are `"spoken_prompts/english"` (the default) and
    `"spoken_prompts/multilingual"`, in English, Spanish and French.

    Example:

    ```python
    import tensorflow_datasets as tfds

    import keras_xmodal as kx
    import keras_xmodal.datasets.tfds

    folder = kx.datasets.fetch("spoken_prompts")
    files = tfds.download.DownloadConfig(manual_dir=folder)
    train = tfds.load(
        "spoken_prompts",
        split="train",
        download_and_prepare_kwargs={"download_config": files},
    )
    ```
    """

    BUILDER_CONFIGS = _CONFIGS

    def _info(self):
        return self._describe(
            spoken_prompts,
            "Prompts of a telephone exchange, as WAV files at 8 kHz, with "
            "their transcripts.",
            {
                "language": tfds.features.Text(),
                "speech": tfds.features.Tensor(shape=(), dtype=np.bytes_),
                "speech_length": np.int64,
                "text": tfds.features.Text(),
            },
            license="CC-BY-SA-3.0.",
        )


class CaptionedMovingMnist(_FetchedBuilder):
    """Build "captioned_moving_mnist" from the IDX files in `manual_dir`.

    It is `keras_xmodal.datasets.load("moving_mnist")`; TensorFlow Datasets has
    another data set of that name, without captions.

    Example:

    ```python
    import tensorflow_datasets as tfds

    import keras_xmodal as kx
    import keras_xmodal.datasets.tfds

    folder = kx.datasets.fetch("moving_mnist")
    files = tfds.download.DownloadConfig(manual_dir=folder)
    train = tfds.load(
        "captioned_moving_mnist",
        split="train",
        download_and_prepare_kwargs={"download_config": files},
    )
    ```
    """

    def _info(self):
        canvas = moving_mnist.CANVAS
        shape = (moving_mnist.NUM_FRAMES, canvas, canvas, 1)
        return self._describe(
            moving_mnist,
            "Clips of an MNIST digit that bounces from side to side, with "
            "captions.",
            {
                "label": _CLASS,
                "motion": tfds.features.ClassLabel(
                    names=list(moving_mnist.MOTIONS)
                ),
                "video": tfds.features.Video(shape=shape),
                "text": tfds.features.Text(),
            },
            license="That of MNIST (none stated).",
        )


class MnistFashion(_FetchedBuilder):
    """Build "mnist_fashion" from the IDX files in `manual_dir`.

    Example:

    ```python
    import tensorflow_datasets as tfds

    import keras_xmodal as kx
    import keras_xmodal.datasets.tfds

    folder = kx.datasets.fetch("mnist_fashion")
    files = tfds.download.DownloadConfig(manual_dir=folder)
    train = tfds.load(
        "mnist_fashion",
        split="train",
        download_and_prepare_kwargs={"download_config": files},
    )
    ```
    """

    def _info(self):
        picture = tfds.features.Image(shape=(mnist.SIZE, mnist.SIZE, 1))
        return self._describe(
            mnist_fashion,
            "MNIST digits, each with a Fashion-MNIST picture of the class of "
            "the same number.",
            {
                "label": _CLASS,
                **dict.fromkeys(mnist_fashion.MODALITIES, picture),
            },
            license="Those of MNIST (none stated) and Fashion-MNIST (MIT).",
        )


class PolyMnist(_FetchedBuilder):
    """Build "poly_mnist" from the IDX files in `manual_dir`.

    Example:

    ```python
    import tensorflow_datasets as tfds

    import keras_xmodal as kx
    import keras_xmodal.datasets.tfds

    folder = kx.datasets.fetch("poly_mnist")
    files = tfds.download.DownloadConfig(manual_dir=folder)
    train = tfds.load(
        "poly_mnist",
        split="train",
        download_and_prepare_kwargs={"download_config": files},
    )
    ```
    """

    def _info(self):
        picture = tfds.features.Image(shape=(mnist.SIZE, mnist.SIZE, 3))
        return self._describe(
            poly_mnist,
            "Five MNIST digits of one class, each over a background of its own "
            "family: stripes, checks, clouds, blobs and gradients of hue.",
            {
                "label": _CLASS,
                **dict.fromkeys(poly_mnist.MODALITIES, picture),
            },
            license="That of MNIST (none stated).",
        )
