import io
import struct
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import GifImagePlugin, Image

from keras_xmodal.datasets import read_video
from keras_xmodal.media.image import decode_image
from keras_xmodal.networks import ImagePreprocessor, VideoPreprocessor

MP4 = b"\x00\x00\x00\x18ftypisom"


@pytest.fixture
def frames():
    """A red square that moves over white."""
    frames = np.full((5, 16, 24, 3), 255, "uint8")
    for index, frame in enumerate(frames):
        frame[4:10, 2 + 3 * index : 8 + 3 * index] = [255, 0, 0]
    return frames


def encode(frames, file_format, **kwargs):
    pictures = [Image.fromarray(frame) for frame in frames]
    stream = io.BytesIO()
    pictures[0].save(
        stream,
        file_format,
        save_all=True,
        append_images=pictures[1:],
        duration=100,
        **kwargs,
    )
    return stream.getvalue()


@pytest.mark.parametrize(
    ("file_format", "kwargs"),
    [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})],
)
def test_animations(frames, file_format, kwargs, tmp_path):
    content = encode(frames, file_format, **kwargs)
    clip = read_video(content)
    assert clip.dtype == np.uint8
    np.testing.assert_array_equal(clip, frames)
    path = tmp_path / "clip"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_video(path, 2), frames[[1, 3]])
    still = encode(frames[:1], file_format, **kwargs)
    np.testing.assert_array_equal(
        read_video(still, num_frames=3), frames[[0, 0, 0]]
    )


@pytest.mark.parametrize(
    ("file_format", "kwargs"),
    [("GIF", {"disposal": 2}), ("WEBP", {"lossless": True})],
)
def test_clear_pixels_are_white(frames, file_format, kwargs):
    opacity = 255 * (frames[..., 1:2] == 0)
    clear = np.concatenate([frames * (opacity > 0), opacity], axis=-1)
    content = encode(clear.astype("uint8"), file_format, **kwargs)
    np.testing.assert_array_equal(read_video(content), frames)


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "mpeg4"), ("webm", "libvpx-vp9")]
)
def test_other_formats(frames, container, codec, tmp_path):
    av = pytest.importorskip("av")
    path = str(tmp_path / f"clip.{container}")
    with av.open(path, "w") as file:
        stream = file.add_stream(codec, rate=8)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
    clip = read_video(path)
    assert clip.shape == frames.shape
    assert np.abs(clip.astype(float) - frames).mean() < 16  # it is lossy
    np.testing.assert_array_equal(read_video(path, 2), clip[[1, 3]])


@pytest.mark.parametrize("content", [MP4, b"no clip at all"])
def test_what_pyav_cannot_read(content):
    pytest.importorskip("av")
    with pytest.raises(ValueError, match="`source` must hold a whole clip"):
        read_video(content)


def test_without_pyav_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        ImportError, match=r"keras-xmodal\[video\].*Received: 12 bytes.*ftyp"
    ):
        read_video(MP4)


def test_files_that_hold_no_clip(frames):
    for content in (b"", b"GIF89a", encode(frames, "GIF")[:60]):
        with pytest.raises(
            ValueError,
            match=f"must hold a whole clip.*{len(content)} bytes",
        ):
            read_video(content)


def test_wrong_arguments(frames, tmp_path):
    with pytest.raises(TypeError, match="`source` must be a path or bytes"):
        read_video(frames)
    for num_frames in (0, -2):
        with pytest.raises(ValueError, match="`num_frames` must be"):
            read_video(b"GIF89a", num_frames)
    with pytest.raises(FileNotFoundError):
        read_video(tmp_path / "none.gif")


CANVAS = (12, 16)


def draw_gif(disposals, place=(5, 3), clear=True):
    """A GIF of frames that are smaller than the picture, by Pillow's codes."""
    parts = [b"GIF89a", struct.pack("<HHBBB", 16, 12, 0, 0, 0)]
    for index, disposal in enumerate(disposals):
        palette = bytes([0, 0, 0, 255, 0, 0, 0, 0, 255, 0, 255, 0])
        pixels = np.full((4, 6), 1 + index % 3, "uint8")
        pixels[1:3, 2:4] = 0  # clear
        frame = Image.frombytes("P", (6, 4), pixels.tobytes())
        frame.putpalette(palette)
        data = GifImagePlugin.getdata(frame, include_color_table=False)
        block = b"".join(data)
        # Its own position and palette.
        at = block.index(b"\x2c")
        left, top = place[0] + 2 * index, place[1] + index
        head = struct.pack("<BHHHHB", 0x2C, left, top, 6, 4, 0x81)
        control = bytes([0x21, 0xF9, 4, disposal << 2 | clear, 1, 0, 0, 0])
        parts += [control, head, palette, block[at + 10 :]]
    return b"".join([*parts, b";"])


