"""What the header of a picture file says, read in graphs and out of them."""

import functools

import numpy as np
import tensorflow as tf

KINDS = ("none", "jpeg", "png", "gif", "bmp", "webp", "animated webp")
_MAX_PARTS = 10_000  # of a file, before its pixels
_MAX_TAGS = 200
_ORIENTATION = 0x112
# Markers of JPEG tables and frames, behind which no camera writes a tag.
_TABLES = [0xDB, 0xC4, 0xC0, 0xC2, 0xDD]


def read_header(content):
    """Read kind, height, width and EXIF orientation of a picture file.

    Args:
        content: Scalar string tensor.

    Returns:
        Tuple of int64 scalars: position in `KINDS`; height and width as they
        are stored, 0 where the header does not say them; 1 to 8.
    """
    return tf.unstack(_traced()(content), num=4)


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
    at = tf.clip_by_value(tf.cast(at, tf.int64), 0, length(content))
    part = tf.strings.substr(content, at, count)
    part = tf.strings.substr(tf.strings.join([part, b"\0" * count]), 0, count)
    octets = tf.ensure_shape(tf.io.decode_raw(part, tf.uint8), (count,))
    return tf.cast(octets, tf.int64)


def where(condition, x, y):
    """Choose between int64 numbers."""
    return tf.where(condition, tf.cast(x, tf.int64), tf.cast(y, tf.int64))


def little(octets):
    """Unsigned little-endian integer of bytes."""
    return tf.reduce_sum(octets * 256 ** np.arange(octets.shape[-1]), axis=-1)


def big(octets):
    """Unsigned big-endian integer of bytes."""
    return little(octets[..., ::-1])


def equals(octets, text):
    """Whether bytes are those of a text."""
    return tf.reduce_all(octets == list(text))


def _read(content):
    head = octets_at(content, 0, 48)
    is_jpeg = equals(head[:3], b"\xff\xd8\xff")
    is_png = equals(head[:8], b"\x89PNG\r\n\x1a\n")
    is_webp = equals(head[:4], b"RIFF") & equals(head[8:12], b"WEBP")
    is_extended = is_webp & equals(head[12:16], b"VP8X")
    moves = is_extended & (head[20] & 2 > 0)
    is_gif, is_bmp = equals(head[:4], b"GIF8"), equals(head[:2], b"BM")
    kind = tf.argmax(
        [False, is_jpeg, is_png, is_gif, is_bmp, is_webp & ~moves, moves]
    )

    # The sizes, where they are in a fixed place.
    lossless = little(head[21:25])
    core = little(head[14:18]) == 12  # the header of OS/2
    wide, tall = little(head[18:22]), _signed(little(head[22:26]))
    height, width = _first(
        (is_png, big(head[20:24]), big(head[16:20])),
        (is_gif, little(head[8:10]), little(head[6:8])),
        (is_bmp & core, little(head[20:22]), little(head[18:20])),
        (is_bmp, tf.abs(tall), tf.maximum(_signed(wide), 0)),
        (is_extended, little(head[27:30]) + 1, little(head[24:27]) + 1),
        (
            is_webp & equals(head[12:16], b"VP8L"),
            lossless // 2**14 % 2**14 + 1,
            lossless % 2**14 + 1,
        ),
        (is_webp, little(head[28:30]) % 2**14, little(head[26:28]) % 2**14),
    )

    # Where what comes first are pixels, or tables that a JPEG file needs for
    # them, there is no orientation to be looked for.
    at = where(head[3] == 0xE0, 4 + big(head[4:6]), 2)
    marker = octets_at(content, at, 2)[1]
    plain_jpeg = is_jpeg & tf.reduce_any(marker == _TABLES)
    plain_png = is_png & equals(head[37:41], b"IDAT")
    plain_webp = is_webp & ~(is_extended & (head[20] & 8 > 0))
    others = ~(is_jpeg | is_png | is_webp)
    one = tf.constant(1, tf.int64)
    found = tf.case(
        [
            (
                plain_png | plain_webp | others,
                lambda: tf.stack([height, width, one]),
            ),
            (plain_jpeg, lambda: _read_jpeg(content)),
        ],
        default=lambda: _traced_walk()(
            content, tf.stack([is_jpeg, is_png, is_webp]), height, width
        ),
    )
    return tf.concat([[kind], found], axis=0)


