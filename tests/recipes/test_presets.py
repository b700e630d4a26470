"""Recipes and runs with towers of KerasHub presets."""

import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.recipes.frozen_tower import FrozenTower
from keras_xmodal.recipes.pretrained import Preset
from keras_xmodal.recipes.retrieval import to_unit
from keras_xmodal.runs import train
from tests.helpers import assert_close

pytestmark = pytest.mark.large

keras_hub = pytest.importorskip("keras_hub")
hub = keras_hub.models

SIZES = {
    "num_layers": 1,
    "num_heads": 2,
    "hidden_dim": 32,
    "intermediate_dim": 32,
}
LETTERS = "abcdefgh"


def noise(count=30):
    """Pictures of several sizes as files, and words, both at random."""
    random = np.random.default_rng(0)
    images = [
        random.integers(0, 256, (8 + i % 3, 8, 3)).repeat(4, axis=1)
        for i in range(count)
    ]
    words = ["".join(random.choice(list(LETTERS), 5)) for _ in images]
    return [to_png(image) for image in images], words


def to_png(image):
    return tf.io.encode_png(image.astype("uint8")).numpy()


def save_clip(folder):
    """A CLIP that knows which word goes with which noise, as nobody can."""
    tokens = [x + end for x in LETTERS for end in ("</w>", "")]
    tokens += ["ab", "abc</w>", "<|startoftext|>", "<|endoftext|>"]
    backbone = hub.CLIPBackbone(
        hub.CLIPVisionEncoder(8, **SIZES, image_shape=(32, 32, 3)),
        hub.CLIPTextEncoder(len(tokens), 32, **SIZES, max_sequence_length=8),
        projection_dim=32,
    )
    random = np.random.default_rng(0)
    backbone.set_weights(
        [random.normal(0, 0.4, w.shape) for w in backbone.get_weights()]
    )
    tokenizer = hub.CLIPTokenizer(
        {token: i for i, token in enumerate(tokens)}, ["a b", "ab c</w>"]
    )
    preprocessor = hub.CLIPPreprocessor(
        tokenizer,
        keras_hub.layers.CLIPImageConverter((32, 32), scale=1 / 60, offset=-2),
        sequence_length=8,
    )
    model = kx.EmbeddingModel.from_preset(backbone, preprocessor=preprocessor)
    x = dict(
        model.preprocess(dict(zip(("image", "text"), noise(), strict=True)))
    )
    images, texts = (
        model.encoders[name].predict(x[name], verbose=0) for name in x
    )
    projection = backbone.text_projection.kernel
    before = texts @ np.linalg.inv(projection.numpy())
    projection.assign(np.linalg.lstsq(before, images, rcond=1e-5)[0])
    backbone.save_to_preset(folder)
    preprocessor.save_to_preset(folder)


def save_resnet(folder):
    backbone = hub.ResNetBackbone([64], [3], [64], [1], [1], "basic_block")
    backbone.save_to_preset(folder)
    hub.ResNetImageClassifierPreprocessor(
        keras_hub.layers.ResNetImageConverter((32, 32), scale=1 / 255)
    ).save_to_preset(folder)


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets")
    save_clip(str(folder / "tiny_clip"))
    save_resnet(str(folder / "tiny_resnet"))
    return folder


@pytest.fixture(scope="module")
def data():
    images, words = noise()
    x = {"image": np.array(images, object), "text": np.array(words)}
    return x, np.arange(30)


def saved_and_loaded(model, x, folder):
    """The model as it is loaded, which is the same."""
    model.save(folder / "model.keras")
    loaded = keras.saving.load_model(folder / "model.keras")
    for name, expected in model.encode(x).items():
        assert_close(loaded.encode(x[name], name), expected, atol=1e-5)
    return loaded


def test_the_space_of_a_preset_is_kept_where_it_is_best(
    presets, data, tmp_path
):
    preset = presets / "tiny_clip"
    recipe = kx.recipes.embedding(data, 0.4, towers=preset, verbose=0)
    said = {c.what: c for c in recipe.plan}
    for name in ("image", "text"):
        assert said[f"tower of {name}"].choice == "tiny_clip as it is"
        assert "tiny_clip as it is 1.000" in said[f"tower of {name}"].why
    assert "gradients beside tiny_clip 0." in said["tower of image"].why
    expected = kx.EmbeddingModel.from_preset(preset).encode(data[0])
    for name, embeddings in recipe.model.encode(data[0]).items():
        assert_close(embeddings, expected[name], atol=1e-5)
    recipe.fit(epochs=1)
    for row in recipe.evaluate(data).values():
        assert row["R@1"] == 1.0
        assert row["baseline_R@1"] < 0.9
    saved_and_loaded(recipe.model, data[0], tmp_path)


