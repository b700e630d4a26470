"""WAV files into waveforms, and back."""

import io
import struct
import wave

import numpy as np
import pytest
import scipy.io.wavfile
import tensorflow as tf

from keras_xmodal.datasets import decode_wav, write_wav
from keras_xmodal.media.wav import is_whole_wav
from tests.helpers import assert_close

GRAPH = tf.function(decode_wav, input_signature=[tf.TensorSpec((), tf.string)])


def chunk(name, content, size=None):
    size = len(content) if size is None else size
    return name + struct.pack("<I", size) + content + b"\0" * (len(content) % 2)


def header(tag=1, channels=1, rate=8000, bits=16, extra=b"", block=None):
    block = channels * bits // 8 if block is None else block
    return chunk(
        b"fmt ",
        struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)
        + extra,
    )


def riff(*chunks, size=None):
    content = b"WAVE" + b"".join(chunks)
    return chunk(b"RIFF", content, size)


def pcm(values):
    return np.asarray(values, "<i2").tobytes()


def decode(content):
    """Decode eagerly and in a graph, which must agree."""
    waveform, rate = decode_wav(content)
    assert waveform.dtype == "float32"
    assert rate.dtype == "int32"
    graph_waveform, graph_rate = GRAPH(content)
    assert_close(graph_waveform, waveform, atol=0)
    assert int(graph_rate) == int(rate)
    assert is_whole_wav(content)
    return waveform.numpy(), int(rate)


def check_error(content, match):
    with pytest.raises(ValueError, match="`content` must " + match):
        decode_wav(content)
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        GRAPH(content)
    assert not is_whole_wav(content)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "int32", "float32", "float64"]
)
def test_files_of_scipy(dtype, channels):
    exact = np.random.default_rng(0).uniform(-1, 1, (51, channels))
    scale = {"uint8": 2**7, "int16": 2**15, "int32": 2**31}.get(dtype)
    values = exact if scale is None else np.floor(exact * scale)
    expected = (values if scale is None else values / scale).mean(axis=1)
    stored = (values + 128 if dtype == "uint8" else values).astype(dtype)
    file = io.BytesIO()
    scipy.io.wavfile.write(file, 11025, stored)
    waveform, rate = decode(file.getvalue())
    assert rate == 11025
    assert_close(waveform, expected.astype("float32"), atol=2e-7)


def test_24_bits_of_the_wave_module():
    values = np.array([0, 1, -1, 2**23 - 1, -(2**23), 12345])
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 3, 48000, 0, "NONE", None))
        writer.writeframes(
            b"".join(int(v).to_bytes(3, "little", signed=True) for v in values)
        )
    waveform, rate = decode(file.getvalue())
    assert rate == 48000
    assert_close(waveform, np.float32(values / 2**23), atol=1e-7)


@pytest.mark.parametrize(
    ("tag", "codes", "values"),
    [
        # Ends, middles and first segments of the tables of G.711.
        (
            7,
            [0xFF, 0x7F, 0x80, 0x00, 0xFE, 0xF0, 0xEF],
            [0, 0, 32124, -32124, 8, 120, 132],
        ),
        (
            6,
            [0xD5, 0x55, 0xAA, 0x2A, 0xD4, 0xC5, 0xF5],
            [8, -8, 32256, -32256, 24, 264, 528],
        ),
    ],
)
def test_companded_files(tag, codes, values):
    content = riff(header(tag, bits=8), chunk(b"data", bytes(codes)))
    waveform, _ = decode(content)
    assert_close(waveform, np.float32(values) / 2**15, atol=0)


@pytest.mark.parametrize("tag", [6, 7])
def test_companding_follows_its_curve(tag):
    codes = bytes(range(256))
    content = riff(header(tag, bits=8), chunk(b"data", codes))
    values = np.sort(decode(content)[0])
    assert_close(values, -values[::-1], atol=0)
    x = values[128:]
    if tag == 7:
        curve = np.log1p(255 * x) / np.log(256)
    else:
        low = 87.6 * x / (1 + np.log(87.6))
        high = (1 + np.log(np.maximum(87.6 * x, 1))) / (1 + np.log(87.6))
        curve = np.where(87.6 * x < 1, low, high)
    # Equal steps of the code, but that segments are straight lines.
    assert np.abs(curve - np.linspace(curve[0], curve[-1], 128)).max() < 0.02


def test_extensible_format():
    guid = bytes.fromhex("0300000000001000800000aa00389b71")
    extra = struct.pack("<HHI", 22, 32, 4) + guid
    data = np.float32([0.25, -0.5]).tobytes()
    waveform, _ = decode(
        riff(header(0xFFFE, bits=32, extra=extra), chunk(b"data", data))
    )
    assert_close(waveform, np.float32([0.25, -0.5]), atol=0)


def test_other_chunks_and_padding():
    odd = chunk(b"LIST", b"abc")
    data = chunk(b"data", pcm([1, 2, 3]))
    expected = np.float32([1, 2, 3]) / 2**15
    for content in (
        riff(odd, header(), odd, data, odd),
        riff(data, odd, header()),
        riff(header(), data) + b"\0\0\0",  # trailing bytes
    ):
        assert_close(decode(content)[0], expected, atol=0)
    odd_data = riff(header(bits=8), chunk(b"data", b"\x80\xc0\x40"), odd)
    assert_close(decode(odd_data)[0], np.float32([0, 0.5, -0.5]), atol=0)
    assert_close(decode(odd_data[:-13])[0], np.float32([0, 0.5, -0.5]), atol=0)


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
@pytest.mark.parametrize("riff_size", [0, 36, 0xFFFFFFFF])
def test_streams_of_unknown_length(size, riff_size):
    data = chunk(b"data", pcm([1, 2, 3]) + b"\0", size)  # half a sample more
    waveform, _ = decode(riff(header(), data, size=riff_size))
    assert_close(waveform[:3], np.float32([1, 2, 3]) / 2**15, atol=0)