def _read_jpeg(content):
    height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(content, tf.int64))
    return tf.stack([height, width, tf.constant(1, tf.int64)])


@functools.cache
def _traced_walk():
    """One operation, where all of its own would be skipped one by one."""
    size = tf.TensorSpec((), tf.int64)
    return tf.function(
        _walk,
        input_signature=[
            tf.TensorSpec((), tf.string),
            tf.TensorSpec((3,), tf.bool),
            size,
            size,
        ],
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


def _walk(content, kinds, height, width):
    """Go from segment to segment, in search of sizes and orientation."""
    is_jpeg, is_png, is_webp = tf.unstack(kinds)

    def go_on(at, exif_at, height, width, stop):
        return ~stop & (at + 4 <= length(content))

    def step(at, exif_at, height, width, stop):
        part = octets_at(content, at, 12)
        # A segment of a JPEG file: 255, marker, size, content.
        marker, size = part[1], big(part[2:4])
        fill, alone = marker == 255, (marker == 1) | (marker // 8 == 26)
        frame = is_jpeg & (marker // 16 == 12) & (marker % 4 > 0)
        frame |= is_jpeg & (marker == 0xC0)
        exif = is_jpeg & (marker == 0xE1) & equals(part[4:8], b"Exif")
        end = is_jpeg & ((part[0] != 255) | (marker == 0xDA) | (marker == 0xD9))
        after = at + where(fill, 1, where(alone, 2, size + 2))
        place = at + 4
        # A chunk of a PNG file: size, name, content, checksum.
        after = where(is_png, at + 12 + big(part[:4]), after)
        exif |= is_png & equals(part[4:8], b"eXIf")
        end |= is_png & equals(part[4:8], b"IDAT")
        # A chunk of a WebP file: name, size, content.
        size = little(part[4:8])
        after = where(is_webp, at + 8 + size + size % 2, after)
        exif |= is_webp & equals(part[:4], b"EXIF")
        place = where(is_jpeg, place, at + 8)
        first = frame & (height == 0)
        return (
            after,
            where(exif & (exif_at == 0), place, exif_at),
            where(first, big(part[5:7]), height),
            where(first, big(part[7:9]), width),
            end,
        )

    zero = tf.constant(0, tf.int64)
    start = where(is_jpeg, zero + 2, where(is_png, zero + 8, zero + 12))
    _, exif_at, height, width, _ = tf.while_loop(
        go_on,
        step,
        (start, zero, height, width, ~(is_jpeg | is_png | is_webp)),
        maximum_iterations=_MAX_PARTS,
    )
    orientation = tf.cond(
        exif_at > 0,
        lambda: _read_orientation(content, exif_at),
        lambda: zero + 1,
    )
    return tf.stack([height, width, orientation])


def _read_orientation(content, at):
    """Read the tag of the first directory, from 1 to 8."""
    head = octets_at(content, at, 6)
    at += where(equals(head, b"Exif\0\0"), 6, 0)
    head = octets_at(content, at, 8)
    is_little = equals(head[:2], b"II")

    def integer(octets):
        return where(is_little, little(octets), big(octets))

    at += where(is_little, little(head[4:8]), big(head[4:8]))
    count = integer(octets_at(content, at, 2))
    tags = octets_at(content, at + 2, 12 * _MAX_TAGS)
    tags = tf.reshape(tags, (_MAX_TAGS, 12))
    found = integer(tags[:, :2]) == _ORIENTATION
    found &= tf.range(_MAX_TAGS, dtype=tf.int64) < count
    value = tf.reduce_max(where(found, integer(tags[:, 8:10]), 0))
    return where((value >= 1) & (value <= 8), value, 1)


def _signed(value):
    return where(value >= 2**31, value - 2**32, value)


def _first(*cases):
    """The sizes of the first case that holds, or 0."""
    height = width = tf.constant(0, tf.int64)
    for condition, tall, wide in reversed(cases):
        height = where(condition, tall, height)
        width = where(condition, wide, width)
    return height, width
