"""All retrieval numbers of a whole data set at once."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_xmodal import checks
from keras_xmodal.metrics.ids import match_ids
from keras_xmodal.metrics.near_ranks import NearRanks
from keras_xmodal.ops import ranks
from keras_xmodal.reports import Report

# Scores held at once. Larger blocks leave the cache and are slower, too.
_MAX_SCORES = 2**22


def retrieval_report(
    queries: np.ndarray,
    candidates: np.ndarray,
    query_ids: Sequence | np.ndarray | None = None,
    candidate_ids: Sequence | np.ndarray | None = None,
    ks: Sequence[int] = (1, 5, 10),
    chunk_size: int = 1024,
) -> dict[str, float]:
    """Rank all candidates for every query and summarise the ranks.

    Candidates are ranked by their dot product with the query, the cosine
    similarity for L2-normalised embeddings. A candidate is relevant to a
    query if their ids are equal. The rank of a query is that of its best
    relevant candidate; ties count against the model. Queries without a
    relevant candidate do not count.

    The full score matrix is never held: peak memory is that of `chunk_size`
    rows of it, or of 4 million scores if that is less, about 250 MB.

    Args:
        queries: Array of shape `(queries, dim)`.
        candidates: Array of shape `(candidates, dim)`.
        query_ids: Array of shape `(queries,)` of any dtype with equality.
            None, for both ids: row `i` of the queries belongs to row `i` of
            the candidates.
        candidate_ids: Array of shape `(candidates,)`, of the same kind.
        ks: Positive integers, the cut-offs of R@k.
        chunk_size: Positive integer, queries ranked at once at most.

    Returns:
        Dict of Python numbers: `"R@{k}"`, the share of queries with a
        relevant candidate among the first `k` (the hit rate, from 0 to 1);
        `"MedR"` and `"MeanR"`, the median (rounded down) and mean rank from
        1; `"MRR"`; `"mAP@10"`; `"num_queries"`, those that count;
        `"num_candidates"`; `"chance_R@{k}"`, the expected R@k of a random
        ranking, exact for any number of relevant candidates.

    Raises:
        TypeError: If embeddings or ids are of a wrong type.
        ValueError: If shapes do not fit, values are not finite, or no query
            has a relevant candidate.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        # Three images, two captions each.
        images = np.eye(3)
        captions = np.repeat(images, 2, axis=0)
        report = kx.metrics.retrieval_report(
            images, captions, [0, 1, 2], [0, 0, 1, 1, 2, 2]
        )
        print(report["R@1"], report["chance_R@1"])  # 1.0, one third
        ```

    Reference:
        - Faghri et al., 2018, https://arxiv.org/abs/1707.05612, section 4
        - Karpathy and Fei-Fei, 2015, https://arxiv.org/abs/1412.2306,
          section 4.1
    """
    ks = checks.positive_integers("ks", ks)
    chunk_size = checks.positive_integer("chunk_size", chunk_size)
    queries = checks.embeddings("queries", queries)
    candidates = checks.embeddings("candidates", candidates)
    checks.same_dim(queries=queries.shape, candidates=candidates.shape)
    query_ids, candidate_ids = _matched_ids(
        query_ids, candidate_ids, len(queries), len(candidates)
    )
    num_relevant = np.bincount(
        candidate_ids, minlength=query_ids.max(initial=0) + 1
    )[query_ids]
    counted = num_relevant > 0
    if not counted.any():
        raise ValueError(
            "`query_ids` and `candidate_ids` must have ids in common. "
            f"Received: {len(queries)} queries, {len(candidates)} candidates "
            "and no id in both"
        )
    best, precision = _rank(
        queries[counted],
        candidates,
        query_ids[counted],
        candidate_ids,
        max(1, min(chunk_size, _MAX_SCORES // len(candidates))),
    )
    report = {f"R@{k}": float(np.mean(best <= k)) for k in ks}
    report["MedR"] = float(np.floor(np.median(best - 1)) + 1)
    report["MeanR"] = float(np.mean(best))
    report["MRR"] = float(np.mean(1 / best))
    report["mAP@10"] = float(np.mean(precision))
    report["num_queries"] = len(best)
    report["num_candidates"] = len(candidates)
    for k in ks:
        report[f"chance_R@{k}"] = _chance(
            num_relevant[counted], len(candidates), k
        )
    return Report(report)


def _rank(queries, candidates, query_ids, candidate_ids, rows):
    """Best rank and average precision at 10 of each query, float64."""
    near = NearRanks(candidates, candidate_ids)
    best, precision = [], []
    for start in range(0, len(queries), rows):
        chunk = slice(start, start + rows)
        found = near.rank(queries[chunk], query_ids[chunk])
        if found is None:
            found = _rank_all(
                *(queries[chunk], candidates, query_ids[chunk], candidate_ids)
            )
        best.append(found[0])
        precision.append(found[1])
    return (
        np.concatenate(best).astype("float64"),
        np.concatenate(precision).astype("float64"),
    )


def _rank_all(queries, candidates, query_ids, candidate_ids):
    # Float64 products, rounded to float32, are the same in every chunk, and
    # equal candidates tie; float32 products differ with their place.
    scores = queries.astype("float64") @ candidates.astype("float64").T
    scores = scores.astype("float32")  # (rows, candidates)
    relevance = query_ids[:, None] == candidate_ids[None, :]
    return (
        ops.convert_to_numpy(ranks.best_rank(relevance, scores)),
        ops.convert_to_numpy(ranks.average_precision(relevance, scores, k=10)),
    )


def _chance(num_relevant, num_candidates, k):
    """Mean of `1 - C(N - n, k) / C(N, k)`: not all first k irrelevant."""
    num_relevant, inverse = np.unique(num_relevant, return_inverse=True)
    miss = np.ones(len(num_relevant))
    for drawn in range(min(k, num_candidates)):
        left = np.maximum(num_candidates - num_relevant - drawn, 0)
        miss *= left / (num_candidates - drawn)
    return float(np.mean(1.0 - miss[inverse]))


def _matched_ids(
    query_ids, candidate_ids, num_queries, num_candidates
) -> tuple[np.ndarray, np.ndarray]:
    if (query_ids is None) != (candidate_ids is None):
        raise ValueError(
            "Give both `query_ids` and `candidate_ids`, or neither. "
            f"Received: query_ids={query_ids}, candidate_ids={candidate_ids}"
        )
    if query_ids is not None:
        return match_ids(
            checks.ids("query_ids", query_ids, num_queries),
            checks.ids("candidate_ids", candidate_ids, num_candidates),
            argument="query_ids and candidate_ids",
        )
    if num_queries != num_candidates:
        raise ValueError(
            "Without ids, `queries` and `candidates` must have equally many "
            f"rows. Received: {num_queries} queries, {num_candidates} "
            "candidates"
        )
    return np.arange(num_queries), np.arange(num_candidates)
