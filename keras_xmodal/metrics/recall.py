"""The share of a query's relevant candidates within the first k."""

from keras_xmodal import checks, saving
from keras_xmodal.metrics.retrieval_metric import RetrievalMetric
from keras_xmodal.ops import ranks


@saving.register
class Recall(RetrievalMetric):
    """Share of the relevant candidates that are among the first `k`.

    This is the fractional recall of information retrieval: with five captions
    of an image, it is at most 0.2 at `k=1`. Papers that report R@1 of
    image-text retrieval mean `HitRate`.

    It is called as `RetrievalMetric` is.

    Args:
        k: Positive integer.
        name: Name of the metric. Defaults to `"recall_at_{k}"`.

    Returns:
        Scalar in `[0, 1]`.

    Raises:
        TypeError: If `k` is no integer.
        ValueError: If `k` is not positive, or shapes do not fit.

    Example:
        >>> metric = Recall(k=1)
        >>> metric.update_state([[1, 1, 0]], [[0.9, 0.8, 0.1]])
        >>> float(metric.result())
        0.5

    Reference:
        - Manning, Raghavan and Schütze, Introduction to Information
          Retrieval, 2008, eq. 8.2
    """

    def __init__(
        self, k: int, name: str | None = None, dtype: str | None = None
    ):
        self.k = checks.positive_integer("k", k)
        super().__init__(name=name or f"recall_at_{self.k}", dtype=dtype)

    def query_values(self, relevance, scores):
        return ranks.recall(relevance, scores, self.k)
