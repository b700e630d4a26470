"""WAV files: decoded in graphs and out of them, checked, written."""

import functools
import os

import numpy as np
import tensorflow as tf

from keras_xmodal import checks, files
from keras_xmodal.media.check import after
from keras_xmodal.media.check import check as check_file

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
# What programs write that do not know the length yet is this or more.
_STREAM_SIZE = 0x7FFFF000
_MAX_CHUNKS = 1000
_MAX_SAMPLING_RATE = 384_000


def decode_wav(
    content: tf.Tensor | bytes, name: str = "content"
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decode the bytes of one WAV file.

    All of it is TensorFlow graph operations: it works eagerly, in
    `tf.data.Dataset.map` and inside an exported graph. Read are PCM of 8, 16,
    24 and 32 bits, floats of 32 and 64 bits, A-law and mu-law, any number of
    channels, `WAVE_FORMAT_EXTENSIBLE`, further chunks anywhere, and streams,
    whose header does not say their length.

    Args:
        content: Scalar string tensor or bytes, the content of a WAV file.
        name: How errors call the content.

    Returns:
        Tuple of a float32 tensor of shape `(samples,)`, the mean of the
        channels, and the sampling rate in Hz, an int32 scalar. Integers are
        scaled to [-1, 1); floats are what the file says.

    Raises:
        TypeError: If the content is no string.
        ValueError: If the content is no WAV file, is cut short, holds no
            samples or has another format.
        tf.errors.InvalidArgumentError: The same, inside a graph.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        kx.datasets.write_wav("tone.wav", np.sin(np.arange(800) / 3), 8000)
        with open("tone.wav", "rb") as file:
            waveform, sampling_rate = kx.datasets.decode_wav(file.read())
        waveform.shape, int(sampling_rate)  # ((800,), 8000)
        ```

    Reference:
        - RFC 2361, WAVE and AVI codec registries
        - ITU-T G.711 (A-law and mu-law)
    """
    content = checks.string_array(name, content)
    content = tf.convert_to_tensor(content, tf.string)
    if content.shape.rank not in (0, None):
        raise ValueError(
            f"`{name}` must be a scalar string. Received: shape={content.shape}"
        )
    octets = tf.io.decode_raw(content, tf.uint8)  # (bytes,)
    length = tf.size(octets, tf.int64)
    # A header can be read beyond the end: no slice fails before its check.
    octets = tf.pad(octets, [[0, 64]])

    assertions = []

    def check(condition, rule, evidence, *values):
        rule = f"`{name}` must {rule}"
        assertions.append(check_file(condition, rule, evidence, *values))

    riff = tf.constant(list(b"RIFF"), tf.uint8)
    wave = tf.constant(list(b"WAVE"), tf.uint8)
    check(
        tf.reduce_all(octets[:4] == riff) & tf.reduce_all(octets[8:12] == wave),
        "be a WAV file, which begins with RIFF and WAVE",
        "{} bytes that begin with {}",
        length,
        octets[: tf.minimum(length, 12)],
    )
    format_at, format_size, data_at, data_size = _find_chunks(octets, length)
    check(
        (format_at > 0) & (format_size >= 16),
        "have a chunk `fmt ` of at least 16 bytes",
        "{} bytes without one",
        length,
    )
    check(data_at > 0, "have a chunk `data`", "{} bytes without one", length)
    tag = _integer(octets, format_at, 2)
    channels = _integer(octets, format_at + 2, 2)
    sampling_rate = _integer(octets, format_at + 4, 4)
    block = _integer(octets, format_at + 12, 2)
    bits = _integer(octets, format_at + 14, 2)
    sub_format = _integer(octets, format_at + 24, 2)
    extensible = (tag == _EXTENSIBLE) & (format_size >= 26)
    tag = tf.where(extensible, sub_format, tag)
    width = (bits + 7) // 8  # bytes of a sample
    known = tf.constant([code for code, _ in _DECODERS], tf.int64)
    matches = known == tag * 16 + width
    check(
        tf.reduce_any(matches),
        "hold PCM of 8, 16, 24 or 32 bits, floats of 32 or 64 bits, A-law or "
        "mu-law",
        "format {} of {} bits",
        tag,
        bits,
    )
    check(
        (channels > 0) & (block == channels * width),
        "have blocks of one sample for each channel",
        "{} channels of {} bits in blocks of {} bytes",
        channels,
        bits,
        block,
    )
    check(
        (sampling_rate > 0) & (sampling_rate <= _MAX_SAMPLING_RATE),
        f"have a sampling rate of 1 to {_MAX_SAMPLING_RATE} Hz",
        "{} Hz",
        sampling_rate,
    )
    present = length - data_at
    check(
        data_size <= present,
        "be complete",
        "a chunk `data` of {} bytes, of which {} are there",
        data_size,
        present,
    )
    count = data_size // tf.maximum(block, 1)
    check(count > 0, "hold samples", "a chunk `data` of {} bytes", data_size)
    # A graph runs nothing that uses them before it has checked all.
    octets = after(assertions, octets)
    data = octets[data_at : data_at + count * block]
    # (samples * channels,)
    values = tf.switch_case(
        tf.argmax(matches, output_type=tf.int32),
        [lambda decoder=decoder: decoder(data) for _, decoder in _DECODERS],
    )
    check(
        tf.reduce_all(tf.math.is_finite(values)),
        "hold finite samples",
        "NaN or infinity",
    )
    values = tf.reshape(values, tf.stack([-1, channels]))
    # Not the mean of a sum, which may be infinite.
    share = values / tf.cast(channels, tf.float32)
    waveform = tf.reduce_sum(share, axis=1)
    sampling_rate = tf.cast(sampling_rate, tf.int32)
    return after(assertions, waveform), after(assertions, sampling_rate)


def write_wav(
    path: str | os.PathLike, waveform: np.ndarray, sampling_rate: int
) -> None:
    """Write a waveform as a WAV file of 16-bit PCM, one channel.

    The file appears complete or not at all; one of its name is replaced.

    Args:
        path: Path of the file, in a folder that exists.
        waveform: Float array or tensor of shape `(samples,)`, in [-1, 1];
            what is beyond is clipped.
        sampling_rate: Integer from 1 to 384,000, in Hz.

    Raises:
        TypeError: If the waveform is not of floats.
        ValueError: If the waveform has another rank, no samples or values
            that are not finite, or the sampling rate is out of range.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
        kx.datasets.write_wav("tone.wav", tone, 8000)
        ```
    """
    content = encode_wav(waveform, sampling_rate)
    files.write(checks.path("path", path), content)


def encode_wav(waveform: np.ndarray, sampling_rate: int) -> bytes:
    """Make the content of a WAV file, as `write_wav` writes it."""
    waveform = checks.real_numbers("waveform", waveform)
    if waveform.dtype.kind in "iu":  # As samples they would all be clipped.
        raise TypeError(
            "`waveform` must be floats in [-1, 1]: divide 16-bit integers by "
            f"32768. Received: waveform of dtype {waveform.dtype}"
        )
    waveform = waveform.astype("float32")
    checks.shape("waveform", waveform.shape, ("samples",))
    if not len(waveform):
        raise ValueError(
            "`waveform` must have at least one sample. Received: none"
        )
    checks.finite("waveform", waveform)
    rate = checks.integer("sampling_rate", sampling_rate, 1, _MAX_SAMPLING_RATE)
    return tf.audio.encode_wav(waveform[:, None], rate).numpy()


def is_whole_wav(content: bytes) -> bool:
    """Whether `decode_wav` reads it."""
    return seconds_of_wav(content) is not None


def seconds_of_wav(content: bytes) -> float | None:
    """How long a recording is; None where `decode_wav` does not read it."""
    try:
        waveform, sampling_rate = _traced_decoder()(content)
    except tf.errors.InvalidArgumentError:
        return None
    return len(waveform) / int(sampling_rate)


@functools.cache
def _traced_decoder():
    """As a graph, which is faster than one operation after another."""
    spec = tf.TensorSpec((), tf.string)
    return tf.function(decode_wav, input_signature=[spec])


def _integer(octets, at, width):
    """Unsigned little-endian integer, as int64."""
    values = tf.cast(octets[at : at + width], tf.int64)
    return tf.reduce_sum(values * 256 ** tf.range(width, dtype=tf.int64))


def _find_chunks(octets, length):
    """Where the contents of `fmt ` and `data` start, 0 for none; their sizes.

    Stops at the first of each.
    """
    format_id, data_id = (
        tf.constant(int.from_bytes(text, "little"), tf.int64)
        for text in (b"fmt ", b"data")
    )
    riff_size = _integer(octets, 4, 4)
    # The size was never filled in, or spans nothing but headers.
    unknown = (riff_size == 0) | (riff_size >= _STREAM_SIZE)

    def go_on(at, format_at, format_size, data_at, data_size):
        some = (format_at == 0) | (data_at == 0)
        return some & (at + 8 <= length)

    def step(at, format_at, format_size, data_at, data_size):
        chunk, size = _integer(octets, at, 4), _integer(octets, at + 4, 4)
        start = at + 8
        is_format = (chunk == format_id) & (format_at == 0)
        is_data = (chunk == data_id) & (data_at == 0)
        empty = unknown | (riff_size + 8 <= start)
        stream = (size >= _STREAM_SIZE) | ((size == 0) & empty)
        size = tf.where(is_data & stream, tf.maximum(length - start, 0), size)
        return (
            start + size + size % 2,  # padded to even
            tf.where(is_format, start, format_at),
            tf.where(is_format, size, format_size),
            tf.where(is_data, start, data_at),
            tf.where(is_data, size, data_size),
        )

    zero = tf.constant(0, tf.int64)
    _, *found = tf.while_loop(
        go_on,
        step,
        (zero + 12, zero, zero, zero, zero),
        maximum_iterations=_MAX_CHUNKS,
    )
    return found


def _pcm_8(data):
    return (tf.cast(data, tf.float32) - 128.0) / 128.0


def _pcm_24(data):
    data = tf.pad(tf.reshape(data, (-1, 3)), [[0, 0], [1, 0]])
    return tf.cast(tf.bitcast(data, tf.int32), tf.float32) / 2.0**31


def _bits(dtype, scale=1.0):
    def decode(data):
        values = tf.bitcast(tf.reshape(data, (-1, dtype.size)), dtype)
        return tf.cast(values, tf.float32) / scale

    return decode


def _table(values):
    return lambda data: tf.gather(
        tf.constant(values / 2**15, tf.float32), tf.cast(data, tf.int32)
    )


def _alaw_values():
    code = np.arange(256) ^ 0x55
    exponent, mantissa = code >> 4 & 7, (code & 15) << 4
    magnitude = np.where(
        exponent == 0,
        mantissa + 8,
        mantissa + 264 << np.maximum(exponent, 1) - 1,
    )
    return np.where(code & 0x80, magnitude, -magnitude)


def _mulaw_values():
    code = ~np.arange(256) & 255
    magnitude = (((code & 15) << 3) + 132 << (code >> 4 & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude)


# 16 times the format, plus the bytes of a sample.
_DECODERS = (
    (_PCM * 16 + 1, _pcm_8),
    (_PCM * 16 + 2, _bits(tf.int16, 2.0**15)),
    (_PCM * 16 + 3, _pcm_24),
    (_PCM * 16 + 4, _bits(tf.int32, 2.0**31)),
    (_FLOAT * 16 + 4, _bits(tf.float32)),
    (_FLOAT * 16 + 8, _bits(tf.float64)),
    (_ALAW * 16 + 1, _table(_alaw_values())),
    (_MULAW * 16 + 1, _table(_mulaw_values())),
)
