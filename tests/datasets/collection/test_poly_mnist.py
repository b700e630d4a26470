import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.datasets.collection import poly_mnist
from keras_xmodal.datasets.load import load, read_examples
from tests.datasets.conftest import numbers

NAMES = ("m0", "m1", "m2", "m3", "m4")


def whole(dataset):
    return dataset.batch(len(dataset)).as_numpy_iterator().next()


def find(row, canvas):
    """Find where a row of 28 pixels is in a canvas, by trying everywhere."""
    windows = np.lib.stride_tricks.sliding_window_view(canvas, 28, axis=1)
    return np.argwhere((windows == row.T).all(axis=(2, 3)))


@pytest.fixture(scope="module")
def train(data_dir):
    return whole(read_examples("poly_mnist", "train", data_dir=data_dir))


def test_elements_and_order(data_dir, labels, train):
    dataset = read_examples("poly_mnist", "train", data_dir=data_dir)
    assert dataset.cardinality() == 300
    number = tf.TensorSpec((), tf.int64)
    picture = tf.TensorSpec((28, 28, 3), tf.uint8)
    assert dataset.element_spec == {
        "id": number,
        "label": number,
        **dict.fromkeys(NAMES, picture),
    }
    np.testing.assert_array_equal(train["label"], labels["mnist", "train"])
    np.testing.assert_array_equal(train["id"], train["label"])


def test_digits_of_one_class_invert_a_crop_of_the_canvas(labels, train):
    classes = labels["mnist", "train"]
    corners = {name: set() for name in NAMES}
    for example in (0, 1, 255, 256, 299):
        found = []
        for index, name in enumerate(NAMES):
            canvas = poly_mnist.canvas(index)
            picture = train[name][example]
            # Only row 0 of a digit's mask is not empty.
            ((bottom, left),) = find(picture[27], canvas)
            crop = canvas[bottom - 27 : bottom + 1, left : left + 28]
            np.testing.assert_array_equal(picture[1:], crop[1:])
            np.testing.assert_array_equal(picture[0, 16:], crop[0, 16:])
            inverted = (picture == 255 - crop).all(-1)
            np.testing.assert_array_equal(
                picture, np.where(inverted[..., None], 255 - crop, crop)
            )
            found.append(int(numbers(255 * inverted)[0]))
            corners[name].add((bottom, left))
        assert found[0] == example
        assert len(set(found)) == 5
        assert set(classes[found]) == {classes[example]}
    assert all(len(places) == 5 for places in corners.values())
    assert len(set.union(*corners.values())) == 25


def test_taking_few_and_chunks_change_nothing(data_dir, train, monkeypatch):
    dataset = read_examples("poly_mnist", "train", data_dir=data_dir)
    few = dataset.take(3).batch(3).as_numpy_iterator().next()
    monkeypatch.setattr(poly_mnist, "CHUNK", 7)
    again = whole(read_examples("poly_mnist", "train", data_dir=data_dir))
    for name, rows in train.items():
        np.testing.assert_array_equal(few[name], rows[:3])
        np.testing.assert_array_equal(again[name], rows)


def test_only_the_chunks_that_are_asked_for_are_drawn(data_dir, monkeypatch):
    drawn = []
    invert = poly_mnist.invert

    def counted(pictures, masks):
        drawn.append(len(pictures))
        return invert(pictures, masks)

    monkeypatch.setattr(poly_mnist, "invert", counted)
    monkeypatch.setattr(poly_mnist, "CHUNK", 10)
    dataset = read_examples("poly_mnist", "train", ("m2",), data_dir=data_dir)
    assert not drawn
    list(dataset.take(10))
    assert drawn == [10]


def test_a_modality_does_not_depend_on_the_others(data_dir, train):
    alone = whole(
        read_examples("poly_mnist", "train", ("m3",), data_dir=data_dir)
    )
    assert set(alone) == {"id", "label", "m3"}
    np.testing.assert_array_equal(alone["m3"], train["m3"])


def test_ids_and_other_crops_in_the_test_split(data_dir, train):
    x, ids = whole(load("poly_mnist", "test", ("m4", "m0"), data_dir=data_dir))
    assert set(x) == {"m0", "m4"}
    assert x["m4"].shape == (60, 28, 28, 3)
    assert ids.shape == (60,)
    assert (x["m4"][:, 1:] != train["m4"][:60, 1:]).any(axis=(1, 2, 3)).all()


def test_inversion_is_a_weighted_mean():
    generator = np.random.default_rng(0)
    pictures = generator.integers(256, size=(4, 28, 28, 3)).astype(np.uint8)
    masks = generator.integers(256, size=(4, 28, 28, 1)).astype(np.uint8)
    pictures[0, 0], masks[0, 0, :14] = 255, 0
    masks[0, 0, 14:] = 255
    share = masks / 255
    expected = (1 - share) * pictures + share * (255.0 - pictures)
    result = poly_mnist.invert(pictures, masks)
    assert result.dtype == np.uint8
    np.testing.assert_allclose(result, expected, atol=0.5 + 1e-9)
