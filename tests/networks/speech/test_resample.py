"""Waveforms at another sampling rate."""

import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from keras_xmodal.networks.speech.resample import num_input_samples, resample
from tests.helpers import assert_close

GRAPH = tf.function(
    resample,
    input_signature=[
        tf.TensorSpec((None, None), tf.float32),
        tf.TensorSpec((), tf.int32),
        tf.TensorSpec((), tf.int32),
    ],
)


@pytest.mark.parametrize(
    ("input_rate", "output_rate", "length"),
    [
        (44100, 8000, 5000),
        (48000, 8000, 3001),
        (8000, 16000, 777),
        (8000, 11025, 500),
        (8001, 8000, 400),
        (22050, 8000, 8),
        (16000, 8000, 1),
    ],
)
def test_equals_scipy(input_rate, output_rate, length):
    x = np.random.default_rng(0).normal(size=(2, length)).astype("float32")
    divisor = np.gcd(input_rate, output_rate)
    expected = scipy.signal.resample_poly(
        x.astype("float64"),
        output_rate // divisor,
        input_rate // divisor,
        axis=1,
    )
    # The rates are known only when the graph runs.
    outputs = GRAPH(x, input_rate, output_rate)
    assert_close(outputs, expected.astype("float32"), atol=1e-6)
    if length < 1000:
        eager = resample(tf.constant(x), input_rate, output_rate)
        assert_close(eager, outputs, atol=1e-6)


def test_same_rate_is_left_alone():
    x = tf.random.stateless_normal((2, 9), (1, 2))
    assert resample(x, 8000, 8000) is x
    assert_close(GRAPH(x, 8000, 8000), x, atol=0)


def test_there_is_no_aliasing():
    seconds = np.arange(4800) / 48000
    tones = np.sin(2 * np.pi * np.array([[1000.0], [7000.0]]) * seconds)
    outputs = resample(tf.constant(tones, tf.float32), 48000, 8000).numpy()
    middle = outputs[:, 100:-100]
    # 7 kHz would be heard as 1 kHz.
    assert np.abs(middle[1]).max() < 0.003
    expected = np.sin(2 * np.pi * 1000 * np.arange(800) / 8000)[100:-100]
    assert_close(middle[0], expected.astype("float32"), atol=0.003)


@pytest.mark.parametrize(
    ("frequency", "decibels"), [(8080, -7), (9000, -31), (9600, -55)]
)
def test_how_loud_an_alias_is(frequency, decibels):
    """The figures of the documentation."""
    tone = np.sin(2 * np.pi * frequency * np.arange(44100) / 44100)
    outputs = resample(tf.constant(tone[None], tf.float32), 44100, 16000)
    loudness = 20 * np.log10(np.std(outputs[0, 500:-500]) / np.std(tone))
    assert loudness == pytest.approx(decibels, abs=1)


@pytest.mark.parametrize(
    ("input_rate", "output_rate"),
    [(44100, 8000), (8000, 44100), (8001, 8000), (48000, 8000)],
)
def test_number_of_samples_that_the_first_outputs_need(input_rate, output_rate):
    x = tf.random.stateless_normal((1, 3000), (1, 2))
    needed = int(num_input_samples(50, input_rate, output_rate))
    assert needed < 3000
    some = GRAPH(x[:, :needed], input_rate, output_rate)[:, :50]
    every = GRAPH(x, input_rate, output_rate)[:, :50]
    assert_close(some, every, atol=1e-6)


def test_no_waveform_and_no_sample():
    assert GRAPH(tf.zeros((0, 90)), 16000, 8000).shape == (0, 45)
    assert GRAPH(tf.zeros((2, 0)), 16000, 8000).shape == (2, 0)
