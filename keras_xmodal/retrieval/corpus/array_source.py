"""Rows of a corpus in memory."""

import numpy as np

from keras_xmodal import checks
from keras_xmodal.models.data import to_arrays
from keras_xmodal.retrieval.corpus.chunk import Chunk, Digest
from keras_xmodal.retrieval.corpus.columns import check_dense, row_ids


class ArraySource:
    """A dict of arrays.

    Args:
        arrays: Dict by modality of arrays or lists `(rows, ...)`.
        known: Modalities of the model.
        ids: Array `(rows,)` or None.
    """

    follows_order = False
    files: tuple[str, ...] = ()

    def __init__(self, arrays, known, ids=None):
        checks.modalities("source", arrays, known)
        columns = {
            name: check_dense(f"source[{name!r}]", values)
            for name, values in to_arrays(dict(arrays), "source").items()
        }
        sizes = {name: len(values) for name, values in columns.items()}
        self.num_rows = checks.same_length("source", sizes, least=1)
        self.modalities = tuple(columns)
        if ids is None:
            ids = np.arange(self.num_rows)
        else:
            ids = row_ids("ids", ids, self.num_rows)
        places = np.arange(self.num_rows)
        self._rows = Chunk(0, ids, columns, {}, places)
        digest = Digest()
        digest.update(self._rows)
        self.fingerprint = f"arrays {digest.hexdigest()}"

    def read(self, start, stop, size):
        """Chunks of rows."""
        stop = min(stop, self.num_rows)
        for first in range(start, stop, size):
            yield self._rows.part(first, min(first + size, stop))
