"""Waveforms at another sampling rate."""

import math

import tensorflow as tf

# The filter of `scipy.signal.resample_poly`: zero crossings on either side,
# and the shape of the Kaiser window.
_NUM_ZEROS, _BETA = 10, 5.0
_BLOCK = 2**20  # products at a time


def resample(waveforms, input_rate, output_rate):
    """Bring waveforms to another sampling rate, without aliasing.

    A polyphase filter: the low-pass filter is a sinc of ten zero crossings on
    either side under a Kaiser window, as in `scipy.signal.resample_poly`, with
    which it agrees to float32's precision. The rates may be tensors, known
    only when the graph runs. What lies outside is taken to be zero.
    """
    if isinstance(input_rate, int) and input_rate == output_rate:
        return waveforms
    input_rate, output_rate = (
        tf.cast(rate, tf.int64) for rate in (input_rate, output_rate)
    )
    outputs = tf.cond(
        input_rate == output_rate,
        lambda: waveforms,
        lambda: _polyphase(waveforms, input_rate, output_rate),
    )
    return tf.ensure_shape(outputs, (waveforms.shape[0], None))


def num_input_samples(num_samples, input_rate, output_rate):
    """How many samples the first ones of a resampled waveform depend on."""
    input_rate = tf.cast(input_rate, tf.int64)
    ratio = input_rate // output_rate + 1  # rounded up
    return num_samples * input_rate // output_rate + _NUM_ZEROS * ratio + 2


def _polyphase(waveforms, input_rate, output_rate):
    divisor, _ = tf.while_loop(
        lambda a, b: b > 0, lambda a, b: (b, a % b), (input_rate, output_rate)
    )
    up, down = output_rate // divisor, input_rate // divisor
    half = _NUM_ZEROS * tf.maximum(up, down)
    coefficients = _low_pass(half, up)
    batch_size = tf.shape(waveforms, tf.int64)[0]
    count = (tf.shape(waveforms, tf.int64)[1] * up + down - 1) // down
    reach = half // up + 1
    # Taps and samples beyond the ends are zero.
    coefficients = tf.pad(coefficients, [[2 * up, 2 * up]])
    waveforms = tf.pad(waveforms, [[0, 0], [reach, reach + 1]])
    taps = tf.range(-reach, reach + 1)
    block = _BLOCK // (tf.maximum(batch_size, 1) * tf.size(taps, tf.int64))
    # One block and one place at least, also of no samples.
    last = tf.maximum(count - 1, 0)
    block = tf.clip_by_value(block, 1, last + 1)

    def compute(start):
        position = tf.minimum(start + tf.range(block), last) * down
        nearest = position // up
        index = nearest[:, None] + taps  # (block, taps)
        tap = position[:, None] - index * up + half + 2 * up
        samples = tf.gather(waveforms, index + reach, axis=1)
        # (batch, block, taps) -> (batch, block)
        return tf.reduce_sum(samples * tf.gather(coefficients, tap), axis=-1)

    outputs = tf.map_fn(
        compute,
        tf.range(0, last + 1, block),
        fn_output_signature=tf.TensorSpec((None, None), tf.float32),
    )  # (blocks, batch, block)
    outputs = tf.transpose(outputs, (1, 0, 2))
    size = tf.shape(outputs)
    return tf.reshape(outputs, (size[0], size[1] * size[2]))[:, :count]


def _low_pass(half, up):
    """Taps of the filter, of shape `(2 * half + 1,)`."""
    position = tf.cast(tf.range(-half, half + 1), tf.float64)
    position = position / tf.cast(half, tf.float64)  # in [-1, 1]
    angle = position * (_NUM_ZEROS * math.pi)
    safe = tf.where(angle == 0, tf.ones_like(angle), angle)
    taps = tf.where(angle == 0, tf.ones_like(angle), tf.sin(safe) / safe)
    inside = tf.sqrt(tf.maximum(1.0 - position**2, 0.0))
    taps = taps * tf.math.bessel_i0(_BETA * inside)
    taps = taps * (tf.cast(up, tf.float64) / tf.reduce_sum(taps))
    return tf.cast(taps, tf.float32)
