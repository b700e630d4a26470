import os

import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal import export


def test_evaluation_set_gives_recall_before_and_after(
    model, evaluation, tmp_path
):
    report = export.saved_model(model, tmp_path / "a", evaluation, batch_size=5)
    embeddings, ids = model.encode(evaluation[0]), evaluation[1]
    # Each text is there three times and counts once.
    rows = {"image": slice(12), "text": slice(4)}
    for a, b in (("image", "text"), ("text", "image")):
        found = report["retrieval"][f"{a}_to_{b}"]
        expected = kx.metrics.retrieval_report(
            embeddings[a][rows[a]],
            embeddings[b][rows[b]],
            ids[rows[a]],
            ids[rows[b]],
        )
        assert found["before"] == pytest.approx(expected)
        assert found["after"] == pytest.approx(expected)
    assert report["endpoints"]["embed_image_bytes"]["num_examples"] == 12
    hits = [d["after"]["R@1"] for d in report["retrieval"].values()]
    assert report["R@1"] == pytest.approx(np.mean(hits))


def test_difference_from_keras_is_an_error(tmp_path):
    @keras.saving.register_keras_serializable("test")
    class Noise(keras.layers.Layer):
        def call(self, x):
            return x + keras.random.normal((1, 4), seed=self.seed)

        seed = keras.random.SeedGenerator(0)

    model = kx.EmbeddingModel(
        encoders={"a": keras.Sequential([keras.Input((4,)), Noise()])},
        embedding_dim=3,
    )
    with pytest.raises(RuntimeError, match=r"'embed_a' must equal Keras"):
        export.saved_model(model, tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_model_that_is_not_finite(tmp_path):
    model = kx.EmbeddingModel({"a": 4}, 3)
    model({"a": np.ones((1, 4), "float32")})
    model.set_weights([w * np.nan for w in model.get_weights()])
    with pytest.raises(ValueError, match=r"must be finite.*'embed_a'"):
        export.saved_model(model, tmp_path / "a")
    assert os.listdir(tmp_path) == []