def drawn(disposals, place=(5, 3), clear=True):
    """The same by the rules of the format."""
    canvas = np.full((*CANVAS, 3), 255, "uint8")
    colors = np.uint8([[0, 0, 0], [255, 0, 0], [0, 0, 255], [0, 255, 0]])
    frames = []
    for index, disposal in enumerate(disposals):
        before = canvas.copy()
        left, top = place[0] + 2 * index, place[1] + index
        for y in range(4):
            for x in range(6):
                inside = 0 <= top + y < 12 and 0 <= left + x < 16
                hole = 1 <= y < 3 and 2 <= x < 4
                if inside and not (hole and clear):
                    number = 0 if hole else 1 + index % 3
                    canvas[top + y, left + x] = colors[number]
        frames.append(canvas.copy())
        if disposal == 2:
            canvas[top : top + 4, left : left + 6] = 255
        if disposal == 3:
            canvas = before
    return np.stack(frames)


@pytest.mark.parametrize("clear", [True, False])
@pytest.mark.parametrize(
    ("disposals", "place"),
    [
        ([1], (0, 0)),
        ([0, 1, 0], (5, 3)),
        ([2, 2, 2], (5, 3)),
        ([3, 1, 3], (5, 3)),
        ([1, 3, 2, 1], (8, 6)),
        ([2, 1], (20, 3)),
    ],
)
def test_frames_of_gif_files_are_drawn_as_the_format_says(
    disposals, place, clear
):
    content = draw_gif(disposals, place, clear)
    expected = drawn(disposals, place, clear)
    np.testing.assert_array_equal(read_video(content), expected)
    layer = VideoPreprocessor(len(disposals), CANVAS)
    for decode in (layer.decode, tf.function(layer.decode)):
        clip = decode(tf.constant([content]))[0]
        np.testing.assert_allclose(clip, expected / 255.0, atol=1e-6)
    picture = ImagePreprocessor(CANVAS)([content])[0]
    np.testing.assert_allclose(picture, expected[0] / 255.0, atol=1e-6)


def test_clear_pixels_are_white_in_every_format_and_reader():
    pixels = np.zeros((1, 6, 8, 4), "uint8")
    pixels[0, 2:4, 2:5] = [255, 0, 0, 255]
    expected = np.where(pixels[0, ..., 3:] > 0, pixels[0, ..., :3], 255)
    for kind in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        content = encode(pixels, kind, **options)
        np.testing.assert_array_equal(read_video(content)[0], expected)
        np.testing.assert_array_equal(decode_image(content, 3), expected)
        for layer in (ImagePreprocessor((6, 8)), VideoPreprocessor(1, (6, 8))):
            output = np.reshape(layer([content]), (6, 8, 3))
            np.testing.assert_allclose(output, expected / 255.0, atol=1e-6)
    output = ImagePreprocessor((6, 8))(pixels)[0]
    np.testing.assert_allclose(output, expected / 255.0, atol=1e-6)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_clips_of_phones_stand_upright(frames, tmp_path, quarters):
    """Of a clip that says how its frames are to be turned, clockwise."""
    av = pytest.importorskip("av")
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=8)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
    plain = read_video(path)
    content = bytearray(path.read_bytes())
    cosine, sine = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    matrix = [cosine, sine, 0, -sine, cosine, 0]
    at = content.index(b"tkhd") + 4 + 40
    for i, value in enumerate(matrix):
        content[at + 4 * i : at + 4 * i + 4] = struct.pack(">i", value << 16)
    expected = np.rot90(plain, -quarters, axes=(1, 2))
    np.testing.assert_array_equal(read_video(bytes(content)), expected)


def test_larger_frames_are_refused(frames):
    content = encode(frames, "GIF")
    for kind, options in (("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": 1})):
        content = encode(frames, kind, **options)
        assert len(read_video(content, max_pixels=16 * 24)) == 5
        with pytest.raises(ValueError, match="`max_pixels=383` pixels"):
            read_video(content, max_pixels=383)


def test_broken_files_have_one_error(frames):
    """Whatever a decoder raises."""
    for kind, options in (("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": 1})):
        content = encode(frames, kind, **options)
        for size in range(10, len(content) - 1, 7):
            with pytest.raises(ValueError, match="must hold a whole clip"):
                read_video(content[:size])
