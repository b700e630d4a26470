"""Queries with what a model finds."""

import keras
import numpy as np
import pytest
from matplotlib.colors import to_rgb

import keras_xmodal as kx
from keras_xmodal.plots import plot_retrieval
from keras_xmodal.plots.drawing import new_figure, to_png

GREEN = to_rgb("#2a9d4a")
TEXTS = ["one", "two", "three", "four"]
IMAGES = np.broadcast_to(60 * np.arange(4), (3, 3, 3, 4)).T.astype("uint8")


class Model:
    """Its embeddings are given by modality: rows of scores of all others."""

    # Text 0 finds pictures 1, 0, 2, 3; text 1 finds 3, 2, 1, 0.
    scores = np.array([[0.3, 0.4, 0.2, 0.1], [0.1, 0.2, 0.3, 0.9]])

    def encode(self, x, batch_size):
        ((name, values),) = x.items()
        if len(values) == 2:
            return {name: self.scores}
        return {name: np.eye(4)}


def framed(axes):
    """Whether some axes have the frame of a right candidate."""
    spines = list(axes.spines.values())
    visible = {spine.get_visible() for spine in spines}
    assert len(visible) == 1
    if not visible.pop():
        return False
    assert {to_rgb(spine.get_edgecolor()) for spine in spines} == {GREEN}
    return True


def shown(axes):
    """Number of the picture in some axes."""
    return round(float(axes.images[0].get_array().flat[0]) * 255 / 60)


def test_pictures_are_in_order_and_the_right_one_is_marked():
    figure = plot_retrieval(
        Model(),
        {"image": IMAGES},
        {"text": TEXTS[:2]},
        ids=["a", "b", "c", "a"],
        query_ids=["a", "b"],
        k=3,
    )
    grid = np.array(figure.axes).reshape(2, 4)
    assert [row[0].texts[0].get_text() for row in grid] == TEXTS[:2]
    assert [list(map(shown, row[1:])) for row in grid] == [[1, 0, 2], [3, 2, 1]]
    assert [list(map(framed, row[1:])) for row in grid] == [
        [False, True, False],
        [False, False, True],
    ]
    assert [axes.get_xlabel() for axes in grid[0, 1:]] == [
        "0.40",
        "0.30",
        "0.20",
    ]
    assert [row[0].get_ylabel() for row in grid] == ["rank 2", "rank 3"]
    assert grid[0, 0].get_title(loc="left") == "text"
    assert grid[0, 1].get_title(loc="left") == "image, best first"
    assert len(to_png(figure)) > 1000


def test_texts_are_a_list():
    figure = plot_retrieval(
        Model(), {"text": TEXTS}, {"image": IMAGES[:2]}, np.arange(4), [1, 0]
    )
    (_, first), (_, second) = np.array(figure.axes).reshape(2, 2)
    assert [text.get_text() for text in first.texts] == [
        "1. two ✓", "2. one", "3. three", "4. four"
    ]  # fmt: skip
    right = [to_rgb(text.get_color()) == GREEN for text in first.texts]
    assert right == [True, False, False, False]
    assert second.texts[3].get_text() == "4. one ✓"
    long = ["word " * 40, *TEXTS[1:]]
    figure = plot_retrieval(Model(), {"text": long}, {"image": IMAGES[:2]})
    text = figure.axes[1].texts[1].get_text()
    assert text.endswith("…")
    assert len(text) < 50


def test_without_ids():
    figure = plot_retrieval(Model(), {"image": IMAGES}, {"text": TEXTS})
    grid = np.array(figure.axes).reshape(4, 5)
    assert all(framed(row[1]) for row in grid)
    figure = plot_retrieval(Model(), {"image": IMAGES}, {"text": TEXTS[:2]})
    assert not any(map(framed, figure.axes))
    assert not any(axes.get_ylabel() for axes in figure.axes)


def test_a_query_without_an_answer_has_no_rank():
    figure = plot_retrieval(
        Model(), {"image": IMAGES}, {"text": TEXTS[:2]}, np.arange(4), [2, 9]
    )
    grid = np.array(figure.axes).reshape(2, 5)
    assert [row[0].get_ylabel() for row in grid] == ["rank 3", ""]


def test_a_model_and_a_part_of_a_figure():
    model = kx.EmbeddingModel(
        encoders={
            "image": keras.Sequential(
                [keras.Input((3, 3, 3)), keras.layers.Flatten()]
            ),
            "text": keras.Sequential([keras.Input((4,))]),
        },
        embedding_dim=2,
    )
    x = kx.models.Preprocessed(image=IMAGES / 255)
    figure = new_figure(6, 4)
    left, right = figure.subfigures(1, 2)
    queries = kx.models.Preprocessed(text=np.eye(4)[:3])
    assert plot_retrieval(model, x, queries, figure=left, k=2) is left
    assert len(left.axes) == 9
    assert not right.axes


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"x": IMAGES}, TypeError, "`x` must be a dict"),
        ({"x": {"a": TEXTS, "b": TEXTS}}, ValueError, "`x` .* one modality"),
        ({"queries": {}}, ValueError, "`queries` must be"),
        ({"model": 3}, TypeError, "`model` must have a method `encode"),
        ({"figure": 3}, TypeError, "`figure` must be a Matplotlib figure"),
        ({"k": 0}, ValueError, "`k` must be a positive"),
        ({"ids": [1, 2, 3, 4]}, ValueError, "both `ids` and `query_ids`"),
        (
            {"ids": [1], "query_ids": [1, 2]},
            ValueError,
            "`ids` must have",
        ),
    ],
)
def test_errors(arguments, error, match):
    given = {
        "model": Model(),
        "x": {"image": IMAGES},
        "queries": {"text": TEXTS[:2]},
    }
    with pytest.raises(error, match=match):
        plot_retrieval(**{**given, **arguments})
