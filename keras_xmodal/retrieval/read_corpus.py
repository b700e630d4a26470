"""An embedded corpus, shard by shard."""

import os
from collections.abc import Iterator

import numpy as np

from keras_xmodal import checks
from keras_xmodal.retrieval.corpus.folder import CorpusFolder


def read_corpus(
    folder: str | os.PathLike,
) -> Iterator[dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Read what `embed_corpus` wrote, a shard at a time.

    Args:
        folder: Path of the folder.

    Returns:
        Iterator of dicts `{modality: (ids, embeddings)}`, one for each shard,
        in the order of the source: ids of shape `(rows,)`, integers or strings,
        and float32 embeddings of shape `(rows, dim)`, of the rows that have the
        modality.

    Raises:
        FileNotFoundError: If there is no corpus.
        ValueError: If a shard is missing, which `embed_corpus`, called again,
            makes; or if a file is damaged.
        ImportError: If PyArrow is not installed.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        rows = {"image": np.random.rand(10, 12)}
        kx.retrieval.embed_corpus(model, rows, "vectors", verbose=0)
        index = kx.retrieval.ExactIndex(model)
        for shard in kx.retrieval.read_corpus("vectors"):
            for modality, (ids, embeddings) in shard.items():
                index.add(embeddings, ids, modality)
        print(index.sizes)  # {'image': 10}
        ```
    """
    there = CorpusFolder(checks.path("folder", folder))
    missing = None if there.num_shards is None else there.missing()
    if missing is None or missing:
        count = "the last ones" if missing is None else len(missing)
        raise ValueError(
            "`folder` must hold all shards: what wrote it goes on when it is "
            f"called again. Received: {there.path}, without {count}"
            + ("" if missing is None else f" of {there.num_shards}")
        )
    return map(there.read, range(there.num_shards))
