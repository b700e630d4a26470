import io

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers.image_augmentation import ImageAugmentation
from keras_xmodal.networks import ImagePreprocessor, VideoPreprocessor
from tests.helpers import assert_close, check_layer


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (3, 20, 14, 3)).astype("uint8")


def encode_png(image):
    return tf.io.encode_png(image).numpy()


def test_layer(images, tmp_path):
    augmentation = ImageAugmentation(rotation=0.1, seed=3)
    layer = check_layer(
        ImagePreprocessor,
        {"image_size": (8, 6), "augmentation": augmentation},
        tf.constant(images),
        (3, 8, 6, 3),
        tmp_path,
    )
    assert layer.augmentation.get_config() == augmentation.get_config()


def test_config_holds_the_augmentation():
    layer = ImagePreprocessor((8, 6), ImageAugmentation(zoom=0.3, seed=3))
    revived = ImagePreprocessor.from_config(layer.get_config())
    assert isinstance(revived.augmentation, ImageAugmentation)
    assert revived.augmentation.zoom == 0.3
    assert revived.augmentation.seed == 3
    plain = ImagePreprocessor.from_config(ImagePreprocessor().get_config())
    assert plain.augmentation is None


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_integers_are_scaled_and_an_equal_size_is_left_alone(dtype):
    image = np.array([[[[0, 51, 255]]]], dtype)
    outputs = ImagePreprocessor((1, 1))(image)
    assert outputs.dtype == "float32"
    assert_close(outputs, np.float32([[[[0, 0.2, 1]]]]), atol=1e-7)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_taken_as_they_are(dtype):
    image = np.array([[[[0, 0.25, 1]]]], dtype)
    with_policy = ImagePreprocessor((1, 1), dtype="mixed_bfloat16")
    for layer in (ImagePreprocessor((1, 1)), with_policy):
        outputs = layer(image)
        assert outputs.dtype == "float32"
        assert_close(outputs, image.astype("float32"), atol=0)


def test_global_policy_does_not_spoil_the_data():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        image = np.float32([[[[0.123, 0.456, 0.789]]]])
        assert_close(ImagePreprocessor((1, 1))(image), image, atol=0)
    finally:
        keras.config.set_dtype_policy(before)


def test_floats_above_one_are_refused(images):
    """Such as a `Sequential` makes of bytes, where nothing tells it not to."""
    layer = ImagePreprocessor((8, 6))
    with pytest.raises(ValueError, match=r"floats in \[0, 1\].*up to 255"):
        layer(np.full((1, 8, 6, 3), 255, "float32"))
    flat = keras.Sequential([layer, keras.layers.Flatten()])
    with pytest.raises(ValueError, match="Input\\(shape, dtype='uint8'"):
        flat(images)
    declared = keras.Sequential(
        [keras.Input(images.shape[1:], dtype="uint8"), layer]
    )
    assert_close(declared(images), layer(images), atol=1e-6)


