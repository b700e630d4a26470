"""Log-mel spectrograms into sound."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.datasets.collection import emoji
from keras_xmodal.networks import GriffinLim, SpeechPreprocessor
from tests.helpers import assert_close

SHORT = {"duration": 0.1, "num_mel_bins": 20, "min_frequency": 60.0}
SHAPE = (10, 20)


@pytest.fixture
def spectrograms():
    seconds = np.arange(800) / 8000
    tones = np.sin(2 * np.pi * seconds * np.array([[440.0], [1000.0]]))
    return SpeechPreprocessor(**SHORT)(tones)


def make(**kwargs):
    return GriffinLim(SpeechPreprocessor(**SHORT), **kwargs)


def test_layer(spectrograms, tmp_path):
    kwargs = {"num_iterations": 3, "momentum": 0.5, "peak": 0.7}
    layer = make(**kwargs)
    config = layer.get_config()
    assert {name: config[name] for name in kwargs} == kwargs
    revived = GriffinLim.from_config(config)
    assert revived.get_config() == config
    assert revived.preprocessor.get_config() == layer.preprocessor.get_config()
    outputs = layer(spectrograms)
    assert outputs.shape == (2, 800)
    symbolic = layer(keras.KerasTensor((None, *SHAPE)))
    assert symbolic.shape == (None, 800)
    half = make(**kwargs, dtype="mixed_bfloat16")(spectrograms)
    assert half.dtype == "float32"
    assert_close(half, outputs, atol=1e-3)
    model = keras.Sequential([keras.Input(SHAPE), layer])
    model.save(tmp_path / "layer.keras")
    loaded = keras.saving.load_model(tmp_path / "layer.keras")
    assert_close(loaded(spectrograms), outputs, atol=1e-5)
    model.export(str(tmp_path / "layer"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "layer")).serve(spectrograms)
    assert_close(served, outputs, atol=1e-3)


def test_a_tone_is_heard_again(spectrograms):
    waveforms = make()(spectrograms).numpy()
    loudest = np.abs(np.fft.rfft(waveforms[:, 100:-200], 8000)).argmax(axis=1)
    assert abs(loudest[0] - 440) < 40
    assert abs(loudest[1] - 1000) < 40
    # From the loudest to 30 dB below it.
    again = make().preprocessor(waveforms).numpy()
    loud = spectrograms.numpy() > 0.5
    assert np.abs(again - spectrograms)[loud].mean() < 0.04


def test_peak_and_silence(spectrograms):
    waveforms = make(num_iterations=2, peak=0.5)(spectrograms).numpy()
    assert_close(
        np.abs(waveforms).max(axis=1), np.float32([0.5] * 2), rtol=1e-5
    )
    silence = make(num_iterations=2)(np.zeros((2, *SHAPE), "float32"))
    assert_close(silence, np.zeros((2, 800), "float32"), atol=0)
    for value in (-1e9, 1e9):
        loud = make(num_iterations=2)(np.full((1, *SHAPE), value, "float32"))
        assert np.isfinite(loud).all()


def test_batches_channels_and_graphs(spectrograms):
    layer = make(num_iterations=4)
    expected = layer(spectrograms)
    assert_close(layer(spectrograms[1:]), expected[1:], atol=1e-3)
    assert_close(layer(spectrograms[..., None]), expected, atol=1e-6)
    for kwargs in ({"jit_compile": True}, {}):
        function = tf.function(layer, **kwargs)
        assert_close(function(spectrograms), expected, atol=2e-3)


@pytest.mark.parametrize("shape", [(2, 10), (2, 9, 20), (2, 10, 20, 3)])
def test_wrong_shape(shape):
    with pytest.raises(ValueError, match="`inputs` must have shape"):
        make()(np.zeros(shape, "float32"))
    with pytest.raises(ValueError, match="`inputs` must have shape"):
        make().compute_output_shape(shape)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"num_iterations": -1}, "`num_iterations` must be a non-negative"),
        ({"momentum": 1.5}, r"`momentum` must be in \[0, 1\]"),
        ({"peak": 0}, r"`peak` must be in \(0, 1\]"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        make(**kwargs)


def test_wrong_preprocessor():
    with pytest.raises(TypeError, match="`preprocessor` must be a SpeechPre"):
        GriffinLim(keras.layers.Dense(1))


def recordings(count):
    """The first words of the sample, each of four voices."""
    speech = emoji.read_speech()
    labels = speech["labels"]
    words = sorted(set(labels))[:count]
    chosen = np.flatnonzero(np.isin(labels, words))
    starts = speech["offsets"]
    waveforms = np.zeros((len(chosen), 8192), "float32")
    for row, index in zip(waveforms, chosen, strict=True):
        sound = emoji.expand_mulaw(
            speech["mulaw"][starts[index] : starts[index + 1]]
        )
        row[: len(sound)] = sound
    return waveforms, labels[chosen], speech["voices"][chosen]


def accuracy(spectrograms, queries, labels, voices):
    """Of the nearest word of the other voices, averaged over the voices."""
    queries, spectrograms = (
        np.reshape(x, (len(x), -1)) for x in (queries, spectrograms)
    )
    distances = np.linalg.norm(queries[:, None] - spectrograms[None], axis=2)
    distances[voices[:, None] == voices[None]] = np.inf
    return np.mean(labels[distances.argmin(axis=1)] == labels)


def test_words_stay_what_they_are():
    waveforms, labels, voices = recordings(15)
    preprocessor = SpeechPreprocessor(duration=1.024)
    original = preprocessor(waveforms).numpy()
    sounds = tf.function(GriffinLim(preprocessor))(original)
    again = preprocessor(sounds).numpy()

    # Silence, the trivial baseline, is off by the mean of the original.
    difference = np.abs(again - original).mean()
    assert difference < 0.01
    assert difference < 0.05 * original.mean()
    assert np.corrcoef(again.ravel(), original.ravel())[0, 1] > 0.99

    before = accuracy(original, original, labels, voices)
    after = accuracy(original, again, labels, voices)
    assert before > 5 / 15  # far above chance
    assert after > before - 0.05
