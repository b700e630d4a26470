"""Files of pictures: decoded in graphs and out of them, checked."""

import tensorflow as tf

_ANIMATION = 2  # The bit of a WebP file's flags.


def decode_image(content, channels=0):
    """Decode a JPEG, PNG, GIF, BMP or still WebP file; of a GIF, one frame.

    TensorFlow 2.21 writes past its memory where it decodes an animated WebP
    file, and ends the process. Here that is an error.
    """
    # Padded, because a slice must begin within the string.
    head = tf.strings.join([tf.strings.substr(content, 0, 21), "\0" * 21])
    flags = tf.io.decode_raw(tf.strings.substr(head, 20, 1), tf.uint8)[0]
    animated = (
        (tf.strings.substr(head, 0, 4) == "RIFF")
        & (tf.strings.substr(head, 8, 8) == "WEBPVP8X")
        & (tf.bitwise.bitwise_and(flags, tf.cast(_ANIMATION, tf.uint8)) > 0)
    )
    check = tf.debugging.Assert(
        ~animated,
        ["A picture must be a still one. Received: an animated WebP file"],
    )
    # Eagerly, the check has been made, and is no operation.
    with tf.control_dependencies([] if check is None else [check]):
        return tf.io.decode_image(
            tf.identity(content), channels, expand_animations=False
        )


def is_whole_image(content: bytes) -> bool:
    """Whether `decode_image` reads it."""
    try:
        decode_image(tf.constant(content))
    except tf.errors.InvalidArgumentError:
        return False
    return True
