import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers import TokenAttention
from tests.helpers import assert_close
from tests.layers.check_layer_of_two import check_layer_of_two
from tests.layers.check_r1 import check_r1, randomize_weights

RNG = np.random.default_rng(0)
KWARGS = {"num_heads": 2, "key_dim": 3}
TOKENS = RNG.standard_normal((3, 5, 6)).astype("float32")
MASK = np.arange(5) < np.array([[5], [2], [0]])


def features(*shape, dtype="float32"):
    return RNG.standard_normal((3, *shape)).astype(dtype)


@pytest.mark.parametrize("shape", [(4,), (6, 4), (2, 3, 2, 4)])
def test_any_rank(shape):
    x, layer = features(*shape), TokenAttention(**KWARGS)
    assert_close(layer(x, TOKENS), x, atol=0)  # at first
    randomize_weights(layer)
    outputs = layer(x, TOKENS).numpy()
    assert outputs.shape == x.shape
    assert np.abs(outputs - x).max() > 0.1


def test_layer(tmp_path):
    layer = check_layer_of_two(
        TokenAttention,
        {**KWARGS, "name": "words"},
        [features(4, 3, 4), TOKENS],
        (3, 4, 3, 4),
        tmp_path,
        as_list=False,
    )
    assert layer.attention.num_heads == 2


def test_padding_changes_nothing():
    x, layer = features(2, 2, 4), TokenAttention(**KWARGS)
    layer(x, TOKENS)
    randomize_weights(layer)
    padded = np.where(MASK[..., None], TOKENS, np.nan).astype("float32")
    outputs = layer(x, padded, tokens_mask=MASK)
    for row, length in enumerate((5, 2)):
        rows = slice(row, row + 1)
        expected = layer(x[rows], TOKENS[rows, :length])
        assert_close(outputs[rows], expected, atol=1e-5)
    assert_close(outputs[2], x[2], atol=0)  # It has no tokens.


def test_mask_of_keras(tmp_path):
    ids = np.array([[1, 2, 0], [3, 0, 0], [1, 1, 1]])
    x = features(2, 4)
    inputs = [keras.Input((2, 4)), keras.Input((3,), dtype="int32")]
    embedding = keras.layers.Embedding(4, 6, mask_zero=True)
    layer = TokenAttention(**KWARGS)
    model = keras.Model(inputs, layer(inputs[0], embedding(inputs[1])))
    randomize_weights(model)
    expected = layer(x, embedding(ids), tokens_mask=ids != 0)
    assert_close(model([x, ids]), expected, atol=1e-6)
    without = layer(x, embedding(ids).numpy())
    assert np.abs(without - expected).max() > 0.01
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(loaded([x, ids]), expected, atol=1e-6)


def test_explicit_mask_in_a_functional_model():
    inputs = [
        keras.Input((2, 4)),
        keras.Input((None, 6)),
        keras.Input((None,), dtype="bool"),
    ]
    layer = TokenAttention(**KWARGS)
    outputs = layer(*inputs[:2], tokens_mask=inputs[2])
    model = keras.Model(inputs, outputs)
    assert outputs.shape == (None, 2, 4)
    randomize_weights(model)
    x = features(2, 4)
    expected = layer(x, TOKENS, tokens_mask=MASK)
    assert_close(model([x, TOKENS, MASK]), expected, atol=1e-6)


def test_gradient_starts_at_the_gate():
    x, layer = tf.constant(features(2, 4)), TokenAttention(**KWARGS)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x, TOKENS) ** 2)
    gradient = tape.gradient(loss, layer.gate.value)
    assert np.abs(gradient).min() > 0


def test_r1():
    layer = TokenAttention(**KWARGS, dtype="float64")
    x = features(4, 2, dtype="float64")
    tokens = TOKENS.astype("float64")
    layer(x, tokens)
    randomize_weights(layer)
    check_r1(
        lambda x: keras.ops.tanh(layer(x, tokens, tokens_mask=MASK)),
        x,
        layer.trainable_weights,
        rtol=1e-4,
    )


@pytest.mark.parametrize("name", ["num_heads", "key_dim"])
def test_wrong_arguments(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive"):
        TokenAttention(**{name: 0})


def test_wrong_ranks():
    with pytest.raises(ValueError, match="`tokens` must have shape"):
        TokenAttention()(features(4), TOKENS[:, 0])
    with pytest.raises(ValueError, match="`x` must have shape"):
        TokenAttention()(np.ones(4), TOKENS)
