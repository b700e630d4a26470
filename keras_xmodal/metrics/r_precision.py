"""The precision among as many candidates as are relevant."""

from keras_xmodal import saving
from keras_xmodal.metrics.retrieval_metric import RetrievalMetric
from keras_xmodal.ops import ranks


@saving.register
class RPrecision(RetrievalMetric):
    """Precision among the first R, where R candidates are relevant.

    The cut-off follows the query, which suits categories of unequal size. What
    text-to-image papers call R-precision, whether a generated image finds its
    own caption among a hundred, is `text_r_precision`.

    It is called as `RetrievalMetric` is.

    Args:
        name: Name of the metric.

    Returns:
        Scalar in `[0, 1]`.

    Raises:
        ValueError: If shapes do not fit.

    Example:
        >>> metric = RPrecision()
        >>> metric.update_state([[1, 0, 1, 0]], [[0.9, 0.8, 0.7, 0.6]])
        >>> float(metric.result())
        0.5

    Reference:
        - Musgrave et al., 2020, https://arxiv.org/abs/2003.08505
    """

    def __init__(self, name: str = "r_precision", dtype: str | None = None):
        super().__init__(name=name, dtype=dtype)

    def query_values(self, relevance, scores):
        return ranks.r_precision(relevance, scores)
