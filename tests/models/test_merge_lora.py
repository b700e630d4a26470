import keras
import numpy as np
import pytest

import keras_xmodal as kx
from tests.helpers import assert_close

X = {
    name: np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    for name in ("image", "text")
}


def make(rank=2):
    """A model of one encoder for two modalities, trained a bit."""
    encoder = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(5, "tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(5),
        ]
    )
    encoder.layers[1].trainable = False
    for layer in (encoder.layers[0], encoder.layers[2]):
        if rank:
            layer.enable_lora(rank, lora_alpha=3)
    model = kx.EmbeddingModel(
        encoders={"image": encoder, "text": encoder},
        embedding_dim=4,
        preprocessors={"text": keras.layers.Rescaling(2.0)},
    )
    model.compile("adam", run_eagerly=True)
    model.fit(X, epochs=2, verbose=0)
    return model


def test_merged_model_computes_the_same():
    model = make()
    embeddings = model.encode(X)
    merged = kx.models.merge_lora(model)
    assert_close(merged.encode(X), embeddings, atol=1e-6)
    assert len(merged.weights) == len(model.weights) - 4
    assert merged.encoders["image"] is merged.encoders["text"]
    # What the adapters stood for stays frozen, and so does what was.
    frozen = [
        w.name for w in merged.encoders["text"].weights if not w.trainable
    ]
    assert frozen == [
        "kernel",
        *["gamma", "beta"],
        *["moving_mean", "moving_variance"],
        "kernel",
    ]
    assert_close(model.encode(X), embeddings, atol=0)


def test_merged_model_trains_and_is_saved(tmp_path):
    merged = kx.models.merge_lora(make())
    merged.compile("adam", run_eagerly=True)
    merged.fit(X, verbose=0)
    merged.save(tmp_path / "merged.keras")
    loaded = keras.saving.load_model(tmp_path / "merged.keras")
    assert_close(loaded.encode(X), merged.encode(X), atol=0)
    assert loaded.encoders["image"] is loaded.encoders["text"]


def test_without_adapters():
    with pytest.raises(ValueError, match="Received: 0 layers with adapters"):
        kx.models.merge_lora(make(rank=None))
    with pytest.raises(TypeError, match="must be an `EmbeddingModel`"):
        kx.models.merge_lora(keras.Sequential())
