import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers import VideoAugmentation
from tests.helpers import assert_close, check_layer


@pytest.fixture
def clips():
    """Noise that stands still: all frames of a clip are the same."""
    rng = np.random.default_rng(0)
    pictures = rng.random((3, 1, 12, 10, 3)).astype("float32")
    return np.repeat(pictures, 4, axis=1)


def test_layer(clips, tmp_path):
    kwargs = {
        "horizontal_flip": True,
        "rotation": 0.1,
        "erasing": 0.5,
        "blur": 0.5,
        "seed": 3,
    }
    check_layer(
        VideoAugmentation, kwargs, tf.constant(clips), clips.shape, tmp_path
    )


def test_frames_of_a_clip_change_alike_and_clips_do_not(clips):
    layer = VideoAugmentation(
        erasing=1.0, blur=0.5, color_mixing=0.2, horizontal_flip=True, seed=1
    )
    outputs = layer(clips, training=True).numpy()
    assert np.abs(outputs - clips).max() > 0.1
    assert_close(outputs[:, 1:], outputs[:, :-1], atol=1e-6)
    same = np.repeat(clips[:1], 3, axis=0)
    outputs = layer(same, training=True).numpy()
    assert np.abs(outputs[0] - outputs[1]).max() > 0.1


def test_without_training_nothing_changes(clips):
    layer = VideoAugmentation(seed=1)
    assert_close(layer(clips), clips, atol=0)


def test_left_stays_left():
    """The mirrored motion would belong to another caption."""
    clips = np.ones((64, 4, 16, 16, 3), "float32")
    for frame in range(4):
        clips[:, frame, 6:10, 9 - 3 * frame : 13 - 3 * frame] = 0.0
    ink = 1 - VideoAugmentation(rotation=0.0, seed=1)(clips, training=True)
    ink = ink.numpy().sum(axis=(2, 4))  # (clips, frames, columns)
    center = (ink * np.arange(16)).sum(-1) / ink.sum(-1)
    assert (np.diff(center[:, :3], axis=1) < 0).all()


def test_one_clip_and_tf_data(clips):
    layer = VideoAugmentation(seed=1)
    assert layer(clips[0], training=True).shape == (4, 12, 10, 3)
    dataset = tf.data.Dataset.from_tensor_slices(clips).batch(3)
    dataset = dataset.map(lambda x: layer(x, training=True))
    (outputs,) = dataset
    assert outputs.shape == clips.shape
    assert_close(outputs[:, 1:], outputs[:, :-1], atol=1e-6)


def test_wrong_arguments(clips):
    with pytest.raises(ValueError, match="`rotation` must be in"):
        VideoAugmentation(rotation=2.0)
    with pytest.raises(ValueError, match="`videos` must have shape"):
        VideoAugmentation()(clips[0, 0])
    with pytest.raises(ValueError, match="`videos` must have shape"):
        VideoAugmentation()(clips[..., :1])
