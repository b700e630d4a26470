"""Files and arrays as small pictures."""

import io

import numpy as np
from PIL import Image

from keras_xmodal.media.gif import encode_gif
from keras_xmodal.media.wav import encode_wav
from keras_xmodal.plots.cells import to_cells
from keras_xmodal.plots.thumbnails import to_thumbnail


def png(color, size=(4, 2)):
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "PNG")
    return file.getvalue()


def test_files_of_pictures():
    cells = to_cells(np.array([png("red"), png("blue", (640, 320))], object))
    assert [cell.shape for cell in cells] == [(2, 4, 3), (80, 160, 3)]
    assert (cells[0] == [1, 0, 0]).all()
    assert (cells[1] == [0, 0, 1]).all()


def test_clips_are_their_middle_frames():
    frames = np.arange(5, dtype="uint8")[:, None, None, None]
    frames = np.broadcast_to(50 * frames, (5, 3, 3, 3))
    (cell,) = to_cells([encode_gif(frames)])
    np.testing.assert_allclose(cell, np.full((3, 3, 3), 100 / 255))
    (same,) = to_cells(frames[None])
    np.testing.assert_allclose(same, cell)


def test_recordings_are_spectrograms():
    """A tone is a line, low ones at the bottom; short ones are padded."""
    time = np.arange(8000) / 8000
    rows = []
    for hertz in (1000, 3000):
        tone = np.sin(2 * np.pi * hertz * time)
        for value in (tone, encode_wav(0.5 * tone, 8000)):
            (cell,) = to_cells([value])
            assert cell.shape[0] == 129
            assert 0 <= cell.min() <= cell.max() == 1
            loudest = cell.argmax(axis=0)
            assert np.ptp(loudest) <= 1
            rows.append(128 - np.median(loudest))
    np.testing.assert_allclose(rows, [32, 32, 96, 96], atol=1)
    (short,) = to_cells([encode_wav(np.ones(9) / 2, 8000)])
    assert short.shape == (129, 1)
    (silence,) = to_cells([encode_wav(np.zeros(900), 8000)])
    assert np.isfinite(silence).all()


def test_thumbnails_keep_their_shape():
    (cell,) = to_cells([png("red")])
    small = to_thumbnail(cell, 8)
    assert small.shape == (8, 8, 3)
    assert (small[2:6] == [255, 0, 0]).all()
    assert (small[[0, 1, 6, 7]] == 255).all()
    gray = to_thumbnail(np.zeros((9, 9, 1)), 3)
    assert (gray == 0).all()
    clear = to_thumbnail(np.zeros((2, 2, 4)), 4)
    assert (clear == 255).all()
    heat = to_thumbnail(np.array([[0.0, 1.0]]), 4)
    assert heat[0, 0].tolist() == [68, 1, 84]  # viridis
    assert heat[0, 3].tolist() == [253, 231, 36]
    text = to_thumbnail("a red apple 🍎 " * 9, 48)
    assert text.shape == (48, 48, 3)
    assert text.min() < 80
    assert (to_thumbnail("", 9) == 255).all()
