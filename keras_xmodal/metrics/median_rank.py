"""The median rank of the best answer, exact over a stream of batches."""

from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.metrics.retrieval_metric import RetrievalMetric
from keras_xmodal.ops import ranks


@saving.register
class MedianRank(RetrievalMetric):
    """Median rank of the best relevant candidate, from 1.

    The state is a histogram of ranks, so the median is exact over any number
    of batches. With an even number of queries it is rounded down,
    `floor(median) + 1` of ranks from 0, as in the protocol of VSE++.

    It is called as `RetrievalMetric` is.

    Args:
        max_rank: Positive integer, the largest rank that is counted on its
            own, at least the number of candidates for an exact result. A
            median beyond it is `inf`, never a wrong number.
        name: Name of the metric.

    Returns:
        Scalar, 1 or more; 0 before any query.

    Raises:
        TypeError: If `max_rank` is no integer.
        ValueError: If `max_rank` is not positive, or shapes do not fit.

    Example:
        >>> metric = MedianRank()
        >>> metric.update_state([0, 1, 2], [[3, 1, 2], [3, 1, 2], [3, 2, 1]])
        >>> float(metric.result())
        3.0

    Reference:
        - Faghri et al., 2018, https://arxiv.org/abs/1707.05612, section 4
    """

    def __init__(
        self,
        max_rank: int = 10_000,
        name: str = "median_rank",
        dtype: str | None = None,
    ):
        self.max_rank = checks.positive_integer("max_rank", max_rank)
        super().__init__(name=name, dtype=dtype)
        # The last bin holds all ranks beyond `max_rank`.
        self.histogram = self.add_variable(
            shape=(self.max_rank + 1,),
            initializer="zeros",
            dtype="float32",
            name="histogram",
        )

    def query_values(self, relevance, scores):
        return ranks.best_rank(relevance, scores)

    def add_values(self, values, weights):
        bins = ops.minimum(values - 1.0, float(self.max_rank))
        counts = ops.segment_sum(
            weights, ops.cast(bins, "int32"), num_segments=self.max_rank + 1
        )
        self.histogram.assign_add(counts)

    def result(self):
        cumulative = ops.cumsum(self.histogram)  # (max_rank + 1,)
        total = cumulative[-1]
        # The ranks just below and just above the middle, from 0.
        below = ops.sum(ops.cast(cumulative < total / 2.0, "float32"))
        above = ops.sum(ops.cast(cumulative <= total / 2.0, "float32"))
        median = ops.floor((below + above) / 2.0) + 1.0
        median = ops.where(above >= self.max_rank, float("inf"), median)
        return ops.cast(ops.where(total > 0, median, 0.0), self.dtype)

    def reset_state(self):
        super().reset_state()
        self.histogram.assign(ops.zeros_like(self.histogram))
