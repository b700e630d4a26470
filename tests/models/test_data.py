import numpy as np
import tensorflow as tf

from keras_xmodal.models.data import array_dataset

ARRAYS = (
    {"a": np.arange(10.0), "b": np.arange(20).reshape(10, 2)},
    np.arange(10),
)


def read(dataset):
    return [ids.tolist() for _, ids in dataset.as_numpy_iterator()]


def test_batches_hold_matching_rows_in_keras_precision():
    batches = list(array_dataset(ARRAYS, 4, shuffle=True))
    assert [len(ids) for _, ids in batches] == [4, 4, 2]
    for x, ids in batches:
        np.testing.assert_array_equal(x["a"], ids)
        np.testing.assert_array_equal(x["b"][:, 0], 2 * ids)
        assert x["a"].dtype == tf.float32
        assert x["b"].dtype == tf.int64


def test_every_epoch_has_all_rows_in_an_order_of_its_own():
    tf.random.set_seed(0)
    dataset = array_dataset(ARRAYS, 5, shuffle=True)
    epochs = [[i for ids in read(dataset) for i in ids] for _ in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 3


def test_without_shuffling_the_order_stays():
    dataset = array_dataset(ARRAYS, 4, shuffle=False)
    assert read(dataset) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(dataset) == 3


def test_the_autotuner_is_off():
    options = array_dataset(ARRAYS, 4, shuffle=True).options()
    assert options.autotune.enabled is False
