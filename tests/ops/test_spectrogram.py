"""From spectrograms to waveforms, the maths."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_xmodal.ops.spectrogram import griffin_lim, mel_to_power
from tests.helpers import assert_close


def magnitudes_of(waveforms):
    waveforms = tf.constant(waveforms, tf.float32)
    real, imaginary = ops.stft(waveforms, 40, 10, 64)
    return ops.sqrt(real**2 + imaginary**2)


@pytest.fixture
def waveforms():
    seconds = np.arange(400) / 8000
    sweep = np.sin(2 * np.pi * (300 + 8000 * seconds) * seconds)
    two = np.sin(2 * np.pi * 700 * seconds) + np.sin(2 * np.pi * 1900 * seconds)
    return np.stack([sweep, two * np.hanning(400)]).astype("float32")


def error(waveforms, magnitudes):
    """Spectral convergence: of the magnitudes, relative to their norm."""
    difference = magnitudes_of(waveforms) - magnitudes
    norms = [np.linalg.norm(np.ravel(x)) for x in (difference, magnitudes)]
    return norms[0] / norms[1]


def test_magnitudes_come_near(waveforms):
    target = magnitudes_of(waveforms)
    errors = {
        (steps, momentum): error(
            griffin_lim(target, 40, 10, 64, steps, momentum), target
        )
        for steps, momentum in ((0, 0.0), (30, 0.0), (30, 0.99))
    }
    assert errors[30, 0.0] < 0.5 * errors[0, 0.0]
    assert errors[30, 0.99] < errors[30, 0.0]  # as the paper says
    assert errors[30, 0.99] < 0.1


def test_it_depends_on_magnitudes_and_seed_alone(waveforms):
    target = magnitudes_of(waveforms)
    together = griffin_lim(target, 40, 10, 64, 5)
    assert together.shape == (2, 400)
    alone = griffin_lim(target[1:], 40, 10, 64, 5)
    assert_close(together[1:], alone, atol=1e-4)
    other = griffin_lim(target, 40, 10, 64, 5, seed=1)
    assert np.abs(other - together).max() > 0.1


def test_graph_and_xla_equal_eager(waveforms):
    target = magnitudes_of(waveforms)
    expected = griffin_lim(target, 40, 10, 64, 5)

    def compute(x):
        return griffin_lim(x, 40, 10, 64, 5)

    open_batch = tf.TensorSpec((None, *target.shape[1:]), tf.float32)
    graph = tf.function(compute, input_signature=[open_batch])
    assert_close(graph(target), expected, atol=1e-3)
    jitted = tf.function(compute, jit_compile=True)
    assert_close(jitted(target), expected, atol=1e-3)


def test_silence():
    waveforms = griffin_lim(tf.zeros((1, 9, 33)), 40, 10, 64, 3)
    assert_close(waveforms, np.zeros((1, 80), "float32"), atol=0)


@pytest.mark.parametrize("shape", [(9, 33), (1, 9, 32)])
def test_wrong_magnitudes(shape):
    with pytest.raises(ValueError, match="`magnitudes` must have shape"):
        griffin_lim(tf.zeros(shape), 40, 10, 64)


def test_too_few_frames():
    with pytest.raises(ValueError, match="`magnitudes` must be of more than"):
        griffin_lim(tf.zeros((1, 4, 33)), 40, 10, 64)


def test_mel_is_inverted():
    rng = np.random.default_rng(0)
    # Triangles of different widths; no bin has the first frequency.
    edges = np.array([0, 1, 2, 4, 8, 15])
    frequencies = np.arange(16)[:, None]
    rise = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    matrix = np.clip(np.minimum(rise, fall), 0, None).astype("float32")
    power = rng.exponential(size=(2, 3, 16)).astype("float32") ** 4
    mel = power @ matrix
    found = mel_to_power(mel, matrix, num_iterations=200).numpy()
    assert found.shape == power.shape
    assert (found >= 0).all()
    assert (found[..., 0] == 0).all()
    assert_close(found @ matrix, mel, rtol=0.02)
    jitted = tf.function(mel_to_power, jit_compile=True)
    assert_close(jitted(mel, matrix) @ matrix, mel, rtol=0.2)
    assert_close(mel_to_power(mel * 0, matrix), power * 0, atol=0)
