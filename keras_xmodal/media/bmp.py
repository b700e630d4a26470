"""BMP files, decoded in graphs and out of them."""

import tensorflow as tf

from keras_xmodal.media.check import after, check, invalid
from keras_xmodal.media.header import integers, length, octets_at, where

_COLORS = b"\x00\x00\xff\x00\x00\xff\x00\x00\xff\x00\x00\x00"  # masks of BGR
_MAX_COLORS = 256


def decode_bmp(content, height, width, name):
    """Decode 1, 4, 8, 24 or 32 bits a pixel, with or without a palette.

    TensorFlow's own decoder takes numbers of colours for colours, and the
    unused fourth byte of a pixel for opacity.

    Args:
        content: Scalar string tensor, which begins as a BMP file does.
        height: int64 scalar, in pixels.
        width: int64 scalar, in pixels.
        name: How errors call the content.

    Returns:
        uint8 tensor of shape `(height, width, channels)`, channels being 3, or
        4 where the file says that it has opacity.
    """
    head = octets_at(content, 0, 70)
    start, header_size, core_bits, bits, compression, used, upper = integers(
        head,
        (10, 14),
        (14, 18),
        (24, 26),
        (28, 30),
        (30, 34),
        (46, 50),
        (25, 26),
    )
    core = header_size == 12
    bits = where(core, core_bits, bits)
    compression = where(core, 0, compression)
    masks = tf.reduce_all(head[54:66] == list(_COLORS))
    plain = (compression == 0) | (
        ((compression == 3) | (compression == 6)) & (bits == 32) & masks
    )
    opaque = (compression == 0) | (header_size < 56) | (head[69] == 0)
    known = tf.constant([1, 4, 8, 24, 32], tf.int64)
    stride = (bits * width + 31) // 32 * 4
    present = length(content)
    rule = f"{name} must be a BMP file of 1, 4, 8, 24 or 32 bits a pixel"
    assertions = [
        check(
            plain & tf.reduce_any(known == bits),
            f"{rule}, not compressed",
            "{} bits, compression {}",
            bits,
            compression,
            error=invalid,
        ),
        check(
            start + stride * height <= present,
            f"{rule}, complete",
            "{} bytes, where it takes {}",
            present,
            start + stride * height,
            error=invalid,
        ),
    ]
    content = after(assertions, content)
    data = tf.strings.substr(content, start, stride * height)
    rows = tf.reshape(tf.io.decode_raw(data, tf.uint8), [height, stride])

    def indexed():
        entry = where(core, 3, 4)
        count = 2**bits
        there = where(core | (used == 0), count, tf.minimum(used, count))
        numbers = tf.range(_MAX_COLORS, dtype=tf.int64)[:, None]
        palette = octets_at(content, 14 + header_size, 4 * _MAX_COLORS)
        palette = tf.gather(palette, numbers * entry + [2, 1, 0])
        palette = tf.cast(where(numbers < there, palette, 0), tf.uint8)
        shifts = tf.cast(tf.range(8 - bits, -1, -bits), tf.uint8)
        index = tf.bitwise.right_shift(rows[..., None], shifts)
        index = tf.bitwise.bitwise_and(index, tf.cast(count - 1, tf.uint8))
        index = tf.reshape(index, [height, stride * (8 // bits)])
        return tf.gather(palette, tf.cast(index[:, :width], tf.int32))

    def colors():
        pixels = tf.reshape(rows[:, : 3 * width], [height, width, 3])
        return pixels[..., ::-1]

    def colors_and_opacity():
        pixels = tf.reshape(rows, [height, width, 4])
        channels = tf.constant([2, 1, 0, 3])[: tf.where(opaque, 3, 4)]
        return tf.gather(pixels, channels, axis=-1)

    image = tf.switch_case(
        tf.cast(tf.maximum(bits // 8 - 2, 0), tf.int32),
        [indexed, colors, colors_and_opacity],
    )
    top_down = upper >= 128  # the sign of the height
    return tf.raw_ops.Reverse(
        tensor=image, dims=tf.stack([core | ~top_down, False, False])
    )
