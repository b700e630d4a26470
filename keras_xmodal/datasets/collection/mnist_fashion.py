"""MNIST digits, each paired with a Fashion-MNIST picture of its class."""

import os

import numpy as np
import tensorflow as tf

from keras_xmodal.datasets.collection import mnist

SPLITS = tuple(mnist.PREFIXES)
MODALITIES = ("mnist", "fashion")
DEFAULT_MODALITIES = MODALITIES
OPTIONS = ("data_dir",)
SEED = 0


def examples(
    split: str,
    modalities: tuple[str, ...],
    data_dir: str | os.PathLike | None = None,
) -> tf.data.Dataset:
    """Put the examples of a split together; see `load` for what they hold."""
    digits, labels = mnist.read("mnist", split, data_dir)
    arrays = {"id": labels, "label": labels}
    if "mnist" in modalities:
        arrays["mnist"] = digits
    if "fashion" in modalities:
        clothes, classes = mnist.read("fashion_mnist", split, data_dir)
        generator = np.random.default_rng([SEED, SPLITS.index(split)])
        pairs = mnist.partners(labels, classes, generator)
        arrays["fashion"] = clothes[pairs]
    return tf.data.Dataset.from_tensor_slices(arrays)
