"""A `GANModel`, in both formats."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import keras_xmodal as kx
from keras_xmodal import export
from tests.export.conftest import TEXTS

SEEDS = np.array([4, -1, 2**31 - 1, 4], "int32")


def make_gan(dtype=None, **kwargs):
    keras.utils.set_random_seed(0)
    return kx.GANModel(
        generator=kx.networks.ConvGenerator((8, 8, 3), (8,), dtype=dtype),
        discriminator=kx.networks.ConvDiscriminator((8,), dtype=dtype),
        latent_dim=5,
        dtype=dtype,
        **kwargs,
    )


@pytest.fixture(scope="module")
def gan():
    texts = kx.networks.TextPreprocessor(sequence_length=6)
    texts.adapt(TEXTS[:4])
    encoder = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            keras.layers.Embedding(texts.vocabulary_size(), 7),
            keras.layers.GlobalAveragePooling1D(),
        ]
    )
    gan = make_gan(
        condition="text",
        target="image",
        condition_encoder=encoder,
        preprocessors={"text": texts},
    )
    gan.build((None, 6))
    # Not what the generator makes.
    for weight in gan.ema_generator.weights:
        noise = np.random.default_rng(1).normal(size=weight.shape)
        weight.assign_add(0.1 * noise.astype("float32"))
    return gan


def test_a_saved_model_generates_what_keras_does(gan, tmp_path):
    report = export.saved_model(gan, tmp_path / "1", ({"text": TEXTS}, None))
    assert set(report["endpoints"]) == {
        "generate",
        "generate_string",
        "generate_from_z",
        "generate_from_z_string",
    }
    assert report["max_abs_error"] < 1e-5
    signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
    expected = gan.generate(TEXTS[:4], seed=SEEDS)
    outputs = signatures["serving_default"](
        text=tf.constant(TEXTS[:4]), seed=tf.constant(SEEDS)
    )
    np.testing.assert_allclose(outputs["image"], expected, atol=1e-5)
    # A seed decides its picture, whatever else is in the batch.
    alone = signatures["generate_string"](
        text=tf.constant(TEXTS[1:2]), seed=tf.constant(SEEDS[1:2])
    )
    np.testing.assert_allclose(alone["image"], expected[1:2], atol=1e-5)


def test_litert_generates_what_keras_does(tmp_path):
    gan = make_gan(condition="text", target="image")
    gan.build((None, 6))
    report = export.litert(gan, tmp_path / "device")
    assert set(report["endpoints"]) == {"generate", "generate_from_z"}
    interpreter = Interpreter(str(tmp_path / "device" / "generate.tflite"))
    generate = interpreter.get_signature_runner("generate")
    x = np.random.default_rng(0).random((4, 6)).astype("float32")
    np.testing.assert_allclose(
        generate(text=x, seed=SEEDS)["image"],
        gan.generate(x, seed=SEEDS),
        atol=1e-5,
    )


def test_without_a_condition_and_without_names(tmp_path):
    gan = make_gan(conditional=False)
    export.saved_model(gan, tmp_path / "1")
    generate = tf.saved_model.load(str(tmp_path / "1")).signatures["generate"]
    np.testing.assert_allclose(
        generate(seed=tf.constant(SEEDS))["y"],
        gan.generate(seed=SEEDS),
        atol=1e-5,
    )
    classes = keras.layers.CategoryEncoding(3, "one_hot")
    gan = make_gan(condition_encoder=classes)
    with pytest.raises(ValueError, match="input_signature"):
        export.saved_model(gan, tmp_path / "2")
    gan.build((None,))
    signature = {"x": tf.TensorSpec((None,), tf.int32)}
    export.saved_model(gan, tmp_path / "2", input_signature=signature)
    generate = tf.saved_model.load(str(tmp_path / "2")).signatures["generate"]
    labels = np.array([2, 0, 1, 2], "int32")
    np.testing.assert_allclose(
        generate(x=tf.constant(labels), seed=tf.constant(SEEDS))["y"],
        gan.generate(labels, seed=SEEDS),
        atol=1e-5,
    )
