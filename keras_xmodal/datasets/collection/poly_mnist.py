"""PolyMNIST: five digits of a class, each over a background of its own family.

The digits are MNIST's and the backgrounds procedural: for each modality one
canvas is drawn, and every digit inverts the colours of a random crop of it.

Reference: Sutter, Daunhawer & Vogt, "Generalized Multimodal ELBO", ICLR 2021,
https://arxiv.org/abs/2105.02470 (with photographs as backgrounds).
"""

import functools
import os

import numpy as np
import tensorflow as tf

from keras_xmodal.datasets.collection import backgrounds, mnist

SPLITS = tuple(mnist.PREFIXES)
MODALITIES = tuple(f"m{i}" for i in range(len(backgrounds.FAMILIES)))
DEFAULT_MODALITIES = MODALITIES
OPTIONS = ("data_dir",)
SEED = 0
CANVAS = 512  # pixels
CHUNK = 256  # examples drawn at a time


def examples(
    split: str,
    modalities: tuple[str, ...],
    data_dir: str | os.PathLike | None = None,
) -> tf.data.Dataset:
    """Put the examples of a split together; see `load` for what they hold.

    They are drawn when they are asked for, some at a time.
    """
    digits, labels = mnist.read("mnist", split, data_dir, "poly_mnist")
    generator = np.random.default_rng([SEED, SPLITS.index(split)])
    # Drawn for all modalities, so that leaving one out changes no other.
    groups = mnist.circles(labels, len(MODALITIES), generator)
    corners = generator.integers(
        CANVAS - mnist.SIZE + 1, size=(len(labels), len(MODALITIES), 2)
    )

    def chunks():
        for start in range(0, len(labels), CHUNK):
            rows = slice(start, start + CHUNK)
            chunk = {"id": labels[rows], "label": labels[rows]}
            for name in modalities:
                index = MODALITIES.index(name)
                crops = crop(canvas(index), corners[rows, index])
                chunk[name] = invert(crops, digits[groups[rows, index]])
            yield chunk

    picture = tf.TensorSpec((None, mnist.SIZE, mnist.SIZE, 3), tf.uint8)
    number = tf.TensorSpec((None,), tf.int64)
    dataset = tf.data.Dataset.from_generator(
        chunks,
        output_signature={
            "id": number,
            "label": number,
            **dict.fromkeys(modalities, picture),
        },
    )
    dataset = dataset.unbatch()
    return dataset.apply(tf.data.experimental.assert_cardinality(len(labels)))


@functools.cache
def canvas(index: int) -> np.ndarray:
    """Draw the background of a modality: uint8 (512, 512, 3)."""
    generator = np.random.default_rng([SEED, index])
    picture = backgrounds.FAMILIES[index](generator, CANVAS)
    return np.rint(255 * picture).astype(np.uint8)


def crop(picture: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Cut squares of 28 pixels out of a picture."""
    offsets = np.arange(mnist.SIZE)
    rows = corners[:, 0, None, None] + offsets[:, None]
    columns = corners[:, 1, None, None] + offsets
    return picture[rows, columns]


def invert(pictures: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Invert the colours of pictures as far as masks say."""
    pictures, masks = pictures.astype(np.uint16), masks.astype(np.uint16)
    # A weighted mean of c and 255 - c, rounded: at most 255 * 255 + 127.
    mixed = (255 - masks) * pictures + masks * (255 - pictures)
    return ((mixed + 127) // 255).astype(np.uint8)
