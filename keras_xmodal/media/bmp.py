"""BMP files, decoded in graphs and out of them."""

import numpy as np
import tensorflow as tf

from keras_xmodal.media.check import after, check, invalid
from keras_xmodal.media.header import length, little, octets_at, where

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
    start, header_size = little(head[10:14]), little(head[14:18])
    core = header_size == 12
    bits = where(core, little(head[24:26]), little(head[28:30]))
    compression = where(core, 0, little(head[30:34]))
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

    def indexed(bits):
        def decode():
            entry = where(core, 3, 4)
            used = where(core, 0, little(head[46:50]))
            used = where(used == 0, 2**bits, tf.minimum(used, 2**bits))
            place = 14 + header_size
            palette = octets_at(content, place, 4 * _MAX_COLORS)
            places = tf.range(_MAX_COLORS, dtype=tf.int64)[:, None] * entry + [
                2,
                1,
                0,
            ]
            palette = tf.cast(tf.gather(palette, places), tf.uint8)
            there = tf.range(_MAX_COLORS, dtype=tf.int64)[:, None] < used
            palette = tf.where(there, palette, tf.zeros_like(palette))
            shifts = np.arange(8 - bits, -1, -bits, dtype="uint8")
            index = tf.bitwise.right_shift(rows[..., None], shifts)
            index = tf.bitwise.bitwise_and(
                index, tf.constant(2**bits - 1, tf.uint8)
            )
            index = tf.reshape(index, [height, stride * (8 // bits)])
            index = tf.cast(index[:, :width], tf.int32)
            return tf.gather(palette, index)

        return decode

    def colors():
        pixels = tf.reshape(rows[:, : 3 * width], [height, width, 3])
        return pixels[..., ::-1]

    def colors_and_opacity():
        pixels = tf.reshape(rows, [height, width, 4])
        return tf.cond(
            opaque,
            lambda: tf.gather(pixels, [2, 1, 0], axis=-1),
            lambda: tf.gather(pixels, [2, 1, 0, 3], axis=-1),
        )

    image = tf.switch_case(
        tf.cast(tf.argmax(known == bits), tf.int32),
        [indexed(1), indexed(4), indexed(8), colors, colors_and_opacity],
    )
    top_down = little(head[22:26]) >= 2**31
    return tf.cond(
        top_down & ~core, lambda: image, lambda: tf.reverse(image, [0])
    )
