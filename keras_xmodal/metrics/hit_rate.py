"""The share of queries answered within the first k."""

from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.metrics.retrieval_metric import RetrievalMetric
from keras_xmodal.ops import ranks


@saving.register
class HitRate(RetrievalMetric):
    """Share of queries with a relevant candidate among the first `k`.

    This is what image-text papers call R@k. Where a query has several
    relevant candidates, such as the five captions of an image, one of them is
    enough; `Recall` counts how many of them are found.

    It is called as `RetrievalMetric` is.

    Args:
        k: Positive integer.
        name: Name of the metric. Defaults to `"hit_rate_at_{k}"`.

    Returns:
        Scalar in `[0, 1]`.

    Raises:
        TypeError: If `k` is no integer.
        ValueError: If `k` is not positive, or shapes do not fit.

    Example:
        >>> metric = HitRate(k=1)
        >>> metric.update_state([[1, 0], [1, 0]], [[0.9, 0.1], [0.2, 0.8]])
        >>> float(metric.result())
        0.5

    Reference:
        - Faghri et al., 2018, https://arxiv.org/abs/1707.05612, section 4
    """

    def __init__(
        self, k: int, name: str | None = None, dtype: str | None = None
    ):
        self.k = checks.positive_integer("k", k)
        super().__init__(name=name or f"hit_rate_at_{self.k}", dtype=dtype)

    def query_values(self, relevance, scores):
        best = ranks.best_rank(relevance, scores)
        return ops.cast(best <= self.k, "float32")
