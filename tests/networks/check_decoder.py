"""One-call check of a decoder."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers import assert_close, check_config


def check_decoder(cls, init_kwargs, inputs, output_shape, tmp_path):
    """Config, saving, precision, jit, gradients and LiteRT of a decoder.

    `inputs` is a tuple of arrays, the arguments of the call.
    """
    decoder = check_config(cls, init_kwargs)
    symbols = [keras.Input(x.shape[1:], dtype=str(x.dtype)) for x in inputs]
    symbol = decoder(*symbols)
    assert symbol.shape == (None, *output_shape[1:])
    assert symbol.dtype == "float32"
    expected = decoder(*inputs)
    assert tuple(expected.shape) == tuple(output_shape)
    shapes = [(None, *x.shape[1:]) for x in inputs]
    assert decoder.compute_output_shape(*shapes) == symbol.shape
    assert np.std(expected) > 0

    # As the models do, which build a decoder without calling it.
    built = cls(**init_kwargs)
    built.build(shapes[0])
    assert [w.shape for w in built.weights] == [
        w.shape for w in decoder.weights
    ]

    path = str(tmp_path / "decoder.keras")
    for each in (decoder, built):
        each.save(path)
        loaded = keras.saving.load_model(path)
        assert type(loaded) is cls
        assert loaded.get_config() == each.get_config()
        assert_close(loaded(*inputs), each(*inputs), atol=0)

    for policy in ("mixed_float16", "mixed_bfloat16"):
        half = cls(**init_kwargs, dtype=policy)
        outputs = half(*inputs)
        assert outputs.dtype == "float32"  # as likelihoods need them
        assert np.isfinite(outputs).all(), policy
        assert {w.dtype for w in half.trainable_weights} == {"float32"}
        computed = {layer.compute_dtype for layer in half._flatten_layers()}
        assert half.compute_dtype in computed
        half.save(path)
        assert keras.saving.load_model(path).dtype_policy.name == policy

    tensors = [tf.constant(x) for x in inputs]
    jitted = tf.function(lambda *x: decoder(*x), jit_compile=True)
    assert_close(jitted(*tensors), expected, atol=2e-5)

    with tf.GradientTape() as tape:
        outputs = decoder(*inputs, training=True)
        weighted = tf.random.stateless_normal(outputs.shape, (1, 2)) * outputs
        loss = tf.reduce_sum(weighted)
    gradients = tape.gradient(loss, decoder.trainable_weights)
    for weight, gradient in zip(
        decoder.trainable_weights, gradients, strict=True
    ):
        assert gradient is not None, f"no gradient reaches {weight.path}"
        gradient = tf.convert_to_tensor(gradient)
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 0, weight.path

    check_litert(decoder, decoder, inputs, tmp_path)
    return decoder


def check_litert(function, decoder, inputs, tmp_path):
    """Builtin operators are enough, with a dynamic batch."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    path = str(tmp_path / "saved_model")
    specs = [
        tf.TensorSpec((None, *x.shape[1:]), x.dtype, name=f"x_{index}")
        for index, x in enumerate(inputs)
    ]
    archive = keras.export.ExportArchive()
    archive.track(decoder)
    archive.add_endpoint("decode", lambda *x: {"y": function(*x)}, specs)
    archive.write_out(path, verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        path, signature_keys=["decode"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    model = interpreter.Interpreter(model_content=converter.convert())
    decode = model.get_signature_runner("decode")
    for count in (len(inputs[0]), 1):
        batch = [x[:count] for x in inputs]
        arguments = {f"x_{index}": x for index, x in enumerate(batch)}
        outputs = decode(**arguments)["y"]
        assert_close(outputs, np.asarray(function(*batch)), atol=5e-5)
