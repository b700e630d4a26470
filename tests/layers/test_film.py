import keras
import numpy as np
import pytest

from keras_xmodal.layers import FiLM
from tests.helpers import assert_close
from tests.layers.check_layer_of_two import check_layer_of_two
from tests.layers.check_r1 import check_r1, randomize_weights

RNG = np.random.default_rng(0)
CONDITION = RNG.standard_normal((3, 5)).astype("float32")


def features(*shape, dtype="float32"):
    return RNG.standard_normal((3, *shape)).astype(dtype)


@pytest.mark.parametrize("shape", [(4,), (6, 4), (3, 2, 4), (2, 3, 2, 4)])
def test_any_rank(shape):
    x, layer = features(*shape), FiLM()
    assert_close(layer([x, CONDITION]), x, atol=0)  # at first
    randomize_weights(layer)
    kernel, bias = layer.get_weights()
    gamma, beta = np.split(CONDITION @ kernel + bias, 2, axis=-1)
    for row in range(3):
        expected = (1 + gamma[row]) * x[row] + beta[row]
        outputs = layer([x, CONDITION])
        assert_close(outputs[row], expected, atol=1e-5)


def test_layer(tmp_path):
    inputs = [features(4, 3, 2), CONDITION]
    kwargs = {"name": "modulation", "trainable": True}
    check_layer_of_two(FiLM, kwargs, inputs, (3, 4, 3, 2), tmp_path)


def test_conditional_normalization():
    norm = keras.layers.GroupNormalization(2, center=False, scale=False)
    assert norm(features(4, 4, 4)).shape == (3, 4, 4, 4)
    assert not norm.weights


def test_r1():
    layer = FiLM(dtype="float64")
    condition = CONDITION.astype("float64")
    x = features(4, 2, dtype="float64")
    layer([x, condition])
    randomize_weights(layer)
    check_r1(lambda x: keras.ops.tanh(layer([x, condition])), x, layer.weights)


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        (features(4), r"`inputs` must be a list \[x, condition\]"),
        ([features(4), features(2, 3)], r"`condition` .* \(batch, dim\)"),
        ([CONDITION[0], CONDITION], r"`x` .* \(batch, ..., channels\)"),
        ([features(4), CONDITION, CONDITION], r"a list \[x, condition\]"),
    ],
)
def test_bad_inputs(inputs, match):
    with pytest.raises(ValueError, match=match):
        FiLM()(inputs)
