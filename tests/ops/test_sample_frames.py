import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.ops.sample_frames import sample_frames


@pytest.mark.parametrize(
    ("length", "num_frames", "expected"),
    [
        (8, 8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (16, 8, [1, 3, 5, 7, 9, 11, 13, 15]),
        (9, 3, [1, 4, 7]),
        (10, 4, [1, 3, 6, 8]),
        (3, 1, [1]),
        (1, 4, [0, 0, 0, 0]),
        (2, 5, [0, 0, 1, 1, 1]),
    ],
)
def test_frames_in_the_middle_of_equal_parts(length, num_frames, expected):
    np.testing.assert_array_equal(sample_frames(length, num_frames), expected)


def test_all_lengths_stay_inside_and_are_evenly_spread():
    lengths = np.arange(1, 60)
    for num_frames in (1, 3, 8):
        frames = np.asarray(sample_frames(lengths, num_frames))
        assert frames.shape == (59, num_frames)
        assert frames.min() >= 0
        assert (frames < lengths[:, None]).all()
        gaps = np.diff(frames, axis=1)
        if gaps.size:
            assert (gaps.max(axis=1) - gaps.min(axis=1) <= 1).all()


def test_length_of_a_graph():
    function = tf.function(lambda n: sample_frames(n, 3), jit_compile=True)
    np.testing.assert_array_equal(function(tf.constant(9)), [1, 4, 7])


def test_long_clips():
    frames = np.asarray(sample_frames(10**9, 8), "int64")
    np.testing.assert_array_equal(frames, (2 * np.arange(8) + 1) * 10**9 // 16)


@pytest.mark.parametrize("length", [0, -5, [3, 0], 2**31, 2.0, "3"])
def test_wrong_lengths(length):
    with pytest.raises((TypeError, ValueError), match="`length` must be"):
        sample_frames(length, 8)


def test_wrong_length_of_a_graph():
    function = tf.function(lambda n: sample_frames(n, 3))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`length` must"):
        function(tf.constant(0))
