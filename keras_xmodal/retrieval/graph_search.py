"""The search of one modality of an index in a TensorFlow graph."""

import math

import numpy as np
import tensorflow as tf

from keras_xmodal.retrieval.served_ids import served_ids

_SCORES = 2**24  # that are held at once
_CANDIDATES = 2**13  # whose products are in float64 at once


class GraphSearch(tf.Module):
    """Find what `top_k_items` finds, in the same order.

    Rows near the best ones in float32 are compared in float64. Embeddings lie
    in columns, so that a product with few queries reads them in their order.

    Args:
        rows: `Rows`, at least one.
        k: Positive integer, ids to find; all of them if there are fewer.
    """

    def __init__(self, rows, k):
        super().__init__()
        self.dim, codes = rows.dim, rows.codes
        self.num_items = int(codes.max()) + 1
        self.k = min(k, self.num_items)
        self.max_queries = max(1, _SCORES // len(rows))
        # Twice the error of float32 sums of products, on a GPU of TF32 ones.
        self.margin = 2 * (2**-10 + self.dim * 2**-24) + 1e-5
        columns = np.ascontiguousarray(rows.embeddings.T)
        self.embeddings = tf.Variable(columns, False)  # (dim, rows)
        self.ids = tf.Variable(served_ids(rows.ids), False)
        self.codes = None
        if self.num_items < len(rows):
            self.codes = tf.Variable(codes.astype("int32"), False)

    def __call__(self, queries):
        """Ids and float32 cosines of shape `(queries, k)`, best first."""
        if queries.shape[-1] != self.dim:
            raise ValueError(
                "`search` must have the dim of the model's embeddings, "
                f"{queries.shape[-1]}. Received: an index of dim {self.dim}"
            )
        queries = _normalize(tf.cast(queries, tf.float32))
        finite = tf.reduce_all(tf.math.is_finite(queries), axis=1)
        # One that is not finite finds something, with NaN for a score.
        any_query = tf.one_hot([0], self.dim)
        queries = tf.where(finite[:, None], queries, any_query)
        count = tf.shape(queries)[0]
        # The last query fills the last block, one of no batch an empty one.
        queries = tf.concat([queries, any_query], axis=0)
        last = tf.maximum(count, 1) - 1
        num_blocks = last // self.max_queries + 1
        size = last // num_blocks + 1
        places = tf.minimum(tf.range(num_blocks * size), last)
        blocks = tf.reshape(
            tf.gather(queries, places), (num_blocks, size, self.dim)
        )
        rows, scores = tf.map_fn(
            self._search,
            blocks,
            parallel_iterations=1,
            fn_output_signature=(
                tf.TensorSpec((None, self.k), tf.int64),
                tf.TensorSpec((None, self.k), tf.float32),
            ),
        )
        rows = tf.reshape(rows, (-1, self.k))[:count]
        scores = tf.reshape(scores, (-1, self.k))[:count]
        scores = tf.where(finite[:, None], scores, math.nan)
        return tf.gather(self.ids, rows), scores

    def _search(self, queries):
        """Rows and cosines of the best items of unit vectors."""
        near = tf.matmul(queries, self.embeddings)  # (queries, rows)
        best = near
        if self.codes is not None:
            best = tf.math.unsorted_segment_max(
                tf.transpose(near), self.codes, self.num_items
            )
            best = tf.transpose(best)  # (queries, items)
        last = tf.math.top_k(best, self.k).values[:, -1:]
        found = tf.where(near >= last - self.margin)  # query, row; rising
        places, rows = found[:, 0], found[:, 1]
        count = tf.shape(queries, tf.int64)[0]

        def by_query(values, fill):
            """Of shape `(queries, most candidates of a query)`."""
            return tf.RaggedTensor.from_value_rowids(
                values, places, count, validate=False
            ).to_tensor(fill)

        scores = by_query(self._cosines(queries, places, rows), -2.0)
        rows = by_query(rows, 0)
        if self.codes is None:
            scores, columns = tf.math.top_k(scores, self.k)
            return tf.gather(rows, columns, batch_dims=1), scores
        scores, columns = tf.math.top_k(scores, tf.shape(scores)[1])
        rows = tf.gather(rows, columns, batch_dims=1)
        columns = _first_of_each(tf.gather(self.codes, rows), self.k)
        return (
            tf.gather(rows, columns, batch_dims=1),
            tf.gather(scores, columns, batch_dims=1),
        )

    def _cosines(self, queries, places, rows):
        """Products summed in float64, one for each pair of query and row."""
        queries = tf.cast(queries, tf.float64)
        parts = tf.TensorArray(
            tf.float32, 0, dynamic_size=True, infer_shape=False
        )

        def multiply(start, parts):
            part = slice(start, start + _CANDIDATES)
            # (dim, candidates)
            found = tf.gather(self.embeddings, rows[part], axis=1)
            found = tf.cast(tf.transpose(found), tf.float64)
            products = found * tf.gather(queries, places[part])
            cosines = tf.clip_by_value(tf.reduce_sum(products, axis=1), -1, 1)
            cosines = tf.cast(cosines, tf.float32)
            return start + _CANDIDATES, parts.write(parts.size(), cosines)

        size = tf.size(rows)
        parts = tf.while_loop(
            lambda start, parts: start < tf.maximum(size, 1),
            multiply,
            (0, parts),
            parallel_iterations=1,
        )[1]
        return parts.concat()


def _normalize(embeddings):
    """Scale rows to length 1 as `unit_embeddings` does."""
    largest = tf.reduce_max(tf.abs(embeddings), axis=1, keepdims=True)
    embeddings /= tf.where(largest > 0, largest, 1)
    squares = tf.cast(embeddings, tf.float64) ** 2
    norm = tf.sqrt(tf.reduce_sum(squares, axis=1, keepdims=True))
    norm = tf.cast(norm, tf.float32)
    return embeddings / tf.where(norm > 0, norm, 1)


def _first_of_each(codes, k):
    """Columns where the first k different codes of a row come first."""
    order = tf.argsort(codes, axis=1, stable=True)
    ordered = tf.gather(codes, order, batch_dims=1)
    changes = tf.not_equal(ordered[:, 1:], ordered[:, :-1])
    first = tf.pad(changes, [[0, 0], [1, 0]], constant_values=True)
    first = tf.gather(first, tf.argsort(order, axis=1), batch_dims=1)
    size = tf.shape(codes)[1]
    columns = tf.where(first, tf.range(size), size)
    return -tf.math.top_k(-columns, k).values
