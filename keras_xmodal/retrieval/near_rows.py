"""The rows that may be among the best of a query, by a scan in float32."""

import numpy as np

from keras_xmodal.ops.products import most_error, products
from keras_xmodal.retrieval.rows import is_in

_SAMPLE = 4096  # rows whose best give a first bound
_FEW_QUERIES = 8
_CROWD = 4096  # candidates of a query that are too many to be compared alone
_ROUNDING = 2.0**-25 + 2.0**-40  # of a sum in float64 to float32


def near_rows(queries, parts, gone, k, block_size):
    """Pairs of a query and a row, among them each query's k best of float64.

    A row whose float32 cosine is below the k-th largest one by more than
    twice the error of both roundings is not among the best k: rows of no
    other kind are left out.

    Args:
        queries: float32 array of unit vectors of shape `(queries, dim)`.
        parts: List of float32 arrays of unit vectors, the rows.
        gone: Rising row numbers that do not count.
        k: Positive integer, at most the rows that count.
        block_size: Rows that are compared at once.

    Returns:
        Tuple of places of queries, numbers of rows and float32 cosines, by
        rising place and row; and of places that have too many candidates, and
        none of those.
    """
    margin = 2 * (most_error(queries.shape[1]) + _ROUNDING)
    least = np.full(len(queries), -np.inf)  # of the k-th largest so far
    crowded = np.zeros(len(queries), bool)
    near = np.empty(0, "int64"), np.empty(0, "int64"), np.empty(0, "float32")
    for start, block in blocks(parts, block_size):
        by_query = len(queries) <= _FEW_QUERIES
        if by_query:
            scores = products(queries, block)  # (queries, rows)
        else:
            scores = products(block, queries).T
        hits = None
        if (least > -np.inf).all():
            hits = _hits(scores, _bound(least, margin), by_query)
        if hits is None or len(hits[0]) > len(queries) * (_SAMPLE + 16 * k):
            least = np.maximum(least, _sampled(scores, gone - start, k))
            hits = _hits(scores, _bound(least, margin), by_query)
        places, columns, values = hits
        rows = columns + start
        counts = ~is_in(rows, gone)
        if not counts.any():
            continue
        new = places[counts], rows[counts], values[counts]
        near = tuple(map(np.concatenate, zip(near, new, strict=True)))
        near, least = _pruned(near, least, margin, k)
        sizes = np.bincount(near[0], minlength=len(queries))
        crowded |= sizes > _CROWD + 4 * k
        if crowded.any():
            least[crowded] = np.inf
            near = tuple(part[~crowded[near[0]]] for part in near)
    return *near, np.flatnonzero(crowded)


def blocks(parts, size):
    """Numbers of the first rows and rows, a block at a time."""
    start = 0
    for part in parts:
        for first in range(0, len(part), size):
            yield start + first, part[first : first + size]
        start += len(part)


def _bound(least, margin):
    """What scores must reach, of cosines that are clipped to -1 and 1."""
    bound = np.where(least == np.inf, least, np.minimum(least, 1) - margin)
    return np.where(bound < -1, -np.inf, bound)


def _hits(scores, bound, by_query):
    """Places, columns and values of scores from a bound of each query on."""
    bound = np.nextafter(bound.astype("float32"), np.float32(-np.inf))
    if by_query:
        found = np.flatnonzero(scores >= bound[:, None])
        places, columns = np.divmod(found, scores.shape[1])
    else:
        found = np.flatnonzero(bound <= scores.T)
        columns, places = np.divmod(found, len(scores))
    return places, columns, scores[places, columns]


def _sampled(scores, gone, k):
    """The k-th largest score of some rows of each query, or minus infinity."""
    step = max(1, scores.shape[1] // max(_SAMPLE, 4 * k))
    columns = np.arange(0, scores.shape[1], step)
    columns = columns[~is_in(columns, gone)]
    if len(columns) < k:
        return np.full(len(scores), -np.inf)
    last = len(columns) - k
    return np.partition(scores[:, columns], last, axis=1)[:, last]


def _pruned(near, least, margin, k):
    """Drop the candidates below the k-th largest of all; order the others."""
    places, rows, scores = near
    order = np.lexsort((rows, places))
    places, rows, scores = places[order], rows[order], scores[order]
    sizes = np.bincount(places, minlength=len(least))
    if sizes.max() >= k:
        starts = np.cumsum(sizes) - sizes
        table = np.full((len(least), sizes.max()), -np.inf, "float32")
        table[places, np.arange(len(places)) - starts[places]] = scores
        last = sizes.max() - k
        found = np.partition(table, last, axis=1)[:, last]
        least = np.maximum(least, found)
    stay = scores >= _bound(least, margin)[places]
    return (places[stay], rows[stay], scores[stay]), least
