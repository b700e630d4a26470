"""Normalised discounted cumulative gain, for graded relevance."""

from keras_xmodal import checks, saving
from keras_xmodal.metrics.retrieval_metric import RetrievalMetric
from keras_xmodal.ops import ranks


@saving.register
class NDCG(RetrievalMetric):
    """Discounted gain of the ranking, relative to that of the best one.

    The gain of a candidate is its relevance, any number from 0. For the
    exponential gain of learning to rank, pass `2**relevance - 1`.

    It is called as `RetrievalMetric` is.

    Args:
        k: Positive integer, or None for the whole ranking.
        name: Name of the metric. Defaults to `"ndcg"`, followed by
            `"_at_{k}"` if there is a `k`.

    Returns:
        Scalar in `[0, 1]`.

    Raises:
        TypeError: If `k` is no integer.
        ValueError: If `k` is not positive, or shapes do not fit.

    Example:
        >>> metric = NDCG()
        >>> metric.update_state([[3, 2, 0]], [[1.0, 2.0, 0.0]])
        >>> round(float(metric.result()), 3)
        0.913

    Reference:
        - Järvelin and Kekäläinen, 2002, Cumulated gain-based evaluation of
          IR techniques, with the discount `1 / log2(1 + rank)`
    """

    def __init__(
        self,
        k: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ):
        self.k = checks.positive_integer("k", k, optional=True)
        default = "ndcg" + (f"_at_{self.k}" if self.k else "")
        super().__init__(name=name or default, dtype=dtype)

    def query_values(self, relevance, scores):
        return ranks.ndcg(relevance, scores, self.k)
