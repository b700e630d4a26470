import io
import pickle

import numpy as np
import pytest
from PIL import Image

from keras_xmodal.plots import drawing
from keras_xmodal.plots.cells import to_cells


def pixels(figure):
    """RGB of a drawn figure, from 0 to 1."""
    picture = Image.open(io.BytesIO(drawing.to_png(figure)))
    return np.asarray(picture.convert("RGB")) / 255


def center(figure, axes):
    """Colour in the middle of some axes."""
    image = pixels(figure)
    box = axes.get_position()
    x, y = (box.x0 + box.x1) / 2, 1 - (box.y0 + box.y1) / 2
    return image[int(y * image.shape[0]), int(x * image.shape[1])]


def test_images_keep_their_colours():
    colors = np.array([[0.0, 0.4, 1.0], [0.8, 0.2, 0.0]])
    images = np.broadcast_to(colors[:, None, None], (2, 5, 5, 3))
    for values in (images, np.round(images * 255).astype("uint8")):
        figure = drawing.draw_grid([to_cells(values)])
        drawing.to_png(figure)
        for axes, color in zip(figure.axes, colors, strict=True):
            np.testing.assert_allclose(center(figure, axes), color, atol=0.01)


def test_gray_images_are_not_stretched():
    """Their values are what they are; NaN is black, as what is below 0."""
    images = np.full((4, 3, 3, 1), 0.5)
    images[1:] += np.array([-9, 9, np.nan])[:, None, None, None]
    figure = drawing.draw_grid([to_cells(images)])
    drawing.to_png(figure)
    found = [center(figure, axes)[0] for axes in figure.axes]
    np.testing.assert_allclose(found, [0.5, 0, 1, 0], atol=0.01)


def test_other_arrays_are_heat_maps_of_one_scale():
    cells = to_cells(np.array([[-2.0, 0.0], [2.0, 6.0]]))
    np.testing.assert_allclose(cells[0], [[0.0, 0.25]])
    np.testing.assert_allclose(cells[1], [[0.5, 1.0]])
    assert to_cells(np.zeros((2, 3, 4)))[0].shape == (3, 4)
    assert to_cells(np.zeros((2, 3, 4, 5)))[0].shape == (3, 20)
    constant = to_cells(np.full((2, 3), 7.0))
    np.testing.assert_array_equal(constant, np.zeros((2, 1, 3)))


def test_strings_numbers_and_ids():
    texts = np.array(["a", b"caf\xc3\xa9"], object)
    assert to_cells(texts) == ["a", "café"]
    assert to_cells(np.array(["x", "y"]), lambda ids: 1) == ["x", "y"]
    assert to_cells(np.array([3, 0])) == ["3", "0"]
    ids = np.array([[1, 2], [3, 4]])
    found = to_cells(ids, lambda ids: [str(sum(row)) for row in ids])
    assert found == ["3", "7"]
    with pytest.raises(ValueError, match=r"one string for each.*1 for 2"):
        to_cells(ids, lambda ids: ["one"])


def test_texts_of_any_kind_are_drawn():
    """No warning of missing characters, no formulas, no overflow."""
    texts = ["漢字 🍎", "$x_{", "", "word " * 99, "w" * 99, "a\nb"]
    figure = drawing.draw_grid([texts], ["$row"], [f"${i}" for i in range(6)])
    assert pixels(figure).min() < 0.2
    drawn = [axes.texts[0].get_text() for axes in figure.axes]
    assert drawn[1] == "$x_{"
    assert drawn[3].endswith("…")
    assert max(len(text.split("\n")) for text in drawn) <= 7
    assert max(len(line) for t in drawn for line in t.split("\n")) <= 18


def test_grid_has_titles():
    cells = to_cells(np.zeros((3, 2, 2, 1)))
    figure = drawing.draw_grid([cells, cells], ["a", "b"], ["x", "y", "z"])
    grid = np.array(figure.axes).reshape(2, 3)
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["a", "b"]
    assert [axes.get_title() for axes in grid[0]] == ["x", "y", "z"]


@pytest.mark.parametrize(("classes", "legend"), [(3, 3), (15, 15), (30, 0)])
def test_scatter_draws_each_class_in_its_colour(classes, legend):
    labels = np.arange(60) % classes
    points = np.random.default_rng(0).normal(size=(60, 2))
    figure = drawing.draw_scatter(
        {"one": points, "two": -points}, labels, ("first", "second")
    )
    drawing.to_png(figure)
    names = [t.get_text() for f in figure.legends for t in f.get_texts()]
    assert names == [str(i) for i in range(legend)]
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim()
    assert (left.get_xlabel(), left.get_ylabel()) == ("first", "second")
    assert len(left.collections) == classes
    colors = {tuple(c.get_facecolor()[0]) for c in left.collections}
    assert len(colors) == classes
    offsets = np.concatenate([c.get_offsets() for c in left.collections])
    order = np.argsort(labels, kind="stable")
    np.testing.assert_allclose(offsets, points[order])


def test_scatter_without_labels():
    figure = drawing.draw_scatter({"": np.zeros((3, 2))}, None, ("a", "b"))
    assert len(figure.axes[0].collections[0].get_offsets()) == 3
    assert not figure.legends


def test_notebooks_show_figures():
    figure = drawing.new_figure(2, 1)
    assert figure._repr_png_().startswith(b"\x89PNG")
    copied = pickle.loads(pickle.dumps(figure))
    assert copied._repr_png_() == figure._repr_png_()
