"""Keras' own ways: `model.export`, and `TFSMLayer`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import export

X = np.random.default_rng(0).random((5, 6), "float32")
Z = np.random.default_rng(1).standard_normal((5, 3)).astype("float32")
TEXTS = ["red apple", "green pear", "a red pear", "apple", "green"]
SEEDS = np.arange(5, dtype="int32")


def text_encoder():
    """Of tokens that it does not declare, and their preprocessor."""
    texts = kx.networks.TextPreprocessor(sequence_length=4)
    texts.adapt(TEXTS)
    return kx.networks.TextEncoder(texts.vocabulary_size(), 8), texts


def embedding():
    encoder, texts = text_encoder()
    model = kx.EmbeddingModel(
        encoders={"a": keras.layers.Dense(4), "text": encoder},
        embedding_dim=3,
        preprocessors={"text": texts},
    )
    return model, {"a": X, "text": texts(TEXTS)}


def vae():
    return kx.VAEModel({"a": 6, "b": 2}, 3), {"a": X, "b": X[:, :2]}


def gan():
    encoder, texts = text_encoder()
    z, condition = keras.Input((3,)), keras.Input((8,))
    y = keras.layers.Concatenate()([z, condition])
    x = keras.Input((4,))
    model = kx.GANModel(
        generator=keras.Model([z, condition], keras.layers.Dense(4)(y)),
        discriminator=keras.Model(
            [x, condition],
            keras.layers.Dense(1)(keras.layers.Concatenate()([x, condition])),
        ),
        latent_dim=3,
        condition_encoder=encoder,
        condition="text",
        target="vector",
        preprocessors={"text": texts},
    )
    return model, texts(TEXTS)


def gan_without_condition():
    return kx.GANModel(output_dim=4, latent_dim=3), Z


def cycle_gan():
    def network(size, output):
        layers = [keras.Input((size,)), keras.layers.Dense(output)]
        return keras.Sequential(layers)

    model = kx.CycleGANModel(
        generators={"a": network(2, 6), "b": network(6, 2)},
        discriminators={"a": network(6, 1), "b": network(2, 1)},
    )
    return model, {"a": X, "b": X[:, :2]}


def one_tensor():
    return kx.EmbeddingModel(6, 3), X


ENDPOINTS = {  # By family: an endpoint, what it takes, and what is expected.
    embedding: (
        "embed_text_string",
        tf.constant(TEXTS),
        lambda m: {"embedding": m.encode(np.array(TEXTS), "text")},
    ),
    vae: (
        "decode_a",
        Z,
        lambda m: {"a": m.decode(Z)["a"]},
    ),
    gan: (
        "generate_string",
        {"text": tf.constant(TEXTS), "seed": SEEDS},
        lambda m: {"vector": m.generate({"text": TEXTS}, seed=SEEDS)},
    ),
    gan_without_condition: (
        "generate",
        SEEDS,
        lambda m: {"y": m.generate(num_examples=5, seed=SEEDS)},
    ),
    cycle_gan: (
        "translate_a_to_b",
        X,
        lambda m: {"b": m.translate({"a": X}, to="b")},
    ),
    one_tensor: ("embed", X, lambda m: {"embedding": m(X)}),
}


def assert_equal(actual, expected):
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        actual,
        expected,
    )


@pytest.mark.parametrize("make", ENDPOINTS, ids=lambda make: make.__name__)
def test_a_model_from_a_file_is_exported_and_loaded_as_a_layer(make, tmp_path):
    keras.utils.set_random_seed(0)
    model, x = make()
    model(x)
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    path = str(tmp_path / "model")
    model.export(path, verbose=False)
    assert_equal(keras.layers.TFSMLayer(path)(x), model(x))
    name, inputs, expected = ENDPOINTS[make]
    layer = keras.layers.TFSMLayer(path, call_endpoint=name)
    assert_equal(layer(inputs), expected(model))
    signatures = tf.saved_model.load(path).signatures
    for signature in signatures.values():
        for key, spec in signature.structured_input_signature[1].items():
            assert spec.shape[0] is None
            assert key not in ("text", "seed") or not spec.dtype.is_floating
    served = signatures["serving_default"].structured_input_signature[1]
    assert set(served) <= {"a", "b", "text", "x", "z"}


def test_an_endpoint_is_a_layer_of_another_model(tmp_path):
    model, _ = one_tensor()
    export.saved_model(model, tmp_path / "1")
    layer = keras.layers.TFSMLayer(str(tmp_path / "1"), call_endpoint="embed")
    inputs = keras.Input((6,))
    outputs = keras.layers.Rescaling(2.0)(layer(inputs)["embedding"])
    outer = keras.Model(inputs, outputs)
    assert_equal(outer.predict(X, verbose=0), 2 * model(X))


def test_a_search_is_a_layer(tmp_path):
    model = kx.EmbeddingModel({"a": 6, "b": 2}, 3)
    index = kx.retrieval.ExactIndex(model)
    index.add({"a": X}, list("abcde"))
    path = str(tmp_path / "1")
    export.saved_model(model, path, search=index, k=2)
    layer = keras.layers.TFSMLayer(path, call_endpoint="search_a_to_a")
    ids, scores = index.search({"a": X}, 2)
    found = layer(X)
    assert found["ids"].numpy().astype(str).tolist() == ids.tolist()
    np.testing.assert_allclose(found["scores"], scores, atol=1e-6)


def test_given_input_signature(tmp_path):
    encoder = keras.layers.GlobalAveragePooling1D()
    model = kx.EmbeddingModel(encoders={"a": encoder}, embedding_dim=3)
    x = {"a": np.ones((2, 5, 4), "float32")}
    model(x)
    specs = {"a": keras.InputSpec(shape=(None, None, 4), dtype="float32")}
    for given in (specs, [specs]):
        path = str(tmp_path / "model")  # written over, as Keras does
        model.export(path, verbose=False, input_signature=given)
        longer = {"a": np.ones((1, 9, 4), "float32")}
        assert_equal(keras.layers.TFSMLayer(path)(longer), model(longer))
        layer = keras.layers.TFSMLayer(path, call_endpoint="embed_a")
        assert_equal(layer(longer["a"])["embedding"], model(longer)["a"])


def test_what_keras_refuses(tmp_path):
    path = str(tmp_path / "model")
    model, x = embedding()
    with pytest.raises(ValueError, match=r"built|called"):
        model.export(path)
    model(x)
    with pytest.raises(ValueError, match="Unrecognized format=text"):
        model.export(path, format="text")
    with pytest.raises(TypeError, match="no_such"):
        model.export(path, no_such=True)
