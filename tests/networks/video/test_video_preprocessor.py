import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_xmodal.layers import VideoAugmentation
from keras_xmodal.networks import ImagePreprocessor, VideoPreprocessor
from tests.helpers import assert_close, check_layer


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (2, 6, 10, 14, 3)).astype("uint8")


def encode(frames, file_format="GIF", **kwargs):
    """The content of a file, as Pillow writes it."""
    frames = [Image.fromarray(frame) for frame in frames]
    stream = io.BytesIO()
    frames[0].save(
        stream,
        file_format,
        save_all=True,
        append_images=frames[1:],
        duration=100,
        **kwargs,
    )
    return stream.getvalue()


def moving_square(length, size=(12, 16)):
    frames = np.full((length, *size, 3), 255, "uint8")
    for index, frame in enumerate(frames):
        frame[4:8, 1 + index : 5 + index] = [255, 0, 0]
    return frames


def test_floats_above_one_are_refused(clips):
    with pytest.raises(ValueError, match=r"floats in \[0, 1\]"):
        VideoPreprocessor(4, (10, 14))(clips.astype("float32"))


def test_layer(clips, tmp_path):
    layer = check_layer(
        VideoPreprocessor,
        {
            "num_frames": 3,
            "image_size": (8, 6),
            "augmentation": VideoAugmentation(rotation=0.1, seed=3),
        },
        tf.constant(clips),
        (2, 3, 8, 6, 3),
        tmp_path,
    )
    assert layer.augmentation.rotation == 0.1
    revived = VideoPreprocessor.from_config(layer.get_config())
    assert isinstance(revived.augmentation, VideoAugmentation)


def test_frames_are_sampled_and_treated_as_pictures(clips):
    layer = VideoPreprocessor(3, (8, 6))
    images = ImagePreprocessor((8, 6))
    outputs = layer(clips)
    assert outputs.dtype == "float32"
    for clip, output in zip(clips, outputs, strict=True):
        assert_close(output, images(clip[[1, 3, 5]]), atol=1e-6)
    assert_close(layer(clips[1]), outputs[1], atol=1e-6)
    floats = clips.astype("float32") / 255
    assert_close(layer(floats), outputs, atol=1e-6)
    gray = layer(clips[..., :1]).numpy()
    assert_close(gray[..., 0], gray[..., 2], atol=0)
    clear = np.zeros((1, 2, 4, 4, 4), "uint8")
    assert np.min(VideoPreprocessor(2, (4, 4))(clear)) == 1.0


def test_equal_lengths_and_sizes_are_left_alone(clips):
    outputs = VideoPreprocessor(6, (10, 14))(clips)
    assert_close(outputs, clips.astype("float32") / 255, atol=1e-6)


def test_short_clips_repeat_frames(clips):
    layer = VideoPreprocessor(4, (10, 14))
    one = layer(clips[:, :1]).numpy()
    assert_close(one, np.repeat(clips[:, :1], 4, axis=1) / 255.0, atol=1e-6)
    two = layer(clips[:, :2]).numpy()
    assert_close(two, clips[:, [0, 0, 1, 1]] / 255.0, atol=1e-6)


def test_padding_is_never_sampled(clips):
    layer = VideoPreprocessor(3, (8, 6))
    padded = clips.copy()
    padded[1, 3:] = 0
    outputs = layer(padded, lengths=np.array([6, 3]))
    assert_close(outputs[0], layer(clips[0]), atol=1e-6)
    assert_close(outputs[1], layer(clips[1, :3]), atol=1e-6)
    assert_close(layer(padded[1], lengths=3), outputs[1], atol=1e-6)
    ragged = tf.RaggedTensor.from_row_lengths(
        tf.concat([clips[0], clips[1, :3]], axis=0), [6, 3]
    )
    assert_close(layer(ragged), outputs, atol=1e-6)


def test_tf_data_and_graph_equal_eager(clips):
    layer = VideoPreprocessor(3, (8, 6))
    expected = layer(clips)
    dataset = tf.data.Dataset.from_tensor_slices(clips)
    batches = dataset.batch(2).map(layer, num_parallel_calls=2)
    assert batches.element_spec.shape.as_list() == [None, 3, 8, 6, 3]
    assert_close(next(iter(batches)), expected, atol=1e-6)
    assert_close(next(iter(dataset.map(layer))), expected[0], atol=1e-6)
    ragged = dataset.map(lambda clip: clip[:4]).ragged_batch(2).map(layer)
    assert_close(next(iter(ragged)), layer(clips[:, :4]), atol=1e-6)

    spec = tf.TensorSpec((None, None, None, None, 3), tf.uint8)
    any_size = tf.function(layer, input_signature=[spec])
    assert_close(any_size(clips), expected, atol=1e-6)
    same_size = any_size(clips[:, :3, :8, :6])
    assert_close(same_size, clips[:, :3, :8, :6] / np.float32(255), atol=1e-6)
    assert any_size(clips[:0]).shape == (0, 3, 8, 6, 3)


def test_augmentation_in_training_only_and_alike_in_all_frames(clips):
    still = np.repeat(clips[:, :1], 6, axis=1)
    layer = VideoPreprocessor(3, (8, 6), VideoAugmentation(seed=1))
    plain = VideoPreprocessor(3, (8, 6))
    assert_close(layer(still), plain(still), atol=0)
    outputs = layer(still, training=True).numpy()
    assert np.abs(outputs - plain(still)).max() > 0.05
    assert_close(outputs[:, 1:], outputs[:, :-1], atol=1e-6)
    assert layer(still[0], training=True).shape == (3, 8, 6, 3)

    class Broken(keras.layers.Layer):
        def call(self, x, training=True):
            return x * 0.0 + 7.0

    clipped = VideoPreprocessor(3, (8, 6), Broken())(clips, training=True)
    assert np.max(clipped) == 1.0


