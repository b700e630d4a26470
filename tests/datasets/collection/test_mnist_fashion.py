import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.datasets.load import load, read_examples
from tests.datasets.conftest import numbers


def whole(dataset):
    return dataset.batch(len(dataset)).as_numpy_iterator().next()


@pytest.mark.parametrize("split", ["train", "test"])
def test_pairs_share_the_class(split, data_dir, labels):
    dataset = read_examples("mnist_fashion", split, data_dir=data_dir)
    assert dataset.element_spec == {
        "id": tf.TensorSpec((), tf.int64),
        "label": tf.TensorSpec((), tf.int64),
        "mnist": tf.TensorSpec((28, 28, 1), tf.uint8),
        "fashion": tf.TensorSpec((28, 28, 1), tf.uint8),
    }
    examples = whole(dataset)
    classes = labels["mnist", split]
    np.testing.assert_array_equal(examples["label"], classes)
    np.testing.assert_array_equal(examples["id"], classes)
    np.testing.assert_array_equal(
        numbers(examples["mnist"]), range(len(classes))
    )
    clothes = numbers(examples["fashion"])
    np.testing.assert_array_equal(
        labels["fashion_mnist", split][clothes], classes
    )
    # Not simply the first of each class, again and again.
    assert len(set(clothes.tolist())) > 0.6 * min(
        len(classes), len(labels["fashion_mnist", split])
    )


def test_the_pairs_are_always_the_same(data_dir):
    first, second = (
        whole(read_examples("mnist_fashion", "test", data_dir=data_dir))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first["fashion"], second["fashion"])
    alone = whole(
        read_examples("mnist_fashion", "test", ("fashion",), data_dir=data_dir)
    )
    assert set(alone) == {"id", "label", "fashion"}
    np.testing.assert_array_equal(first["fashion"], alone["fashion"])


def test_joined_splits_and_ids(data_dir):
    dataset = load(
        "mnist_fashion",
        "train+test",
        ("fashion", "mnist"),
        data_dir=str(data_dir),
    )
    assert len(dataset) == 360
    x, ids = whole(dataset)
    assert set(x) == {"mnist", "fashion"}
    for split, rows in [("train", slice(300)), ("test", slice(300, None))]:
        expected = whole(
            read_examples("mnist_fashion", split, data_dir=data_dir)
        )
        np.testing.assert_array_equal(ids[rows], expected["label"])
        for name, pictures in x.items():
            np.testing.assert_array_equal(pictures[rows], expected[name])
