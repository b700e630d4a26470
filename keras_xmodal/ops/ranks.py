"""Ranks of relevant candidates, with ties counted against the model.

Every function takes `relevance` and `scores` of shape `(queries, candidates)`
and gives one value per query. Where scores are equal, the less relevant
candidate is put first, so that a collapsed model, which gives every candidate
the same score, never looks good. A score that is NaN counts as the worst
possible outcome for its query.
"""

from keras import ops

from keras_xmodal import checks
from keras_xmodal.types import Tensor, TensorLike


def best_rank(relevance: TensorLike, scores: TensorLike) -> Tensor:
    """Rank of the best relevant candidate, by counting, ties pessimistic.

    The rank is one plus the number of irrelevant candidates whose score is at
    least that of the best relevant one. Nothing is sorted.

    Args:
        relevance: Tensor of shape `(queries, candidates)`, positive where the
            candidate is relevant to the query.
        scores: Tensor of shape `(queries, candidates)`, higher is better.

    Returns:
        float32 tensor of shape `(queries,)`, from 1. A query without a
        relevant candidate gets `candidates + 1`.

    Raises:
        TypeError: If a tensor is not of real numbers.
        ValueError: If the shapes differ, or are of another rank.

    Example:
        >>> relevance = [[0, 1, 0], [0, 1, 0]]
        >>> scores = [[0.1, 0.9, 0.3], [0.5, 0.5, 0.5]]
        >>> best_rank(relevance, scores).numpy().tolist()
        [1.0, 3.0]
    """
    relevance, scores = _pessimistic(relevance, scores)
    relevant = relevance > 0
    best = ops.where(relevant, scores, -float("inf"))
    # `initial` allows for no candidates, or no queries, at all.
    best = ops.max(best, axis=-1, keepdims=True, initial=-float("inf"))
    ahead = ops.logical_and(scores >= best, ops.logical_not(relevant))
    return 1.0 + ops.sum(ops.cast(ahead, "float32"), axis=-1)


def sorted_relevance(
    relevance: TensorLike, scores: TensorLike, k: int | None = None
) -> Tensor:
    """Relevance of each query's candidates in rank order, ties pessimistic.

    With `k`, only the head of the ranking is found, in time linear in the
    number of candidates; without it, every row is sorted.

    Args:
        relevance: Tensor of shape `(queries, candidates)`, not negative;
            larger is more relevant.
        scores: Tensor of shape `(queries, candidates)`, higher is better.
        k: Positive integer, or None for all candidates.

    Returns:
        float32 tensor of shape `(queries, min(k, candidates))`.

    Raises:
        TypeError: If a tensor is not of real numbers, or `k` no integer.
        ValueError: If the shapes differ, or `k` is not positive.

    Example:
        >>> relevance = [[2, 1, 0, 0]]
        >>> scores = [[0.5, 0.9, 0.5, 0.1]]
        >>> sorted_relevance(relevance, scores, k=3).numpy().tolist()
        [[1.0, 0.0, 2.0]]
    """
    k = checks.positive_integer("k", k, optional=True)
    relevance, scores = _pessimistic(relevance, scores)
    num_candidates = ops.shape(scores)[-1]
    if k is None or (isinstance(num_candidates, int) and k >= num_candidates):
        return _sort(relevance, scores)[0]
    if not isinstance(num_candidates, int):
        k = ops.minimum(k, num_candidates)
    # Which of the candidates tied at the last place `top_k` keeps is its own
    # choice, so those are chosen again, the least relevant first.
    head_scores, head = ops.top_k(scores, k)  # (queries, k)
    head_relevance = ops.take_along_axis(relevance, head, axis=-1)
    head_relevance, head_scores = _sort(head_relevance, head_scores)
    last = head_scores[:, -1:]  # (queries, 1)
    tied = ops.where(scores == last, -relevance, -float("inf"))
    tied = -ops.top_k(tied, k)[0]  # (queries, k)
    place = ops.arange(k)[None, :]
    above = ops.cast(head_scores > last, "int32")
    above = ops.sum(above, axis=-1, keepdims=True)  # (queries, 1)
    tied = ops.take_along_axis(tied, ops.maximum(place - above, 0), axis=-1)
    return ops.where(place < above, head_relevance, tied)


def recall(relevance: TensorLike, scores: TensorLike, k: int) -> Tensor:
    """Fraction of a query's relevant candidates among its first `k`.

    Args:
        relevance: Tensor of shape `(queries, candidates)`, positive where the
            candidate is relevant to the query.
        scores: Tensor of shape `(queries, candidates)`, higher is better.
        k: Positive integer.

    Returns:
        float32 tensor of shape `(queries,)`, 0 without a relevant candidate.

    Example:
        >>> recall([[1, 1, 0]], [[0.9, 0.1, 0.5]], k=2).numpy().tolist()
        [0.5]
    """
    relevance = _binary(relevance)
    found = ops.sum(sorted_relevance(relevance, scores, k), axis=-1)
    return ops.divide_no_nan(found, ops.sum(relevance, axis=-1))