def test_decode():
    """Pillow stores of later frames only what has changed."""
    layer = VideoPreprocessor(4, (12, 16))
    frames = [moving_square(8), moving_square(4), moving_square(2, (24, 20))]
    contents = [encode(each) for each in frames]
    expected = tf.stack([layer(each) for each in frames])
    outputs = layer.decode(contents)
    assert_close(outputs, expected, atol=1e-6)
    # The same as a graph, as a call, in tf.data, and one by one.
    spec = tf.TensorSpec((None,), tf.string)
    graph = tf.function(layer.decode, input_signature=[spec])
    assert_close(graph(contents), expected, atol=1e-6)
    assert_close(layer(tf.constant(contents)), expected, atol=1e-6)
    dataset = tf.data.Dataset.from_tensor_slices(contents)
    assert_close(next(iter(dataset.batch(3).map(layer))), expected, atol=1e-6)
    assert_close(next(iter(dataset.map(layer))), expected[0], atol=1e-6)
    assert_close(layer.decode(contents[1]), expected[1], atol=1e-6)
    assert layer.decode([]).shape == (0, 4, 12, 16, 3)
    assert graph(tf.constant([], tf.string)).shape == (0, 4, 12, 16, 3)


def test_a_picture_stands_still():
    layer = VideoPreprocessor(3, (12, 16))
    (frame,) = moving_square(1)
    expected = np.repeat(frame[None], 3, axis=0) / np.float32(255)
    for content in (
        encode([frame]),
        tf.io.encode_png(frame).numpy(),
        tf.io.encode_png(frame[..., :1]).numpy(),
    ):
        output = layer.decode(content)
        assert_close(output[..., 0], expected[..., 0], atol=1e-6)


def test_animated_webp_is_an_error():
    content = encode(moving_square(3), "WEBP")
    with pytest.raises(tf.errors.InvalidArgumentError, match="animated WebP"):
        VideoPreprocessor().decode(content)


@pytest.mark.parametrize(
    "bad", [b"", b"no clip at all", b"GIF89a", b"\xff\xd8\xff"]
)
def test_corrupt_clips(bad):
    layer = VideoPreprocessor(2, (8, 8))
    good = encode(moving_square(2))
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=rf"`contents\[1\]` must be a .*Received: {len(bad)} bytes",
    ):
        layer.decode([good, bad])
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.function(layer.decode)(tf.constant([good, bad]))


def test_a_file_that_breaks_off_is_an_error():
    content = encode(moving_square(4))
    layer = VideoPreprocessor(4, (12, 16))
    for size in (-1, -20, len(content) // 2, 20):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="GIF file, complete"
        ):
            layer.decode(content[:size])


def test_too_many_pixels():
    content = encode(moving_square(4))
    assert VideoPreprocessor(2, (8, 8), max_pixels=192).decode(content).shape
    layer = VideoPreprocessor(2, (8, 8), max_pixels=191)
    match = r"`max_pixels=191` pixels.*Received: 4 frames of up to 192"
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        layer.decode(content)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.function(layer.decode)(tf.constant([content]))


def test_decode_rejects_other_input():
    layer = VideoPreprocessor()
    with pytest.raises(TypeError, match="`contents` must hold strings"):
        layer.decode(np.zeros((2, 8, 8, 6, 3), "uint8"))
    with pytest.raises(ValueError, match=r"shape \(batch,\) or \(\)"):
        layer.decode(tf.constant([["a"]]))


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"num_frames": 0}, ValueError, "`num_frames` must be a positive"),
        ({"image_size": (8,)}, ValueError, "`image_size` must be a pair"),
        ({"augmentation": abs}, TypeError, "`augmentation` must be a Keras"),
    ],
)
def test_wrong_arguments(kwargs, error, match):
    with pytest.raises(error, match=match):
        VideoPreprocessor(**kwargs)


def test_wrong_input(clips):
    layer = VideoPreprocessor()
    for shape in [(4,), (4, 4, 3), (1, 1, 1, 4, 4, 3)]:
        with pytest.raises(ValueError, match="`videos` must have shape"):
            layer(np.zeros(shape, "uint8"))
    with pytest.raises(ValueError, match="at least one frame"):
        layer(clips[:, :0])
    with pytest.raises(ValueError, match="3 \\(RGB\\)"):
        layer(clips[..., :2])
    with pytest.raises(TypeError, match="integers from 0 to 255"):
        layer(clips > 7)


def test_lengths_of_what_knows_its_own(clips):
    layer = VideoPreprocessor(2, (8, 8))
    gif = encode(moving_square(2))
    for videos in (tf.RaggedTensor.from_tensor(clips), [gif, gif]):
        with pytest.raises(ValueError, match=r"`lengths` must be None.*files"):
            layer(videos, lengths=[1, 1])


def test_lengths_are_integers(clips):
    with pytest.raises(TypeError, match=r"`lengths` must be integers.*float"):
        VideoPreprocessor(2, (8, 8))(clips, lengths=[2.5, 2.0])


@pytest.mark.parametrize("lengths", [[0, 3], [2, 7], [3], [1, 1, 1]])
def test_wrong_lengths(clips, lengths):
    layer = VideoPreprocessor()
    with pytest.raises(
        ValueError, match=r"`lengths` must be from 1.*Received: lengths=\["
    ):
        layer(clips, lengths=np.array(lengths))
    graph = tf.function(lambda x, n: layer(x, lengths=n))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`lengths` must"):
        graph(clips, tf.constant(lengths))
