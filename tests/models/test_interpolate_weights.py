import keras
import numpy as np
import pytest

import keras_xmodal as kx


def make(dim=4):
    model = kx.EmbeddingModel({"image": 6, "text": 5}, dim)
    model({"image": np.ones((1, 6)), "text": np.ones((1, 5))})
    return model


def test_ends_are_exact_and_the_middle_is_between():
    start, end = make(), make()
    start.projections["text"].bias.assign([-0.0, 0, 0, 0])
    for alpha, expected in ((0, start), (1.0, end)):
        weights = kx.models.interpolate_weights(start, end, alpha)
        for a, b in zip(weights, expected.get_weights(), strict=True):
            assert a.tobytes() == b.tobytes()
    weights = kx.models.interpolate_weights(
        start.get_weights(), end.get_weights(), 0.25
    )
    for between, a, b in zip(
        weights, start.get_weights(), end.get_weights(), strict=True
    ):
        np.testing.assert_allclose(between, 0.75 * a + 0.25 * b, rtol=1e-6)
        assert between.dtype == a.dtype
    end.set_weights(weights)


def test_half_precision_and_whole_numbers():
    start = [np.zeros(2, "float16"), np.array([1, 2])]
    end = [np.full(2, 0.5, "float16"), np.array([3, 4])]
    between = kx.models.interpolate_weights(start, end, 0.5)
    assert between[0].dtype == "float16"
    assert between[0].tolist() == [0.25, 0.25]
    assert between[1].tolist() == [3, 4]


def test_other_structures():
    interpolate = kx.models.interpolate_weights
    with pytest.raises(ValueError, match=r"one structure.*6 and 6 .* \[0, 1"):
        interpolate(make(), make(3), 0.5)
    other = kx.EmbeddingModel({"image": 6}, 4)
    other({"image": np.ones((1, 6))})
    with pytest.raises(ValueError, match="6 and 2 weights"):
        interpolate(make(), other, 0.5)
    same_shapes = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    others = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    others.layers[0].enable_lora(1)
    with pytest.raises(ValueError, match="1 adapters"):
        interpolate(same_shapes, others, 0.5)
    with pytest.raises(ValueError, match=r"`alpha` must be in \[0, 1\]"):
        interpolate(make(), make(), 1.5)
    with pytest.raises(TypeError, match="a Keras model or a list of arrays"):
        interpolate("start", make(), 0.5)
