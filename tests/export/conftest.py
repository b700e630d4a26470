"""One small model of pictures and texts, exported once for all tests."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import export
from keras_xmodal.networks import ImagePreprocessor, TextPreprocessor

TEXTS = [
    "Red apple!",
    "Красное яблоко",
    "红苹果",
    "maçã VERDE",
    "a pear nobody knows",
    "🍎",
]
SIZES = [(12, 12), (20, 9), (7, 31), (12, 12), (1, 1), (64, 40)]


def make_model(dtype=None):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    texts = TextPreprocessor(sequence_length=6)
    texts.adapt(TEXTS[:4])
    image = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, strides=2, activation="relu", dtype=dtype),
            layers.GroupNormalization(4, dtype=dtype),
            layers.Dropout(0.5, dtype=dtype),
            layers.Flatten(dtype=dtype),
        ]
    )
    text = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            layers.Embedding(
                texts.vocabulary_size(), 12, mask_zero=True, dtype=dtype
            ),
            layers.GlobalAveragePooling1D(dtype=dtype),
        ]
    )
    return kx.EmbeddingModel(
        encoders={"image": image, "text": text},
        embedding_dim=10,
        preprocessors={"image": ImagePreprocessor((12, 12)), "text": texts},
        dtype=dtype,
    )


def pictures():
    generator = np.random.default_rng(1)
    return [
        generator.integers(0, 256, (*size, 3)).astype("uint8") for size in SIZES
    ]


def png(picture):
    return tf.io.encode_png(picture).numpy()


@pytest.fixture(scope="session")
def model(evaluation):
    """A model after training."""
    model = make_model()
    model.compile("adam")
    model.fit(*evaluation, verbose=0)
    return model


@pytest.fixture(scope="session")
def evaluation():
    """Three pictures of each of four texts."""
    generator = np.random.default_rng(2)
    x = {
        "image": generator.integers(0, 256, (12, 15, 10, 3)).astype("uint8"),
        "text": np.array(TEXTS[:4] * 3),
    }
    return x, np.arange(12) % 4


@pytest.fixture(scope="session")
def saved(model, tmp_path_factory):
    """Path of the SavedModel and its report, without an evaluation set."""
    path = tmp_path_factory.mktemp("saved") / "pictures" / "1"
    return path, export.saved_model(model, path)


@pytest.fixture(scope="session")
def lite(model, evaluation, tmp_path_factory):
    path = tmp_path_factory.mktemp("lite") / "device"
    return path, export.litert(model, path, evaluation)
