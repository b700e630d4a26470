"""What the header of a picture file says, read in graphs and out of them.

Each operation of these graphs costs time whenever an iterator over data
begins, whatever the files are: numbers are read together, by a table.
"""

import functools

import numpy as np
import tensorflow as tf

KINDS = ("none", "jpeg", "png", "gif", "bmp", "webp")
KINDS += ("animated png", "animated webp")
# How files begin, "?" being any byte; where height and width are, the last
# byte of an integer first if it is big-endian; what the integers are divided
# by, taken modulo, and have added to them.
_NO, _ALL = (0, 0), 2**32
_FORMATS = (
    ("jpeg", b"\xff\xd8\xff", _NO, _NO, (1, 1), _ALL, 0),
    ("png", b"\x89PNG\r\n\x1a\n", (24, 20), (20, 16), (1, 1), _ALL, 0),
    ("gif", b"GIF8", (8, 10), (6, 8), (1, 1), _ALL, 0),
    # The header of OS/2, then all others.
    ("bmp", b"BM????????????\x0c\0\0\0", (20, 22), (18, 20), (1, 1), _ALL, 0),
    ("bmp", b"BM", (22, 26), (18, 22), (1, 1), _ALL, 0),
    ("webp", b"RIFF????WEBPVP8X", (27, 30), (24, 27), (1, 1), _ALL, 1),
    ("webp", b"RIFF????WEBPVP8L", (21, 25), (21, 25), (2**14, 1), 2**14, 1),
    ("webp", b"RIFF????WEBP", (28, 30), (26, 28), (1, 1), 2**14, 0),
    ("none", b"", _NO, _NO, (1, 1), _ALL, 0),
)
_HEAD = 32
_EXTENDED = 5  # its position in the table
MAY_NEED_WALK = r"\C*(?:Exif|eXIf|EXIF|tRNS|acTL)\C*"
_MAX_PARTS = 10_000  # of a file, before its pixels
_MAX_TAGS = 200
_ORIENTATION = 0x112


def read_header(content):
    """Read kind, height, width and more of the header of a picture file.

    Args:
        content: Scalar string tensor.

    Returns:
        Tuple of int64 scalars: position in `KINDS`; height and width as they
        are stored, 0 where the header does not say them; EXIF orientation, 1
        to 8; 1 where a PNG file may name a clear colour, and 0.

    Raises:
        tf.errors.InvalidArgumentError: If a JPEG file has no size.
    """
    return tf.unstack(_traced()(content), num=5)


@functools.cache
def _traced():
    """As a graph, which is faster than one operation after another."""
    spec = tf.TensorSpec((), tf.string)
    return tf.function(_read, input_signature=[spec], autograph=False)


def length(content):
    """Number of bytes of a string, as int64."""
    return tf.cast(tf.strings.length(content), tf.int64)


def octets_at(content, at, count):
    """Bytes of a string as int64, zeros beyond its end; `count` is known."""
    at = tf.minimum(tf.cast(at, tf.int64), length(content))
    part = tf.strings.substr(content, at, count)
    octets = tf.io.decode_raw(part, tf.uint8, fixed_length=count)
    return tf.cast(octets, tf.int64)


def where(condition, x, y):
    """Choose between int64 numbers."""
    return tf.where(condition, tf.cast(x, tf.int64), tf.cast(y, tf.int64))


def integers(octets, *places):
    """Unsigned integers at `(start, stop)`, or `(stop, start)` if big-endian.

    Returns:
        List of int64 scalars.
    """
    weights = np.stack([_weights(place, octets.shape[0]) for place in places])
    values = tf.reduce_sum(octets * weights, axis=1)
    return tf.unstack(values, num=len(places))


def _weights(place, size):
    """What bytes count in an integer."""
    weights = np.zeros(size, "int64")
    start, stop = sorted(place)
    powers = 256 ** np.arange(stop - start)
    weights[start:stop] = powers if place[0] <= place[1] else powers[::-1]
    return weights


def equals(octets, text):
    """Whether bytes are those of a text."""
    return tf.reduce_all(octets == list(text))


