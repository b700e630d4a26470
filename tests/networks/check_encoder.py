"""One-call check of an encoder."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers import assert_close, check_config


def check_encoder(cls, init_kwargs, inputs, output_shape, tmp_path):
    """Config, saving, precision, jit, gradients and LiteRT of an encoder."""
    encoder = check_config(cls, init_kwargs)
    assert type(cls.from_config(encoder.get_config())) is cls
    expected = encoder(inputs)
    assert tuple(expected.shape) == tuple(output_shape)
    assert encoder.output_shape == (None, *output_shape[1:])
    assert np.std(expected) > 0

    path = str(tmp_path / "encoder.keras")
    encoder.save(path)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is cls
    assert loaded.get_config() == encoder.get_config()
    assert_close(loaded(inputs), expected, atol=0)

    for policy in ("mixed_float16", "mixed_bfloat16"):
        half = cls(**init_kwargs, dtype=policy)
        assert half.dtype_policy.name == policy
        assert {weight.dtype for weight in half.weights} <= {"float32"}
        outputs = keras.ops.cast(half(inputs), "float32")
        assert np.isfinite(outputs).all(), policy
        revived = cls.from_config(half.get_config())
        assert revived.dtype_policy.name == policy
        half.save(path)
        assert keras.saving.load_model(path).dtype_policy.name == policy

    jitted = tf.function(lambda x: encoder(x), jit_compile=True)
    assert_close(jitted(tf.constant(inputs)), expected, atol=2e-5)

    with tf.GradientTape() as tape:
        outputs = encoder(inputs, training=True)
        weighted = tf.random.stateless_normal(outputs.shape, (1, 2)) * outputs
        loss = tf.reduce_sum(weighted)
    gradients = tape.gradient(loss, encoder.trainable_weights)
    for weight, gradient in zip(
        encoder.trainable_weights, gradients, strict=True
    ):
        assert gradient is not None, f"no gradient reaches {weight.path}"
        gradient = tf.convert_to_tensor(gradient)
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 0, weight.path

    check_litert(encoder, inputs, expected, tmp_path)
    return encoder


def check_litert(encoder, inputs, expected, tmp_path):
    """Builtin operators are enough, with a dynamic batch."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    path = str(tmp_path / "saved_model")
    inputs = np.asarray(inputs)
    shape = [None if size is None else size for size in encoder.input_shape]
    archive = keras.export.ExportArchive()
    archive.track(encoder)
    archive.add_endpoint(
        "encode",
        lambda x: {"features": encoder(x, training=False)},
        [tf.TensorSpec(shape, inputs.dtype, name="x")],
    )
    archive.write_out(path, verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        path, signature_keys=["encode"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    model = interpreter.Interpreter(model_content=converter.convert())
    encode = model.get_signature_runner("encode")
    for batch in (inputs, inputs[:1]):
        features = encode(x=batch)["features"]
        assert_close(features, np.asarray(expected)[: len(batch)], atol=5e-5)
