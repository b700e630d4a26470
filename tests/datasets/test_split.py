"""Parts of data sets that share no item."""

import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx

IDS = np.arange(60) // 3
X = {"image": np.arange(60.0), "text": [f"text {i}" for i in range(60)]}


def check_parts(parts, shares):
    """Rows of each part, of ids and texts, checked to be a partition."""
    ids = [np.asarray(part_ids) for part_ids, _ in parts]
    assert [len(set(part.tolist())) for part in ids] == shares
    assert len(set(np.concatenate(ids).tolist())) == 20
    for part_ids, texts in parts:
        rows = [int(text.split()[1]) for text in texts]
        assert rows == sorted(rows)
        np.testing.assert_array_equal(IDS[rows], part_ids)


def test_arrays():
    weights = {"image": np.ones(60), "text": np.arange(60)}
    parts = kx.datasets.split((X, IDS, weights), (0.5, 0.3, 0.2))
    check_parts([(ids, x["text"]) for x, ids, _ in parts], [10, 6, 4])
    for x, _, part_weights in parts:
        np.testing.assert_array_equal(x["image"], part_weights["text"])
    parts = kx.datasets.split((X, IDS.astype(str), None))
    check_parts([(i.astype(int), x["text"]) for x, i, _ in parts], [16, 4])
    train, _ = kx.datasets.split((np.eye(60), IDS), seed=3)
    assert train[0].shape == (48, 60)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "str"])
def test_datasets(dtype):
    data = tf.data.Dataset.from_tensor_slices((X, IDS.astype(dtype)))
    parts = kx.datasets.split(data, 0.8)
    assert [len(part) for part in parts] == [48, 12]
    of_arrays = kx.datasets.split((X, IDS.astype(dtype)), 0.8)
    found = []
    for part, (x, ids) in zip(parts, of_arrays, strict=True):
        texts = [x["text"].numpy().decode() for x, _ in part]
        assert texts == x["text"].tolist()
        found.append((ids.astype(int), texts))
    check_parts(found, [16, 4])
    # A part of a part.
    assert [len(p) for p in kx.datasets.split(parts[0], 0.5)] == [24, 24]


def test_a_shuffled_dataset_keeps_its_parts():
    data = tf.data.Dataset.from_tensor_slices((X, IDS)).shuffle(60)
    train, test = kx.datasets.split(data, 0.8)
    for _ in range(3):
        train_ids = {int(ids) for _, ids in train}
        assert len(train_ids) == 16
        assert not train_ids & {int(ids) for _, ids in test}


def test_parts_train():
    x = {"a": np.random.rand(60, 4), "b": np.random.rand(60, 3)}
    data = tf.data.Dataset.from_tensor_slices((x, IDS))
    train, test = kx.datasets.split(data)
    model = kx.EmbeddingModel({"a": 4, "b": 3}, 2)
    model.compile("adam", run_eagerly=True)
    history = model.fit(
        train.shuffle(60).batch(16),
        validation_data=test.batch(12),
        verbose=0,
    )
    assert np.isfinite(history.history["val_loss"]).all()


DATA = tf.data.Dataset.from_tensor_slices((X, IDS))


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (DATA.batch(3), ValueError, "split it before `batch`"),
        (DATA.repeat(), ValueError, "split it before `repeat`"),
        (DATA.map(lambda x, ids: x), ValueError, "with one id each"),
        (DATA.map(lambda x, i: (x, 0.5)), TypeError, "ids of dtype float32"),
        (DATA.take(0), ValueError, "must hold examples"),
        (DATA.take(3), ValueError, "at least one item"),
        ((X,), ValueError, "a tuple of 1"),
        ((X, IDS[:30]), ValueError, "`data` must have shape"),
        ((X, IDS[:, None]), ValueError, "`ids` must have shape"),
        ([X, IDS], TypeError, "`data` must be a `tf.data.Dataset`"),
        (X, TypeError, "type dict"),
    ],
)
def test_wrong_data(data, error, match):
    with pytest.raises(error, match=match):
        kx.datasets.split(data)


@pytest.mark.parametrize("shares", [0, 1, -0.5, np.nan, (0.5, 0.6), (), "0.5"])
def test_wrong_shares(shares):
    with pytest.raises((ValueError, TypeError), match="`shares` must be"):
        kx.datasets.split((X, IDS), shares)
