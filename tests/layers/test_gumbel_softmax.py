import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers import GumbelSoftmax
from keras_xmodal.ops.gumbel import gumbel_softmax, stateless_gumbel
from keras_xmodal.ops.noise import fold_in
from tests.helpers import assert_close, check_layer

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 1.5, (16, 3, 5)).astype("float32")
SEEDS = np.arange(100, 116, dtype="int32")


@pytest.mark.parametrize("hard", [True, False])
def test_layer(hard, tmp_path):
    kwargs = {"temperature": 0.7, "hard": hard, "seed": 5, "name": "tokens"}
    check_layer(
        GumbelSoftmax, kwargs, tf.constant(LOGITS), LOGITS.shape, tmp_path
    )


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5)])
def test_any_rank(shape):
    x = RNG.normal(size=(4, *shape)).astype("float32")
    values = GumbelSoftmax(seed=1)(x, training=True).numpy()
    assert values.shape == x.shape
    assert set(np.unique(values)) == {0.0, 1.0}
    np.testing.assert_array_equal(values.sum(axis=-1), 1.0)


def test_inference_has_no_noise():
    layer = GumbelSoftmax(seed=1)
    first = layer(LOGITS).numpy()
    np.testing.assert_array_equal(first.argmax(-1), LOGITS.argmax(-1))
    np.testing.assert_array_equal(first, layer(LOGITS, training=False))
    assert int(layer.step) == 0
    soft = GumbelSoftmax(temperature=0.5, hard=False)(LOGITS)
    assert_close(soft, keras.ops.softmax(2 * LOGITS), atol=1e-6)


def test_noise_of_training():
    """It is that of the seed, the step and the row."""
    layer = GumbelSoftmax(temperature=0.7, hard=False, seed=9)
    for step in range(3):
        assert int(layer.step) == step
        seeds = fold_in(fold_in(9, step), np.arange(16))
        noise = stateless_gumbel(LOGITS.shape, seeds)
        expected = gumbel_softmax(LOGITS, noise, 0.7, hard=False)
        assert_close(layer(LOGITS, training=True), expected, atol=1e-6)
    # A smaller batch begins as a larger one.
    small, large = (GumbelSoftmax(hard=False, seed=2) for _ in range(2))
    assert_close(
        small(LOGITS[:6], training=True),
        large(LOGITS, training=True)[:6],
        atol=1e-6,
    )


def test_other_seeds_give_other_noise():
    draws = [
        GumbelSoftmax(hard=False, seed=seed)(LOGITS, training=True).numpy()
        for seed in (1, 1, 2, None, None)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    for a, b in ((0, 2), (0, 3), (3, 4)):
        assert np.abs(draws[a] - draws[b]).max() > 0.1
    layer = GumbelSoftmax()
    assert layer.get_config()["seed"] == layer.seed  # the one that was drawn


@pytest.mark.parametrize("training", [True, False])
def test_seeds_of_a_call(training):
    layer = GumbelSoftmax(hard=False, seed=1)
    values = layer(LOGITS, seed=SEEDS, training=training)
    noise = stateless_gumbel(LOGITS.shape, SEEDS)
    assert_close(values, gumbel_softmax(LOGITS, noise, hard=False), atol=1e-6)
    assert int(layer.step) == 0
    # An example does not see the others, nor where it is in the batch.
    rows = layer(LOGITS[5:8], seed=SEEDS[5:8])
    assert_close(rows, values[5:8], atol=1e-6)


@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("jit", [True, False])
def test_jit_and_graph_equal_eager(hard, jit):
    eager, layer = (GumbelSoftmax(0.7, hard, seed=3) for _ in range(2))
    layer.build(LOGITS.shape)
    function = tf.function(
        lambda x: layer(x, training=True),
        input_signature=[tf.TensorSpec((None, None, 5))],
        jit_compile=jit,
    )
    for step in range(3):
        x = LOGITS[step:]
        values = function(tf.constant(x))
        assert_close(values, eager(x, training=True), atol=1e-6)
        assert int(layer.step) == step + 1
        if hard:
            assert set(np.unique(values)) == {0.0, 1.0}


def test_gradient_passes():
    x, gradients = tf.constant(LOGITS), []
    for hard in (True, False):
        layer = GumbelSoftmax(0.7, hard, seed=4)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(layer(x, training=True)[..., 0])
        gradients.append(tape.gradient(value, x).numpy())
    np.testing.assert_array_equal(*gradients)
    assert np.abs(gradients[0]).min(axis=-1).max() > 0


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_noise_is_not_rounded(policy):
    values = [
        GumbelSoftmax(0.7, hard=False, seed=4, dtype=p)(LOGITS, training=True)
        for p in (policy, "float32")
    ]
    assert values[0].dtype == "float32"
    np.testing.assert_array_equal(*values)


def test_going_on_after_loading(tmp_path):
    model = keras.Sequential([keras.Input((3, 5)), GumbelSoftmax()])
    for _ in range(2):
        model(LOGITS, training=True)
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert int(loaded.layers[-1].step) == 2
    for _ in range(2):
        np.testing.assert_array_equal(
            loaded(LOGITS, training=True), model(LOGITS, training=True)
        )


def test_a_stateless_scope_drops_the_step():
    layer = GumbelSoftmax(seed=1)
    with keras.StatelessScope():
        inside = layer(LOGITS, training=True)
    assert int(layer.step) == 0
    np.testing.assert_array_equal(inside, layer(LOGITS, training=True))


def test_wrong_temperature():
    with pytest.raises(ValueError, match="`temperature` must be a positive"):
        GumbelSoftmax(0)


@pytest.mark.parametrize("shape", [(None,), (None, 3, None)])
def test_wrong_shape(shape):
    with pytest.raises(ValueError, match="`x` must have shape"):
        GumbelSoftmax()(keras.KerasTensor(shape))


@pytest.mark.parametrize("seed", [5, [1], [1, 2, 3], [[1, 2]]])
def test_one_seed_for_each_example(seed):
    with pytest.raises(ValueError, match=r"`seed` must have shape \(2,\)"):
        GumbelSoftmax()(np.zeros((2, 5)), seed=seed)
