import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_xmodal.datasets import read_video, write_gif


@pytest.fixture
def frames():
    """Fewer than 256 colours a frame; two of them are alike."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 9, 12, 3)).astype("uint8")
    frames[2] = frames[1]
    return frames


def test_every_reader_finds_the_frames(frames, tmp_path):
    path = tmp_path / "clip.gif"
    write_gif(path, frames)
    np.testing.assert_array_equal(read_video(path), frames)
    np.testing.assert_array_equal(tf.io.decode_gif(path.read_bytes()), frames)
    assert [file.name for file in tmp_path.iterdir()] == ["clip.gif"]


@pytest.mark.parametrize(
    ("frames_per_second", "milliseconds"), [(8, 120), (50, 20), (0.5, 2000)]
)
def test_speed_and_loop(frames, tmp_path, frames_per_second, milliseconds):
    path = tmp_path / "clip.gif"
    write_gif(str(path), frames, frames_per_second)
    with Image.open(path) as picture:
        assert picture.n_frames == 4
        assert picture.info["loop"] == 0
        assert picture.info["duration"] == milliseconds


def test_floats_and_grey(frames, tmp_path):
    path = tmp_path / "clip.gif"
    write_gif(path, frames.astype("float32") / 255)
    np.testing.assert_array_equal(read_video(path), frames)
    write_gif(path, frames[..., :1].astype("int64"))  # replaces the file
    np.testing.assert_array_equal(
        read_video(path), np.repeat(frames[..., :1], 3, axis=-1)
    )


def test_many_colours_become_the_nearest(tmp_path):
    y, x = np.indices((48, 48)) * 5
    frames = np.stack([y, x, 128 + 0 * x], axis=-1)[None]
    write_gif(tmp_path / "clip.gif", frames)
    error = read_video(tmp_path / "clip.gif") - frames
    assert 0 < np.abs(error).mean() < 8


def test_nothing_is_left_of_a_failure(frames, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("no space")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_gif(tmp_path / "clip.gif", frames)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda x: x[0], ValueError, "`frames` must have shape"),
        (lambda x: x[..., :2], ValueError, "`frames` must have shape"),
        (lambda x: x[:0], ValueError, r"shape.*Received: shape=\(0, 9"),
        (lambda x: x > 7, TypeError, "`frames` must be integers"),
        (lambda x: x + 1.5, ValueError, "floats in .* Received: values from"),
        (lambda x: x * np.nan, ValueError, "Received: values from nan"),
        (lambda x: x.astype(int) - 300, ValueError, "values from -300"),
    ],
)
def test_wrong_frames(frames, change, error, match, tmp_path):
    with pytest.raises(error, match=match):
        write_gif(tmp_path / "clip.gif", change(frames))


@pytest.mark.parametrize("frames_per_second", [0, -1, 51, float("nan")])
def test_wrong_speed(frames, frames_per_second, tmp_path):
    with pytest.raises(ValueError, match="`frames_per_second` must be in"):
        write_gif(tmp_path / "clip.gif", frames, frames_per_second)
