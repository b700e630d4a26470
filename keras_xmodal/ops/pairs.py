"""Which pairs of a batch are positives, and how much each weighs."""

import dataclasses

import tensorflow as tf
from keras import ops

from keras_xmodal.ops import chunks as blocks
from keras_xmodal.ops.contrastive import anchor_weights, positives_from_ids


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Positives and weights of anchors and candidates; matrices as blocks.

    Args:
        rows: Number of anchors, an integer or a tensor.
        columns: Number of candidates.
        ids: Of candidates, of which the first are the anchors' own, in the
            same order: then the pair of an anchor is in its row.
        positives: Or a matrix, nonzero at positives.
        factors: Weights of pairs as a product `left @ right.T` of tensors of
            shape `(batch, k)` and `(candidates, k)`, all from 0 on.
        of_examples: Whether these are weights of examples, which count as
            anchors in both directions.
        weights: Or a matrix of weights of pairs.
        chunks: `Chunks` of the rows, or None for one block.
        swapped: Whether the matrices have anchors in columns.
    """

    rows: int | tf.Tensor
    columns: int | tf.Tensor
    ids: tf.Tensor | None = None
    positives: tf.Tensor | None = None
    factors: tuple | None = None
    of_examples: bool = False
    weights: tf.Tensor | None = None
    chunks: blocks.Chunks | None = None
    swapped: bool = False

    @property
    def are_weighted(self):
        return self.factors is not None or self.weights is not None

    def in_chunks(self, chunks):
        return dataclasses.replace(self, chunks=chunks)

    def swap(self, chunks=None):
        """The same pairs of candidates as anchors."""
        factors = self.factors
        if factors is not None and not self.of_examples:
            factors = factors[::-1]
        return dataclasses.replace(
            self,
            rows=self.columns,
            columns=self.rows,
            factors=factors,
            chunks=chunks,
            swapped=not self.swapped,
        )

    def positives_of(self, start=None):
        """Boolean positives of a chunk, or of all; `(rows, candidates)`."""
        if self.ids is None:
            return ops.cast(self._block(self.positives, start), "bool")
        if start is None:
            start, count = 0, self.rows
        else:
            count = self.chunks.size
        rows = blocks.slice_rows(self.ids, start, count)
        return positives_from_ids(rows, self.ids)

    def weights_of(self, start=None):
        """Weights of the pairs of a chunk, or of all, or None."""
        if self.factors is None:
            return (
                None
                if self.weights is None
                else self._block(self.weights, start)
            )
        left, right = self.factors
        if start is not None:
            left = blocks.slice_rows(left, start, self.chunks.size)
        return ops.matmul(left, ops.transpose(right))

    def anchor_weights(self):
        """Weight of each anchor: that of its own pair, where it has one."""
        if self.ids is not None and (
            self.factors is not None
            or (self.weights is None and self.chunks is not None)
        ):
            return self._weights_by_ids()
        if self.chunks is None:
            weights = self._heaviest(None)
        else:

            def body(i, carried):
                return carried, [self._heaviest(self.chunks.start(i))]

            _, (weights,) = self.chunks.loop(body, (), [()])
        if self.ids is None or self.weights is None:
            return weights
        own = ops.diagonal(self.weights)
        return ops.where(own > 0, own, weights)

    def _heaviest(self, start):
        positives, weights = self.positives_of(start), self.weights_of(start)
        if weights is None:
            return ops.cast(ops.any(positives, axis=-1), "float32")
        return anchor_weights(positives, weights)

    def _weights_by_ids(self):
        """The same without a matrix."""
        if self.factors is None:
            return tf.ones([self.rows], "float32")
        left, right = self.factors
        own = ops.sum(left * right[: self.rows], axis=-1)
        if self.of_examples:  # What is missing has no other pair.
            return own
        items = equal_ids(self.ids)
        heaviest = tf.gather(
            tf.math.unsorted_segment_max(right, items, self.columns),
            items[: self.rows],
        )
        heaviest = ops.sum(left * heaviest, axis=-1)  # k is 1
        return ops.where(own > 0, own, heaviest)

    def _block(self, matrix, start):
        if start is None:
            return ops.transpose(matrix) if self.swapped else matrix
        if self.swapped:
            columns = blocks.slice_columns(matrix, start, self.chunks.size)
            return ops.transpose(columns)
        return blocks.slice_rows(matrix, start, self.chunks.size)


def equal_ids(ids):
    """A number from 0 for each id, equal where ids are equal; `(batch,)`."""
    if ids.dtype == tf.bool:  # Which has no order.
        ids = tf.cast(ids, "int32")
    order = tf.argsort(ids)
    ids = tf.gather(ids, order)
    is_new = tf.cast(ids[1:] != ids[:-1], "int32")
    numbers = tf.concat([[0], tf.cumsum(is_new)], 0)
    return tf.gather(numbers, tf.math.invert_permutation(order))
