"""Data sets of TensorFlow Datasets as pairs of modalities."""

import sys

import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.datasets import from_tfds

tfds = pytest.importorskip("tensorflow_datasets")


class TinyPairs(tfds.core.GeneratorBasedBuilder):
    """Three pictures of differing size, with nested lists of captions."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features
        text = features.Text()
        return tfds.core.DatasetInfo(
            builder=self,
            features=features.FeaturesDict(
                {
                    "image": features.Image(shape=(None, None, 3)),
                    "icon": features.Image(shape=(2, 2, 3)),
                    "page/title": text,
                    "notes": features.Sequence(
                        {"text": text, "german": text, "score": np.float32}
                    ),
                    "words": features.Sequence(features.Sequence(text)),
                    "clip": features.Video(shape=(None, 2, 2, 3)),
                    "label": features.ClassLabel(names=["cat", "dog"]),
                }
            ),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        captions = [["a cat", "", "cat"], ["a dog"], []]
        for i, texts in enumerate(captions):
            notes = [
                {"text": text, "german": f"{text} (de)", "score": 0.5}
                for text in texts
            ]
            yield (
                i,
                {
                    "image": np.full((4, 5 + i, 3), 50 * i, np.uint8),
                    "icon": np.full((2, 2, 3), i, np.uint8),
                    "page/title": f"title {i % 2}",
                    "notes": notes,
                    "words": [["a"], ["b", "c"]],
                    "clip": np.zeros((3 + i, 2, 2, 3), np.uint8),
                    "label": i % 2,
                },
            )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    TinyPairs(data_dir=folder).download_and_prepare()
    return folder


def rows(data, modality="text"):
    return [(x[modality].numpy(), int(item)) for x, item in data]


def test_several_captions_are_several_examples_of_one_item(data_dir):
    data = from_tfds(
        "tiny_pairs",
        {"image": "image", "text": "notes/text"},
        data_dir=data_dir,
    )
    assert list(data.element_spec[0]) == ["image", "text"]
    assert rows(data) == [(b"a cat", 0), (b"cat", 0), (b"a dog", 1)]
    # Pictures of any size are batched as they are, and preprocessed.
    ((x, ids),) = data.batch(3)
    assert ids.dtype == "int64"
    images = kx.networks.ImagePreprocessor((4, 5))(x["image"])
    np.testing.assert_allclose(images[2], np.full((4, 5, 3), 50 / 255), 1e-5)


def test_texts_of_two_languages_are_paired_by_their_place(data_dir):
    data = from_tfds(
        "tiny_pairs",
        {"en": "notes/text", "de": "notes/german"},
        data_dir=data_dir,
    )
    found = [(x["en"].numpy(), x["de"].numpy()) for x, _ in data]
    names = [b"a cat", b"cat", b"a dog"]
    assert found == [(name, name + b" (de)") for name in names]


def test_names_with_a_slash_known_sizes_and_ids(data_dir):
    data = from_tfds(
        "tiny_pairs",
        {"title": "page/title", "icon": "icon", "clip": "clip"},
        "page/title",
        split="train[1:]",
        data_dir=data_dir,
    )
    assert len(data) == 2
    assert data.element_spec[0]["icon"].shape == (2, 2, 3)
    titles = rows(data, "title")
    assert [title for title, _ in titles] == [b"title 1", b"title 0"]
    assert titles[0][1] != titles[1][1]
    # The same hash in another part.
    first = rows(
        from_tfds(
            "tiny_pairs",
            {"t": "label"},
            "page/title",
            split="train[:1]",
            data_dir=data_dir,
        ),
        "t",
    )
    assert first == [(0, titles[1][1])]


def test_functions_of_the_example(data_dir):
    names = tf.constant(["cat", "dog"])
    data = from_tfds(
        "tiny_pairs",
        {
            "image": "image",
            "text": lambda example: names[example["label"]],
        },
        ids=lambda example: example["label"] + 5,
        data_dir=data_dir,
    )
    assert rows(data) == [(b"cat", 5), (b"dog", 6), (b"cat", 5)]
    assert data.element_spec[0]["image"].dtype == tf.string


@pytest.mark.parametrize(
    ("modalities", "ids", "error", "match"),
    [
        ({}, None, TypeError, r"`modalities` must be a dict.*modalities={}"),
        ("text", None, TypeError, "`modalities` must be a dict"),
        ({"a": 3}, None, TypeError, r"`modalities\['a'\]` must be the name of"),
        ({"a": "caption"}, None, ValueError, "'notes/score', 'notes/text', 'p"),
        ({"a": "notes"}, None, ValueError, r"modalities\['a'\]='notes'"),
        ({"a": "label"}, "no", ValueError, "`ids` must be a feature"),
        ({"a": "label"}, "notes/score", TypeError, "dtype=float32"),
        ({"a": "label"}, "notes/text", ValueError, "be a scalar"),
        ({"a": "words"}, None, ValueError, "`a` must be a tensor"),
    ],
)
def test_wrong_arguments(data_dir, modalities, ids, error, match):
    with pytest.raises(error, match=match):
        from_tfds("tiny_pairs", modalities, ids, data_dir=data_dir)


def test_coco_captions_in_one_line():
    def as_dataset(self, split, decoders, **kwargs):
        read = decoders.extract_features(self.info.features)
        assert set(read) == {"image", "image/id", "captions"}
        assert list(decoders.decoders) == ["image"]
        image = tf.io.encode_png(np.zeros((3, 4, 3), np.uint8))
        captions = {"text": ["a cat", "one cat"]}
        return tf.data.Dataset.from_tensors(
            {"image": image, "image/id": 9, "captions": captions}
        )

    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        data = from_tfds(
            "coco_captions",
            {"image": "image", "text": "captions/text"},
            "image/id",
        )
    assert rows(data) == [(b"a cat", 9), (b"one cat", 9)]


def test_made_up_examples_of_a_known_data_set():
    with tfds.testing.mock_data(num_examples=3):
        data = from_tfds("mnist", {"digit": "image"}, "label", split="test")
        ((x, ids),) = data.batch(3)
    assert x["digit"].shape == (3, 28, 28, 1)
    assert ids.dtype == "int64"


def test_without_tfds_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r"pip install keras-xmodal\[tfds\]"):
        from_tfds("mnist", {"digit": "image"})
