"""Recordings into log-mel spectrograms."""

import io
import struct

import keras
import numpy as np
import pytest
import scipy.io.wavfile
import scipy.signal
import tensorflow as tf

from keras_xmodal import export
from keras_xmodal.layers import SpeechAugmentation
from keras_xmodal.models import EmbeddingModel
from keras_xmodal.networks import SpeechPreprocessor
from tests.helpers import assert_close, check_layer

SHORT = {
    "duration": 0.1,
    "num_mel_bins": 12,
    "frame_length": 0.03,
    "frame_step": 0.0125,
    "min_frequency": 50.0,
    "max_frequency": 3800.0,
    "dynamic_range": 50.0,
}
SHAPE = (8, 12)


@pytest.fixture
def waveforms():
    """Sounds of 0.1 s at 8 kHz, of different loudness, with padding."""
    rng = np.random.default_rng(0)
    seconds = np.arange(800) / 8000
    sounds = rng.normal(size=(3, 800)) * 0.01
    sounds += np.sin(2 * np.pi * seconds * np.array([[300], [900], [2500]]))
    sounds *= np.array([[0.5], [0.05], [0.2]])
    sounds[1, 500:] = 0
    return sounds.astype("float32")


def to_wav(waveform, rate=8000):
    file = io.BytesIO()
    scipy.io.wavfile.write(file, rate, np.asarray(waveform))
    return file.getvalue()


