"""One-call check of a layer of two inputs."""

import keras
import numpy as np
import tensorflow as tf

from tests.helpers import assert_close, check_config
from tests.layers.check_r1 import randomize_weights


def check_layer_of_two(
    cls, init_kwargs, inputs, output_shape, tmp_path, as_list=True
):
    """Config, shapes, dtypes, jit and `.keras` round trip.

    `inputs` are two arrays, passed as a list or one by one.
    """

    def apply(layer, first, second):
        return layer([first, second]) if as_list else layer(first, second)

    layer = check_config(cls, init_kwargs)
    symbols = [keras.Input(x.shape[1:]) for x in inputs]
    symbol = apply(layer, *symbols)
    assert symbol.shape == (None, *output_shape[1:])
    model = keras.Model(symbols, symbol)
    randomize_weights(layer)
    expected = model(inputs)
    assert tuple(expected.shape) == tuple(output_shape)
    assert np.std(expected) > 0
    assert_close(apply(layer, *inputs), expected, atol=1e-6)

    tensors = [tf.constant(x) for x in inputs]
    jitted = tf.function(lambda *x: apply(layer, *x), jit_compile=True)
    assert_close(jitted(*tensors), expected, atol=1e-5)

    for policy in ("mixed_float16", "mixed_bfloat16"):
        half = cls(**{**init_kwargs, "dtype": policy})
        outputs = apply(half, *inputs)
        for weight, value in zip(
            half.weights, layer.get_weights(), strict=True
        ):
            weight.assign(value)
        outputs = apply(half, *inputs)
        assert outputs.dtype == apply(half, *symbols).dtype
        outputs = keras.ops.cast(outputs, "float32")
        assert np.isfinite(outputs).all(), policy
        assert_close(outputs, expected, atol=0.1, rtol=0.1)

    path = str(tmp_path / "layer.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert_close(loaded(inputs), expected, atol=0)
    return layer
