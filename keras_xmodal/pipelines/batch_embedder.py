"""Embeddings beside the columns of batches."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_xmodal import checks
from keras_xmodal.retrieval.corpus.embedders import open_embedder


class BatchEmbedder:
    """Add embeddings to batches of columns, loading a model once.

    It is what `ray.data.Dataset.map_batches` takes as a class, and what
    functions of batches take elsewhere. For a corpus in files,
    `kx.pipelines.embed_with_ray` is simpler, and goes on after a stop.

    Args:
        model: Path of a `.keras` file or a SavedModel, or `kx.EmbeddingModel`.
        columns: Dict `{modality: column}` of what to embed.

    Call arguments:
        batch: Dict by column of arrays of raw examples, of any dtype.

    Returns:
        The same with, for each modality, a column `<modality>_embedding` of
        float32 of shape `(rows, dim)`.

    Raises:
        TypeError: If an argument has the wrong type.
        FileNotFoundError: If there is no model.
        ValueError: If a modality or a column is unknown, or a row cannot be
            embedded.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        embed = kx.pipelines.BatchEmbedder(model, {"text": "words"})
        batch = embed({"id": np.arange(3), "words": np.ones((3, 7))})
        print(batch["text_embedding"].shape)  # (3, 4)

        # With Ray, in two actors:
        # ray.data.read_parquet("pairs").map_batches(
        #     kx.pipelines.BatchEmbedder,
        #     fn_constructor_args=["model.keras", {"text": "words"}],
        #     compute=ray.data.ActorPoolStrategy(size=2),
        # ).write_parquet("embedded")
        ```
    """

    def __init__(self, model: Any, columns: Mapping[str, str]):
        self._embedder = open_embedder(model)
        checks.modalities("columns", columns, self._embedder.modalities)
        self.columns = {
            name: checks.string(f"columns[{name!r}]", column)
            for name, column in columns.items()
        }

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Embed a batch."""
        embedded = dict(batch)
        for name, column in self.columns.items():
            checks.one_of(f"columns[{name!r}]", column, batch)
            examples = batch[column]
            if np.asarray(examples).dtype == np.dtype(object):
                examples = list(examples)
            embeddings = self._embedder.embed(name, examples)
            embedded[f"{name}_embedding"] = embeddings
        return embedded