def _read(content):
    head = octets_at(content, 0, _HEAD)
    names, starts, tall, wide, divisors, modulo, plus = zip(
        *_FORMATS, strict=True
    )
    starts = np.array([list(start.ljust(_HEAD, b"?")) for start in starts])
    begins = (head == starts) | (starts == ord("?"))
    row = tf.argmax(tf.reduce_all(begins, axis=1))
    sizes = [
        [_weights(place, _HEAD) for place in places]
        for places in zip(tall, wide, strict=True)
    ]
    sizes = tf.reduce_sum(tf.gather(np.array(sizes), row) * head, axis=1)
    sizes = sizes // tf.gather(np.array(divisors), row)
    sizes = sizes % tf.gather(np.array(modulo), row)
    sizes += tf.gather(np.array(plus), row)
    kind = tf.gather([KINDS.index(name) for name in names], row)
    kind = tf.cast(kind, tf.int64)
    # Of a BMP file, the height is negative where rows go down.
    sizes = where(sizes >= 2**31, sizes - 2**32, sizes)
    upright = where(kind == KINDS.index("bmp"), [-1, 0], 0)
    sizes = tf.maximum(sizes, upright * sizes)

    is_jpeg = kind == KINDS.index("jpeg")
    sizes = tf.cond(
        is_jpeg,
        lambda: tf.io.extract_jpeg_shape(content, tf.int64)[:2],
        lambda: sizes,
    )
    # Only few files of the others need a walk through their parts.
    orientation, has_key, moves = tf.unstack(
        tf.cond(
            tf.strings.regex_full_match(content, MAY_NEED_WALK),
            lambda: _traced_walk()(content, kind),
            lambda: tf.constant([1, 0, 0], tf.int64),
        ),
        num=3,
    )
    kind = where(moves > 0, KINDS.index("animated png"), kind)
    moves = (row == _EXTENDED) & (head[20] // 2 % 2 == 1)
    kind = where(moves, KINDS.index("animated webp"), kind)
    return tf.concat([[kind], sizes, [orientation, has_key]], axis=0)


@functools.cache
def _traced_walk():
    """One operation, where all of its own would be skipped one by one."""
    return tf.function(
        _walk,
        input_signature=[
            tf.TensorSpec((), tf.string),
            tf.TensorSpec((), tf.int64),
        ],
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


def _walk(content, kind):
    """Go from part to part, for what the beginning does not say."""
    end = length(content)
    exif, upper, png_exif, data, clear, control = (
        int.from_bytes(name, "little")
        for name in (b"Exif", b"EXIF", b"eXIf", b"IDAT", b"tRNS", b"acTL")
    )
    of_kind = tf.maximum(kind - 1, 0)
    is_png = kind == KINDS.index("png")

    def go_on(at, exif_at, has_key, moves):
        return (at + 4 <= end) & (is_png | (exif_at == 0))

    def step(at, exif_at, has_key, moves):
        part = octets_at(content, at, 8)
        first, marker, jpeg_size, png_size, size, name, name_after = integers(
            part, (0, 1), (1, 2), (4, 2), (4, 0), (4, 8), (0, 4), (4, 8)
        )
        # Of JPEG, PNG, GIF, BMP and WebP files. A segment of a JPEG file: 255,
        # marker, size, content; a fill byte and some markers stand alone. A
        # chunk of a PNG file: size, name, content, checksum. A chunk of a WebP
        # file: name, size, content.
        found = tf.stack(
            [
                (marker == 0xE1) & (name_after == exif),
                name_after == png_exif,
                False,
                False,
                name == upper,
            ]
        )[of_kind]
        alone = (marker == 1) | (marker // 8 == 26)
        jpeg_step = where(marker == 255, 1, where(alone, 2, jpeg_size + 2))
        is_last = (first != 255) | (marker == 0xDA) | (marker == 0xD9)
        after = tf.stack(
            [
                where(is_last, end, at + jpeg_step),
                where(name_after == data, end, at + 12 + png_size),
                end,
                end,
                at + 8 + size + size % 2,
            ]
        )[of_kind]
        place = tf.constant([4, 8, 8, 8, 8], tf.int64)[of_kind]
        return (
            after,
            where(found, at + place, exif_at),
            where(is_png & (name_after == clear), 1, has_key),
            where(is_png & (name_after == control), 1, moves),
        )

    zero = tf.constant(0, tf.int64)
    start = tf.constant([2, 8, 0, 0, 12], tf.int64)[of_kind]
    _, exif_at, has_key, moves = tf.while_loop(
        go_on,
        step,
        (start, zero, zero, zero),
        maximum_iterations=_MAX_PARTS,
    )
    orientation = _read_orientation(content, exif_at)
    return tf.stack([where(exif_at > 0, orientation, 1), has_key, moves])


def _read_orientation(content, at):
    """Read the tag of the first directory, from 1 to 8."""
    head = octets_at(content, at, 6)
    at += where(equals(head, b"Exif\0\0"), 6, 0)
    head = octets_at(content, at, 8)
    is_little = equals(head[:2], b"II")
    little, big = integers(head, (4, 8), (8, 4))
    # A count, then the directory's entries: tag, type, count, value.
    pairs = octets_at(
        content, at + where(is_little, little, big), 12 * _MAX_TAGS + 2
    )
    pairs = tf.reshape(pairs, (-1, 2))
    pairs = tf.reduce_sum(pairs * where(is_little, [1, 256], [256, 1]), axis=1)
    tags = tf.reshape(pairs[1:], (_MAX_TAGS, 6))
    found = tags[:, 0] == _ORIENTATION
    found &= tf.range(_MAX_TAGS, dtype=tf.int64) < pairs[0]
    value = tf.reduce_max(where(found, tags[:, 4], 0))
    return where((value >= 1) & (value <= 8), value, 1)
