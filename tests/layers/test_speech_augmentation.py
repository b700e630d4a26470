"""Random changes of waveforms."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers import SpeechAugmentation
from tests.helpers import assert_close, check_layer


def test_layer(tmp_path):
    kwargs = {"time_shift": 0.2, "noise": 0.3, "speed": 0.1, "seed": 7}
    x = tf.random.stateless_normal((3, 50), (1, 2))
    layer = check_layer(SpeechAugmentation, kwargs, x, (3, 50), tmp_path)
    assert_close(layer(x), x, atol=0)  # not in training
    outputs = layer(tf.cast(x, "float64"), training=True)
    assert outputs.dtype == "float32"


def test_shifts_are_within_their_limit_and_bring_silence():
    x = np.zeros((400, 41), "float32")
    x[:, 20] = 3.0
    layer = SpeechAugmentation(time_shift=0.25, noise=0.0, seed=1)
    outputs = layer(x, training=True).numpy()
    assert (np.sort(outputs, axis=1) == np.sort(x, axis=1)).all()
    shifts = outputs.argmax(axis=1) - 20
    assert set(shifts) == set(range(-10, 11))
    x[:] = 1.0  # nothing comes round from the other end
    layer = SpeechAugmentation(time_shift=0.25, noise=0.0, seed=1)
    outputs = layer(x, training=True).numpy()
    assert_close(outputs.sum(axis=1), 41.0 - np.abs(shifts), atol=0)
    assert set(np.unique(outputs)) == {0.0, 1.0}


def test_noise_is_relative_to_the_waveform():
    x = np.stack([np.full(5000, 0.5), np.full(5000, 1e-3), np.zeros(5000)])
    x = np.tile(x, (50, 1)).astype("float32")
    layer = SpeechAugmentation(time_shift=0.0, noise=0.2, seed=1)
    noise = layer(x, training=True).numpy() - x
    level = noise.std(axis=1).reshape(-1, 3)
    assert (level[:, 2] == 0).all()
    for column, scale in ((0, 0.5), (1, 1e-3)):
        relative = level[:, column] / scale
        assert 0 < relative.min() < 0.03
        assert 0.17 < relative.max() < 0.21
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 0.05


def test_speed_changes_pitch_and_length_alike():
    samples, tone = np.arange(2000), 2 * np.pi / 20
    x = np.where(samples < 1000, np.sin(tone * samples), 0.0)
    layer = SpeechAugmentation(time_shift=0.0, noise=0.0, speed=0.25, seed=1)
    outputs = layer(np.tile(x, (300, 1)), training=True).numpy()
    lengths = np.array([np.flatnonzero(row)[-1] + 1 for row in outputs])
    speeds = 1000 / lengths
    assert 0.79 < speeds.min() < 0.82
    assert 1.22 < speeds.max() < 1.26
    assert abs(np.log(speeds).mean()) < 0.03  # as often faster as slower
    for row, speed in zip(outputs[:20], speeds[:20], strict=True):
        expected = np.sin(tone * speed * samples[:150])
        assert_close(row[:150], expected, atol=0.08)


def test_the_seed_decides_and_training_goes_on(tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 60)).astype("float32")
    inputs = keras.Input((60,))
    model = keras.Model(inputs, SpeechAugmentation(speed=0.1, seed=1)(inputs))
    first, second = (model(x, training=True).numpy() for _ in range(2))
    assert (first != second).any()
    fresh = SpeechAugmentation(speed=0.1, seed=1)
    assert_close(fresh(x, training=True), first, atol=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    third = model(x, training=True)
    assert_close(loaded(x, training=True), third, atol=0)


def test_tf_data_and_xla_equal_eager():
    x = np.random.default_rng(0).normal(size=(4, 60)).astype("float32")
    eager = SpeechAugmentation(speed=0.1, seed=1)
    expected = [eager(x[:2], training=True), eager(x[2:], training=True)]
    layer = SpeechAugmentation(speed=0.1, seed=1)
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(2)
    dataset = dataset.map(lambda x: layer(x, training=True))
    for outputs, one in zip(dataset, expected, strict=True):
        assert_close(outputs, one, atol=1e-6)
    layer = SpeechAugmentation(speed=0.1, seed=1)
    layer.build((2, 60))
    jitted = tf.function(lambda x: layer(x, training=True), jit_compile=True)
    assert_close(jitted(x[:2]), expected[0], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("time_shift", 1.5, r"must be in \[0, 1\]"),
        ("speed", 1.5, r"must be in \[0, 1\]"),
        ("noise", -0.1, "must be a non-negative number"),
    ],
)
def test_wrong_arguments(name, value, match):
    with pytest.raises(ValueError, match=f"`{name}` {match}"):
        SpeechAugmentation(**{name: value})


def test_wrong_rank():
    with pytest.raises(ValueError, match="`waveforms` must have shape"):
        SpeechAugmentation()(np.ones((3, 50, 1)), training=True)


def test_integers_are_no_waveforms():
    with pytest.raises(TypeError, match=r"`waveforms` must be floats.*int16"):
        SpeechAugmentation()(np.zeros((1, 800), "int16"))
