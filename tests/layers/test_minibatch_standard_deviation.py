import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers import MinibatchStandardDeviation
from tests.helpers import assert_close, check_layer
from tests.layers.check_r1 import check_r1

RNG = np.random.default_rng(0)


def examples(*shape, dtype="float32"):
    return RNG.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("shape", [(4,), (6, 4), (3, 2, 4), (2, 3, 2, 4)])
def test_layer(shape, tmp_path):
    x = tf.constant(examples(6, *shape))
    layer = check_layer(
        MinibatchStandardDeviation,
        {"group_size": 3, "name": "deviation"},
        x,
        (6, *shape[:-1], shape[-1] + 1),
        tmp_path,
    )
    assert layer.batch_statistics
    outputs = layer(x).numpy()
    assert_close(outputs[..., :-1], x, atol=0)
    for rows in (slice(0, 3), slice(3, 6)):
        deviation = np.std(x[rows], axis=0).mean()
        assert_close(outputs[rows, ..., -1].std(), np.float32(0), atol=1e-6)
        assert_close(outputs[rows.start, ..., -1].mean(), deviation, rtol=1e-5)


@pytest.mark.parametrize("batch", [2, 3, 4, 5, 9])
def test_last_group_is_filled_up(batch):
    x = examples(batch, 7)
    layer = MinibatchStandardDeviation(group_size=4)
    size = min(4, batch)
    groups = np.concatenate([x, x])[: -(-batch // size) * size]
    groups = groups.reshape(-1, size, 7).std(axis=1).mean(axis=1)
    expected = np.repeat(groups, size)[:batch]
    specs = [tf.TensorSpec((None, 7))]
    for function in (
        layer,
        tf.function(layer, input_signature=specs),
        tf.function(layer, input_signature=specs, jit_compile=True),
    ):
        outputs = function(tf.constant(x))
        assert_close(outputs[:, :-1], x, atol=0)
        assert_close(outputs[:, -1], expected, rtol=1e-5)


def test_equal_examples_have_finite_gradients():
    layer = MinibatchStandardDeviation()
    x = tf.ones((4, 3))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(layer(x))
        slope = tape.gradient(y, x)
        penalty = tf.reduce_sum(tf.square(slope))
    assert_close(layer(x)[:, -1], np.full(4, 1e-4, "float32"), rtol=1e-3)
    assert np.isfinite(slope).all()
    assert np.isfinite(outer.gradient(penalty, x)).all()


def test_half_precision_does_not_overflow():
    layer = MinibatchStandardDeviation(dtype="mixed_float16")
    x = np.array([[1000.0], [-1000.0]], "float32")
    assert_close(layer(x)[:, 1], np.full(2, 1000, "float16"))


def test_r1():
    model = keras.Sequential(
        [
            keras.Input((4, 3), dtype="float64"),
            keras.layers.Dense(5, activation="tanh", dtype="float64"),
            MinibatchStandardDeviation(3, dtype="float64"),
            keras.layers.Dense(2, activation="tanh", dtype="float64"),
        ]
    )
    x = examples(7, 4, 3, dtype="float64")
    check_r1(model, x, model.trainable_weights)


def test_errors():
    with pytest.raises(ValueError, match="`group_size` must be an integer of"):
        MinibatchStandardDeviation(1)
    with pytest.raises(ValueError, match="`x` must have shape"):
        MinibatchStandardDeviation()(np.ones(3))
