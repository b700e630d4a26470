"""The course of a training."""

import keras
import numpy as np
import pytest

from keras_xmodal.plots import plot_history
from keras_xmodal.plots.drawing import new_figure

HISTORY = {
    "loss": [3.0, 2.0, 1.0],
    "val_loss": [3.5, 3.0, 2.5],
    "val_image_to_text_R@1": [0.1, 0.2, 0.3],
    "val_text_to_image_R@1": [0.0, 0.1, 0.4],
    "test_style_image_to_text_R@1": [0.5],
    "val_image_text_modality_gap": [0.9, 0.8, 0.7],
    "learning_rate": [1e-3, 1e-3, 1e-4],
}


def lines(axes):
    """Points of each line by its label."""
    return {
        line.get_label(): np.stack(line.get_data()).T.tolist()
        for line in axes.lines
    }


def test_a_panel_for_each_metric():
    figure = plot_history(HISTORY)
    panels = {axes.get_title(): lines(axes) for axes in figure.axes}
    assert list(panels) == ["loss", "R@1", "modality_gap", "learning_rate"]
    assert panels["loss"] == {
        "training": [[1, 3.0], [2, 2.0], [3, 1.0]],
        "validation": [[1, 3.5], [2, 3.0], [3, 2.5]],
    }
    assert panels["R@1"] == {
        "image to text": [[1, 0.1], [2, 0.2], [3, 0.3]],
        "text to image": [[1, 0.0], [2, 0.1], [3, 0.4]],
        "test style image to text": [[3, 0.5]],
    }
    assert list(panels["modality_gap"]) == ["image text"]
    legends = [axes.get_legend() is not None for axes in figure.axes]
    assert legends == [True, True, False, False]
    assert figure.axes[1].get_ylim()[0] == 0


def test_some_metrics_of_a_history_in_a_part_of_a_figure():
    history = keras.callbacks.History()
    history.history = HISTORY
    part, _ = new_figure(8, 3).subfigures(1, 2)
    assert plot_history(history, ["R@1", "loss"], figure=part) is part
    assert [axes.get_title() for axes in part.axes] == ["R@1", "loss"]


@pytest.mark.parametrize(
    ("history", "metrics", "error", "match"),
    [
        ([1, 2], None, TypeError, "`history` must be what `fit` returns"),
        ({}, None, ValueError, "`history` must hold values"),
        ({"loss": []}, None, ValueError, "`history` must hold values"),
        ({"loss": 3.0}, None, ValueError, r"history\['loss'\]` must have sh"),
        ({"loss": ["a"]}, None, TypeError, r"history\['loss'\]`"),
        (HISTORY, ["R@5"], ValueError, "`metrics` must be one of"),
        (HISTORY, "loss", TypeError, "`metrics` must be a sequence"),
        (HISTORY, [], ValueError, "`metrics`"),
    ],
)
def test_errors(history, metrics, error, match):
    with pytest.raises(error, match=match):
        plot_history(history, metrics)
