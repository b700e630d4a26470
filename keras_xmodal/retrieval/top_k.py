"""The k best rows for each query, block by block."""

import numpy as np

from keras_xmodal.ops.products import LONGEST, exact_products, most_error
from keras_xmodal.retrieval.near_rows import blocks, near_rows
from keras_xmodal.retrieval.rows import inside

_QUERY_BLOCK = 256
_ROW_BLOCK = 16384
_PAIR_COST = 32  # times that of a product among those of all rows
_FEW_SCORES = 1024  # that are not worth a scan in float32
_NONE = np.empty(0, "int64")


def top_k_items(queries, rows, ids, k, gone=_NONE):
    """Find the nearest row of each of the k nearest items, by its id.

    Takes more rows of the queries that have too few different items, until
    all have k, or all items.
    """
    num_rows = len(ids) - len(gone)
    k = num_items(ids, gone, min(k, num_rows))
    best = np.empty((len(queries), k), "int64")
    best_scores = np.empty((len(queries), k), "float32")
    left, taken = np.arange(len(queries)), 4 * k
    while len(left):
        taken = min(taken, num_rows)
        found, scores = top_k(queries[left], rows, taken, gone)
        first = first_of_each(ids[found])
        done = first.sum(axis=1) >= k
        chosen = first & (first.cumsum(axis=1) <= k)
        best[left[done]] = found[done][chosen[done]].reshape(-1, k)
        best_scores[left[done]] = scores[done][chosen[done]].reshape(-1, k)
        left = left[~done]
        taken *= 2
    return best, best_scores


def num_items(ids, gone, most):
    """Number of different ids, or `most` if there are more."""
    known, size = ids[:0], 4 * most
    for start in range(0, len(ids), size):
        there = ids[start : start + size]
        there = np.delete(there, inside(gone, start, len(there)))
        known = np.unique(np.concatenate([known, there]))
        if len(known) >= most:
            return most
        size = max(size, _ROW_BLOCK)
    return len(known)


def first_of_each(ids):
    """Where an id comes for the first time in its row."""
    order = np.argsort(ids, axis=1, kind="stable")
    ordered = np.take_along_axis(ids, order, axis=1)
    first = np.ones(ids.shape, bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    result = np.empty_like(first)
    np.put_along_axis(result, order, first, axis=1)
    return result


def top_k(queries, rows, k, gone=_NONE):
    """Find the rows with the largest cosine with each query, all unit vectors.

    Products are summed in float64 and rounded to float32: the same for any
    number of queries, and equal for equal rows; of equal ones the first come
    first. Only rows that are near in float32 are multiplied in float64. Memory
    is that of a block of 256 by 16384 scores, and of the result.

    Args:
        queries: float32 array of shape `(queries, dim)`.
        rows: float32 array of shape `(rows, dim)`, or a list of them.
        k: Positive integer.
        gone: Rising numbers of rows that are not to be found.
    """
    parts = [rows] if isinstance(rows, np.ndarray) else rows
    k = min(k, sum(map(len, parts)) - len(gone))
    best = np.empty((len(queries), k), "int64")
    best_scores = np.empty((len(queries), k), "float32")
    for start in range(0, len(queries), _QUERY_BLOCK):
        block = slice(start, start + _QUERY_BLOCK)
        best[block], best_scores[block] = _top_k(queries[block], parts, k, gone)
    return best, best_scores


def _top_k(queries, parts, k, gone):
    num_rows = sum(map(len, parts))
    if 4 * k > num_rows or num_rows * len(queries) <= _FEW_SCORES:
        return _top_k_of_all(queries, parts, k, gone)
    size = _ROW_BLOCK * _QUERY_BLOCK // len(queries)
    size = max(size // 16 * 16, 1)  # so that TensorFlow takes each block
    places, found, near, crowded = near_rows(queries, parts, gone, k, size)
    if _PAIR_COST * len(places) > num_rows * len(queries):
        return _top_k_of_all(queries, parts, k, gone)
    scores = cosines(queries, places, parts, found)
    sizes = np.bincount(places, minlength=len(queries))
    alone = np.setdiff1d(np.arange(len(queries)), crowded)
    _check_cosines(scores, (sizes[alone] >= k).all())
    if (np.abs(scores - near) > most_error(queries.shape[1])).any():
        # Arithmetic of fewer bits, as an environment may ask for.
        return _top_k_of_all(queries, parts, k, gone)
    scores = np.clip(scores, -1, 1).astype("float32")
    order = np.lexsort((found, -scores, places))
    starts = (np.cumsum(sizes) - sizes)[alone]
    chosen = order[starts[:, None] + np.arange(k)]
    best = np.empty((len(queries), k), "int64")
    best_scores = np.empty((len(queries), k), "float32")
    best[alone], best_scores[alone] = found[chosen], scores[chosen]
    if len(crowded):
        best[crowded], best_scores[crowded] = _top_k_of_all(
            queries[crowded], parts, k, gone
        )
    return best, best_scores


def _check_cosines(scores, complete=True):
    if not (complete and np.abs(scores).max(initial=0) < LONGEST):
        raise ValueError(
            "The rows of an index must be finite, of length 1. Received: rows "
            "of a file that was mapped, and is damaged"
        )


def cosines(queries, places, parts, rows):
    """Products of pairs of a query and a row, in float64."""
    scores, start = np.empty(len(rows)), 0
    for part in parts:
        here = (rows >= start) & (rows < start + len(part))
        if here.any():
            scores[here] = exact_products(
                queries, places[here], part, rows[here] - start
            )
        start += len(part)
    return scores


def _top_k_of_all(queries, parts, k, gone):
    """Multiply all rows in float64."""
    queries = queries.astype("float64")
    # Candidates so far, by rising row number.
    best = np.empty((len(queries), 0), "int64")
    best_scores = np.empty((len(queries), 0), "float32")
    for start, block in blocks(parts, _ROW_BLOCK):
        hidden = inside(gone, start, len(block))
        rows = np.delete(np.arange(len(block)), hidden)
        scores = queries @ block[rows].astype("float64").T
        _check_cosines(scores)
        # Beyond 1 by rounding of the vectors: no cosine is.
        scores = np.clip(scores, -1, 1).astype("float32")
        columns = _largest(scores, k)
        best = np.concatenate([best, rows[columns] + start], axis=1)
        scores = np.take_along_axis(scores, columns, axis=1)
        best_scores = np.concatenate([best_scores, scores], axis=1)
        columns = _largest(best_scores, k)
        best = np.take_along_axis(best, columns, axis=1)
        best_scores = np.take_along_axis(best_scores, columns, axis=1)
    order = np.argsort(-best_scores, axis=1, kind="stable")
    return (
        np.take_along_axis(best, order, axis=1),
        np.take_along_axis(best_scores, order, axis=1),
    )


def _largest(scores, k):
    """Columns of the k largest per row, rising; of equal ones the first."""
    num_rows, num_columns = scores.shape
    if num_columns <= k:
        return np.tile(np.arange(num_columns), (num_rows, 1))
    last = num_columns - k
    threshold = np.partition(scores, last, axis=1)[:, last, None]
    chosen = scores >= threshold
    excess = chosen.sum(axis=1) - k
    for row in np.flatnonzero(excess):
        tied = np.flatnonzero(scores[row] == threshold[row])
        chosen[row, tied[-excess[row] :]] = False
    return np.nonzero(chosen)[1].reshape(num_rows, k)
