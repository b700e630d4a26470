"""What TensorBoard's projector reads."""

import io
import json
import sys
import urllib.parse

import keras
import numpy as np
import pytest
from PIL import Image

import keras_xmodal as kx
from keras_xmodal.callbacks import Projector

pytest.importorskip("tensorboard")
SIDE = 16
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [250, 250, 0]])
IMAGES = np.broadcast_to(COLORS[:, None, None], (4, 8, 4, 3)).astype("uint8")
X = {"image": IMAGES, "text": np.array(["red", "green", "blue\tsky", "-"])}
IDS = np.array([10, 11, 12, 13])


@pytest.fixture(scope="module")
def model():
    text = kx.networks.TextPreprocessor(split="character")
    text.adapt(["red green blue sky"])
    model = kx.EmbeddingModel(
        encoders={
            "image": keras.Sequential([keras.layers.Flatten()]),
            "text": kx.networks.TextEncoder(text.vocabulary_size()),
        },
        preprocessors={
            "image": kx.networks.ImagePreprocessor((4, 4)),
            "text": text,
        },
        embedding_dim=3,
    )
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    model.encode(X)
    return model


@pytest.fixture
def ask(tmp_path):
    """Ask TensorBoard's plugin for what it reads in the folder."""
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.projector import projector_plugin
    from werkzeug.test import Client

    def ask(route, **query):
        context = base_plugin.TBContext(logdir=str(tmp_path))
        apps = projector_plugin.ProjectorPlugin(context).get_plugin_apps()
        query = urllib.parse.urlencode({"run": ".", **query})
        answer = Client(apps[f"/{route}"]).get(f"/?{query}")
        assert answer.status_code == 200, answer.data
        return answer.data

    return ask


def test_tensorboard_reads_what_was_written(model, tmp_path, ask):
    projector = Projector((X, IDS), log_dir=tmp_path, thumbnail_size=SIDE)
    model.fit(X, IDS, verbose=0, epochs=2, callbacks=[projector])
    (embedding,) = json.loads(ask("info"))["embeddings"]
    assert embedding["tensorName"] == "epoch 2"
    assert embedding["tensorShape"] == [8, 3]
    assert embedding["sprite"]["singleImageDim"] == [SIDE, SIDE]
    tensor = np.frombuffer(ask("tensor", name="epoch 2"), "float32")
    expected = model.encode(X)
    np.testing.assert_allclose(
        tensor.reshape(8, 3),
        np.concatenate([expected["image"], expected["text"]]),
        atol=1e-6,
    )
    lines = ask("metadata", name="epoch 2").decode().splitlines()
    assert [line.split("\t") for line in lines] == [
        ["label", "modality", "id"],
        ["red", "image", "10"],
        ["green", "image", "11"],
        ["blue sky", "image", "12"],
        ["-", "image", "13"],
        ["red", "text", "10"],
        ["green", "text", "11"],
        ["blue sky", "text", "12"],
        ["-", "text", "13"],
    ]
    sprite = Image.open(io.BytesIO(ask("sprite_image", name="epoch 2")))
    sprite = np.asarray(sprite)
    assert sprite.shape == (3 * SIDE, 3 * SIDE, 3)
    for i, color in enumerate(COLORS):  # row by row, each on white
        top, left = SIDE * (i // 3), SIDE * (i % 3)
        cell = sprite[top : top + SIDE, left : left + SIDE]
        assert (cell[:, 4:12] == color).all()
        assert (cell[:, [0, 1, 2, 3, 12, 13, 14, 15]] == 255).all()
    assert sprite[SIDE : 2 * SIDE, 2 * SIDE :].min() < 128  # a text
    assert (sprite[2 * SIDE :, 2 * SIDE :] == 255).all()  # no point
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"projector", "projector_config.pbtxt"}


def test_some_rows_under_labels_of_ones_own(model, tmp_path, ask):
    x = {"image": np.repeat(IMAGES, 2, 0), "text": np.repeat(X["text"], 2)}
    weights = {"image": np.ones(8), "text": np.arange(8) > 1}
    data = (x, np.repeat(IDS, 2), weights)
    projector = Projector(
        data,
        log_dir=tmp_path,
        labels={10: "first", 12: "third"},
        num_examples=3,
    )
    projector.write_model(model, "mine")
    lines = ask("metadata", name="mine").decode().splitlines()[1:]
    # Each row once, and none that is missing.
    assert [line.split("\t") for line in lines] == [
        ["first", "image", "10"],
        ["11", "image", "11"],
        ["third", "image", "12"],
        ["11", "text", "11"],
        ["third", "text", "12"],
        ["13", "text", "13"],
    ]
    projector = Projector(data, log_dir=tmp_path, modalities=["image"])
    projector.write_model(model)
    assert json.loads(ask("info"))["embeddings"][0]["tensorShape"] == [4, 3]


def test_what_is_not_finite_is_not_written(tmp_path):
    model = kx.EmbeddingModel({"a": 3, "b": 2}, 2)
    x = {"a": np.ones((4, 3)), "b": np.ones((4, 2))}
    model.encode(x)
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    projector = Projector(x, log_dir=tmp_path)
    with pytest.warns(UserWarning, match=r"finite.*8 rows"):
        projector.write_model(model)
    assert not list(tmp_path.iterdir())


def test_errors(model, tmp_path, monkeypatch):
    data = (X, IDS)
    with pytest.raises(ValueError, match="`thumbnail_size` must be"):
        Projector(data, log_dir=tmp_path, thumbnail_size=0)
    with pytest.raises(TypeError, match="`labels` must be a dict"):
        Projector(data, log_dir=tmp_path, labels=["a"])
    projector = Projector(data, log_dir=tmp_path, modalities=["sound"])
    with pytest.raises(ValueError, match="`modalities` must be one of"):
        model.fit(X, IDS, verbose=0, callbacks=[projector])
    module = sys.modules["keras_xmodal.callbacks.projector"]
    monkeypatch.setattr(module, "_LARGEST_SPRITE", 3 * SIDE - 1)
    projector = Projector(data, log_dir=tmp_path, thumbnail_size=SIDE)
    with pytest.raises(ValueError, match=r"must fit on a sheet.*8 pictures"):
        projector.write_model(model)
    monkeypatch.setitem(sys.modules, "tensorboard.plugins", None)
    with pytest.raises(ImportError, match=r"keras-xmodal\[tensorboard\]"):
        Projector(data, log_dir=tmp_path)
