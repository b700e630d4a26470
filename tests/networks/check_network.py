"""One-call check of a network."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers import assert_close, check_config
from tests.layers.check_r1 import check_r1, randomize_weights

# LiteRT once for each class, and for its other options in the large lane.
litert_if_large = pytest.mark.parametrize(
    "litert",
    [
        pytest.param(False, id=""),
        pytest.param(True, id="litert", marks=pytest.mark.large),
    ],
)


def check_network(
    cls,
    init_kwargs,
    inputs,
    output_shape,
    tmp_path,
    *,
    randomize=False,
    litert=True,
):
    """Config, saving, precision, jit, gradients and LiteRT of a network.

    `inputs` is the argument of the call, an array or a list of arrays, or a
    tuple of arguments. `randomize` gives values to weights that start at zero.
    """
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    map_structure = keras.tree.map_structure
    network = check_config(cls, init_kwargs)
    assert type(cls.from_config(network.get_config())) is cls
    symbol = network(
        *map_structure(
            lambda x: keras.Input(x.shape[1:], dtype=str(x.dtype)), arguments
        )
    )
    assert symbol.shape == (None, *output_shape[1:])
    assert symbol.dtype == "float32"
    if randomize:
        randomize_weights(network)
    expected = network(*arguments)
    assert tuple(expected.shape) == tuple(output_shape)
    assert expected.dtype == "float32"
    assert np.std(expected) > 0

    # As models do, which may build a network without calling it.
    built = cls(**init_kwargs)
    if not built.built:
        built.build(map_structure(lambda x: (None, *x.shape[1:]), arguments[0]))
    shapes = [weight.shape for weight in network.weights]
    assert [weight.shape for weight in built.weights] == shapes

    path = str(tmp_path / "network.keras")
    for each in (network, built):
        each.save(path)
        loaded = keras.saving.load_model(path)
        assert type(loaded) is cls
        assert loaded.get_config() == each.get_config()
        assert_close(loaded(*arguments), each(*arguments), atol=0)

    check_policies(network, init_kwargs, arguments, expected, path)
    check_jit(network, arguments, expected, 1e-4 if randomize else 2e-5)
    check_gradients(network, arguments)
    if litert:
        check_litert(network, network, arguments, tmp_path)
    return network


def check_policies(network, init_kwargs, arguments, expected, path):
    """Half precision: the same values, roughly, from weights in float32."""
    for policy in ("mixed_float16", "mixed_bfloat16"):
        half = type(network)(**init_kwargs, dtype=policy)
        half(*arguments)
        half.set_weights(network.get_weights())
        outputs = keras.ops.cast(half(*arguments), "float32")
        scale = np.abs(expected).max()
        assert_close(outputs, expected, atol=0.1 * float(scale))
        assert half.dtype_policy.name == policy
        assert {w.dtype for w in half.trainable_weights} <= {"float32"}
        computed = {layer.compute_dtype for layer in half._flatten_layers()}
        assert half.compute_dtype in computed
        revived = type(network).from_config(half.get_config())
        assert revived.dtype_policy.name == policy
        half.save(path)
        assert keras.saving.load_model(path).dtype_policy.name == policy


def check_jit(network, arguments, expected, tolerance):
    tensors = keras.tree.map_structure(tf.constant, arguments)
    jitted = tf.function(lambda *x: network(*x), jit_compile=True)
    assert_close(
        jitted(*tensors),
        expected,
        atol=tolerance,
        rtol=tolerance if tolerance == 1e-4 else 1e-7,
    )


def check_gradients(network, arguments):
    """One that is finite and not zero reaches every weight."""
    with tf.GradientTape() as tape:
        outputs = network(*arguments, training=True)
        weighted = tf.random.stateless_normal(outputs.shape, (1, 2)) * outputs
        loss = tf.reduce_sum(weighted)
    gradients = tape.gradient(loss, network.trainable_weights)
    for weight, gradient in zip(
        network.trainable_weights, gradients, strict=True
    ):
        assert gradient is not None, f"no gradient reaches {weight.path}"
        gradient = tf.convert_to_tensor(gradient)
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 0, weight.path


def check_litert(function, network, arguments, tmp_path):
    """Builtin operators are enough, with a dynamic batch."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    path = str(tmp_path / "saved_model")
    shapes = [x.shape for x in arguments]
    if hasattr(network, "input_shape"):  # Lengths may be open.
        shapes = [network.input_shape]
    specs = [
        tf.TensorSpec((None, *shape[1:]), x.dtype, name=f"x_{index}")
        for index, (x, shape) in enumerate(zip(arguments, shapes, strict=True))
    ]
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("run", lambda *x: {"y": function(*x)}, specs)
    archive.write_out(path, verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        path, signature_keys=["run"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    model = interpreter.Interpreter(model_content=converter.convert())
    run = model.get_signature_runner("run")
    for count in (len(arguments[0]), 1):
        batch = [x[:count] for x in arguments]
        outputs = run(**{f"x_{index}": x for index, x in enumerate(batch)})
        assert_close(outputs["y"], np.asarray(function(*batch)), atol=5e-5)


def check_penalty(discriminator, inputs):
    """R1 by the target, with and without a condition, in float64."""
    inputs = keras.tree.map_structure(lambda x: x.astype("float64"), inputs)
    discriminator(inputs)
    randomize_weights(discriminator)
    many = isinstance(inputs, list)
    weights = discriminator.trainable_weights
    # In float32 is the logit, whose weights move no rectifier.
    double = [weight for weight in weights if weight.dtype == "float64"]
    assert len(double) > len(weights) / 2
    check_r1(
        lambda x: discriminator([x, *inputs[1:]] if many else x),
        inputs[0] if many else inputs,
        double,
        rtol=1e-4,
    )
