"""Files of pictures: decoded in graphs and out of them, checked."""

import functools

import tensorflow as tf

from keras_xmodal.media.bmp import decode_bmp
from keras_xmodal.media.check import InvalidFile, after, check, invalid
from keras_xmodal.media.decode_each import refusal
from keras_xmodal.media.gif_frames import decode_gif
from keras_xmodal.media.header import KINDS, length, read_header

# As Pillow, which warns above it.
MAX_PIXELS = 2**30 // 12
_RULE = "a JPEG, PNG, GIF, BMP or still WebP image"


def decode_image(
    content,
    channels=0,
    max_pixels=MAX_PIXELS,
    name="`contents`",
    animated_png=True,
):
    """Decode a JPEG, PNG, GIF, BMP or still WebP file; of a GIF, one frame.

    It stands upright, as its orientation tag says. Its size is checked before
    its pixels are decoded.

    Args:
        content: Scalar string tensor or bytes.
        channels: 0 for those of the file, or 1, 3 or 4. With 1 and 3, what
            is not opaque is laid over white.
        max_pixels: Positive integer, the largest number of pixels.
        name: How errors call the content.
        animated_png: Whether to take the picture that stands for an animated
            PNG file, which is refused if not.

    Returns:
        uint8 tensor of shape `(height, width, channels)`: grey, grey and
        opacity, RGB, or RGB and opacity.

    Raises:
        tf.errors.InvalidArgumentError: If it is no picture, or too large.
    """
    content = tf.convert_to_tensor(content, tf.string)
    if not tf.executing_eagerly():
        return _traced(channels, max_pixels, animated_png)(content)
    return _decode(content, channels, max_pixels, name, animated_png)


@functools.cache
def _traced(channels, max_pixels, animated_png):
    """One graph for all that need it: its operations are many."""
    return tf.function(
        lambda content: _decode(
            content, channels, max_pixels, "`contents`", animated_png
        ),
        input_signature=[tf.TensorSpec((), tf.string)],
        autograph=False,
    )


def _decode(content, channels, max_pixels, name, animated_png):
    try:
        header = tf.stack(read_header(content))
    except tf.errors.InvalidArgumentError as error:
        raise refusal(name, _RULE, content) from error
    kind, height, width, orientation, has_key = tf.unstack(header)
    fits = (kind > 0) & (kind != KINDS.index("animated webp"))
    if not animated_png:
        fits &= kind != KINDS.index("animated png")
    fits &= (height > 0) & (width > 0) & (height * width <= max_pixels)
    rare = (kind == KINDS.index("gif")) | (kind == KINDS.index("bmp"))
    rare |= has_key > 0
    options = max_pixels, name
    try:
        content = tf.cond(
            fits,
            lambda: tf.identity(content),
            lambda: _apart(_check, *options, animated_png)(content, header),
        )
        image = tf.cond(
            rare,
            lambda: _apart(_decode_rare, *options)(content, header),
            lambda: tf.io.decode_image(content, expand_animations=False),
        )
    except tf.errors.InvalidArgumentError as error:
        if isinstance(error, InvalidFile):
            raise
        raise refusal(name, _RULE, content) from error
    image.set_shape((None, None, None))
    image = tf.cond(
        orientation > 1, lambda: _turn(image, orientation), lambda: image
    )
    return _to_channels(image, channels) if channels else image


def _apart(function, *options):
    """A function of the content and its header; in a graph, one operation.

    Of what is seldom needed, else all of its operations would be skipped one
    by one.
    """
    if not tf.executing_eagerly():
        return _traced_apart(function, *options)
    return functools.partial(function, *options)


