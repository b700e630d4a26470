import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.callbacks.evaluation_data import (
    check_dataset,
    embed,
    read_batches,
)


class Model:
    """Embeds each number as (number, 1), and notes what it was given."""

    built = True

    def __init__(self):
        self.batches = []

    def predict_on_batch(self, x):
        ((name, value),) = x.items()
        self.batches.append((name, value.shape))
        return {name: np.stack([value[:, 0], np.ones(len(value))], axis=1)}


class Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def captions(images=4, per_image=3):
    """Each image comes again with each of its captions."""
    image = np.repeat(np.arange(images, dtype="float32"), per_image)[:, None]
    text = np.arange(images * per_image, dtype="float32")[:, None]
    return {"image": image, "text": text}, image[:, 0].astype("int64")


def slices(x, ids, size):
    for start in range(0, len(ids), size):
        chunk = slice(start, start + size)
        yield {name: a[chunk] for name, a in x.items()}, ids[chunk]


@pytest.mark.parametrize(
    "make",
    [
        lambda x, ids: (x, ids),
        lambda x, ids: (x, ids.tolist()),
        lambda x, ids: ({k: v.tolist() for k, v in x.items()}, ids),
        lambda x, ids: list(slices(x, ids, 5)),
        lambda x, ids: Batches(list(slices(x, ids, 5))),
        lambda x, ids: tf.data.Dataset.from_tensor_slices((x, ids)).batch(5),
    ],
)
def test_repeated_images_count_once(make):
    model, dataset = Model(), make(*captions())
    check_dataset(dataset)
    found = embed(model, dataset, ["image", "text"], batch_size=5)
    embeddings, ids = found["image"]
    np.testing.assert_array_equal(embeddings[:, 0], np.arange(4))
    np.testing.assert_array_equal(ids, np.arange(4))
    embeddings, ids = found["text"]
    np.testing.assert_array_equal(embeddings[:, 0], np.arange(12))
    np.testing.assert_array_equal(ids, np.repeat(np.arange(4), 3))
    # All batches are full, so that the model compiles once per modality.
    assert sorted(model.batches) == [("image", (5, 1))] + [("text", (5, 1))] * 3


def test_equal_content_under_another_id_is_another_row():
    x = {"image": np.zeros((4, 1), "float32")}
    found = embed(Model(), (x, np.array(["a", "b", "a", "c"])), ["image"], 2)
    assert found["image"][1].tolist() == ["a", "b", "c"]


def test_without_ids_every_row_is_its_own_item():
    x = {"image": np.zeros((5, 1), "float32")}
    for dataset in (x, (x,), tf.data.Dataset.from_tensor_slices(x).batch(2)):
        found = embed(Model(), dataset, ["image"], 2)
        np.testing.assert_array_equal(found["image"][1], np.arange(5))


def test_missing_rows_are_left_out():
    x, ids = captions(images=2)
    x["text"][1] = np.nan
    there = {"text": np.array([1, 0, 2, 1, 1, 0.5])}
    model = Model()
    found = embed(model, (x, ids, there), ["image", "text", "sound"], 4)
    assert found["image"][1].tolist() == [0, 1]
    assert found["text"][0][:, 0].tolist() == [0, 2, 3, 4, 5]
    assert list(found) == ["image", "text"]
    rows = np.array([0, 0, 0, 1, 0, 0])
    found = embed(model, [(x, ids, rows)], ["image", "text"], 4)
    assert found["text"][1].tolist() == [1]


def test_structures_and_strings_are_told_apart():
    class Second(Model):
        def predict_on_batch(self, x):
            return super().predict_on_batch({"text": x["text"]["b"]})

    x = {"text": {"a": np.array(list("xyxx")), "b": np.ones((4, 1))}}
    found = embed(Second(), (x, np.zeros(4, int)), ["text"], 3)
    assert len(found["text"][1]) == 2
    objects = np.array([b"x", b"y", b"x", b"x"], object)
    x["text"]["a"] = objects
    assert len(embed(Second(), (x, [0] * 4), ["text"], 3)["text"][1]) == 2


def test_batches_padded_to_other_lengths():
    batches = [
        ({"text": np.full((2, width), 1.0 + width)}, np.arange(2) + width)
        for width in (3, 5)
    ]
    found = embed(Model(), batches, ["text"], 4)
    assert found["text"][0][:, 0].tolist() == [4, 4, 6, 6]


def test_modalities_may_come_in_different_batches():
    x, ids = captions()
    batches = [({"image": x["image"]}, ids), ({"text": x["text"]}, ids)]
    found = embed(Model(), batches, ["image", "text"], 4)
    assert {name: len(rows) for name, (_, rows) in found.items()} == {
        "image": 4,
        "text": 12,
    }


@pytest.mark.parametrize(
    ("dataset", "error", "match"),
    [
        (5, TypeError, "`data` must yield.*int"),
        ("image", TypeError, "`data` must yield.*str"),
        ((np.zeros(3), np.zeros(3)), TypeError, "`data` must yield.*tuple"),
        (iter([]), TypeError, "read once"),
        (
            tf.data.Dataset.from_tensor_slices({"a": [1]}).repeat(),
            ValueError,
            "`data` must end",
        ),
    ],
)
def test_data_that_cannot_be_read_twice(dataset, error, match):
    with pytest.raises(error, match=match):
        check_dataset(dataset)


@pytest.mark.parametrize(
    ("dataset", "error", "match"),
    [
        ([np.zeros(3)], TypeError, "dicts of modalities.*ndarray"),
        ([({}, [])], ValueError, "empty dict"),
        (
            {"image": np.zeros((3, 1)), "text": np.zeros((2, 1))},
            ValueError,
            "as many rows.*3.*2",
        ),
        (({"image": np.zeros((3, 1))}, [0, 1]), ValueError, r"`ids`.*\(2,\)"),
        (
            [({"a": np.zeros(2)}, [0, 1]), {"a": np.zeros(2)}],
            ValueError,
            "some batches with ids",
        ),
        (
            ({"a": np.zeros(2)}, [0, 1], {"a": np.ones(3)}),
            ValueError,
            r"`sample_weight` must .*\(2,\) for 'a'.*\(3,\)",
        ),
    ],
)
def test_bad_batches(dataset, error, match):
    with pytest.raises(error, match=match):
        list(read_batches(dataset, 2))


def test_the_model_must_return_a_dict():
    class Tensor(Model):
        def predict_on_batch(self, x):
            return np.zeros((1, 2))

    with pytest.raises(TypeError, match=r"dict \{modality: embedding\}.*ndar"):
        embed(Tensor(), {"a": np.zeros((1, 1))}, ["a"], 1)
