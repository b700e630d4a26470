"""The course of a training, as a picture."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_xmodal import checks
from keras_xmodal.plots.drawing import new_figure

# How `RetrievalEvaluation` ends the names of its results.
_RETRIEVAL = re.compile(
    r"_(R@\d+|MedR|MRR|rsum|modality_gap|alignment|uniformity)$"
)
_MAX_COLUMNS = 3


def plot_history(
    history: Any, metrics: Sequence[str] | None = None, *, figure: Any = None
) -> Any:
    """Draw the values of each epoch, a panel for each metric.

    A panel has the values of training and validation, such as `loss` and
    `val_loss`; that of a metric of `RetrievalEvaluation`, such as `R@1`, has
    all directions.

    Args:
        history: What `fit` returns, or its dict `{name: values}`. Where there
            are fewer values than epochs, they are spread evenly, the last one
            at the last epoch.
        metrics: Which panels to draw and in which order, such as `["loss",
            "R@1"]`; None for all.
        figure: `matplotlib` figure or subfigure to draw in, or None for a new
            one, which needs no display.

    Returns:
        The figure: `figure.savefig("history.png")`.

    Raises:
        TypeError: If `history` is no history.
        ValueError: If it is empty, or has nothing of a metric.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(32, 12), "text": np.random.rand(32, 7)}
        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        model.compile("adam")
        evaluation = kx.callbacks.RetrievalEvaluation((x, np.arange(32)))
        history = model.fit(
            x, np.arange(32), epochs=3, verbose=0, callbacks=[evaluation]
        )
        figure = kx.plots.plot_history(history, ["loss", "R@1"])
        figure.savefig("history.png")
        ```
    """
    history = getattr(history, "history", history)
    if not isinstance(history, Mapping):
        raise TypeError(
            "`history` must be what `fit` returns, or a dict {name: values}. "
            f"Received: history of type {type(history).__name__}"
        )
    values = {
        name: checks.real_numbers(f"history[{name!r}]", found)
        for name, found in history.items()
    }
    for name, found in values.items():
        checks.shape(f"history[{name!r}]", found.shape, ("epochs",))
    if not any(map(len, values.values())):
        raise ValueError(
            "`history` must hold values of an epoch. "
            f"Received: history={dict(history)}"
        )
    panels = _panels(values)
    metrics = list(panels) if metrics is None else metrics
    for metric in checks.strings("metrics", metrics):
        checks.one_of("metrics", metric, list(panels))
    epochs = max(map(len, values.values()))
    columns = min(len(metrics), _MAX_COLUMNS)
    rows = math.ceil(len(metrics) / columns)
    figure = new_figure(4.2 * columns, 3.2 * rows, figure)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid[len(metrics) :]:
        axes.remove()
    for axes, metric in zip(grid, metrics, strict=False):
        _draw(axes, metric, panels[metric], values, epochs)
    return figure


def _panels(values):
    """Names of the values by metric, with what each is of."""
    panels: dict[str, dict] = {}
    for name in values:
        found = _RETRIEVAL.search(name)
        if found:
            of = name[: found.start()].removeprefix("val_").replace("_", " ")
            panels.setdefault(found[1], {})[name] = of
        else:
            of = "validation" if name.startswith("val_") else "training"
            metric = name.removeprefix("val_")
            panels.setdefault(metric, {})[name] = of
    return panels


def _draw(axes, metric, names, values, epochs):
    for name, of in names.items():
        found = values[name]
        at = np.linspace(epochs / max(len(found), 1), epochs, len(found))
        axes.plot(at, found, ".-", label=of)
    axes.set_title(metric, fontsize=11, parse_math=False)
    axes.set_xlabel("epoch", fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    shares = metric.startswith("R@") or metric == "MRR"
    if shares:
        axes.set_ylim(0, None)
    if len(names) > 1 or shares:
        axes.legend(fontsize=8, frameon=False)