@functools.cache
def _traced_apart(function, *options):
    content, header = tf.TensorSpec((), tf.string), tf.TensorSpec(5, tf.int64)
    return tf.function(
        functools.partial(function, *options),
        input_signature=[content, header],
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


def _decode_rare(max_pixels, name, content, header):
    kind, height, width, *_ = tf.unstack(header)
    kinds = tf.constant([KINDS.index("gif"), KINDS.index("bmp")], tf.int64)
    image = tf.switch_case(
        tf.reduce_sum(tf.cast(kind == kinds, tf.int32) * [1, 2]),
        [
            # With opacity, which a clear colour takes away.
            lambda: tf.io.decode_png(content, channels=4),
            lambda: _first_frame(content, max_pixels, name),
            lambda: decode_bmp(content, height, width, name),
        ],
    )
    image.set_shape((None, None, None))
    return image


def is_whole_image(content: bytes) -> bool:
    """Whether `decode_image` reads it, and of a GIF all of its frames."""
    try:
        if content.startswith(b"GIF8"):
            content = tf.constant(content)
            options = tf.range, tf.size, tf.int32
            decode_gif(content, MAX_PIXELS, "`content`", *options)
        else:
            # As a graph, which is faster than one operation after another.
            _traced(0, MAX_PIXELS, True)(content)
    except tf.errors.InvalidArgumentError:
        return False
    return True


def _check(max_pixels, name, animated_png, content, header):
    """The content, checked by its header."""
    kind, height, width, *_ = tf.unstack(header)
    rule = f"{name} must be {_RULE}"
    known = (kind > 0) & (height > 0) & (width > 0)
    return after(
        [
            check(
                known,
                rule,
                "{} bytes that begin with {}",
                length(content),
                tf.io.decode_raw(tf.strings.substr(content, 0, 16), tf.uint8),
                error=invalid,
            ),
            # TensorFlow 2.21 writes past its memory where it decodes an
            # animated WebP file, and ends the process.
            check(
                kind != KINDS.index("animated webp"),
                f"{rule}. A picture must be a still one",
                "an animated WebP file",
                error=invalid,
            ),
            check(
                (kind != KINDS.index("animated png")) | animated_png,
                f"{rule}. A clip must be a GIF file, or be read by "
                "`keras_xmodal.datasets.read_video`",
                "an animated PNG file",
                error=invalid,
            ),
            check(
                height * width <= max_pixels,
                f"{rule} of at most `max_pixels={max_pixels}` pixels",
                "{} x {} pixels",
                height,
                width,
                error=invalid,
            ),
        ],
        content,
    )


def _first_frame(content, max_pixels, name):
    frames = decode_gif(
        content,
        max_pixels,
        name,
        lambda count: tf.zeros(1, tf.int32),
        tf.identity,
    )
    return frames[0]


def _turn(image, orientation):
    """Bring a picture upright, by its EXIF tag."""
    is_turned = orientation >= 5
    image = tf.transpose(image, tf.where(is_turned, [1, 0, 2], [0, 1, 2]))
    axes = [[3, 4, 7, 8], [2, 3, 6, 7]]
    mirrored = tf.reduce_any(orientation == axes, axis=1)
    mirrored = tf.concat([mirrored, [False]], axis=0)
    return tf.raw_ops.Reverse(tensor=image, dims=mirrored)


def _to_channels(image, channels):
    """Pictures of 1, 3 or 4 channels, as bytes."""
    count = tf.shape(image)[-1]
    has_opacity = count % 2 == 0
    if channels == 4:
        opaque = tf.fill(tf.shape(image[..., :1]), tf.constant(255, tf.uint8))
        opacity = tf.cond(has_opacity, lambda: image[..., -1:], lambda: opaque)
        colors = image[..., : tf.where(has_opacity, count - 1, count)]
        colors = _repeated(colors, 3)
        return tf.concat([colors, opacity], axis=-1)

    def over_white():
        wide = tf.cast(image, tf.uint16)
        colors, opacity = wide[..., :-1], wide[..., -1:]
        colors = colors * opacity + 255 * (255 - opacity) + 127
        return tf.cast(colors // 255, tf.uint8)

    image = tf.cond(has_opacity, over_white, lambda: image)
    if channels == 3:
        return _repeated(image, 3)
    return tf.cond(
        tf.shape(image)[-1] == 1,
        lambda: image,
        lambda: tf.image.rgb_to_grayscale(image[..., :3]),
    )


def _repeated(colors, channels):
    shape = tf.concat([tf.shape(colors)[:-1], [channels]], axis=0)
    return tf.broadcast_to(colors, shape)
