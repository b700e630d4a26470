"""Batches of plain pictures: the same as one by one, of every kind of file."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_xmodal.media import plain_images
from keras_xmodal.media.plain_images import are_plain
from keras_xmodal.networks import ImagePreprocessor

SIZE = (12, 10)


def picture(seed, mode="RGB", size=SIZE):
    channels = 4 if mode.endswith("A") else 3
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, channels))
    return Image.fromarray(pixels.astype("uint8")).convert(mode)


def save(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_16(seed, channels):
    pixels = np.random.default_rng(seed).integers(0, 2**16, (*SIZE, channels))
    return tf.io.encode_png(pixels.astype("uint16")).numpy()


def interlaced():
    """A file of Adam7, which Pillow only reads."""
    pixels = np.asarray(picture(3))
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)]
    passes += [(2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, right in passes
        for row in pixels[top::down, left::right]
    )
    header = struct.pack(">IIBBBBB", SIZE[1], SIZE[0], 8, 2, 0, 0, 1)
    content = b"\x89PNG\r\n\x1a\n"
    for name, part in (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        check = zlib.crc32(name + part)
        content += struct.pack(">I", len(part)) + name + part
        content += struct.pack(">I", check)
    return content


def turned(kind, orientation=6):
    image = picture(4)
    exif = image.getexif()
    exif[0x112] = orientation
    return save(image, kind, exif=exif)


PLAIN = {
    "png": save(picture(0)),
    "grey": save(picture(1, "L")),
    "palette": save(picture(2, "P")),
    "black and white": save(picture(2, "1")),
    "16 bits": png_16(0, 3),
    "16 bits, grey": png_16(0, 1),
    "interlaced": interlaced(),
    "jpeg": save(picture(0), "JPEG"),
    "progressive": save(picture(1), "JPEG", progressive=True),
    "grey jpeg": save(picture(1, "L"), "JPEG"),
    "cmyk": save(picture(2, "CMYK"), "JPEG"),
}
OTHERS = {
    "rgba": save(picture(0, "RGBA")),
    "grey and opacity": save(picture(0, "LA")),
    "16 bits, opacity": png_16(0, 4),
    "clear colour": save(picture(0, "P"), transparency=3),
    "clear grey": save(picture(0, "L"), transparency=3),
    "turned jpeg": turned("JPEG"),
    "turned png": turned("PNG"),
    "animated": save(picture(0), save_all=True, append_images=[picture(1)]),
    "gif": save(picture(0), "GIF"),
    "bmp": save(picture(0), "BMP"),
    "webp": save(picture(0), "WEBP", lossless=True),
    "another size": save(picture(0, size=(9, 14))),
}


@pytest.fixture(scope="module", params=[SIZE, (7, 5)])
def ways(request):
    """Graphs of a layer: as it is, and either way alone."""
    layer = ImagePreprocessor(request.param)

    def graph(decode):
        spec = tf.TensorSpec((None,), tf.string)
        return tf.function(decode, input_signature=[spec])

    plain = graph(lambda c: layer._resize_plain(plain_images.decode_plain(c)))
    signature = tf.TensorSpec((*request.param, 3), tf.float32)
    general = graph(
        lambda c: tf.map_fn(layer.decode_one, c, fn_output_signature=signature)
    )
    return graph(layer.decode), plain, general


@pytest.fixture(scope="module")
def judge():
    spec = tf.TensorSpec((None,), tf.string)
    judge = tf.function(
        are_plain, input_signature=[spec, tf.TensorSpec((), tf.int64)]
    )
    return lambda contents, most=10**6: bool(judge(contents, most))


def test_all_kinds_give_the_same_bits(ways):
    decode, plain, general = ways
    batch = tf.constant(list(PLAIN.values()))
    expected = general(batch)
    np.testing.assert_array_equal(decode(batch), expected)
    np.testing.assert_array_equal(plain(batch), expected)
    for name, content in OTHERS.items():
        batch = tf.constant([content, PLAIN["png"]])
        np.testing.assert_array_equal(decode(batch), general(batch), name)


def test_what_is_plain(judge):
    assert judge(list(PLAIN.values()))
    for content in PLAIN.values():
        assert judge([content])
    for name, content in OTHERS.items():
        assert not judge([PLAIN["png"], content]), name
    # One size, in any order, and of one kind of files.
    assert judge([OTHERS["another size"]] * 2)
    larger = save(picture(0, size=(9, 14)), "JPEG")
    assert not judge([larger, PLAIN["jpeg"]])
    assert not judge([larger, PLAIN["png"]])
    assert judge([larger, OTHERS["another size"]])


def test_what_is_too_much_at_once_is_not_plain(judge, monkeypatch):
    count = SIZE[0] * SIZE[1]
    assert judge([PLAIN["png"]], count)
    assert not judge([PLAIN["png"]], count - 1)
    monkeypatch.setattr(plain_images, "MAX_PIXELS", 2 * count)
    for number in (1, 2, 3):
        assert bool(are_plain([PLAIN["jpeg"]] * number, 10**6)) == (number < 3)
    huge = PLAIN["png"][:16] + b"\xff" * 8 + PLAIN["png"][24:]
    assert not judge([huge])
    assert not judge([PLAIN["png"][:16] + bytes(8) + PLAIN["png"][24:]])
    assert not judge(tf.constant([], tf.string))
    assert not judge([b""])


def test_broken_files_fail_either_way(ways):
    decode, _, general = ways
    for content in (PLAIN["png"], PLAIN["interlaced"], PLAIN["jpeg"]):
        for cut in (0, 5, 60, len(content) - 20):
            batch = tf.constant([PLAIN["png"], content[:cut]])
            for way in (decode, general):
                with pytest.raises(tf.errors.InvalidArgumentError):
                    way(batch)
