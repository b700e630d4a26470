import numpy as np
import pytest

from keras_xmodal.layers.color_cells import ColorCells
from tests.helpers import check_layer


def test_layer(tmp_path):
    images = np.random.default_rng(0).random((2, 12, 10, 3), "float32")
    check_layer(ColorCells, {"cell_size": 3}, images, (2, 4, 4, 5), tmp_path)


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        ((1, 1, 1), [0, 0, 0, 0, 0]),
        ((0, 0, 0), [1, 0, 0, 0, 0]),
        # In ink, the complement: pure red lacks green and blue.
        ((1, 0, 0), [2 / 3, 0, 0, 1 / 2, 1 / 4]),
        ((0, 0, 1), [2 / 3, 0, 1 / 2, 0, 0]),
    ],
)
def test_one_colour_has_its_channels(color, expected):
    images = np.ones((1, 8, 8, 3), "float32") * np.array(color, "float32")
    cells = ColorCells(cell_size=4)(images).numpy()
    np.testing.assert_allclose(
        cells[0, 0, 0], np.sqrt(np.array(expected) + 1e-4) - 0.01, atol=1e-5
    )


def test_colours_stay_in_their_place():
    images = np.ones((1, 32, 32, 3), "float32")
    images[:, :4, :4] = (1, 0, 0)
    cells = ColorCells(cell_size=4)(images).numpy()[0].sum(axis=-1)
    assert cells[0, 0] > 0.3
    assert np.abs(cells[3:, 3:]).max() < 1e-6


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`cell_size` must be a positive int"):
        ColorCells(cell_size=0)


def test_wrong_shape():
    with pytest.raises(ValueError, match=r"\(2, 8, 8, 1\)"):
        ColorCells()(np.ones((2, 8, 8, 1)))


def test_integers_are_no_floats():
    with pytest.raises(TypeError, match=r"`images` must be floats.*uint8"):
        ColorCells()(np.zeros((1, 8, 8, 3), "uint8"))
