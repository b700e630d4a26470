"""Ranks by scores in float32, and in float64 where these do not decide."""

import numpy as np
from keras import ops

from keras_xmodal.ops.products import exact_products, most_error, products

_K = 10  # of the average precision
_PAIR_COST = 32  # times that of a product among those of all candidates
_MOST_ERROR = 1e30  # float32 holds products that are this inexact


class NearRanks:
    """Ranks candidates for queries, ties counted against the model.

    A score is a product in float64, rounded to float32: the same in every
    chunk, and equal for equal candidates.

    Args:
        candidates: float32 array of shape `(candidates, dim)`.
        ids: Array of integers of shape `(candidates,)`.
    """

    def __init__(self, candidates, ids):
        self.candidates, self.ids = candidates, ids
        self.longest = _longest(candidates)
        self.by_id = np.argsort(ids, kind="stable")
        self.sorted_ids = ids[self.by_id]

    def rank(self, queries, ids):
        """Best rank and average precision at 10 of queries with relevant ones.

        None if there are few candidates, or too many scores are so near that
        float32 does not decide.
        """
        error = most_error(queries.shape[1]) + 2.0**-24
        error *= _longest(queries) * self.longest
        if not error < _MOST_ERROR or len(self.ids) < _PAIR_COST * _K:
            return None
        places, columns, sizes = self._relevant(ids)
        best = np.maximum.reduceat(
            self._scores(queries, places, columns), np.cumsum(sizes) - sizes
        )
        near = products(queries, self.candidates)  # (queries, candidates)
        most = near.size // _PAIR_COST
        low, high = _down(best - error), -_down(-best - error)
        ahead = np.count_nonzero(near > high[:, None], axis=1)
        unclear = np.count_nonzero(near >= low[:, None], axis=1) - ahead
        unclear -= np.bincount(
            places[near[places, columns] >= low[places]], minlength=len(ids)
        )
        if unclear.sum() > most:
            return None
        alone = np.flatnonzero(unclear)
        found = near[alone]
        found = (found >= low[alone, None]) & (found <= high[alone, None])
        places, columns = np.nonzero(found)
        places = alone[places]
        other = self.ids[columns] != ids[places]
        places, columns = places[other], columns[other]
        as_good = self._scores(queries, places, columns) >= best[places]
        ahead += np.bincount(places[as_good], minlength=len(ids))

        last = ops.convert_to_numpy(ops.top_k(near, _K)[0])[:, -1]
        places, columns = np.nonzero(near >= _down(last - 2 * error)[:, None])
        if len(places) > most:
            return None
        relevant = self.ids[columns] == ids[places]
        scores = self._scores(queries, places, columns)
        order = np.lexsort((relevant, -scores, places))
        counts = np.bincount(places, minlength=len(ids))
        first = (np.cumsum(counts) - counts)[:, None] + np.arange(_K)
        hits = relevant[order[first]]  # (queries, 10)
        precision = hits.cumsum(axis=1) / np.arange(1, _K + 1)
        return 1 + ahead, (hits * precision).sum(axis=1) / np.minimum(_K, sizes)

    def _relevant(self, ids):
        """Pairs of a query and a relevant candidate, and how many each has."""
        starts = np.searchsorted(self.sorted_ids, ids)
        sizes = np.searchsorted(self.sorted_ids, ids, side="right") - starts
        places = np.repeat(np.arange(len(ids)), sizes)
        within = np.arange(len(places)) - (np.cumsum(sizes) - sizes)[places]
        return places, self.by_id[starts[places] + within], sizes

    def _scores(self, queries, places, columns):
        exact = exact_products(queries, places, self.candidates, columns)
        return exact.astype("float32").astype("float64")


def _longest(x):
    return np.sqrt(np.einsum("ij,ij->i", x, x, dtype="float64").max())


def _down(values):
    """The next lower numbers of float32."""
    return np.nextafter(values.astype("float32"), np.float32(-np.inf))
