"""Search by Faiss, rescored exactly."""

from typing import Any

from keras_xmodal import checks
from keras_xmodal.retrieval.approximate_index import ApproximateIndex


class FaissIndex(ApproximateIndex):
    """An index that is searched by Faiss, in the structure of your choice.

    It is used as `ExactIndex` is, and gives exact cosines, of the rows on a
    shortlist of Faiss. This needs `pip install 'keras-xmodal[faiss]'`.

    A structure that is trained, such as an inverted file, learns from the
    first rows that are added to a modality: add many at first. Searches and
    additions take turns, each with all cores.

    Args:
        model: As for `ExactIndex`.
        factory: String of `faiss.index_factory`, such as `"HNSW32"` (a graph),
            `"IVF1024,Flat"` (an inverted file of 1024 cells) or `"Flat"`.
        parameters: String of parameters of a search, such as `"efSearch=64"`
            of a graph or `"nprobe=32"` of an inverted file.
        rescore: Positive integer, how many rows are on the shortlist for each
            id to return. More find more; `recall_report` says how many.

    Raises:
        ImportError: If Faiss is not installed.
        TypeError: If an argument is of a wrong type.
        ValueError: If Faiss does not know `factory` or `parameters`, or cannot
            train with the rows that are added.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        index = kx.retrieval.FaissIndex(factory="HNSW16")
        index.add(np.eye(3), ids=["cat", "dog", "owl"], modality="image")
        ids, scores = index.search([[0.1, 0.9, 0.0]], k=2)
        print(ids[0])  # ['dog' 'cat']
        ```

    Reference:
        - Douze et al., 2024, https://arxiv.org/abs/2401.08281
    """

    def __init__(
        self,
        model: Any = None,
        factory: str = "HNSW32",
        parameters: str = "",
        rescore: int = 4,
    ):
        super().__init__(model, rescore)
        self.factory = checks.string("factory", factory)
        self.parameters = checks.string("parameters", parameters)
        _import_faiss()
        self._make(1024)  # Arguments that Faiss refuses are refused here.

    def _arguments(self):
        return {
            "factory": self.factory,
            "parameters": self.parameters,
            "rescore": self.rescore,
        }

    def _make(self, dim):
        faiss = _import_faiss()
        try:
            library = faiss.index_factory(
                dim, self.factory, faiss.METRIC_INNER_PRODUCT
            )
            self._prepare(library)
        except RuntimeError as error:
            raise ValueError(
                "`factory` and `parameters` must be of Faiss, for this dim. "
                f"Received: factory={self.factory!r}, "
                f"parameters={self.parameters!r}, dim {dim}: {error}"
            ) from error
        return library

    def _prepare(self, library):
        if self.parameters:
            space = _import_faiss().ParameterSpace()
            space.set_index_parameters(library, self.parameters)

    def _new(self, rows):
        library = self._make(rows.dim)
        if not library.is_trained:
            try:
                library.train(rows.embeddings)
            except RuntimeError as error:
                raise ValueError(
                    "`x` must have enough rows to train the structure of "
                    f"`factory`. Received: {len(rows)} rows, "
                    f"factory={self.factory!r}: {error}"
                ) from error
        return library

    def _append(self, library, embeddings, start):
        library.add(embeddings)

    def _shortlist(self, library, queries, count):
        return library.search(queries, count)[1]

    def _to_bytes(self, library):
        return _import_faiss().serialize_index(library)

    def _from_bytes(self, content):
        library = _import_faiss().deserialize_index(content)
        self._prepare(library)
        return library


def _import_faiss():
    try:
        import faiss
    except ImportError as missing:
        raise ImportError(
            "`kx.retrieval.FaissIndex` needs Faiss: "
            "pip install 'keras-xmodal[faiss]'"
        ) from missing
    return faiss
