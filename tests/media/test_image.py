"""Tests of decoding picture files."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from keras_xmodal.media.header import read_header
from keras_xmodal.media.image import decode_image, is_whole_image
from keras_xmodal.media.video import read_video
from keras_xmodal.networks import ImagePreprocessor, VideoPreprocessor


def write(kind, num_frames=1):
    frames = [
        Image.fromarray(np.full((6, 8, 3), 40 * i, "uint8"))
        for i in range(num_frames)
    ]
    file = io.BytesIO()
    options = {"save_all": True, "append_images": frames[1:]}
    frames[0].save(file, kind, **(options if num_frames > 1 else {}))
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_still_pictures(kind):
    assert decode_image(write(kind), 3).shape == (6, 8, 3)


def test_still_webp_with_opacity_is_no_animation():
    picture = Image.new("RGBA", (8, 6), (200, 100, 50, 120))
    file = io.BytesIO()
    picture.save(file, "WEBP")
    content = file.getvalue()
    assert content[8:16] == b"WEBPVP8X"
    assert decode_image(content).shape == (6, 8, 4)


def test_first_frame_of_a_gif():
    assert np.max(decode_image(write("GIF", 3), 3)) < 40


def test_animated_webp_is_an_error_and_not_the_end_of_the_process():
    """`tf.io.decode_image` writes past its memory."""
    content = write("WEBP", 3)
    error = pytest.raises(
        tf.errors.InvalidArgumentError, match="Received: an animated WebP"
    )
    with error:
        decode_image(content)
    with error:
        tf.function(decode_image)(tf.constant(content))


def save(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def photo(size=(11, 7)):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 5, 3)).astype("uint8")
    return Image.fromarray(pixels).resize(size)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(kind, orientation):
    exif = Image.Exif()
    exif[0x010F] = "camera"
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95}
    content = save(photo(), kind, exif=exif.tobytes(), **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    decoded = decode_image(content, 3).numpy().astype(int)
    difference = np.abs(decoded - np.asarray(upright))
    assert np.max(difference) <= 10  # of two decoders of JPEG
    in_graph = tf.function(lambda content: decode_image(content, 3))
    np.testing.assert_array_equal(in_graph(tf.constant(content)), decoded)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_bmp_files_of_all_depths(mode):
    """Windows and Pillow take the fourth byte of a plain file for padding."""
    content = save(photo().convert(mode), "BMP")
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    np.testing.assert_array_equal(decode_image(content), expected)
    in_graph = tf.function(decode_image)
    np.testing.assert_array_equal(in_graph(tf.constant(content)), expected)


def test_other_bmp_files():
    pixels = np.arange(16).reshape(4, 4) % 3
    rows = np.packbits(
        np.unpackbits(pixels.astype("uint8")[..., None], axis=-1)[..., 4:]
    ).reshape(4, 2)
    palette = np.uint8([[255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0]])
    header = struct.pack(
        "<2sIIIIiiHHIIiiII", b"BM", 0, 0, 66, 40, 4, -4, 1, 4, 0, 0, 0, 0, 3, 0
    )
    # Four bits a pixel, from the top, rows of four bytes.
    content = (
        header + palette.tobytes() + np.pad(rows, [[0, 0], [0, 2]]).tobytes()
    )
    expected = palette[pixels][..., 2::-1]
    np.testing.assert_array_equal(decode_image(content), expected)
    # The header of OS/2, whose colours take three bytes.
    header = struct.pack("<2sIIIIHHHH", b"BM", 0, 0, 35, 12, 4, 4, 1, 4)
    rows = np.pad(rows[::-1], [[0, 0], [0, 2]]).tobytes()
    content = header + palette[:, :3].tobytes() + rows
    np.testing.assert_array_equal(decode_image(content), expected)
    # Run-length codes.
    content = bytearray(save(photo().convert("P"), "BMP"))
    content[30] = 1
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="BMP file of 1, 4"
    ):
        decode_image(bytes(content))


def test_opacity_of_bmp_files():
    """A later header says which bits are opacity."""
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack(
        "<2sIIIIiiHHIIiiII",
        b"BM",
        0,
        0,
        138,
        124,
        1,
        1,
        1,
        32,
        3,
        0,
        0,
        0,
        0,
        0,
    )
    content = (header + masks).ljust(138, b"\0") + bytes([1, 2, 3, 51])
    assert decode_image(content).numpy().tolist() == [[[3, 2, 1, 51]]]
    assert decode_image(content, 3).numpy().tolist() == [[[205, 204, 204]]]


@pytest.mark.parametrize(
    ("kind", "size"),
    [("PNG", 11 * 7), ("JPEG", 77), ("GIF", 77), ("BMP", 77), ("WEBP", 77)],
)
def test_too_many_pixels_are_found_in_the_header(kind, size):
    content = save(photo(), kind)
    assert decode_image(content, max_pixels=size).shape[:2] == (7, 11)
    match = f"max_pixels={size - 1}`.*Received: 7 x 11|of up to 77 pixels"
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        decode_image(content, max_pixels=size - 1)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.function(lambda c: decode_image(c, max_pixels=size - 1))(
            tf.constant(content)
        )


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_sizes_of_all_kinds_of_webp(lossless, mode):
    content = save(photo((300, 5)).convert(mode), "WEBP", lossless=lossless)
    assert read_header(tf.constant(content))[1:3] == [5, 300]


def test_declared_bombs_take_no_memory():
    png = bytearray(save(photo(), "PNG"))
    png[16:24] = struct.pack(">II", 60_000, 60_000)
    webp = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0/\xff\xff\xff\x0f" + b"\0" * 9
    jpeg = bytearray(save(photo(), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = b"\xff\0\xff\0"
    gif = b"GIF89a\xff\xff\xff\xff" + save(photo(), "GIF")[10:]
    for content in (png, webp, jpeg, gif):
        with pytest.raises(tf.errors.InvalidArgumentError, match="max_pixels="):
            decode_image(bytes(content))
        assert not is_whole_image(bytes(content))


def test_sizes_whose_product_overflows():
    content = bytearray(save(photo(), "PNG"))
    content[16:24] = b"\xff" * 8
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(bytes(content))
    assert read_header(tf.constant(bytes(content)))[1:3] == [0, 0]


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_behind_other_parts(order):
    """A comment and bytes that fill; a directory of two entries."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    width = struct.pack(order + "HHIHH", 0x100, 3, 1, 5, 0)
    turn = struct.pack(order + "HHIHH", 0x112, 3, 1, 6, 0)
    exif = b"Exif\0\0" + start + struct.pack(order + "IH", 8, 2)
    exif += width + turn + b"\0" * 4
    plain = save(photo(), "JPEG")
    comment = b"\xff\xfe\0\x06Exif"
    segment = b"\xff\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    content = plain[:2] + comment + segment + plain[2:]
    expected = np.rot90(decode_image(plain), -1)
    np.testing.assert_array_equal(decode_image(content), expected)
    content = plain[:2] + comment + plain[2:]
    np.testing.assert_array_equal(decode_image(content), decode_image(plain))


