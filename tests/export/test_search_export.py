"""An index inside of a SavedModel."""

import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import export
from keras_xmodal.networks import TextPreprocessor

X = np.random.default_rng(0).random((7, 5), "float32")
NAMES = ["é", "b", "苹果", "b", "c", "d", "b"]


@pytest.fixture
def model():
    return kx.EmbeddingModel({"a": 5, "b": 3}, 4)


@pytest.fixture
def index(model):
    index = kx.retrieval.ExactIndex(model)
    index.add({"a": X}, NAMES)
    return index


def text(array):
    return np.char.decode(array.numpy().astype("S"), "utf-8")


def test_searches_equal_those_of_the_index(model, index, tmp_path):
    path = tmp_path / "search" / "1"
    report = export.saved_model(model, path, search=index, k=3)
    assert report["search"]["rows"] == {"a": 7}
    assert report["search"]["k"] == 3
    names = {"search_a_to_a", "search_b_to_a"}
    assert set(report["endpoints"]) == {"embed_a", "embed_b", *names}
    assert report["max_abs_error"] < 1e-5
    file = path / "assets.extra" / "report.json"
    assert json.loads(file.read_text("utf-8")) == report
    signatures = tf.saved_model.load(str(path)).signatures
    for name in names:
        specs = signatures[name].structured_outputs
        assert set(specs) == {"ids", "scores"}
        assert all(tuple(spec.shape) == (None, 3) for spec in specs.values())
        assert specs["scores"].dtype == tf.float32
    # What comes later is not served.
    expected = index.search({"a": X}, 3)
    index.add({"a": -X}, NAMES)
    for part in (slice(None), slice(2, 3), slice(0)):
        found = signatures["search_a_to_a"](a=tf.constant(X[part]))
        np.testing.assert_array_equal(text(found["ids"]), expected[0][part])
        np.testing.assert_allclose(
            found["scores"], expected[1][part], atol=1e-6
        )


def test_a_model_in_half_precision(tmp_path):
    dtype = "mixed_float16"
    encoder = keras.layers.Dense(8, dtype=dtype)
    model = kx.EmbeddingModel(
        encoders={"a": encoder}, embedding_dim=4, dtype=dtype
    )
    model({"a": X})
    index = kx.retrieval.ExactIndex(model)
    index.add({"a": X}, NAMES)
    report = export.saved_model(model, tmp_path / "1", search=index, k=5)
    assert report["max_abs_error"] < 1e-2
    signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
    found = signatures["search_a_to_a"](a=tf.constant(X))
    ids, scores = index.search({"a": X}, 5)
    np.testing.assert_array_equal(text(found["ids"])[:, 0], ids[:, 0])
    np.testing.assert_allclose(found["scores"], scores, atol=1e-2)


def test_a_vae_is_searched_by_its_means(tmp_path):
    model = kx.VAEModel({"a": 5, "b": 3}, 4)
    index = kx.retrieval.ExactIndex(model)
    index.add({"a": X, "b": X[:, :3]}, np.arange(7))
    export.saved_model(model, tmp_path / "1", search=index, k=9)
    signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
    found = signatures["search_a_to_b"](a=tf.constant(X))
    ids, scores = index.search({"a": X}, 9, "b")
    np.testing.assert_array_equal(found["ids"], ids)
    np.testing.assert_allclose(found["scores"], scores, atol=1e-6)
    assert found["ids"].shape == (7, 7)  # no more than there are


def test_raw_queries_and_rows_that_came_as_embeddings(tmp_path):
    texts = TextPreprocessor(sequence_length=4)
    texts.adapt(["red apple", "green pear"])
    model = kx.EmbeddingModel(
        encoders={"text": kx.networks.TextEncoder(texts.vocabulary_size(), 8)},
        embedding_dim=4,
        preprocessors={"text": texts},
    )
    model({"text": texts(["red"])})
    index = kx.retrieval.ExactIndex()
    rng = np.random.default_rng(0)
    index.add(rng.standard_normal((9, 4)), np.arange(9) * 0.1, "image")
    export.saved_model(model, tmp_path / "1", search=index)
    signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
    queries = ["Red pear!", "green"]
    found = signatures["search_text_string_to_image"](text=tf.constant(queries))
    embeddings = model.encode(np.array(queries), "text")
    ids, scores = index.search(embeddings, 10)
    np.testing.assert_array_equal(found["ids"], ids)  # float64
    np.testing.assert_allclose(found["scores"], scores, atol=1e-6)


@pytest.mark.parametrize("wrong", ["ids", "scores", "twice"])
def test_wrong_answers_are_an_error(model, index, tmp_path, monkeypatch, wrong):
    search = kx.retrieval.graph_search.GraphSearch.__call__

    def broken(self, queries):
        ids, scores = search(self, queries)
        if wrong == "scores":
            return ids, scores * 0.99
        if wrong == "ids":
            return tf.reverse(ids, [1]), scores
        return tf.concat([ids[:, :1], ids[:, :1], ids[:, 2:]], 1), scores

    monkeypatch.setattr(
        kx.retrieval.graph_search.GraphSearch, "__call__", broken
    )
    key = "scores" if wrong == "scores" else "ids"
    rule = rf"'search_a_to_a' must equal Keras.*in '{key}'"
    with pytest.raises(RuntimeError, match=rule):
        export.saved_model(model, tmp_path / "1", search=index)
    assert os.listdir(tmp_path) == []


def test_bad_arguments(model, index, tmp_path):
    path = tmp_path / "1"
    for bad in (model, "index", np.eye(3)):
        with pytest.raises(TypeError, match="`search` must be an index, such"):
            export.saved_model(model, path, search=bad)
    for bad in (0, 1.5, "3"):
        with pytest.raises((TypeError, ValueError), match="`k` must be"):
            export.saved_model(model, path, search=index, k=bad)
    other = kx.EmbeddingModel({"a": 5, "b": 3}, 4)
    with pytest.raises(
        ValueError, match="`search` must be an index of `model`"
    ):
        export.saved_model(other, path, search=index)
    empty = kx.retrieval.ExactIndex(model)
    with pytest.raises(ValueError, match=r"`search` must.*holds rows"):
        export.saved_model(model, path, search=empty)
    narrow = kx.retrieval.ExactIndex()
    narrow.add(np.eye(3), modality="a")
    rule = "`search` must have the dim of the model's embeddings, 4.*dim 3"
    with pytest.raises(ValueError, match=rule):
        export.saved_model(model, path, search=narrow)
    gan = kx.GANModel(output_dim=3, latent_dim=2)
    rule = "`model` must encode what an index searches.*GANModel"
    with pytest.raises(ValueError, match=rule):
        export.saved_model(gan, path, search=narrow)
    assert os.listdir(tmp_path) == []
