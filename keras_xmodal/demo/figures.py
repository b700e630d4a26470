"""The two pictures of a run, drawn without a display."""

import numpy as np

from keras_xmodal.plots import plot_history, plot_retrieval
from keras_xmodal.plots.drawing import new_figure


def draw_training(history: dict, path):
    """Draw the loss and the retrieval of unseen data over the epochs.

    Args:
        history: `History.history` of a training with `RetrievalEvaluation`.
        path: File to write.
    """
    plot_history(history, ["loss", "R@1"]).savefig(path, dpi=110)


def draw_retrieval(model, data: dict, path, num_queries=8, seed=0):
    """Draw random queries with their nearest neighbours, both ways.

    The queries are drawn at random, not picked.

    Args:
        model: `EmbeddingModel` of images and texts.
        data: Dict of arrays `id`, `image` and a list `text`, one caption a
            picture.
        path: File to write.
        num_queries: Integer, queries in each direction.
        seed: Integer, seed of the queries.
    """
    ids = np.arange(len(data["id"]))
    generator = np.random.default_rng(seed)
    asked = generator.choice(len(ids), num_queries, replace=False)
    images, texts = data["image"], np.array(data["text"])
    figure = new_figure(13, 1.1 * num_queries)
    left, right = figure.subfigures(1, 2, width_ratios=(2.2, 1))
    left.suptitle("Words to pictures of an unseen style")
    right.suptitle("And pictures to names")
    for part, x, queries, k in (
        (left, {"image": images}, {"text": texts[asked]}, 6),
        (right, {"text": texts}, {"image": images[asked]}, 4),
    ):
        plot_retrieval(model, x, queries, ids, asked, k=k, figure=part)
    figure.savefig(path, dpi=110)