def png(color, bits, row, key):
    """A PNG file of one row of numbers, one of which is clear."""

    def chunk(name, data):
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    row = np.array(row)
    pixels = row.astype(">u2" if bits == 16 else "u1").tobytes()
    if bits < 8:
        shifts = range(8 - bits, -1, -bits)
        pixels = bytes([int(np.sum(row << np.array(shifts)))])
    header = struct.pack(">IIBBBBB", len(row), 1, bits, color, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"tEXt", b"tRNS\0acTL"),
            chunk(b"tRNS", np.array(key, ">u2").tobytes()),
            chunk(b"IDAT", zlib.compress(b"\0" + pixels)),
            chunk(b"IEND", b""),
        ]
    )


@pytest.mark.parametrize(
    ("color", "bits", "row", "key", "expected"),
    [
        (0, 2, [0, 1, 2, 3], [2], [0, 85, 255, 255]),
        (0, 8, [0, 7, 2], [7], [0, 255, 2]),
        (0, 16, [0x0702, 0x0703], [0x0703], [7, 255]),
        (2, 8, [[0, 7, 9], [7, 7, 7]], [7, 7, 7], [[0, 7, 9], 3 * [255]]),
        (
            2,
            16,
            [[0x100, 0x207, 0x309], [0x100, 0x207, 0x308]],
            [0x100, 0x207, 0x308],
            [[1, 2, 3], 3 * [255]],
        ),
    ],
)
def test_a_colour_that_a_png_file_calls_clear_is_white(
    color, bits, row, key, expected
):
    content = png(color, bits, row, key)
    expected = np.array(expected).reshape(1, len(row), -1)
    expected = np.broadcast_to(expected, (1, len(row), 3))
    for decode in (decode_image, tf.function(decode_image)):
        found = decode(tf.constant(content), 3)
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(read_video(content)[0], expected)
    for layer in (
        ImagePreprocessor((1, len(row))),
        VideoPreprocessor(1, (1, len(row))),
    ):
        output = np.reshape(layer([content]), expected.shape)
        np.testing.assert_allclose(output, expected / 255.0, atol=1e-6)
    assert is_whole_image(content)
    assert not is_whole_image(content[:-20])


