"""The two pictures of a run, drawn without a display."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_xmodal.retrieval import ExactIndex

RIGHT = "#2a9d4a"


def draw_training(history: dict, path):
    """Draw the loss and the retrieval of unseen data over the epochs.

    Args:
        history: `History.history` of a training with `RetrievalEvaluation`.
        path: File to write.
    """
    figure = _figure(9, 3.4)
    left, right = figure.subplots(1, 2)
    left.plot(np.arange(1, len(history["loss"]) + 1), history["loss"])
    left.set(title="Training loss", xlabel="epoch", ylabel="nats")
    epochs = len(history["loss"])
    for name in sorted(history):
        if not name.endswith("_R@1"):
            continue
        values = history[name]
        # Evaluated every few epochs, and always after the last one.
        at = np.linspace(epochs / len(values), epochs, len(values))
        right.plot(at, values, ".-", label=_legend(name))
    right.set(title="R@1 on unseen data", xlabel="epoch", ylim=(0, None))
    right.legend(fontsize=8, frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def draw_retrieval(model, data: dict, path, num_queries=8, k=6, seed=0):
    """Draw random queries with their nearest neighbours, both ways.

    The right answer has a green frame or is written in green. The queries are
    drawn at random, not picked.

    Args:
        model: `EmbeddingModel` of images and texts.
        data: Dict of arrays `id`, `image` and a list `text`, one caption a
            picture.
        path: File to write.
        num_queries: Integer, queries in each direction.
        k: Integer, neighbours shown.
        seed: Integer, seed of the queries.
    """
    index = ExactIndex(model)
    rows = np.arange(len(data["id"]))
    index.add({"image": data["image"], "text": data["text"]}, ids=rows)
    generator = np.random.default_rng(seed)
    queries = generator.choice(len(rows), num_queries, replace=False)
    texts = [data["text"][i] for i in queries]
    images = data["image"][queries]
    to_image, _ = index.search({"text": texts}, k=k, modality="image")
    to_text, _ = index.search({"image": images}, k=k, modality="text")

    figure = _figure(11.5, 0.95 * num_queries)
    left, right = figure.subfigures(1, 2, width_ratios=(2.2, 1))
    left.suptitle("Words to pictures of an unseen style")
    right.suptitle("And pictures to names")
    grid = left.subplots(num_queries, k + 1, width_ratios=(2, *[1] * k))
    for row, query, hits in zip(grid, queries, to_image, strict=True):
        _write(row[0], data["text"][query], align="right")
        for axes, hit in zip(row[1:], hits, strict=True):
            _show(axes, data["image"][hit], RIGHT if hit == query else None)
    grid = right.subplots(num_queries, 2, width_ratios=(1, 2.4))
    for row, query, hits in zip(grid, queries, to_text, strict=True):
        _show(row[0], data["image"][query])
        names = [data["text"][hit] for hit in hits[:4]]
        _list(row[1], names, [hit == query for hit in hits[:4]])
    figure.savefig(path, dpi=110)


def _figure(width, height):
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _legend(name):
    name = name.removesuffix("_R@1").removeprefix("test_")
    split, _, target = name.partition("_to_")
    split, _, source = split.rpartition("_")
    return f"unseen {split}: {source} to {target}"


def _show(axes, image, frame=None):
    axes.imshow(image, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=frame is not None, color=frame, linewidth=3)


def _write(axes, text, align):
    axes.axis("off")
    x = 1.0 if align == "right" else 0.0
    axes.text(x, 0.5, text, ha=align, va="center", fontsize=9, wrap=True)


def _list(axes, names, right):
    axes.axis("off")
    for i, (name, is_right) in enumerate(zip(names, right, strict=True)):
        axes.text(
            0.02,
            0.88 - 0.25 * i,
            f"{i + 1}. {name}",
            va="center",
            fontsize=9,
            color=RIGHT if is_right else "black",
            weight="bold" if is_right else "normal",
        )