def test_two_presets_beside_own_features_are_one_model(presets, data, tmp_path):
    choices = {
        "text": ["character n-grams beside pretrained", "none", None, {}],
        "image": ["gradients beside pretrained", "none", 0.1, {}],
    }
    for score in choices.values():
        score[-1][score[0]] = 0.5
    (tmp_path / "choices.json").write_text(json.dumps(choices))
    recipe = kx.recipes.embedding(
        data,
        0.4,
        towers={
            "image": presets / "tiny_resnet",
            "text": presets / "tiny_clip",
        },
        backup_dir=tmp_path,
        verbose=0,
    )
    recipe.fit(epochs=1)
    choices = [c.choice for c in recipe.plan]
    assert "gradients beside tiny_resnet, in closed form" in choices
    assert "character n-grams beside tiny_clip" in choices
    # Raw pictures give what the training computed of its own.
    x, _ = recipe.features(data)
    for name, features in x.items():
        values = recipe.model.preprocess({name: data[0][name]})
        found = recipe.model.encoders[name].predict(values[name], verbose=0)
        assert_close(found, features, atol=1e-4)
    loaded = saved_and_loaded(recipe.model, data[0], tmp_path)
    # It compares the two, of raw data too. A projection that is solved for
    # makes small errors large.
    raw = {name: list(values) for name, values in data[0].items()}
    kx.export.saved_model(
        loaded, tmp_path / "served", (raw, None), tolerance=1e-3
    )


def test_a_run_is_trained_with_a_preset_and_goes_on(
    presets, data, tmp_path, monkeypatch
):
    with open(tmp_path / "pairs.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["photo", "caption"])
        for i, (image, text) in enumerate(zip(*data[0].values(), strict=True)):
            (tmp_path / f"{i}.png").write_bytes(image)
            rows.writerow([f"{i}.png", text])
    arguments = {
        "pairs": str(tmp_path / "pairs.csv"),
        "modalities": {"image": ["photo"], "text": ["caption"]},
        "output": str(tmp_path / "run"),
        "validation": 0.4,
        "epochs": 1,
        "quiet": True,
    }
    with pytest.raises(ValueError, match="`towers` must be the name"):
        train.run(
            **arguments
            | {"pairs": "none.csv", "towers": str(tmp_path / "nowhere")}
        )

    def kill(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.chdir(presets)
    with monkeypatch.context() as patch:
        patch.setattr(train, "fill", kill)
        with pytest.raises(KeyboardInterrupt):
            train.run(**arguments, towers="tiny_clip")
    monkeypatch.chdir(tmp_path)
    report = train.run(resume=str(tmp_path / "run"), quiet=True)
    assert ["tower of image", "tiny_clip as it is"] in [
        choice[:2] for choice in report["plan"]
    ]
    row = report["retrieval"]["validation"]["image_to_text"]
    assert row["R@1"] == 1.0
    run = kx.runs.Run.load(tmp_path / "run")
    text = str(data[0]["text"][7])
    assert run.search(tmp_path / "7.png", k=1)[0]["text"] == text


def test_a_preset_of_texts_pads_to_what_they_need(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "apple"]
    backbone = hub.BertBackbone(
        7, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8
    )
    backbone.save_to_preset(str(tmp_path / "tiny_bert"))
    hub.BertTokenizer(words, lowercase=True).save_to_preset(
        str(tmp_path / "tiny_bert")
    )
    found = Preset(tmp_path / "tiny_bert").towers["text"]
    texts = np.array([["red red red apple"], ["apple"]], object)
    expected = found.encoder(found.preprocessor(texts[:, 0].tolist()))
    frozen = FrozenTower(found, "text", texts, texts[:1, 0])
    assert found.max_tokens > 100
    assert found.preprocessor.sequence_length == 9  # half more than 6
    assert_close(frozen.train[:, 0], to_unit(np.asarray(expected)), atol=1e-5)
    tower = frozen.alone()
    numbers = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model = kx.EmbeddingModel(
        encoders={"text": tower.features, "numbers": numbers},
        embedding_dim=4,
        preprocessors={"text": tower.preprocessor},
    )
    model.build({"text": (None, 9), "numbers": (None, 3)})
    saved_and_loaded(model, {"text": texts[:, 0].tolist()}, tmp_path)
