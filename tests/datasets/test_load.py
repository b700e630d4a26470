import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.datasets.collection import emoji
from keras_xmodal.datasets.load import load, read_examples


def column(dataset, field):
    (batch,) = dataset.batch(len(dataset))
    return batch[field].numpy()


def colour_of(name, split):
    """Mean colour of the picture with this name, without its background."""
    (examples,) = read_examples("emoji", split).batch(1000)
    texts, images = examples["text"].numpy(), examples["image"].numpy()
    (image,) = images[texts == name.encode()]
    pixels = image.reshape(-1, 3).astype(float)
    return pixels[(pixels < 240).any(-1)].mean(0)


def test_elements_and_cardinality():
    dataset = read_examples("emoji", "test_concept")
    assert dataset.cardinality() == 150
    assert dataset.element_spec == {
        "id": tf.TensorSpec((), tf.int64),
        "keywords": tf.TensorSpec((8,), tf.string),
        "image": tf.TensorSpec((32, 32, 3), tf.uint8),
        "style": tf.TensorSpec((), tf.string),
        "text": tf.TensorSpec((), tf.string),
        "language": tf.TensorSpec((), tf.string),
    }
    assert set(column(dataset, "style")) == {b"noto"}
    assert set(column(dataset, "language")) == {b"en"}


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("red apple", (0, 1)),
        ("green apple", (1, 2)),
        ("blue book", (2, 0)),
        ("green book", (1, 0)),
        ("lemon", (0, 2)),
    ],
)
@pytest.mark.parametrize("style", ["noto", "fluent"])
def test_pictures_have_the_colour_of_their_name(name, channels, style):
    split = {
        "noto": "train+test_concept",
        "fluent": "test_style+test_style_concept",
    }[style]
    colour = colour_of(name, split)
    strong, weak = channels
    assert colour[strong] == colour.max()
    assert colour[strong] - colour[weak] > 30


def test_styles_draw_the_same_concepts_differently():
    noto, fluent = (
        column(read_examples("emoji", split), "image").astype(float)
        for split in ("test_concept", "test_style_concept")
    )
    same = np.abs(noto - fluent).mean((1, 2, 3))
    shuffled = np.abs(noto - np.roll(fluent, 1, axis=0)).mean((1, 2, 3))
    assert same.min() > 0
    assert same.mean() < 0.75 * shuffled.mean()


def test_text_is_the_name_of_the_id_and_keywords_are_its_own():
    concepts = emoji.read_concepts()
    for example in read_examples("emoji", "test_keyword", ("text",)):
        concept = concepts[int(example["id"])]
        keywords = [k.decode() for k in example["keywords"].numpy() if k]
        assert keywords == concept["keywords"]
        assert example["text"].numpy().decode() in keywords
    for example in read_examples("emoji", "test_style", languages=("ru",)).take(
        5
    ):
        concept = concepts[int(example["id"])]
        assert example["text"].numpy().decode() == concept["i18n"]["ru"]


def test_without_text_there_is_one_example_a_picture():
    pictures = read_examples("emoji", "test_keyword", ("image",))
    assert set(pictures.element_spec) == {"id", "keywords", "image", "style"}
    assert pictures.cardinality() == len(set(column(pictures, "id"))) == 454


def test_joined_splits_follow_each_other():
    joined = read_examples("emoji", "test_concept + test_style_concept")
    first, second = (
        read_examples("emoji", split)
        for split in ("test_concept", "test_style_concept")
    )
    for field in ("id", "text", "style", "image"):
        np.testing.assert_array_equal(
            column(joined, field),
            np.concatenate([column(first, field), column(second, field)]),
        )


def test_examples_are_modalities_and_an_id():
    data = load("emoji", "test_concept", ("text", "image"))
    assert data.cardinality() == 150
    assert data.element_spec == (
        {
            "text": tf.TensorSpec((), tf.string),
            "image": tf.TensorSpec((32, 32, 3), tf.uint8),
        },
        tf.TensorSpec((), tf.int64),
    )
    rows = read_examples("emoji", "test_concept")
    ((x, ids),) = data.batch(150)
    np.testing.assert_array_equal(ids, column(rows, "id"))
    for name, values in x.items():
        np.testing.assert_array_equal(values, column(rows, name))


def test_columns_are_asked_for():
    rows = read_examples("emoji", "test_style")
    columns = ["style", "keywords"]
    ((x, _),) = load("emoji", "test_style", columns=columns).batch(1000)
    assert set(x) == {"image", "text", *columns}
    for name, values in x.items():
        np.testing.assert_array_equal(values, column(rows, name))
    (captions, _) = load(
        "emoji", "train", ("text",), columns=("language",), languages=("de",)
    ).element_spec
    assert set(captions) == {"text", "language"}


