import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.datasets.load import load, read_examples


def whole(dataset):
    return dataset.batch(len(dataset)).as_numpy_iterator().next()


def test_elements(fetched):
    dataset = read_examples("emoji_large", data_dir=fetched)
    assert dataset.cardinality() == 6  # two styles of three seen concepts
    assert dataset.element_spec == {
        "id": tf.TensorSpec((), tf.int64),
        "keywords": tf.TensorSpec((17,), tf.string),
        "image": tf.TensorSpec((64, 64, 3), tf.uint8),
        "style": tf.TensorSpec((), tf.string),
        "text": tf.TensorSpec((), tf.string),
        "language": tf.TensorSpec((), tf.string),
    }


def test_splits_ask_about_styles_and_concepts(fetched):
    names = {}
    for split, styles in {
        "train": ["google", "twitter"],
        "test_style": ["fluent3d"],
        "test_concept": ["google", "twitter"],
        "test_style_concept": ["fluent3d"],
    }.items():
        examples = whole(read_examples("emoji_large", split, data_dir=fetched))
        names[split] = set(examples["text"])
        expected = np.repeat(styles, len(names[split])).tolist()
        assert [style.decode() for style in examples["style"]] == expected
        # Every style draws each concept once.
        ids = examples["id"].reshape(len(styles), -1)
        assert (ids == ids[0]).all()
    assert names["train"] == names["test_style"]
    assert names["test_concept"] == names["test_style_concept"]
    assert len(names["train"]) == 3
    assert len(names["test_concept"]) == 2
    assert not names["train"] & names["test_concept"]


def test_pictures_are_of_the_concept_and_style(fetched):
    # The colours that the packages give: by position in the list, and style.
    shades = {b"google": 0, b"twitter": 100, b"fluent3d": 200}
    for split in ("train+test_concept", "test_style+test_style_concept"):
        for example in read_examples("emoji_large", split, data_dir=fetched):
            style = example["style"].numpy()
            expected = [20 * int(example["id"]), 10, shades[style]]
            image = example["image"].numpy()
            np.testing.assert_array_equal(image[32, 32], expected)
            np.testing.assert_array_equal(image[0, 0], [255] * 3)


def test_names_and_keywords(fetched):
    examples = whole(
        read_examples("emoji_large", "train+test_concept", data_dir=fetched)
    )
    texts = [text.decode() for text in examples["text"]]
    keywords = dict(zip(texts, examples["keywords"].tolist(), strict=True))
    assert set(texts) == {
        *("red apple", "green apple", "dog face", "red heart", "automobile")
    }
    assert keywords["red apple"][:4] == [b"apple", b"fruit", b"red", b""]
    assert keywords["red heart"] == [b"love"] + 16 * [b""]


def test_languages_repeat_the_picture(fetched):
    english = whole(read_examples("emoji_large", data_dir=fetched))
    both = whole(
        read_examples("emoji_large", languages=("ja", "en"), data_dir=fetched)
    )
    assert both["language"].tolist() == 6 * [b"ja", b"en"]
    np.testing.assert_array_equal(both["text"][1::2], english["text"])
    assert both["text"][0] == english["text"][0] + b" ja"
    for rows in (both["image"][::2], both["image"][1::2]):
        np.testing.assert_array_equal(rows, english["image"])


def test_one_modality_alone(fetched):
    pictures = read_examples(
        "emoji_large",
        modalities=("image",),
        languages=("de", "fr"),
        data_dir=fetched,
    )
    assert len(pictures) == 6
    assert set(pictures.element_spec) == {"id", "keywords", "image", "style"}
    texts = read_examples("emoji_large", modalities=("text",), data_dir=fetched)
    assert set(texts.element_spec) == {"id", "keywords", "text", "language"}
    x, ids = whole(load("emoji_large", data_dir=fetched))
    assert set(x) == {"image", "text"}
    assert ids.shape == (6,)


def test_bad_languages(fetched):
    with pytest.raises(ValueError, match=r"`languages` must be.*'eo'"):
        load("emoji_large", languages=("eo",), data_dir=fetched)