def test_the_name_of_a_part_elsewhere_means_nothing():
    """Behind the pixels, in a text, in a file of another kind."""
    content = png(0, 8, [0, 7, 2], [7])
    at = content.index(b"tRNS\0\7")
    text = b"tEXt\0\7"
    text += struct.pack(">I", zlib.crc32(text))
    plain = content[:at] + text + content[at + 10 :]
    assert decode_image(plain).shape == (1, 3, 1)
    assert decode_image(plain + content[at - 4 : at + 10]).shape[-1] == 1
    jpeg = save(photo(), "JPEG", comment=b"tRNS acTL")
    np.testing.assert_array_equal(
        decode_image(jpeg), decode_image(save(photo(), "JPEG"))
    )


def test_a_clip_is_no_animated_png():
    frames = [photo(), photo().rotate(180)]
    content = save(
        frames[0], "PNG", save_all=True, append_images=frames[1:], duration=9
    )
    np.testing.assert_array_equal(decode_image(content), frames[0])
    assert ImagePreprocessor((7, 11))([content]).shape == (1, 7, 11, 3)
    assert read_video(content).shape == (2, 7, 11, 3)
    layer = VideoPreprocessor(2, (7, 11))
    for decode in (layer, tf.function(layer)):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="an animated PNG file"
        ):
            decode(tf.constant([content]))


def test_graph_is_small():
    """Whenever an iterator over data begins, each operation costs time."""
    spec = tf.TensorSpec((), tf.string)
    function = tf.function(decode_image).get_concrete_function(spec)
    graph = function.graph.as_graph_def()
    functions = graph.library.function
    assert len(graph.node) + sum(len(f.node_def) for f in functions) < 1250


@pytest.mark.large
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *((kind, "RGB") for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP")),
        *((kind, "RGBA") for kind in ("PNG", "WEBP")),
    ],
)
def test_memory_a_pixel(kind, mode, tmp_path):
    """Of a photo of 48 megapixels, in a graph as a server runs it."""
    file = tmp_path / "photo"
    file.write_bytes(save(photo((8000, 6000)).convert(mode), kind))
    script = f"""
import resource, tensorflow as tf, keras_xmodal as kx
layer = kx.networks.ImagePreprocessor((224, 224))
spec = tf.TensorSpec((None,), tf.string)
decode = tf.function(layer.decode, input_signature=[spec])
content = open({str(file)!r}, "rb").read()
decode([tf.io.encode_png(tf.zeros((300, 300, 4), "uint8")).numpy()])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert decode([content]).shape == (1, 224, 224, 3)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("bytes a pixel", (after - before) * 1024 / 48e6)
"""
    output = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert float(output.split()[-1]) < 12


@pytest.mark.parametrize("content", [b"", b"RIFF", b"nothing"])
def test_no_picture(content):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(content)
    assert not is_whole_image(content)


def test_whole_pictures():
    for content in (write("JPEG"), write("WEBP"), write("PNG")):
        assert is_whole_image(content)
        assert not is_whole_image(content[: len(content) // 2])
    assert not is_whole_image(write("WEBP", 3))
