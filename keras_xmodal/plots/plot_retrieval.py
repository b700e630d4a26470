"""Queries with what a model finds for them, as a picture."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_xmodal import checks
from keras_xmodal.metrics.ids import match_ids
from keras_xmodal.plots.cells import to_cells
from keras_xmodal.plots.drawing import draw_cell, new_figure

_RIGHT = "#2a9d4a"
_LIST_WIDTH = 44  # characters of a text in a list


def plot_retrieval(
    model: Any,
    x: Mapping[str, Any],
    queries: Mapping[str, Any],
    ids: Sequence | np.ndarray | None = None,
    query_ids: Sequence | np.ndarray | None = None,
    *,
    k: int = 6,
    batch_size: int = 256,
    figure: Any = None,
) -> Any:
    """Draw queries with their nearest candidates, the best first.

    A row is a query. Pictures, the middle frames of clips, the spectrograms of
    recordings and heat-maps of numbers stand beside it, each with its score;
    texts stand in a list. A right candidate has a green frame, or is written
    in green with a tick; at the query stands the rank of the first right one.

    Args:
        model: `EmbeddingModel`.
        x: Dict `{modality: candidates}` of one modality, raw as `encode`
            takes it, or `kx.models.Preprocessed`.
        queries: The same of the queries, of this or another modality.
        ids: Ids of the candidates, `(candidates,)`: those with the id of the
            query are right. None, if `query_ids` is None too, for candidates
            that belong to the query in the same row, or for nothing right
            where there are not as many.
        query_ids: Ids of the queries, `(queries,)`, or None.
        k: Positive integer, how many candidates to show.
        batch_size: Positive integer, examples encoded at once.
        figure: `matplotlib` figure or subfigure to draw in, or None for a new
            one, which needs no display.

    Returns:
        The figure: `figure.savefig("retrieval.png")`.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If there is more or less than one modality on a side, or
            ids are of another number, or on one side only.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        image = [keras.Input((8, 8, 3)), keras.layers.Flatten()]
        text = [keras.Input((7,)), keras.layers.Dense(9)]
        model = kx.EmbeddingModel(
            encoders={
                "image": keras.Sequential(image),
                "text": keras.Sequential(text),
            },
            embedding_dim=4,
        )
        figure = kx.plots.plot_retrieval(
            model,
            {"image": np.random.rand(32, 8, 8, 3)},
            {"text": np.random.rand(4, 7)},
            ids=np.arange(32),
            query_ids=np.arange(4),
        )
        figure.savefig("retrieval.png")
        ```
    """
    checks.encodes(model)
    k = checks.positive_integer("k", k)
    x, queries = _one("x", x), _one("queries", queries)
    ((source, asked),) = queries.items()
    ((target, candidates),) = x.items()
    right = _right(len(asked), len(candidates), ids, query_ids)
    scores = np.matmul(
        model.encode(queries, batch_size=batch_size)[source],
        model.encode(x, batch_size=batch_size)[target].T,
    )  # (queries, candidates)
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = order[:, :k]
    marked = np.take_along_axis(right, hits, axis=1)
    ranks = None
    if right.any():
        found = np.take_along_axis(right, order, axis=1)
        ranks = [row.argmax() + 1 if row.any() else None for row in found]
    scores = np.take_along_axis(scores, hits, axis=1)
    # Of all that is found, on one scale.
    shown, places = np.unique(hits, return_inverse=True)
    cells = to_cells(candidates[shown])
    cells = [[cells[i] for i in row] for row in places.reshape(hits.shape)]
    figure, grid = _grid(figure, to_cells(asked), cells)
    for axes, title in zip(
        grid[0], (source, f"{target}, best first"), strict=False
    ):
        axes.set_title(title, fontsize=9, loc="left", parse_math=False)
    for i, (query, *others) in enumerate(grid):
        if ranks is not None and ranks[i]:
            query.set_ylabel(f"rank {ranks[i]}", fontsize=8)
        if isinstance(cells[0][0], str):
            _list(others[0], cells[i], marked[i])
            continue
        for j, axes in enumerate(others):
            draw_cell(axes, cells[i][j], _RIGHT if marked[i, j] else None)
            axes.set_xlabel(f"{scores[i, j]:.2f}", fontsize=7, labelpad=2)
    return figure


def _grid(figure, queries, cells):
    """Axes of the queries and beside them of the cells, or of their list."""
    is_list, count = isinstance(cells[0][0], str), len(cells[0])
    width = 2 if isinstance(queries[0], str) else 1
    wide = 4.0 if is_list else 1.1 * count
    tall = max(1.1, 0.2 * count) if is_list else 1.1
    figure = new_figure(1.1 * width + wide, tall * len(queries) + 0.3, figure)
    ratios = (width, 4) if is_list else (width, *[1] * count)
    grid = figure.subplots(
        len(queries), len(ratios), squeeze=False, width_ratios=ratios
    )
    for axes, query in zip(grid[:, 0], queries, strict=True):
        draw_cell(axes, query)
    return figure, grid


def _one(argument, x):
    """The values of one modality, of the class of the dict."""
    found = checks.examples(argument, x)
    if len(found) != 1:
        raise ValueError(
            f"`{argument}` must be a dict of one modality. "
            f"Received: {list(found)}"
        )
    return type(x)(found)


def _right(num_queries, num_candidates, ids, query_ids):
    """Which candidates are right, boolean `(queries, candidates)`."""
    if (ids is None) != (query_ids is None):
        raise ValueError(
            "Give both `ids` and `query_ids`, or neither. "
            f"Received: ids={ids}, query_ids={query_ids}"
        )
    if ids is None:
        if num_queries != num_candidates:
            return np.zeros((num_queries, num_candidates), bool)
        return np.eye(num_queries, dtype=bool)
    query_ids, ids = match_ids(
        checks.ids("query_ids", query_ids, num_queries),
        checks.ids("ids", ids, num_candidates),
        argument="ids and query_ids",
    )
    return query_ids[:, None] == ids[None, :]


def _list(axes, texts, right):
    """Write texts below each other."""
    axes.axis("off")
    for i, (text, is_right) in enumerate(zip(texts, right, strict=True)):
        short = textwrap.shorten(text, _LIST_WIDTH, placeholder="…")
        axes.text(
            0.02,
            1 - (i + 0.5) / len(texts),
            f"{i + 1}. {short}{' ✓' * bool(is_right)}",
            va="center",
            fontsize=8,
            color=_RIGHT if is_right else "black",
            weight="bold" if is_right else "normal",
            transform=axes.transAxes,
            parse_math=False,
            in_layout=False,
        )
