"""Search by USearch, rescored exactly."""

from typing import Any

import numpy as np

from keras_xmodal import checks
from keras_xmodal.retrieval.approximate_index import ApproximateIndex


class UsearchIndex(ApproximateIndex):
    """An index that is searched by USearch, in a graph (HNSW).

    It is used as `ExactIndex` is, and gives exact cosines, of the rows on a
    shortlist of USearch. This needs `pip install 'keras-xmodal[usearch]'`.
    Searches and additions take turns, each with all cores.

    Args:
        model: As for `ExactIndex`.
        dtype: How the graph holds embeddings: `"f32"`, `"f16"`, `"bf16"` or
            `"i8"`. Each has its own speed and memory; scores are of float32.
        connectivity: Positive integer, neighbours of a row in the graph.
        expansion_add: Positive integer, rows that are looked at for each one
            that is added.
        expansion_search: Positive integer, rows that are looked at for each
            query. More find more, and take longer.
        rescore: Positive integer, how many rows are on the shortlist for each
            id to return. More find more; `recall_report` says how many.

    Raises:
        ImportError: If USearch is not installed.
        TypeError: If an argument is of a wrong type.
        ValueError: If an argument is not allowed.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        index = kx.retrieval.UsearchIndex(dtype="f16")
        index.add(np.eye(3), ids=["cat", "dog", "owl"], modality="image")
        ids, scores = index.search([[0.1, 0.9, 0.0]], k=2)
        print(ids[0])  # ['dog' 'cat']
        ```

    Reference:
        - Malkov and Yashunin, 2018, https://arxiv.org/abs/1603.09320
    """

    def __init__(
        self,
        model: Any = None,
        dtype: str = "f16",
        connectivity: int = 16,
        expansion_add: int = 128,
        expansion_search: int = 64,
        rescore: int = 4,
    ):
        super().__init__(model, rescore)
        known = ("f32", "f16", "bf16", "i8")
        self.dtype = checks.one_of("dtype", dtype, known)
        self.connectivity = checks.positive_integer(
            "connectivity", connectivity
        )
        self.expansion_add = checks.positive_integer(
            "expansion_add", expansion_add
        )
        self.expansion_search = checks.positive_integer(
            "expansion_search", expansion_search
        )
        _import_usearch()

    def _arguments(self):
        return {
            "dtype": self.dtype,
            "connectivity": self.connectivity,
            "expansion_add": self.expansion_add,
            "expansion_search": self.expansion_search,
            "rescore": self.rescore,
        }

    def _new(self, rows):
        return _import_usearch().Index(
            ndim=rows.dim,
            metric="cos",
            dtype=self.dtype,
            connectivity=self.connectivity,
            expansion_add=self.expansion_add,
            expansion_search=self.expansion_search,
        )

    def _append(self, library, embeddings, start):
        numbers = np.arange(start, start + len(embeddings), dtype="uint64")
        library.add(numbers, embeddings)

    def _shortlist(self, library, queries, count):
        found = library.search(queries[:, :], count)
        if len(queries) == 1:
            counts, keys = np.array([len(found.keys)]), found.keys[None]
        else:
            counts, keys = found.counts, found.keys
        numbers = np.full((len(queries), count), -1, "int64")
        there = np.arange(keys.shape[1]) < counts[:, None]
        numbers[:, : keys.shape[1]][there] = keys[there].astype("int64")
        return numbers

    def _to_bytes(self, library):
        return np.frombuffer(library.save(), "uint8")

    def _from_bytes(self, content):
        library = _import_usearch().Index.restore(content.tobytes())
        library.expansion_search = self.expansion_search
        library.expansion_add = self.expansion_add
        return library


def _import_usearch():
    try:
        import usearch.index
    except ImportError as missing:
        raise ImportError(
            "`kx.retrieval.UsearchIndex` needs USearch: "
            "pip install 'keras-xmodal[usearch]'"
        ) from missing
    return usearch.index
