"""The mean over queries of the average precision."""

from keras_xmodal import checks, saving
from keras_xmodal.metrics.retrieval_metric import RetrievalMetric
from keras_xmodal.ops import ranks


@saving.register
class MeanAveragePrecision(RetrievalMetric):
    """Mean over queries of the precision at their relevant candidates.

    With `k` (mAP@k), only the first `k` places count and the sum is divided
    by `min(k, number of relevant candidates)`, so that 1 can be reached.

    It is called as `RetrievalMetric` is.

    Args:
        k: Positive integer, or None for the whole ranking.
        name: Name of the metric. Defaults to `"mean_average_precision"`,
            followed by `"_at_{k}"` if there is a `k`.

    Returns:
        Scalar in `[0, 1]`.

    Raises:
        TypeError: If `k` is no integer.
        ValueError: If `k` is not positive, or shapes do not fit.

    Example:
        >>> metric = MeanAveragePrecision()
        >>> metric.update_state([[1, 0, 0, 1]], [[0.9, 0.8, 0.7, 0.6]])
        >>> float(metric.result())
        0.75

    Reference:
        - Manning, Raghavan and Schütze, Introduction to Information
          Retrieval, 2008, eq. 8.8
    """

    def __init__(
        self,
        k: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ):
        self.k = checks.positive_integer("k", k, optional=True)
        default = "mean_average_precision" + (f"_at_{self.k}" if self.k else "")
        super().__init__(name=name or default, dtype=dtype)

    def query_values(self, relevance, scores):
        return ranks.average_precision(relevance, scores, self.k)
