import io
import sys

import numpy as np
import pytest
from PIL import Image

from keras_xmodal.datasets import read_video

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
    with pytest.raises(ValueError, match="`source` must hold a clip"):
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
            match=f"`source` must hold a clip.*Received: {len(content)} bytes",
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
