"""Random masks on spectrograms."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers import SpecAugment
from tests.helpers import assert_close, check_layer


def hidden_of(layer, count=200, shape=(30, 20), **kwargs):
    """Where the layer hides ones: `(batch, frames, bins)`, booleans."""
    outputs = layer(np.ones((count, *shape), "float32"), **kwargs)
    return np.asarray(outputs) == layer.mask_value


def runs(flags):
    """Number of stretches of true values in each row."""
    padded = np.pad(flags.astype(int), ((0, 0), (1, 0)))
    return np.sum(np.diff(padded, axis=1) == 1, axis=1)


def test_layer(tmp_path):
    kwargs = {
        "num_frequency_masks": 1,
        "max_frequency_mask": 5,
        "num_time_masks": 3,
        "max_time_mask": 4,
        "max_time_ratio": 0.5,
        "mask_value": -1.0,
        "seed": 7,
    }
    x = tf.random.stateless_normal((3, 30, 20), (1, 2))
    layer = check_layer(SpecAugment, kwargs, x, (3, 30, 20), tmp_path)
    assert_close(layer(x), x, atol=0)  # not in training
    half = SpecAugment(**kwargs, dtype="mixed_bfloat16")
    assert half(x, training=True).dtype == "bfloat16"


def test_masks_are_as_many_and_as_large_as_asked_for():
    layer = SpecAugment(2, 6, 0, 0, seed=1)
    hidden = hidden_of(layer, training=True)
    assert (hidden == hidden[:, :1]).all()  # whole bands
    bands = hidden[:, 0]
    assert runs(bands).max() == 2
    sizes = bands.sum(axis=1)
    assert sizes.min() == 0
    assert 10 < sizes.max() <= 12
    # Widths of 0 to 6, less what overlaps.
    assert 4.8 < sizes.mean() < 6
    # Every bin is hidden now and then, also the first and the last.
    assert bands.mean(axis=0).min() > 0.05

    layer = SpecAugment(0, 0, 1, 9, seed=1)
    hidden = hidden_of(layer, training=True)
    assert (hidden == hidden[:, :, :1]).all()  # whole frames
    frames = hidden[:, :, 0]
    assert runs(frames).max() == 1
    assert set(frames.sum(axis=1)) == set(range(7))  # a fifth of 30 at most
    assert frames.mean(axis=0).min() > 0.02


def test_what_is_not_hidden_is_left_alone():
    x = np.random.default_rng(0).normal(size=(4, 30, 20)).astype("float32")
    layer = SpecAugment(mask_value=9.0, seed=1)
    outputs = layer(x, training=True).numpy()
    assert 0.05 < np.mean(outputs == 9) < 0.95
    assert np.all((outputs == x) | (outputs == 9))


def test_seeds_decide_row_by_row():
    layer = SpecAugment(seed=1)
    seeds = np.array([5, 6, 5])
    hidden = hidden_of(layer, 3, seed=seeds)
    assert (hidden[0] == hidden[2]).all()
    assert (hidden[0] != hidden[1]).any()
    assert (hidden_of(layer, 2, seed=seeds[1:]) == hidden[1:]).all()
    assert int(layer.step) == 0


def test_training_goes_on_where_it_stopped(tmp_path):
    inputs = keras.Input((30, 20))
    model = keras.Model(inputs, SpecAugment(seed=1)(inputs))
    x = np.ones((3, 30, 20), "float32")
    first, second = (model(x, training=True).numpy() for _ in range(2))
    assert (first != second).any()
    assert (first[0] != first[1]).any()
    fresh = SpecAugment(seed=1)
    assert_close(fresh(x, training=True), first, atol=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    third = model(x, training=True)
    assert_close(loaded(x, training=True), third, atol=0)


def test_graph_and_xla_equal_eager():
    x = tf.random.stateless_normal((3, 30, 20), (1, 2))
    layer = SpecAugment(seed=1)
    expected = layer(x, seed=tf.range(3))
    signature = [
        tf.TensorSpec((None, None, 20)),
        tf.TensorSpec((None,), "int32"),
    ]
    graph = tf.function(
        lambda x, seed: layer(x, seed=seed), input_signature=signature
    )
    assert_close(graph(x, tf.range(3)), expected, atol=0)
    jitted = tf.function(lambda x, s: layer(x, seed=s), jit_compile=True)
    assert_close(jitted(x, tf.range(3)), expected, atol=0)


def test_channels_are_masked_alike_and_gradients_pass():
    x = tf.ones((3, 30, 20, 2))
    layer = SpecAugment(seed=1)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, seed=tf.range(3))
    assert_close(outputs[..., 0], outputs[..., 1], atol=0)
    assert_close(tape.gradient(outputs, x), outputs, atol=0)


def test_masks_as_large_as_the_spectrogram():
    layer = SpecAugment(1, 20, 1, 100, max_time_ratio=1.0, seed=1)
    sizes = hidden_of(layer, 300, training=True)
    assert sizes.all(axis=(1, 2)).any()
    none = SpecAugment(0, 0, 0, 0)
    assert not hidden_of(none, 3, training=True).any()


@pytest.mark.parametrize(
    "name",
    [
        "num_frequency_masks",
        "max_frequency_mask",
        "num_time_masks",
        "max_time_mask",
    ],
)
def test_wrong_sizes(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a non-negative"):
        SpecAugment(**{name: -1})


def test_wrong_ratio():
    with pytest.raises(ValueError, match="`max_time_ratio` must be in"):
        SpecAugment(max_time_ratio=1.5)


def test_wrong_input():
    with pytest.raises(ValueError, match="`x` must have shape"):
        SpecAugment()(np.ones((3, 30)), training=True)
    with pytest.raises(ValueError, match="must not exceed the number of bins"):
        SpecAugment(max_frequency_mask=21)(np.ones((3, 30, 20)))


@pytest.mark.parametrize("seed", [5, [1], [1, 2, 3], [[1, 2]]])
def test_one_seed_for_each_example(seed):
    with pytest.raises(ValueError, match=r"`seed` must have shape \(2,\)"):
        SpecAugment()(np.zeros((2, 8, 8)), seed=seed)