def average_precision(
    relevance: TensorLike, scores: TensorLike, k: int | None = None
) -> Tensor:
    """Precision, averaged over the places of the relevant candidates.

    With `k`, the sum runs over the first `k` places and is divided by
    `min(k, number of relevant candidates)`, so that 1 can be reached.

    Args:
        relevance: Tensor of shape `(queries, candidates)`, positive where the
            candidate is relevant to the query.
        scores: Tensor of shape `(queries, candidates)`, higher is better.
        k: Positive integer, or None for all candidates.

    Returns:
        float32 tensor of shape `(queries,)`, 0 without a relevant candidate.

    Example:
        >>> average_precision([[1, 0, 1, 0]], [[4, 3, 2, 1]]).numpy().round(3)
        array([0.833], dtype=float32)

    Reference:
        - Manning, Raghavan and Schütze, Introduction to Information
          Retrieval, 2008, eq. 8.8
    """
    relevance = _binary(relevance)
    hits = sorted_relevance(relevance, scores, k)  # (queries, k)
    precision = ops.cumsum(hits, axis=-1) / _places(hits)
    possible = ops.sum(relevance, axis=-1)
    if k is not None:
        possible = ops.minimum(possible, float(k))
    return ops.divide_no_nan(ops.sum(hits * precision, axis=-1), possible)


def r_precision(relevance: TensorLike, scores: TensorLike) -> Tensor:
    """Precision among the first R, R being the query's relevant candidates.

    Args:
        relevance: Tensor of shape `(queries, candidates)`, positive where the
            candidate is relevant to the query.
        scores: Tensor of shape `(queries, candidates)`, higher is better.

    Returns:
        float32 tensor of shape `(queries,)`, 0 without a relevant candidate.

    Example:
        >>> r_precision([[1, 0, 1, 0]], [[4, 3, 2, 1]]).numpy().tolist()
        [0.5]

    Reference:
        - Manning, Raghavan and Schütze, Introduction to Information
          Retrieval, 2008, section 8.4
    """
    relevance = _binary(relevance)
    total = ops.sum(relevance, axis=-1, keepdims=True)  # (queries, 1)
    hits = sorted_relevance(relevance, scores)
    hits = ops.where(_places(hits) <= total, hits, 0.0)
    return ops.divide_no_nan(ops.sum(hits, axis=-1), total[:, 0])


def ndcg(
    relevance: TensorLike, scores: TensorLike, k: int | None = None
) -> Tensor:
    """Normalised discounted cumulative gain; the gain is the relevance itself.

    For the exponential gain of Burges et al. (2005), pass `2**relevance - 1`.

    Args:
        relevance: Tensor of shape `(queries, candidates)`, not negative;
            larger is more relevant.
        scores: Tensor of shape `(queries, candidates)`, higher is better.
        k: Positive integer, or None for all candidates.

    Returns:
        float32 tensor of shape `(queries,)`, 0 without a relevant candidate.

    Example:
        >>> ndcg([[3, 2, 0]], [[1.0, 2.0, 0.0]]).numpy().round(3)
        array([0.913], dtype=float32)

    Reference:
        - Järvelin and Kekäläinen, 2002, Cumulated gain-based evaluation of
          IR techniques, with the discount `1 / log2(1 + rank)`
    """
    gains = sorted_relevance(relevance, scores, k)  # (queries, k)
    ideal = sorted_relevance(relevance, relevance, k)
    discount = ops.log(2.0) / ops.log(1.0 + _places(gains))
    return ops.divide_no_nan(
        ops.sum(gains * discount, axis=-1), ops.sum(ideal * discount, axis=-1)
    )


def _binary(relevance):
    relevance = ops.cast(ops.convert_to_tensor(relevance), "float32")
    return ops.cast(relevance > 0, "float32")


def _places(x):
    """Places 1, 2, ... along the last axis, shape `(1, places)`."""
    return ops.cast(ops.arange(1, ops.shape(x)[-1] + 1), "float32")[None, :]


def _pessimistic(relevance, scores):
    """Cast both to float32; give each NaN score the worst place."""
    shape = ("queries", "candidates")
    relevance = checks.tensor("relevance", relevance, shape)
    scores = checks.tensor("scores", scores, shape)
    checks.same_shape(relevance=relevance.shape, scores=scores.shape)
    relevance = ops.where(relevance > 0, relevance, 0.0)
    # XLA sorts -0.0 before 0.0, where they have to tie.
    scores = ops.where(scores == 0, 0.0, scores)
    worst = ops.where(relevance > 0, -float("inf"), float("inf"))
    return relevance, ops.where(ops.isnan(scores), worst, scores)


def _sort(relevance, scores):
    """Sort rows by falling score; equal scores by rising relevance."""
    order = ops.argsort(relevance, axis=-1)
    relevance = ops.take_along_axis(relevance, order, axis=-1)
    scores = ops.take_along_axis(scores, order, axis=-1)
    # Stable, so that equal scores keep the order of rising relevance.
    order = ops.argsort(-scores, axis=-1)
    return (
        ops.take_along_axis(relevance, order, axis=-1),
        ops.take_along_axis(scores, order, axis=-1),
    )
