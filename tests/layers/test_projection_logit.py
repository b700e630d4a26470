import numpy as np
import pytest

from keras_xmodal.layers import ProjectionLogit
from tests.helpers import assert_close
from tests.layers.check_layer_of_two import check_layer_of_two
from tests.layers.check_r1 import check_r1

RNG = np.random.default_rng(0)
FEATURES = RNG.standard_normal((3, 4)).astype("float32")
CONDITION = RNG.standard_normal((3, 5)).astype("float32")


def test_layer(tmp_path):
    layer = check_layer_of_two(
        ProjectionLogit,
        {"name": "head"},
        [FEATURES, CONDITION],
        (3, 1),
        tmp_path,
    )
    w, b, v = layer.get_weights()
    fit = np.sum(FEATURES * (CONDITION @ v), axis=1, keepdims=True)
    expected = FEATURES @ w + b + fit / 2
    assert_close(layer([FEATURES, CONDITION]), expected, atol=1e-5)


def test_both_parts_start_with_one_size():
    layer = ProjectionLogit()
    features = RNG.standard_normal((500, 64))
    classes = np.eye(10)[np.arange(500) % 10]
    logits = layer([features, classes]).numpy()
    fit = logits - layer([features, 0 * classes]).numpy()
    assert 0.4 < np.std(fit) / np.std(logits - fit) < 2.5


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_float32_under_each_policy(policy):
    layer = ProjectionLogit(dtype=policy)
    outputs = layer([FEATURES, CONDITION])
    assert outputs.dtype == "float32"
    same = ProjectionLogit()
    same([FEATURES, CONDITION])
    same.set_weights(layer.get_weights())
    assert_close(same([FEATURES, CONDITION]), outputs, atol=0)


def test_r1():
    layer = ProjectionLogit()
    layer([FEATURES, CONDITION])
    # Of the slope w + V c / 2, the bias has no part.
    check_r1(
        lambda x: layer([x, CONDITION]),
        FEATURES,
        layer.weights,
        step=1e-2,
        rtol=1e-3,
    )


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        (FEATURES, r"`inputs` must be a list \[features, condition\]"),
        ([FEATURES, CONDITION[0]], r"`condition` must have shape"),
        ([FEATURES[None], CONDITION], r"`features` must have shape"),
    ],
)
def test_bad_inputs(inputs, match):
    with pytest.raises(ValueError, match=match):
        ProjectionLogit()(inputs)
