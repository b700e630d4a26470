import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.layers.image_augmentation import ImageAugmentation
from tests.helpers import assert_close, check_layer

OFF = {
    "rotation": 0.0,
    "translation": 0.0,
    "zoom": 0.0,
    "stretch": 0.0,
    "shear": 0.0,
    "horizontal_flip": False,
    "hue": 0.0,
    "saturation": 0.0,
    "contrast": 0.0,
    "color_mixing": 0.0,
    "gamma": 0.0,
    "blur": 0.0,
    "grayscale": 0.0,
    "erasing": 0.0,
}


@pytest.fixture
def images():
    """A coloured disc on white, a little off the centre."""
    y, x = np.indices((16, 16))
    images = np.ones((64, 16, 16, 3), "float32")
    images[:, (y - 7) ** 2 + (x - 6) ** 2 < 12] = [0.8, 0.3, 0.2]
    return images


def augment(images, layer=None, **kwargs):
    layer = layer or ImageAugmentation(**{**OFF, **kwargs}, seed=5)
    return layer(images, training=True)


def test_layer(images, tmp_path):
    kwargs = dict.fromkeys(OFF, 0.25)
    kwargs.update(horizontal_flip=False, fill_value=0.5, seed=5)
    check_layer(
        ImageAugmentation, kwargs, tf.constant(images), images.shape, tmp_path
    )


def test_without_training_nothing_changes(images):
    assert_close(ImageAugmentation()(images), images, atol=0)
    assert_close(ImageAugmentation()(images, training=False), images, atol=0)


def test_all_off_changes_nothing(images):
    assert_close(augment(images), images, atol=1e-6)


@pytest.mark.parametrize("name", list(OFF))
def test_each_change_alone(images, name):
    amount = True if name == "horizontal_flip" else 0.2
    outputs = augment(images, **{name: amount}).numpy()
    assert outputs.shape == images.shape
    assert outputs.min() >= 0
    assert outputs.max() <= 1
    changed = np.abs(outputs - images).max(axis=(1, 2, 3)) > 1e-3
    expected = 0.05 if name in ("grayscale", "erasing") else 0.3
    assert changed.mean() > expected
    assert np.std(outputs, axis=0).max() > 0.01, "each in its own way"
    # The background stays as it is.
    assert_close(outputs[:, 0, 0], images[:, 0, 0], atol=1e-5)


def test_flip_mirrors_half_of_the_pictures(images):
    outputs = augment(images, horizontal_flip=True).numpy()
    mirrored = np.abs(outputs - images[:, :, ::-1]).max(axis=(1, 2, 3)) < 1e-6
    unchanged = np.abs(outputs - images).max(axis=(1, 2, 3)) < 1e-6
    assert (mirrored | unchanged).all()
    assert 16 < mirrored.sum() < 48


def test_translation_has_its_limit(images):
    outputs = augment(images, translation=0.125).numpy()  # 2 pixels of 16
    ink = (1 - outputs).sum(axis=-1)  # (batch, height, width)
    x = (ink.sum(axis=1) * np.arange(16)).sum(axis=1) / ink.sum(axis=(1, 2))
    assert np.abs(x - 6).max() < 2.01
    assert np.abs(x - 6).max() > 1.5


def test_zoom_has_its_limit(images):
    area = (1 - augment(images, zoom=0.5).numpy()).sum(axis=(1, 2, 3))
    ratio = area / (1 - images[0]).sum()
    assert 1 / 1.5**2 * 0.9 < ratio.min() < 0.6
    assert 1.8 < ratio.max() < 1.5**2 * 1.1


def test_rotation_turns_about_the_centre():
    image = np.ones((32, 17, 17, 3), "float32")
    image[:, 8, 8] = 0.0
    ink = 1 - augment(image, rotation=0.5).numpy()[..., 0]
    indices = np.arange(17)
    total = ink.sum(axis=(1, 2))
    x = (ink.sum(axis=1) * indices).sum(axis=1) / total
    y = (ink.sum(axis=2) * indices).sum(axis=1) / total
    assert_close(x, np.full(32, 8.0), atol=1e-4)
    assert_close(y, np.full(32, 8.0), atol=1e-4)


def test_hue_and_saturation_keep_the_lightness(images):
    outputs = augment(images * 0.5 + 0.25, hue=0.5).numpy()
    before = (images * 0.5 + 0.25).mean(axis=-1)
    assert_close(outputs.mean(axis=-1), before, atol=1e-5)
    gray = augment(images, grayscale=1.0).numpy()
    assert_close(gray.std(axis=-1), np.zeros(gray.shape[:3]), atol=1e-6)
    assert_close(gray.mean(axis=-1), images.mean(axis=-1), atol=1e-5)


