"""The k best rows for each query, block by block."""

import numpy as np

_QUERY_BLOCK = 256
_ROW_BLOCK = 16384


def top_k_items(queries, rows, codes, k):
    """Find the nearest row of each of the k nearest items, by its code.

    Takes more rows of the queries that have too few different items, until
    all have k, or all items.
    """
    num_items = int(codes.max()) + 1
    k = min(k, num_items)
    best = np.empty((len(queries), k), "int64")
    best_scores = np.empty((len(queries), k), "float32")
    left, num_rows = np.arange(len(queries)), k
    while len(left):
        found, scores = top_k(queries[left], rows, num_rows)
        first = _first_of_each(codes[found])
        done = first.sum(axis=1) >= k
        chosen = first & (first.cumsum(axis=1) <= k)
        best[left[done]] = found[done][chosen[done]].reshape(-1, k)
        best_scores[left[done]] = scores[done][chosen[done]].reshape(-1, k)
        left = left[~done]
        num_rows = min(2 * num_rows, len(rows))
    return best, best_scores


def _first_of_each(codes):
    """Where a code comes for the first time in its row."""
    order = np.argsort(codes, axis=1, kind="stable")
    ordered = np.take_along_axis(codes, order, axis=1)
    first = np.ones(codes.shape, bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    result = np.empty_like(first)
    np.put_along_axis(result, order, first, axis=1)
    return result


def top_k(queries, rows, k):
    """Find the rows with the largest cosine with each query, all unit vectors.

    Products are summed in float64 and rounded to float32: the same for any
    number of queries, and equal for equal rows. Memory is that of a block of
    256 by 16384 scores, and of the result.
    """
    queries = queries.astype("float64")
    # Candidates so far, by rising row number.
    best = np.empty((len(queries), 0), "int64")
    best_scores = np.empty((len(queries), 0), "float32")
    for start in range(0, len(rows), _ROW_BLOCK):
        block = rows[start : start + _ROW_BLOCK].astype("float64").T
        found, scores = [], []
        for first in range(0, len(queries), _QUERY_BLOCK):
            chunk = slice(first, first + _QUERY_BLOCK)
            # Beyond 1 by rounding of the vectors: no cosine is.
            products = np.clip(queries[chunk] @ block, -1, 1)
            products = products.astype("float32")
            columns = _largest(products, k)
            found.append(columns + start)
            scores.append(np.take_along_axis(products, columns, axis=1))
        best = np.concatenate([best, np.concatenate(found)], axis=1)
        best_scores = np.concatenate(
            [best_scores, np.concatenate(scores)], axis=1
        )
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
