"""Batches of pictures as most files are, in as few operations as can be.

`decode_image` reads anything, by operations that take longer than to decode a
small picture.
"""

import tensorflow as tf

from keras_xmodal.media.header import MAY_NEED_WALK

MAX_PIXELS = 2**24  # of a batch, which is in memory at once
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_WITHOUT_OPACITY = (0, 2, 3)  # grey, RGB, a palette
_HEAD = 26  # to the colour type of a PNG file


def are_plain(contents, max_pixels):
    """Whether all of a batch are plain files, of one size.

    JPEG and PNG files without opacity, a clear colour, EXIF tags or animation.

    Args:
        contents: String tensor of shape `(batch,)`.
        max_pixels: Positive integer, the most of a picture.

    Returns:
        Boolean scalar. If it is true, `decode_plain` gives the pixels of
        `decode_image(content, 3)`, and fails where that fails.
    """
    heads = tf.strings.substr(contents, 0, _HEAD)
    heads = tf.io.decode_raw(heads, tf.uint8, fixed_length=_HEAD)
    is_jpeg = tf.reduce_all(heads[:, :3] == list(_JPEG), axis=1)
    is_png = tf.reduce_all(heads[:, : len(_PNG)] == list(_PNG), axis=1)
    is_png &= tf.reduce_any(heads[:, -1:] == list(_WITHOUT_OPACITY), axis=1)
    plain = tf.reduce_all(is_jpeg | is_png) & (tf.size(contents) > 0)

    def with_one_size():
        heads_of_png = tf.boolean_mask(heads, is_png)
        sizes = tf.concat(
            [
                _sizes_of_png(tf.cast(heads_of_png, tf.int64)),
                tf.map_fn(
                    lambda content: tf.io.extract_jpeg_shape(content, tf.int64),
                    tf.boolean_mask(contents, is_jpeg),
                    fn_output_signature=tf.TensorSpec(3, tf.int64),
                )[:, :2],
            ],
            axis=0,
        )  # (batch, 2)
        height, width = tf.unstack(sizes[0])
        small = tf.reduce_all((sizes[0] > 0) & (sizes[0] <= MAX_PIXELS))
        small &= height * width <= max_pixels
        small &= height * width * tf.size(contents, tf.int64) <= MAX_PIXELS
        return small & tf.reduce_all(sizes == sizes[0])

    # What follows reads all bytes of the files: only if it may matter.
    plain = tf.cond(plain, with_one_size, lambda: False)
    return tf.cond(
        plain,
        lambda: (
            ~tf.reduce_any(tf.strings.regex_full_match(contents, MAY_NEED_WALK))
        ),
        lambda: False,
    )


def decode_plain(contents):
    """Decode a batch of files that `are_plain`.

    Returns:
        uint8 tensor of shape `(batch, height, width, 3)`.
    """
    return tf.map_fn(
        lambda content: tf.io.decode_image(content, 3, expand_animations=False),
        contents,
        fn_output_signature=tf.TensorSpec((None, None, 3), tf.uint8),
    )


def _sizes_of_png(heads):
    weights = 256 ** tf.range(3, -1, -1, tf.int64)
    sides = tf.reshape(heads[:, 16:24], (-1, 2, 4))  # width, height
    return tf.reduce_sum(sides * weights, axis=2)[:, ::-1]
