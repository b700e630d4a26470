"""The mean of one over the rank of the best answer."""

from keras_xmodal import saving
from keras_xmodal.metrics.retrieval_metric import RetrievalMetric
from keras_xmodal.ops import ranks


@saving.register
class MeanReciprocalRank(RetrievalMetric):
    """Mean of `1 / rank` of the best relevant candidate.

    It is called as `RetrievalMetric` is.

    Args:
        name: Name of the metric.

    Returns:
        Scalar in `[0, 1]`.

    Raises:
        ValueError: If shapes do not fit.

    Example:
        >>> metric = MeanReciprocalRank()
        >>> metric.update_state([[1, 0], [1, 0]], [[0.9, 0.1], [0.2, 0.8]])
        >>> float(metric.result())
        0.75

    Reference:
        - Voorhees, 1999, The TREC-8 question answering track report
    """

    def __init__(
        self, name: str = "mean_reciprocal_rank", dtype: str | None = None
    ):
        super().__init__(name=name, dtype=dtype)

    def query_values(self, relevance, scores):
        return 1.0 / ranks.best_rank(relevance, scores)
