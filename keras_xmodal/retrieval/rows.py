"""Rows of an index: embeddings and their ids, cheap to extend."""

import numpy as np

from keras_xmodal.metrics.ids import concatenate_ids


class Rows:
    """Embeddings and ids in the order in which they came, not changed in place.

    They are kept in blocks of falling size, so that adding many small batches
    copies each row a logarithmic number of times, and merged on first use.
    """

    def __init__(self, *blocks):
        self._blocks = list(blocks)
        self._codes = None

    def __len__(self):
        """Number of rows."""
        return sum(len(ids) for _, ids in self._blocks)

    @property
    def dim(self):
        """Size of an embedding."""
        return self._blocks[0][0].shape[1]

    @property
    def dtype(self):
        """Dtype of the ids."""
        return self._blocks[0][1].dtype

    @property
    def embeddings(self):
        """float32 array of shape `(rows, dim)`."""
        return self._merged()[0]

    @property
    def ids(self):
        """Array of shape `(rows,)`."""
        return self._merged()[1]

    @property
    def codes(self):
        """Integers from 0 of shape `(rows,)`, equal where the ids are."""
        if self._codes is None:
            self._codes = np.unique(self.ids, return_inverse=True)[1]
        return self._codes

    def extended(self, embeddings, ids):
        """Rows with more rows after them."""
        blocks = [*self._blocks, (embeddings, ids)]
        if self._blocks and self.dtype != ids.dtype:
            blocks = [_merge(blocks)]
        while len(blocks) > 1 and len(blocks[-2][1]) <= len(blocks[-1][1]):
            blocks[-2:] = [_merge(blocks[-2:])]
        return Rows(*blocks)

    def kept(self, keep):
        """Some of the rows."""
        return Rows((self.embeddings[keep], self.ids[keep]))

    def _merged(self):
        blocks = self._blocks  # Another thread may merge them at this moment.
        if len(blocks) > 1:
            self._blocks = blocks = [_merge(blocks)]
        return blocks[0]


def _merge(blocks):
    embeddings, ids = zip(*blocks, strict=True)
    return np.concatenate(embeddings), concatenate_ids(ids)