def test_a_whole_turn_of_hue_passes_every_colour():
    red = np.zeros((256, 1, 1, 3), "float32") + [0.6, 0.3, 0.3]
    outputs = augment(red.astype("float32"), hue=0.5).numpy()
    assert set(outputs.argmax(axis=-1).ravel()) == {0, 1, 2}


def test_gamma_keeps_black_and_white():
    ends = np.zeros((8, 1, 2, 3), "float32")
    ends[:, :, 1] = 1.0
    outputs = augment(ends, gamma=0.5).numpy()
    assert_close(outputs, ends, atol=3e-3)


def test_erasing_leaves_a_rectangle_of_the_background():
    black = np.zeros((64, 16, 16, 3), "float32")
    outputs = augment(black, erasing=0.5).numpy()[..., 0]
    area = outputs.sum(axis=(1, 2))
    assert area.max() <= 8 * 8
    assert 16 < (area > 0).sum() < 48
    for output in outputs:
        rows, columns = output.any(axis=1), output.any(axis=0)
        assert_close(output, np.outer(rows, columns).astype("float32"))


def test_seed_repeats_and_calls_differ(images):
    first, second = ImageAugmentation(seed=3), ImageAugmentation(seed=3)
    a, b = augment(images, first), augment(images, first)
    assert_close(augment(images, second), a, atol=0)
    assert_close(augment(images, second), b, atol=0)
    assert np.abs(a - b).max() > 0.1
    other = augment(images, ImageAugmentation(seed=4))
    assert np.abs(a - other).max() > 0.1


def test_tf_data(images):
    def batches(dataset, **kwargs):
        layer = ImageAugmentation(seed=3)
        dataset = dataset.map(lambda x: layer(x, training=True), **kwargs)
        return list(dataset.as_numpy_iterator())

    dataset = tf.data.Dataset.from_tensor_slices(images).batch(32)
    a, b = batches(dataset), batches(dataset)
    for left, right in zip(a, b, strict=True):
        assert_close(left, right, atol=0)
    assert np.abs(a[0] - a[1]).max() > 0.1
    parallel = batches(dataset, num_parallel_calls=tf.data.AUTOTUNE)
    assert [batch.shape for batch in parallel] == [(32, 16, 16, 3)] * 2
    assert batches(dataset.unbatch())[0].shape == (16, 16, 3)


def test_in_a_model_it_works_in_training_only(images):
    model = keras.Sequential([ImageAugmentation(seed=3)])
    assert_close(model(images, training=False), images, atol=0)
    assert_close(model.predict(images, verbose=0), images, atol=0)
    assert np.abs(model(images, training=True) - images).max() > 0.1


def test_wide_pictures(images):
    outputs = augment(images[:, :8], ImageAugmentation(blur=0.5, erasing=0.5))
    assert outputs.shape == (64, 8, 16, 3)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"rotation": -0.1}, "`rotation` must be in"),
        ({"translation": 1.5}, "`translation` must be in"),
        ({"zoom": -1}, "`zoom` must be in"),
        ({"grayscale": 2}, "`grayscale` must be in"),
        ({"fill_value": 255}, "`fill_value` must be in"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        ImageAugmentation(**kwargs)


@pytest.mark.parametrize("shape", [(16, 16), (2, 16, 16, 1)])
def test_wrong_shape(shape):
    with pytest.raises(ValueError, match="`images` must have shape"):
        ImageAugmentation()(np.zeros(shape, "float32"))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (kx.layers.ImageAugmentation(), (2, 4, 4, 3)),
        (kx.layers.VideoAugmentation(), (2, 3, 4, 4, 3)),
    ],
)
@pytest.mark.parametrize("value", [255.0, -1.0, np.nan])
def test_pictures_out_of_range_are_refused(layer, shape, value):
    images = np.full(shape, 2, "uint8")
    with pytest.raises(ValueError, match="values from 2 to 2"):
        layer(images, training=True)
    images = np.full(shape, value, "float32")
    match = r"must be from 0 to 1. Received: .*values from"
    with pytest.raises(ValueError, match=match):
        layer(images, training=True)
    data = tf.data.Dataset.from_tensors(images)
    data = data.map(lambda x: layer(x, training=True))
    with pytest.raises(tf.errors.InvalidArgumentError, match="from 0 to 1"):
        list(data)
