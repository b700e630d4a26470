import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.export.float32_twin import float32_twin, is_float32
from tests.export.conftest import make_model


def test_float32_model_is_its_own_twin():
    model = kx.EmbeddingModel(4, 3)
    x = np.ones((1, 4), "float32")
    model(x)
    assert is_float32(model)
    assert float32_twin(model, x) is model


@pytest.mark.parametrize("dtype", ["mixed_float16", "bfloat16"])
def test_twin_has_the_weights_and_computes_in_float32(dtype):
    model = make_model(dtype)
    x = {
        "image": np.random.default_rng(0).random((3, 12, 12, 3), "float32"),
        "text": np.full((3, 6), 3, "int32"),
    }
    reduced = model(x)
    assert not is_float32(model)
    twin = float32_twin(model, x)
    assert is_float32(twin)
    for a, b in zip(twin.weights, model.weights, strict=True):
        assert a.dtype == "float32"
        np.testing.assert_array_equal(a, keras.ops.cast(b, "float32"))
    for name, expected in twin(x).items():
        difference = np.abs(expected - np.asarray(reduced[name]))
        assert 0 < difference.max() < 3e-2


def test_layers_that_follow_the_global_policy():
    @keras.saving.register_keras_serializable("test")
    class Block(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = keras.layers.Dense(4)

        def build(self, input_shape):
            self.dense.build(input_shape)

        def call(self, x):
            return self.dense(x)

        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], 4)

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder = keras.Sequential([keras.Input((5,)), Block()])
        model = kx.EmbeddingModel(encoders={"a": encoder}, embedding_dim=3)
        x = {"a": np.ones((2, 5), "float32")}
        model(x)
        twin = float32_twin(model, x)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert not is_float32(model)
    assert is_float32(twin)
