"""The frames of GIF files, drawn in graphs and out of them."""

import functools

import tensorflow as tf

from keras_xmodal.media.check import after, check, invalid
from keras_xmodal.media.header import (
    KINDS,
    integers,
    length,
    octets_at,
    read_header,
    where,
)

_MAX_FRAMES = 100_000
# What a row of the table holds.
_FIELDS = (
    "disposal",
    "transparent",
    "left",
    "top",
    "width",
    "height",
    "interlaced",
    "palette",
    "num_colors",
    "start",
    "end",
)
_TO_BACKGROUND, _TO_PREVIOUS = 2, 3
# A frame of one pixel: it is decoded where the one before it was whole.
_PIXEL = b"\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"


def decode_gif(content, max_pixels, name, choose, finish, dtype=tf.uint8):
    """Draw some frames of a GIF file over white.

    TensorFlow's own decoder draws clear pixels in black, moves frames that are
    smaller than the picture, and disposes of none.

    Args:
        content: Scalar string tensor.
        max_pixels: Integer, the largest number of pixels of a frame; of all
            frames together, 100 times as many.
        name: How errors call the content.
        choose: Function of the number of frames to an int32 tensor of
            positions, ascending.
        finish: Function of a frame, uint8 `(height, width, 3)`, to a tensor.
        dtype: Dtype of this tensor.

    Returns:
        Tensor of the finished frames, `(frames, ...)`.

    Raises:
        tf.errors.InvalidArgumentError: If the file is not whole, or too large.
    """
    kind, height, width, *_ = read_header(content)
    table, whole = _traced_table()(content)
    count = tf.shape(table)[0]
    pixels = tf.reduce_max(
        tf.concat([[height * width], table[:, 4] * table[:, 5]], axis=0)
    )
    largest = tf.maximum(pixels, pixels * tf.cast(count, tf.int64) // 100)
    rule = f"{name} must be a GIF file"
    is_gif = (kind == KINDS.index("gif")) & (height > 0) & (width > 0)
    assertions = [
        check(
            is_gif & whole & (count > 0),
            f"{rule}, complete, with a frame at least",
            "{} bytes that break off after {} frames",
            length(content),
            count,
            error=invalid,
        ),
        check(
            largest <= max_pixels,
            f"{rule} of at most `max_pixels={max_pixels}` pixels a frame, and "
            "100 times as many in all",
            "{} frames of up to {} pixels",
            count,
            pixels,
            error=invalid,
        ),
    ]
    table = after(assertions, table)
    chosen = choose(count)
    draw = _traced_draw()

    def next_frame(at, canvas, base):
        return at + 1, *draw(content, table[at], base)

    def finish_one(position, at, canvas, base, finished):
        at, canvas, base = tf.while_loop(
            lambda at, canvas, base: at <= chosen[position],
            next_frame,
            (at, canvas, base),
        )
        finished = finished.write(position, finish(canvas))
        return position + 1, at, canvas, base, finished

    canvas = tf.fill([height, width, 3], tf.constant(255, tf.uint8))
    size = tf.size(chosen)
    *_, finished = tf.while_loop(
        lambda position, *state: position < size,
        finish_one,
        (
            0,
            0,
            canvas,
            canvas,
            tf.TensorArray(dtype, size),
        ),
    )
    return finished.stack()


def count_frames(content):
    """Number of frames of a GIF file, as far as it is there."""
    return len(_traced_table()(content)[0])


@functools.cache
def _traced_table():
    """As a graph, which is faster than one operation after another."""
    spec = tf.TensorSpec((), tf.string)
    return tf.function(_read_table, input_signature=[spec], autograph=False)


@functools.cache
def _traced_draw():
    picture = tf.TensorSpec((None, None, 3), tf.uint8)
    row = tf.TensorSpec((len(_FIELDS),), tf.int64)
    content = tf.TensorSpec((), tf.string)
    return tf.function(
        _draw,
        input_signature=[content, row, picture],
        autograph=False,
    )


def _read_table(content):
    """A row for each frame, and whether the file is whole."""
    size = length(content)
    # Never empty, so that its last octet can be read.
    octets = tf.io.decode_raw(tf.strings.join([content, b"\0"]), tf.uint8)

    def octet(at):
        return tf.cast(octets[tf.minimum(at, size)], tf.int64)

    def skip_blocks(at):
        """Find the end of blocks that say their sizes, the last one 0."""
        (at,) = tf.while_loop(
            lambda at: (at < size) & (octet(at) > 0),
            lambda at: (at + 1 + octet(at),),
            (at,),
        )
        return at + 1

    def go_on(at, control, count, table, stop):
        return ~stop & (at < size) & (count < _MAX_FRAMES)

    def step(at, control, count, table, stop):
        part = octets_at(content, at, 10)
        first, label, options, clear, flags, *places = integers(
            part,
            *((at, at + 1) for at in (0, 1, 3, 6, 9)),
            *((at, at + 2) for at in (1, 3, 5, 7)),
        )
        is_extension, is_frame = first == 0x21, first == 0x2C
        # How to dispose of a frame, and the number of the clear colour or -1.
        clear = where(options % 2 == 1, clear, -1)
        control = tf.where(
            is_extension & (label == 0xF9),
            tf.stack([options // 4 % 8, clear]),
            control,
        )
        num_local = where(flags >= 128, 2 ** (flags % 8 + 1), 0)
        start = at + 10 + 3 * num_local
        end = tf.cond(
            is_extension | is_frame,
            lambda: skip_blocks(where(is_frame, start + 1, at + 2)),
            lambda: at,
        )
        row = [
            *tf.unstack(control, num=2),
            *places,
            flags // 64 % 2,
            where(num_local > 0, at + 10, 13),
            where(num_local > 0, num_local, num_global),
            start,
            end,
        ]
        # Written over by the next one, if it is no frame.
        table = table.write(count, tf.stack(row))
        count += tf.cast(is_frame, tf.int32)
        control = tf.where(is_frame, none, control)
        return end, control, count, table, ~(is_extension | is_frame)

    flags = octets_at(content, 10, 1)[0]
    num_global = where(flags >= 128, 2 ** (flags % 8 + 1), 0)
    none = tf.constant([0, -1], tf.int64)
    table = tf.TensorArray(
        tf.int64, 1, dynamic_size=True, element_shape=(len(_FIELDS),)
    )
    at, _, count, table, _ = tf.while_loop(
        go_on, step, (13 + 3 * num_global, none, 0, table, False)
    )
    return table.stack()[:count], octets_at(content, at, 1)[0] == 0x3B


def _draw(content, row, base):
    """Draw a frame over `base`: the picture, and what the next one is over."""
    field = dict(zip(_FIELDS, tf.unstack(row, num=len(_FIELDS)), strict=True))
    height, width = field["height"], field["width"]
    # A file of one frame at its corner, in greys that are numbers of colours.
    size = tf.stack([width % 256, width // 256, height % 256, height // 256])
    size = tf.strings.reduce_join(tf.gather(_octets(), size))
    greys = b"".join(bytes([i] * 3) for i in range(256))
    start, end = field["start"], field["end"]
    flag = tf.gather(_octets(), field["interlaced"] * 64)
    one = tf.strings.join(
        [
            b"GIF89a",
            size,
            b"\xf7\0\0" + greys + b"\x2c\0\0\0\0",
            size,
            flag,
            tf.strings.substr(content, start, end - start),
            _PIXEL + b";",
        ]
    )
    frames = tf.io.decode_gif(one)
    whole = tf.raw_ops.Assert(
        condition=(tf.shape(frames)[0] == 2) & (field["num_colors"] > 0),
        data=[["A frame must be whole and have colours."]],
    )
    # 0 is beyond the frame, 1 the first colour.
    with tf.control_dependencies([whole]):
        index = tf.cast(frames[0, :, :, 0], tf.int32) + 1
    del frames
    numbers = tf.range(-1, 256, dtype=tf.int64)[:, None]
    palette = octets_at(content, field["palette"] - 3, 3 * 257)
    palette = tf.reshape(palette, (257, 3))
    palette = where(numbers < field["num_colors"], palette, 0)

    # Its part of the picture.
    shape = tf.shape(base, tf.int64)[:2]
    corner = tf.stack([field["top"], field["left"]])
    there = tf.maximum(shape - corner, 0)
    index = index[: there[0], : there[1]]
    part = tf.shape(index, tf.int64)
    corner = tf.minimum(corner, shape - part)
    index = tf.cond(
        tf.reduce_any(part < shape),
        lambda: tf.pad(index, tf.stack([corner, shape - part - corner], 1)),
        lambda: index,
    )[..., None]
    is_inside = index > 0
    visible = is_inside & (index != tf.cast(field["transparent"], "int32") + 1)
    colors = tf.gather(tf.cast(palette, tf.uint8), index[..., 0])
    picture = tf.where(visible, colors, base)
    next_base = tf.case(
        [
            (
                field["disposal"] == _TO_BACKGROUND,
                lambda: tf.where(
                    is_inside, tf.constant(255, tf.uint8), picture
                ),
            ),
            (field["disposal"] == _TO_PREVIOUS, lambda: base),
        ],
        default=lambda: picture,
    )
    return picture, next_base


def _octets():
    """Each byte as a string."""
    return tf.constant([bytes([i]) for i in range(256)])