def test_a_model_is_fitted_to_batches_of_it():
    data = load("emoji", "test_concept", ("image",)).batch(75)
    data = data.map(lambda x, ids: ({**x, "copy": x["image"]}, ids))
    towers = {
        name: keras.Sequential(
            [keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
        )
        for name in ("image", "copy")
    }
    model = kx.EmbeddingModel(encoders=towers, embedding_dim=2)
    model.compile("adam", loss=kx.losses.InfoNCE())
    history = model.fit(data, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_speech_is_padded_and_has_every_voice():
    dataset = read_examples("emoji", "train", ("speech", "text"))
    assert dataset.cardinality() == 184
    speech, length = column(dataset, "speech"), column(dataset, "speech_length")
    assert speech.dtype == np.float32
    assert speech.shape == (184, emoji.num_samples())
    assert 0.1 < np.abs(speech).max() <= 1
    for waveform, samples in zip(speech, length, strict=True):
        assert np.abs(waveform[:samples]).max() > 0.05
        assert not waveform[samples:].any()
    ids, voices = column(dataset, "id"), column(dataset, "voice")
    pairs = set(zip(ids.tolist(), voices.tolist(), strict=True))
    assert len(pairs) == 184
    assert set(voices) == {b"awb", b"kal16", b"rms", b"slt"}
    other = read_examples("emoji", "test_concept", ("speech",)).element_spec[
        "speech"
    ]
    assert other.shape == speech.shape[1:]


def test_loading_twice_gives_independent_data_sets():
    first, second = load("emoji"), load("emoji")
    for (a, _), (b, _) in zip(first.take(3), second.take(3), strict=True):
        np.testing.assert_array_equal(a["image"], b["image"])


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"name": "mnist"}, ValueError, "`name` .* Received: name='mnist'"),
        ({"name": ["emoji"]}, ValueError, "`name` .*emoji.*poly_mnist"),
        (
            {"split": "test"},
            ValueError,
            "`split` must .*Received: split='test'",
        ),
        ({"split": "train+"}, ValueError, "`split` must"),
        ({"split": "train+train"}, ValueError, "different ones"),
        ({"split": ["train"]}, TypeError, "`split` must be a string"),
        ({"modalities": ()}, ValueError, "`modalities` must"),
        ({"modalities": "image"}, TypeError, "`modalities` must be a tuple"),
        ({"modalities": ("video",)}, ValueError, "`modalities`.*video"),
        ({"modalities": ("text",) * 2}, ValueError, "`modalities`.*different"),
        ({"modalities": ("mnist",)}, ValueError, "`modalities`.*'speech'"),
        ({"columns": ("text",)}, ValueError, "`columns` .*'keywords', 'style'"),
        ({"columns": ("voice",)}, ValueError, "`columns`.*voice"),
        ({"columns": "style"}, TypeError, "`columns` must be a tuple"),
        ({"data_dir": "."}, ValueError, "`data_dir` must be left out.*emoji"),
        ({"languages": ()}, ValueError, "`languages` must"),
        ({"languages": "en"}, TypeError, "`languages` must be a tuple"),
        ({"languages": ("eo",)}, ValueError, "`languages`.*eo"),
        ({"languages": (["en"],)}, ValueError, "`languages`"),
        ({"languages": ("en", "it")}, ValueError, "`languages` must not.*'it'"),
        (
            {"split": "test_style+train", "languages": ("it",)},
            ValueError,
            "`languages` must not.*'it'",
        ),
    ],
)
def test_bad_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        load(**{"name": "emoji", **arguments})


@pytest.mark.parametrize(
    "name", ["mnist_fashion", "moving_mnist", "poly_mnist"]
)
@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"split": "test_style"}, ValueError, "`split`.*'train', 'test'"),
        ({"split": 0}, TypeError, "`split` must be a string"),
        ({"modalities": ("image",)}, ValueError, "`modalities`.*'image'"),
        ({"modalities": "m0"}, TypeError, "`modalities` must be a tuple"),
        ({"languages": ("en",)}, ValueError, "`languages` must be left out"),
        ({"data_dir": 3}, TypeError, "`data_dir` must be a str"),
    ],
)
def test_bad_arguments_of_sets_in_a_folder(
    name, arguments, error, match, data_dir
):
    with pytest.raises(error, match=match):
        load(**{"name": name, "data_dir": data_dir, **arguments})


@pytest.mark.parametrize(
    "name",
    [
        *("emoji_large", "mnist_fashion", "moving_mnist", "poly_mnist"),
        "spoken_prompts",
    ],
)
def test_missing_files_are_named_with_the_call_that_fetches_them(
    name, tmp_path
):
    with pytest.raises(
        FileNotFoundError,
        match=rf"`data_dir` must .*fetch\('{name}', '{tmp_path}'\)`.*without",
    ):
        load(name, data_dir=tmp_path)


@pytest.mark.parametrize(
    "path",
    ["emoji_large/emoji.npz", "emoji_large/concepts.json"]
    + ["spoken_prompts/prompts.json"],
)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_damaged_files_are_to_be_made_again(path, share, fetched, tmp_path):
    name, _, _ = path.partition("/")
    shutil.copytree(fetched / name, tmp_path / name)
    content = (tmp_path / path).read_bytes()
    (tmp_path / path).write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        ValueError,
        match=rf"`data_dir` must .*fetch\('{name}', '{tmp_path}'\)`.*Received",
    ):
        load(name, data_dir=tmp_path)


def test_an_empty_selection_is_an_error(monkeypatch):
    monkeypatch.setattr(emoji, "rows", lambda *arguments: ())
    with pytest.raises(ValueError, match="at least one example"):
        load("emoji")