@pytest.mark.parametrize(
    "images",
    [
        np.full((2, 9, 9, 3), 255.0, "float32"),
        np.full((2, 9, 9, 3), -0.5, "float64"),
        np.full((2, 9, 9, 3), np.nan, "float32"),
        np.full((2, 9, 9, 3), 257, "uint16"),
        np.full((2, 9, 9, 3), -1, "int8"),
        np.full((2, 9, 9, 4), 256, "int64"),
        np.full((2, 9, 9, 1), 2.0, "float16"),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_values_out_of_range_are_refused_in_graphs_too(images, training):
    layers = [
        ImagePreprocessor((8, 8), ImageAugmentation(seed=1)),
        VideoPreprocessor(2, (8, 8)),
    ]
    for layer, x in zip(layers, (images, images[:, None]), strict=True):
        with pytest.raises(ValueError, match=r"must be.*Received: .*values"):
            layer(x, training=training)
        data = tf.data.Dataset.from_tensors(x)
        data = data.map(lambda x, layer=layer: layer(x, training=training))
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be"):
            list(data)


def test_resize_is_antialiased():
    # A checkerboard of single pixels must become grey, not black or white.
    board = np.indices((32, 32)).sum(axis=0) % 2 * 255
    board = np.repeat(board[None, :, :, None], 3, axis=-1).astype("uint8")
    outputs = ImagePreprocessor((8, 8))(board)
    assert_close(outputs, np.full((1, 8, 8, 3), 0.5, "float32"), atol=0.02)


def test_one_picture_equals_a_batch_of_one(images):
    layer = ImagePreprocessor((8, 6))
    assert_close(layer(images[0]), layer(images[:1])[0], atol=1e-7)
    augmenting = ImagePreprocessor((8, 6), ImageAugmentation(seed=3))
    assert augmenting(images[0], training=True).shape == (8, 6, 3)


def test_grey_is_repeated(images):
    layer = ImagePreprocessor((8, 6))
    outputs = layer(images[..., :1]).numpy()
    assert_close(outputs[..., 0], outputs[..., 2], atol=0)
    assert_close(
        outputs, layer(np.repeat(images[..., :1], 3, -1)).numpy(), atol=0
    )


def test_opacity_is_laid_over_white():
    image = np.zeros((1, 1, 3, 4), "uint8")
    image[0, 0, :, 3] = [0, 51, 255]  # black, from clear to solid
    outputs = ImagePreprocessor((1, 3))(image)
    expected = np.float32([1, 0.8, 0])[None, None, :, None].repeat(3, -1)
    assert_close(outputs, expected, atol=1e-6)


def test_augmentation_runs_in_training_only(images):
    class Broken(keras.layers.Layer):
        def call(self, x, training=True):
            return x * 0.0 + 7.0

    layer = ImagePreprocessor((8, 6), Broken())
    plain = ImagePreprocessor((8, 6))
    assert_close(layer(images), plain(images), atol=0)
    augmented = layer(images, training=True)
    assert_close(augmented, np.ones((3, 8, 6, 3), "float32"), atol=0)  # clipped


def test_tf_data_and_graph_equal_eager(images):
    layer = ImagePreprocessor((8, 6))
    expected = layer(images)
    dataset = tf.data.Dataset.from_tensor_slices(images)
    batches = dataset.batch(3).map(layer, num_parallel_calls=2)
    assert batches.element_spec.shape.as_list() == [None, 8, 6, 3]
    assert_close(next(iter(batches)), expected, atol=1e-6)
    assert_close(next(iter(dataset.map(layer))), expected[0], atol=1e-6)

    spec = tf.TensorSpec((None, None, None, 3), tf.uint8)
    any_size = tf.function(layer, input_signature=[spec])
    assert_close(any_size(images), expected, atol=1e-6)
    same_size = layer(images).numpy()
    spec = tf.TensorSpec((None, None, None, 3), tf.float32)
    any_size = tf.function(layer, input_signature=[spec])
    assert_close(any_size(same_size), tf.constant(same_size), atol=1e-6)


def test_decode_formats_and_sizes_in_one_batch(images):
    layer = ImagePreprocessor((8, 6))
    rng = np.random.default_rng(1)
    pictures = [
        images[0],
        images[1, :9, :5],
        images[2, :8, :6],
        images[0, :, :, :1],
        rng.integers(0, 256, (8, 6, 4)).astype("uint8"),
    ]
    contents = [encode_png(picture) for picture in pictures]
    expected = tf.stack([layer(picture) for picture in pictures])
    outputs = layer.decode(contents)
    assert outputs.dtype == "float32"
    assert_close(outputs, expected, atol=1e-6)
    # The same as a graph, as a call, in tf.data, and one by one.
    spec = tf.TensorSpec((None,), tf.string)
    graph = tf.function(layer.decode, input_signature=[spec])
    assert_close(graph(contents), expected, atol=1e-6)
    assert_close(layer(tf.constant(contents)), expected, atol=1e-6)
    dataset = tf.data.Dataset.from_tensor_slices(contents)
    assert_close(next(iter(dataset.batch(5).map(layer))), expected, atol=1e-6)
    assert_close(next(iter(dataset.map(layer))), expected[0], atol=1e-6)
    assert_close(layer.decode(contents[1]), expected[1], atol=1e-6)
    # No picture at all.
    assert layer.decode([]).shape == (0, 8, 6, 3)
    assert graph(tf.constant([], tf.string)).shape == (0, 8, 6, 3)


def test_decode_other_formats():
    image_module = pytest.importorskip("PIL.Image")
    color = np.zeros((16, 16, 3), "uint8")
    color[..., 0] = 255
    picture = image_module.fromarray(color)
    contents = []
    for mode, file_format in (
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "GIF"),
        ("RGB", "BMP"),
        ("P", "PNG"),
        ("LA", "PNG"),
        ("1", "PNG"),
    ):
        stream = io.BytesIO()
        picture.convert(mode).save(stream, file_format)
        contents.append(stream.getvalue())
    outputs = ImagePreprocessor((8, 8)).decode(contents).numpy()
    for index in range(5):
        assert_close(
            outputs[index],
            np.broadcast_to(np.float32([1, 0, 0]), (8, 8, 3)),
            atol=0.02,
        )
    assert outputs[5, 0, 0, 0] == pytest.approx(76 / 255, abs=0.01)
    assert np.isfinite(outputs[6]).all()


@pytest.mark.parametrize("cut", [0, 4, 40])
def test_corrupt_pictures(images, cut):
    layer = ImagePreprocessor((8, 6))
    good = encode_png(images[0])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"`contents\[1\]` must be a JPEG"
    ):
        layer.decode([good, good[:cut]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="contents"):
        layer(tf.constant([good, good[:cut]]))
    graph = tf.function(layer.decode)
    with pytest.raises(tf.errors.InvalidArgumentError):
        graph(tf.constant([good, good[:cut]]))


def test_decode_rejects_other_input():
    layer = ImagePreprocessor((8, 6))
    with pytest.raises(TypeError, match="`contents` must hold strings"):
        layer.decode(np.zeros((2, 8, 6, 3), "uint8"))
    with pytest.raises(ValueError, match=r"shape \(batch,\) or \(\)"):
        layer.decode(tf.constant([["a"]]))


@pytest.mark.parametrize("image_size", [(32,), (0, 32), (32, -1)])
def test_wrong_image_size(image_size):
    with pytest.raises(ValueError, match="`image_size` must be a pair"):
        ImagePreprocessor(image_size)


def test_wrong_augmentation():
    with pytest.raises(TypeError, match="`augmentation` must be a Keras layer"):
        ImagePreprocessor(augmentation=lambda x: x)


@pytest.mark.parametrize("shape", [(4,), (4, 4), (1, 1, 4, 4, 3)])
def test_wrong_rank(shape):
    with pytest.raises(ValueError, match="`images` must have shape"):
        ImagePreprocessor()(np.zeros(shape, "uint8"))


@pytest.mark.parametrize("channels", [2, 5])
def test_wrong_channels(channels):
    with pytest.raises(ValueError, match="3 \\(RGB\\)"):
        ImagePreprocessor()(np.zeros((1, 4, 4, channels), "uint8"))


@pytest.mark.parametrize("dtype", ["bool", "complex64"])
def test_wrong_dtype(dtype):
    with pytest.raises(TypeError, match="integers from 0 to 255"):
        ImagePreprocessor()(np.zeros((1, 4, 4, 3), dtype))


@pytest.mark.parametrize("shape", [(2, 0, 5, 3), (5, 0, 3)])
def test_pictures_have_a_pixel(shape):
    with pytest.raises(ValueError, match="must have a pixel"):
        ImagePreprocessor((4, 4))(np.zeros(shape))
