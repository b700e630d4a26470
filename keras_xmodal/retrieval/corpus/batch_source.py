"""Rows of a corpus that come in batches, one after the other."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.models.data import SameParts, check_batched, unpack
from keras_xmodal.retrieval.corpus.chunk import Chunk, Cursor
from keras_xmodal.retrieval.corpus.columns import check_dense, row_ids


class BatchSource:
    """A `tf.data.Dataset`, a `PyDataset` or any other iterable of batches.

    A batch is `x`, `(x, ids)` or `(x, ids, sample_weight)`, where `x` is a
    dict by modality and a weight of 0 says that one is missing.

    Args:
        batches: The iterable; where it is an iterator, it is gone through
            once.
        known: Modalities of the model.
    """

    follows_order = True
    num_rows: int | None = None
    files: tuple[str, ...] = ()

    def __init__(self, batches, known):
        self._batches, self._known = batches, known
        if isinstance(batches, tf.data.Dataset):
            x, _, _ = unpack(batches.element_spec)
            check_batched(checks.modalities("source", x, known))
        chunks = self._chunks()
        first = next(chunks, None)
        if first is None:
            raise ValueError(
                "`source` must hold at least one batch. Received: none"
            )
        self.first, self.modalities = first, tuple(first.columns)
        # What the rows are is compared with what is there, shard by shard.
        self.fingerprint = f"batches of {sorted(first.columns)}"
        self._begun = itertools.chain([first], chunks)
        self._cursor = Cursor(self._open, skips=True)

    def read(self, start, stop, size):
        """Chunks of rows."""
        return self._cursor.read(start, stop, size)

    @property
    def end(self):
        """The place after the last row that was seen."""
        return self._cursor.end

    def _open(self, place):
        chunks, self._begun = self._begun, None
        if chunks is not None:
            return chunks
        if hasattr(self._batches, "__next__"):
            raise ValueError(
                "`source` must be what can be gone through again, such as a "
                "list or a `tf.data.Dataset`. Received: an iterator of type "
                f"{type(self._batches).__name__}"
            )
        return self._chunks()

    def _chunks(self):
        batches, first = self._batches, 0
        if isinstance(batches, keras.utils.PyDataset):
            batches = map(batches.__getitem__, range(batches.num_batches))
        same = SameParts()
        for batch in batches:
            chunk = self._chunk(same(batch), first)
            yield chunk
            first = chunk.end

    def _chunk(self, batch, first):
        x, ids, weights = unpack(batch)
        checks.modalities("source", x, self._known)
        columns = {
            name: check_dense(f"source: x[{name!r}]", values)
            for name, values in x.items()
        }
        sizes = {name: len(values) for name, values in columns.items()}
        size = checks.same_length("source: x", sizes)
        places = np.arange(first, first + size)
        if ids is not None:
            ids = row_ids("source: ids", ids, size)
        if weights is not None and not isinstance(weights, dict):
            weights = dict.fromkeys(columns, weights)
        present = {
            name: np.asarray(weight).reshape(size) > 0
            for name, weight in (weights or {}).items()
            if name in columns
        }
        return Chunk(
            first, places if ids is None else ids, columns, present, places
        )
