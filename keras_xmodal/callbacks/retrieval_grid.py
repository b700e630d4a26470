"""Pictures of what queries of a validation set find."""

import os
from typing import Any

import numpy as np

from keras_xmodal import checks
from keras_xmodal.callbacks.evaluation_data import check_dataset, gather
from keras_xmodal.callbacks.figure_callback import FigureCallback
from keras_xmodal.metrics.ids import match_ids
from keras_xmodal.plots import plot_retrieval


class RetrievalGrid(FigureCallback):
    """Draw queries of a validation set with what an `EmbeddingModel` finds.

    A row is a query, the same ones in every epoch, beside its nearest
    candidates of another modality among all of `data`; right ones are marked,
    see `kx.plots.plot_retrieval`. The pictures are `text_to_image_0001.png`
    and so on, with the names of the modalities and the number of the epoch.

    Args:
        data: Batches of `(x, ids)` or `(x, ids, sample_weight)`, or one such
            tuple of arrays, as `RetrievalEvaluation` takes them. Its rows are
            in memory while a picture is drawn.
        source: Modality of the queries.
        target: Modality of the candidates.
        folder: Path of the folder to write to, created where it is missing.
        num_queries: Positive integer; they are drawn at random, from those
            that have a right candidate.
        k: Positive integer, candidates shown for each.
        frequency: Positive integer, epochs from one picture to the next.
        seed: Integer, which queries are drawn.
        log_dir: Path of a TensorBoard run that gets the pictures as well,
            under the tag of their names, or None. Needs the extra
            `tensorboard`.
        batch_size: Positive integer, examples encoded at once.

    Raises:
        TypeError: If an argument is of a wrong type, or the data set can be
            read only once.
        ValueError: If a number is not positive, or, before training starts, a
            modality is unknown.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(32, 12), "text": np.random.rand(32, 7)}
        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        model.compile("adam")
        grid = kx.callbacks.RetrievalGrid(
            (x, np.arange(32)), "text", "image", folder="pictures"
        )
        model.fit(x, np.arange(32), epochs=2, verbose=0, callbacks=[grid])
        figure = grid.draw(model)  # And of any model at any time.
        ```
    """

    def __init__(
        self,
        data: Any,
        source: str,
        target: str,
        *,
        folder: str | os.PathLike,
        num_queries: int = 6,
        k: int = 5,
        frequency: int = 1,
        seed: int = 0,
        log_dir: str | os.PathLike | None = None,
        batch_size: int = 256,
    ):
        super().__init__(folder, frequency, log_dir=log_dir)
        check_dataset(data)
        self.data = data
        self.source = checks.string("source", source)
        self.target = checks.string("target", target)
        self.title = f"{source}_to_{target}"
        self.num_queries = checks.positive_integer("num_queries", num_queries)
        self.k = checks.positive_integer("k", k)
        self.seed = checks.seed(seed)
        self.batch_size = checks.positive_integer("batch_size", batch_size)

    def on_train_begin(self, logs=None):
        """Check the modalities and create the folder."""
        for argument in ("source", "target"):
            known = tuple(self.model.modalities)
            checks.one_of(argument, getattr(self, argument), known)
        super().on_train_begin(logs)

    def draw(self, model):
        rows = gather(self.data, (self.source, self.target), self.batch_size)
        (queries, query_ids), (x, ids) = rows[self.source], rows[self.target]
        known = np.flatnonzero(np.isin(*match_ids(query_ids, ids)))
        if not len(known):
            raise ValueError(
                f"`data` must have an id of both {self.source!r} and "
                f"{self.target!r}. Received: {len(query_ids)} and {len(ids)} "
                "rows and no id of both"
            )
        generator = np.random.default_rng(abs(self.seed))
        count = min(self.num_queries, len(known))
        chosen = np.sort(generator.choice(known, count, replace=False))
        queries = type(queries)({self.source: queries[self.source][chosen]})
        return plot_retrieval(
            model,
            x,
            queries,
            ids,
            query_ids[chosen],
            k=self.k,
            batch_size=self.batch_size,
        )
