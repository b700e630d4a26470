import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.datasets.collection import mnist, moving_mnist
from keras_xmodal.datasets.load import read_examples


def whole(dataset):
    return dataset.batch(len(dataset)).as_numpy_iterator().next()


@pytest.fixture(scope="module")
def paths():
    return moving_mnist.draw_paths(40000, np.random.default_rng(3))


@pytest.mark.parametrize("split", ["train", "test"])
def test_examples_are_the_digits_of_the_split(split, data_dir, labels):
    dataset = read_examples("moving_mnist", split, data_dir=data_dir)
    assert dataset.element_spec == {
        "id": tf.TensorSpec((), tf.int64),
        "label": tf.TensorSpec((), tf.int64),
        "motion": tf.TensorSpec((), tf.int64),
        "video": tf.TensorSpec((8, 32, 32, 1), tf.uint8),
        "text": tf.TensorSpec((), tf.string),
    }
    examples = whole(dataset)
    np.testing.assert_array_equal(examples["label"], labels["mnist", split])
    digits, _ = mnist.read("mnist", split, data_dir)
    # Wherever it is, a digit has as much ink in every frame.
    ink = examples["video"].sum((2, 3, 4), dtype=np.int64)
    expected = moving_mnist.shrink(digits[..., 0]).sum((1, 2), dtype=np.int64)
    np.testing.assert_array_equal(ink, np.repeat(expected[:, None], 8, axis=1))
    assert 0.3 < examples["motion"].mean() < 0.7


def test_captions_say_digit_and_motion_and_have_an_id_each(data_dir):
    examples = whole(read_examples("moving_mnist", data_dir=data_dir))
    for label, motion, text in zip(
        examples["label"], examples["motion"], examples["text"], strict=True
    ):
        way = ["left and right", "up and down"][motion]
        assert text.decode() == f"the digit {label} moves {way}"
    pairs = set(zip(examples["id"], examples["text"], strict=True))
    assert len(pairs) == len(set(examples["id"])) == len(set(examples["text"]))


def test_one_axis_moves_evenly_and_turns_at_the_edge(paths):
    motions, corners = paths
    assert corners.min() == 0
    assert corners.max() == 16
    steps = np.abs(np.diff(corners, axis=1))
    for motion, still, moving in ((0, 0, 1), (1, 1, 0)):
        chosen = motions == motion
        assert not steps[chosen][..., still].any()
        along = steps[chosen][..., moving]
        # But where it turns, it moves by its speed from frame to frame.
        speed = along.max(axis=1)
        assert set(speed) <= {1, 2, 3, 4, 5}
        assert (along == speed[:, None]).mean() > 0.6
        assert (along.sum(axis=1) > 0).all()


def test_no_frame_tells_the_motion(paths):
    motions, corners = paths
    for frame in (0, 3, 7):
        # 17 x 17 places: counts of either motion, and what chance allows.
        place = corners[:, frame, 0] * 17 + corners[:, frame, 1]
        counts = np.stack(
            [np.bincount(place[motions == m], minlength=289) for m in (0, 1)]
        )
        expected = counts.sum(0) * counts.sum(1, keepdims=True) / counts.sum()
        statistic = ((counts - expected) ** 2 / expected).sum()
        assert abs(statistic - 288) < 5 * np.sqrt(2 * 288)
    # Two frames do.
    moved = corners[:, 0, 0] != corners[:, 1, 0]
    assert not moved[motions == 0].any()
    assert moved[motions == 1].mean() > 0.9


def test_render_puts_the_digit_at_its_corner():
    digits = np.full((2, 28, 28, 1), 200, np.uint8)
    corners = np.array([[[0, 16], [3, 5]], [[16, 0], [7, 7]]])
    video = moving_mnist.render(digits, corners)
    assert video.shape == (2, 2, 32, 32, 1)
    for clip, frame in np.ndindex(2, 2):
        row, column = corners[clip, frame]
        expected = np.zeros((32, 32))
        expected[row : row + 16, column : column + 16] = 200
        np.testing.assert_array_equal(video[clip, frame, ..., 0], expected)


def test_shrink_is_the_mean_of_areas():
    pictures = np.random.default_rng(0).integers(256, size=(3, 28, 28))
    small = moving_mnist.shrink(pictures.astype(np.uint8))
    # 16 times each pixel, then the mean of 28 x 28 of these.
    large = pictures.repeat(16, axis=1).repeat(16, axis=2)
    expected = large.reshape(3, 16, 28, 16, 28).mean((2, 4))
    np.testing.assert_allclose(small, expected, atol=0.51)


def test_the_clips_are_always_the_same(data_dir):
    first, second = (
        whole(read_examples("moving_mnist", "test", data_dir=data_dir))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first["video"], second["video"])
    alone = whole(
        read_examples("moving_mnist", "test", ("text",), data_dir=data_dir)
    )
    assert set(alone) == {"id", "label", "motion", "text"}
    np.testing.assert_array_equal(first["text"], alone["text"])
    train = whole(read_examples("moving_mnist", "train", data_dir=data_dir))
    assert (train["motion"][:60] != first["motion"]).any()
