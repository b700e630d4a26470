"""One-call check of a generator or a discriminator."""

import keras
import numpy as np
import tensorflow as tf

from tests.helpers import assert_close, check_config
from tests.layers.check_r1 import check_r1, randomize_weights


def check_network(cls, init_kwargs, inputs, output_shape, tmp_path):
    """Config, saving, precision, jit and gradients of a network.

    `inputs` is an array or a list of arrays, the argument of the call.
    """
    network = check_config(cls, init_kwargs)
    map_structure = keras.tree.map_structure
    symbol = network(map_structure(lambda x: keras.Input(x.shape[1:]), inputs))
    assert symbol.shape == (None, *output_shape[1:])
    assert symbol.dtype == "float32"
    randomize_weights(network)
    expected = network(inputs)
    assert tuple(expected.shape) == tuple(output_shape)
    assert expected.dtype == "float32"
    assert np.std(expected) > 0

    # As models do, which may build a network without calling it.
    built = cls(**init_kwargs)
    built.build(map_structure(lambda x: (None, *x.shape[1:]), inputs))
    shapes = [weight.shape for weight in network.weights]
    assert [weight.shape for weight in built.weights] == shapes

    path = str(tmp_path / "network.keras")
    for each in (network, built):
        each.save(path)
        loaded = keras.saving.load_model(path)
        assert type(loaded) is cls
        assert loaded.get_config() == each.get_config()
        assert_close(loaded(inputs), each(inputs), atol=0)

    for policy in ("mixed_float16", "mixed_bfloat16"):
        half = cls(**init_kwargs, dtype=policy)
        outputs = half(inputs)
        half.set_weights(network.get_weights())
        outputs = half(inputs)
        assert outputs.dtype == "float32"
        scale = np.abs(expected).max()
        assert_close(outputs, expected, atol=0.1 * float(scale))
        assert {w.dtype for w in half.trainable_weights} == {"float32"}
        computed = {layer.compute_dtype for layer in half._flatten_layers()}
        assert half.compute_dtype in computed
        half.save(path)
        assert keras.saving.load_model(path).dtype_policy.name == policy

    tensors = map_structure(tf.constant, inputs)
    jitted = tf.function(lambda x: network(x), jit_compile=True)
    assert_close(jitted(tensors), expected, atol=1e-4, rtol=1e-4)

    with tf.GradientTape() as tape:
        outputs = network(inputs, training=True)
        weighted = tf.random.stateless_normal(outputs.shape, (1, 2)) * outputs
        loss = tf.reduce_sum(weighted)
    gradients = tape.gradient(loss, network.trainable_weights)
    for weight, gradient in zip(
        network.trainable_weights, gradients, strict=True
    ):
        assert gradient is not None, f"no gradient reaches {weight.path}"
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 0, weight.path
    return network


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