def test_one_sample():
    assert_close(
        decode(riff(header(), chunk(b"data", pcm([-(2**15)]))))[0],
        np.float32([-1]),
        atol=0,
    )


def test_files_that_cannot_be_decoded():
    data = chunk(b"data", pcm([1, 2, 3]))
    good = riff(header(), data)
    start = "be a WAV file, which begins with RIFF and WAVE. Received: "
    check_error(b"", start + "0 bytes")
    check_error(b"RIFF", start + "4 bytes that begin with")
    check_error(b"RIFX" + good[4:], start + "50 bytes")
    check_error(b"\xff\xfb" * 50, start + "100 bytes")
    check_error(good[:-1], "be complete. Received: a chunk `data` of 6 bytes, ")
    check_error(good[:44], "be complete. .* of which 0 are there")
    check_error(good[:36], "have a chunk `data`. Received: 36 bytes")
    check_error(riff(data), "have a chunk `fmt ` of at least 16 bytes")
    check_error(riff(header(), chunk(b"data", b"")), "hold samples. .* 0 bytes")
    check_error(
        riff(header(), chunk(b"data", b""), chunk(b"LIST", b"ab")),
        "hold samples",
    )
    check_error(riff(header(), chunk(b"data", b"\0")), "hold samples")
    check_error(
        riff(header(2, bits=4, block=1), data),
        "hold PCM of 8, 16, 24 or 32 bits.* Received: format 2 of 4 bits",
    )
    check_error(riff(header(bits=64), data), "hold PCM .* format 1 of 64 bits")
    check_error(riff(header(channels=0), data), "have blocks of one sample")
    check_error(riff(header(block=3), data), "have blocks .* of 3 bytes")
    check_error(riff(header(rate=0), data), "have a sampling rate .* 0 Hz")
    check_error(riff(header(rate=10**6), data), "have a sampling rate of 1 to")
    nan = chunk(b"data", np.float32([0, np.nan]).tobytes())
    check_error(riff(header(3, bits=32), nan), "hold finite samples")


def test_the_name_of_the_content_is_in_the_error():
    with pytest.raises(ValueError, match=r"`files\[3\]` must be a WAV"):
        decode_wav(b"", "files[3]")


@pytest.mark.parametrize("content", [None, 1.0, np.zeros(3), ["a", "b"]])
def test_content_is_one_string(content):
    with pytest.raises((TypeError, ValueError), match="`content` must"):
        decode_wav(content)


def test_a_damaged_header_is_read_or_named():
    rng = np.random.default_rng(0)
    good = riff(header(channels=2), chunk(b"data", pcm(np.arange(40))))
    outcomes = []
    for _ in range(300):
        content = bytearray(good)
        for place in rng.integers(0, 44, 2):
            content[place] = rng.choice([0, 1, 2, 127, 128, 255])
        try:
            waveform, _ = GRAPH(bytes(content[: rng.integers(40, 200)]))
            outcomes.append(bool(np.isfinite(waveform).all()))
        except tf.errors.InvalidArgumentError as error:
            outcomes.append("`content` must " in str(error))
    assert all(outcomes)


def test_scipy_reads_what_was_written(tmp_path):
    waveform = np.random.default_rng(0).uniform(-1, 1, 801)
    path = tmp_path / "a.wav"
    write_wav(path, tf.constant(waveform), 16000)
    rate, values = scipy.io.wavfile.read(path)
    assert rate == 16000
    assert values.dtype == np.int16
    assert_close(values / 2**15, waveform, atol=0.6 / 2**15)


def test_what_is_beyond_is_clipped(tmp_path):
    write_wav(str(tmp_path / "a.wav"), [2.0, -3.0, 1.0, 0.0], 8000)
    _, values = scipy.io.wavfile.read(tmp_path / "a.wav")
    assert values.tolist() == [32767, -32768, 32767, 0]


def test_a_file_is_replaced_and_nothing_lies_beside_it(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    write_wav(path, np.zeros(5), 8000)
    assert path.read_bytes()[:4] == b"RIFF"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("waveform", "rate", "match"),
    [
        (0.0, 8000, "`waveform` must have shape"),
        (np.zeros((2, 5)), 8000, "`waveform` must have shape"),
        (np.zeros(5, "int16"), 8000, "`waveform` must be floats.*int16"),
        ([0, 1], 8000, "`waveform` must be floats.*int64"),
        (np.zeros(5, bool), 8000, "`waveform` must be real numbers.*bool"),
        ([], 8000, "`waveform` must have at least one sample"),
        ([0.0, np.nan], 8000, r"finite\. .* in 1 of 2"),
        ([0.0], 0, "`sampling_rate` must be an integer"),
    ],
)
def test_nothing_wrong_is_written(waveform, rate, match, tmp_path):
    with pytest.raises((TypeError, ValueError), match=match):
        write_wav(tmp_path / "a.wav", waveform, rate)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("rate", "error"),
    [
        (1.5, TypeError),
        (8000.0, TypeError),
        (0, ValueError),
        (10**6, ValueError),
    ],
)
def test_a_rate_that_no_file_can_have(rate, error, tmp_path):
    with pytest.raises(error, match="`sampling_rate` must be an integer"):
        write_wav(tmp_path / "tone.wav", [0.5], rate)
    assert not list(tmp_path.iterdir())
