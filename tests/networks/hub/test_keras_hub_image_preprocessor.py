import sys

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.networks import KerasHubImagePreprocessor
from tests.helpers import assert_close

pytestmark = pytest.mark.large

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (2, 50, 37, 3)).astype("uint8")


def make_converter(**kwargs):
    kwargs = {"interpolation": "bicubic", "antialias": True, **kwargs}
    return keras_hub.layers.ImageConverter(
        (16, 24), scale=[0.1, 0.2, 0.3], offset=[-1, -2, -3], **kwargs
    )


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"crop_to_aspect_ratio": False},
        {"interpolation": "bilinear", "antialias": False},
    ],
)
def test_bytes_are_as_the_converter_makes_them(kwargs):
    converter = make_converter(**kwargs)
    preprocessor = KerasHubImagePreprocessor(converter)
    expected = np.asarray(converter(IMAGES))
    assert_close(preprocessor(IMAGES), expected, atol=1e-5)
    assert_close(preprocessor(IMAGES[0]), expected[0], atol=1e-5)
    assert_close(preprocessor(IMAGES.astype("int32")), expected, atol=1e-5)


def test_in_graphs_and_files():
    preprocessor = KerasHubImagePreprocessor(make_converter())
    expected = preprocessor(IMAGES).numpy()
    graph = tf.function(preprocessor)
    assert_close(graph(tf.constant(IMAGES)), expected, atol=1e-5)
    pngs = [tf.io.encode_png(image).numpy() for image in IMAGES]
    assert_close(preprocessor(pngs), expected, atol=1e-5)
    data = tf.data.Dataset.from_tensor_slices(pngs).batch(2).map(preprocessor)
    assert data.element_spec.shape == (None, 16, 24, 3)
    assert_close(next(iter(data)), expected, atol=1e-5)


def test_floats_grey_and_opacity():
    converter = make_converter()
    preprocessor = KerasHubImagePreprocessor(converter)
    floats = (IMAGES / np.float32(255)).astype("float32")
    expected = converter(IMAGES.astype("float32"))
    assert_close(preprocessor(floats), expected, atol=1e-4)
    grey = IMAGES[..., :1]
    expected = preprocessor(np.repeat(grey, 3, axis=-1))
    assert_close(preprocessor(grey), expected, atol=0)
    clear = np.concatenate([IMAGES, np.zeros_like(grey)], axis=-1)
    expected = preprocessor(np.full_like(IMAGES, 255))
    assert_close(preprocessor(clear), expected, atol=1e-4)


def test_saved_and_loaded(tmp_path):
    inputs = keras.Input((50, 37, 3), dtype="uint8")
    preprocessor = KerasHubImagePreprocessor(make_converter(), name="pixels")
    model = keras.Model(inputs, preprocessor(inputs))
    assert model.output_shape == (None, 16, 24, 3)
    model.save(tmp_path / "pixels.keras")
    loaded = keras.saving.load_model(tmp_path / "pixels.keras")
    assert_close(loaded(IMAGES), preprocessor(IMAGES), atol=1e-5)
    assert loaded.get_layer("pixels").image_size == (16, 24)


def test_wrong_arguments():
    with pytest.raises(TypeError, match=r"`keras_hub.layers.ImageConverter`"):
        KerasHubImagePreprocessor(keras.layers.Rescaling(2.0))
    with pytest.raises(ValueError, match="must have an `image_size`"):
        KerasHubImagePreprocessor(keras_hub.layers.ImageConverter())


@pytest.mark.parametrize(
    ("images", "match"),
    [
        (IMAGES.astype("float32"), "integers from 0 to 255 or floats in"),
        (IMAGES > 3, "Received: dtype=bool"),
        (IMAGES[..., :2], "must have 1"),
        (IMAGES[0, 0], "must have shape"),
    ],
)
def test_wrong_pictures(images, match):
    with pytest.raises((TypeError, ValueError), match=match):
        KerasHubImagePreprocessor(make_converter())(images)


def test_without_keras_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ImportError, match=r"needs KerasHub: pip install"):
        KerasHubImagePreprocessor(None)