def log_mel(waveforms):
    """What `SHORT` asks for, by definition, in float64."""
    length, step, fft_length = 240, 100, 256
    window = scipy.signal.get_window("hann", length)
    matrix = np.zeros((fft_length // 2 + 1, 12))

    def to_mel(frequency):
        return 2595 * np.log10(1 + frequency / 700)

    edges = np.linspace(to_mel(50), to_mel(3800), 14)
    for k in range(1, fft_length // 2 + 1):
        mel = to_mel(k * 8000 / fft_length)
        for b in range(12):
            low, center, high = edges[b : b + 3]
            rise, fall = (
                (mel - low) / (center - low),
                (high - mel) / (high - center),
            )
            matrix[k, b] = max(0, min(rise, fall))
    results = []
    for waveform in waveforms.astype("float64"):
        mirrored = np.pad(waveform, fft_length // 2, mode="reflect")
        rows = []
        for frame in range(8):
            # The window lies in the middle of the Fourier transform.
            start = frame * step + (fft_length - length) // 2
            spectrum = np.fft.rfft(
                mirrored[start : start + length] * window, fft_length
            )
            rows.append(np.abs(spectrum) ** 2 @ matrix)
        mel = np.array(rows)
        decibels = 10 * np.log10(np.maximum(mel / mel.max(), 1e-30))
        results.append(np.clip(1 + decibels / 50, 0, 1))
    return np.array(results)


def test_layer(waveforms, tmp_path):
    augmentation = SpeechAugmentation(time_shift=0.2, seed=3)
    kwargs = {
        **SHORT,
        "sampling_rate": 16000,
        "fft_length": 600,
        "max_frequency": 7000,
        "input_sampling_rate": 8000,
        "augmentation": augmentation,
    }
    layer = check_layer(
        SpeechPreprocessor,
        kwargs,
        tf.constant(waveforms),
        (3, *SHAPE),
        tmp_path,
    )
    assert layer.augmentation.get_config() == augmentation.get_config()


def test_equals_its_definition(waveforms):
    outputs = SpeechPreprocessor(**SHORT)(waveforms)
    assert outputs.dtype == "float32"
    assert_close(outputs, log_mel(waveforms).astype("float32"), atol=1e-4)
    assert np.ptp(outputs) == 1


def test_loudness_and_later_padding_do_not_matter(waveforms):
    layer = SpeechPreprocessor(**SHORT)
    expected = layer(waveforms)
    for scale in (1e-4, 32768.0):
        assert_close(layer(waveforms * np.float32(scale)), expected, atol=1e-4)
    longer = np.pad(waveforms, ((0, 0), (0, 333)))
    assert_close(layer(longer), expected, atol=1e-6)
    assert_close(layer(waveforms[1:2, :500]), expected[1:2], atol=1e-5)


def test_an_example_does_not_depend_on_its_batch(waveforms):
    layer = SpeechPreprocessor(**SHORT)
    assert_close(layer(waveforms[1:2]), layer(waveforms)[1:2], atol=1e-5)
    assert_close(layer(waveforms[1]), layer(waveforms)[1], atol=1e-5)
    assert layer(tf.zeros((0, 800))).shape == (0, *SHAPE)


def test_silence_and_a_millisecond():
    layer = SpeechPreprocessor(**SHORT)
    silence = layer(np.zeros((2, 800), "float32"))
    assert_close(silence, np.zeros((2, *SHAPE), "float32"), atol=0)
    assert np.all(layer(to_wav(np.zeros(100, "int16"))) == 0)
    assert np.all(layer(np.full((1, 800), 1e-25, "float32")) == 0)
    tone = np.sin(np.arange(8)).astype("float32")
    for recording in (tone, to_wav(tone)):
        outputs = layer(recording).numpy()
        assert np.isfinite(outputs).all()
        assert outputs.max() == 1
        assert np.all(outputs[3:] == 0)
    assert np.isfinite(layer(tone[:1])).all()


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_files_of_any_rate_equal_waveforms(rate):
    rng = np.random.default_rng(1)
    seconds = np.arange(rate // 5) / rate
    sound = sum(
        np.sin(2 * np.pi * frequency * seconds + rng.uniform(0, 6))
        for frequency in (200, 1000, 2200)
    )
    stereo = np.stack([sound * 0.3, sound * 0.1], axis=1)
    stored = np.round(stereo * 32767).astype("int16")
    mono = (stored / 32768).mean(axis=1).astype("float32")
    divisor = np.gcd(rate, 8000)
    reference = scipy.signal.resample_poly(
        mono, 8000 // divisor, rate // divisor
    )
    expected = SpeechPreprocessor(**SHORT)(reference[None, :800])
    file = SpeechPreprocessor(**SHORT)(tf.constant([to_wav(stored, rate)]))
    assert_close(file, expected, atol=2e-4)
    # As a waveform of that rate.
    layer = SpeechPreprocessor(**SHORT, input_sampling_rate=rate)
    assert_close(layer(mono[None]), expected, atol=2e-4)


def test_graph_and_tf_data_equal_eager(waveforms):
    layer = SpeechPreprocessor(**SHORT)
    contents = [to_wav(waveforms[0]), to_wav(waveforms[1, :500])]
    contents.append(to_wav(np.repeat(waveforms[2], 2), 16000))
    expected = layer(np.array(contents, object))
    assert_close(layer(contents[1]), expected[1], atol=1e-6)
    signature = [tf.TensorSpec((None,), tf.string)]
    graph = tf.function(layer, input_signature=signature)
    assert_close(graph(tf.constant(contents)), expected, atol=1e-5)
    assert graph(tf.constant([], tf.string)).shape == (0, *SHAPE)
    assert layer(tf.constant([], tf.string)).shape == (0, *SHAPE)
    dataset = tf.data.Dataset.from_tensor_slices(contents)
    batches = dataset.batch(3).map(layer, num_parallel_calls=2)
    assert batches.element_spec.shape.as_list() == [None, *SHAPE]
    assert_close(next(iter(batches)), expected, atol=1e-5)
    # Waveforms, also in XLA.
    expected = layer(waveforms)
    jitted = tf.function(layer, jit_compile=True)
    assert_close(jitted(tf.constant(waveforms)), expected, atol=1e-4)
    dataset = tf.data.Dataset.from_tensor_slices(waveforms)
    assert_close(next(iter(dataset.map(layer))), expected[0], atol=1e-5)


def test_symbolic_shapes():
    layer = SpeechPreprocessor(**SHORT)
    for shape, dtype, expected in (
        ((), "string", SHAPE),
        ((None,), "string", (None, *SHAPE)),
        ((500,), "float32", SHAPE),
        ((None, 500), "float32", (None, *SHAPE)),
    ):
        assert layer(keras.KerasTensor(shape, dtype)).shape == expected
    assert layer.compute_output_shape((None,)) == (None, *SHAPE)
    assert layer.compute_output_shape((5, 900)) == (5, *SHAPE)


def test_augmentation_runs_in_training_only(waveforms):
    class Silence(keras.layers.Layer):
        def call(self, x, training=False):
            return x * 0.0

    layer = SpeechPreprocessor(**SHORT, augmentation=Silence())
    assert_close(layer(waveforms), SpeechPreprocessor(**SHORT)(waveforms))
    assert np.all(layer(waveforms, training=True) == 0)
    assert layer(waveforms[0], training=True).shape == SHAPE


def test_recordings_that_cannot_be_decoded(waveforms):
    layer = SpeechPreprocessor(**SHORT)
    contents = tf.constant([to_wav(waveforms[0]), b"MP3"])
    match = r"`speech\[1\]` must be a WAV file"
    with pytest.raises(ValueError, match=match):
        layer(contents)
    match = "`speech` must be a WAV file.* 3 bytes"
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        tf.function(layer)(contents)
    dataset = tf.data.Dataset.from_tensor_slices(contents).map(layer)
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        list(dataset)


@pytest.mark.parametrize("recordings", [0.5, [[[0.5]]], [[], []], [["a"]]])
def test_wrong_shape(recordings):
    with pytest.raises(ValueError, match="`speech` must have shape"):
        SpeechPreprocessor(**SHORT)(tf.constant(recordings))


@pytest.mark.parametrize("dtype", ["int16", "bool", "complex64"])
def test_wrong_dtype(dtype):
    with pytest.raises(TypeError, match="`speech` must be strings holding"):
        SpeechPreprocessor(**SHORT)(tf.zeros((2, 800), dtype))


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"sampling_rate": 0}, "`sampling_rate` must be a positive"),
        ({"num_mel_bins": 0}, "`num_mel_bins` must be a positive"),
        ({"fft_length": 0}, "`fft_length` must be a positive"),
        ({"input_sampling_rate": 0}, "`input_sampling_rate` must be"),
        ({"duration": 0}, "`duration` must be a positive"),
        ({"frame_length": -1}, "`frame_length` must be a positive"),
        ({"dynamic_range": 0}, "`dynamic_range` must be a positive"),
        ({"duration": 0.03}, "`duration` must hold .* 240 samples"),
        ({"frame_step": 0.04}, "`frame_step` must be a sample or more"),
        ({"fft_length": 128}, "must fit into `fft_length`"),
        (
            {"min_frequency": -1.0},
            "`min_frequency` must be a non-neg",
        ),
        ({"max_frequency": 5000.0}, "must not exceed half of `sampling_rate`"),
        ({"max_frequency": 0.0}, "`max_frequency` must be a positive number"),
        ({"num_mel_bins": 128}, "`num_mel_bins` must leave no bin without"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        SpeechPreprocessor(**{**SHORT, **kwargs})


def test_wrong_augmentation():
    with pytest.raises(TypeError, match="`augmentation` must be a Keras layer"):
        SpeechPreprocessor(augmentation=np.sin)


def test_it_travels_inside_a_saved_model(waveforms, tmp_path):
    model = EmbeddingModel(
        encoders={
            "speech": keras.Sequential(
                [keras.Input(SHAPE), keras.layers.Flatten()]
            ),
            "text": keras.Sequential([keras.Input((4,))]),
        },
        embedding_dim=3,
        preprocessors={"speech": SpeechPreprocessor(**SHORT)},
    )
    contents = [to_wav(waveform) for waveform in waveforms]
    examples = {"speech": contents, "text": np.ones((3, 4), "float32")}
    report = export.saved_model(
        model, tmp_path / "model", evaluation=(examples, None)
    )
    assert report["max_abs_error"] < 1e-4
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    embed = loaded.signatures["embed_speech_bytes"]
    # Of other lengths and rates than those it was exported with.
    other = to_wav(np.repeat(waveforms[2], 2)[:1201], 16000)
    expected = model.preprocess({"speech": np.array([other], object)})
    assert_close(
        embed(speech=tf.constant([other]))["embedding"],
        model(expected)["speech"],
        atol=1e-4,
    )
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="`speech` must be complete"
    ):
        embed(speech=tf.constant([other[:-5]]))


@pytest.mark.parametrize("scale", [1e-3, 1e6, 1e18, 1e30, 3e38])
def test_loud_waveforms_are_like_others(scale):
    rng = np.random.default_rng(0)
    waveform = rng.uniform(-1, 1, (1, 8000)).astype("float32")
    for rate in (8000, 16000):
        layer = SpeechPreprocessor(input_sampling_rate=rate)
        expected = layer(waveform)
        outputs = layer(waveform * np.float32(scale))
        np.testing.assert_allclose(outputs, expected, atol=1e-4)


def test_loud_files_are_like_others():
    """Of two channels, whose sum is no float."""
    rng = np.random.default_rng(0)
    stereo = rng.uniform(-1, 1, (8000, 2)).astype("float32")
    layer = SpeechPreprocessor()

    def file(samples):
        data = samples.astype("<f4").tobytes()
        head = struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, 2, 8000),
            *(64000, 8, 32, b"data", len(data)),
        )
        return head + data

    expected = layer([file(stereo)])
    outputs = layer([file(stereo * np.float32(3.4e38))])
    np.testing.assert_allclose(outputs, expected, atol=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_waveforms_must_be_finite(value):
    waveforms = np.zeros((2, 8000), "float32")
    waveforms[1, 3] = value
    layer = SpeechPreprocessor()
    with pytest.raises(ValueError, match="`speech` must be finite"):
        layer(waveforms)
    data = tf.data.Dataset.from_tensors(waveforms).map(layer)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be finite"):
        list(data)
