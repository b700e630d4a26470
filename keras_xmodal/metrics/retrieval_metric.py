"""What the retrieval metrics share: targets, weights, the mean."""

import keras
from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.ops.contrastive import positives_from_ids


@saving.register
class RetrievalMetric(keras.metrics.Mean):
    """Base of metrics that average one value per query.

    A subclass implements `query_values(relevance, scores)`. Queries without a
    relevant candidate do not count. Equal scores are ranked against the
    model: a collapsed model scores chance or less, never 100%.

    Args:
        name: Name of the metric. Defaults to that of the class.
        dtype: Dtype of the result.

    Call arguments:
        y_true: Relevance of shape `(queries, candidates)`, positive where the
            candidate is relevant to the query; or integer ids of shape
            `(batch,)`, where equal ids are relevant to each other (the scores
            are then square, in the same order on both sides).
        y_pred: Scores of shape `(queries, candidates)`, higher is better.
        sample_weight: Optional weights of the queries, of shape `(queries,)`
            or `(queries, 1)`.

    Example:
        ```python
        import keras_xmodal as kx

        class MeanRank(kx.metrics.RetrievalMetric):
            def query_values(self, relevance, scores):
                return kx.ops.best_rank(relevance, scores)

        metric = MeanRank()
        metric.update_state([0, 1], [[0.9, 0.1], [0.9, 0.1]])
        print(float(metric.result()))  # 1.5
        ```
    """

    def __init__(self, name: str | None = None, dtype: str | None = None):
        super().__init__(name=name, dtype=dtype)

    def query_values(self, relevance, scores):
        """Value of each query.

        Args:
            relevance: float32 tensor of shape `(queries, candidates)`.
            scores: Tensor of shape `(queries, candidates)`.

        Returns:
            float32 tensor of shape `(queries,)`. What it holds for a query
            without a relevant candidate does not matter.
        """
        raise NotImplementedError

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch of queries, each with all its candidates.

        Args:
            y_true: Relevance `(queries, candidates)` or ids `(batch,)`.
            y_pred: Scores `(queries, candidates)`.
            sample_weight: Optional `(queries,)` or `(queries, 1)`.

        Raises:
            TypeError: If a tensor is not of real numbers.
            ValueError: If the shapes do not fit.
        """
        scores = checks.tensor("y_pred", y_pred, dtype=None)
        relevance = _relevance(y_true, scores)
        weights = ops.any(relevance > 0, axis=-1)  # (queries,)
        weights = ops.cast(weights, "float32")
        if sample_weight is not None:
            weights = weights * _query_weights(sample_weight, scores)
        self.add_values(self.query_values(relevance, scores), weights)

    def add_values(self, values, weights):
        """Add the values of a batch of queries to the state.

        Args:
            values: Tensor of shape `(queries,)`.
            weights: Tensor of shape `(queries,)`; 0 where a query does not
                count.
        """
        super().update_state(values, weights)


def _relevance(y_true, scores):
    y_true = checks.tensor("y_true", y_true, dtype=None)
    if len(scores.shape) != 2:
        raise ValueError(
            "`y_pred` must be scores of shape (queries, candidates). "
            f"Received: y_pred.shape={tuple(scores.shape)}"
        )
    if len(y_true.shape) == 1:
        _check_fits("y_true", (y_true.shape[0],) * 2, y_true, scores)
        y_true = positives_from_ids(y_true)
    _check_fits("y_true", tuple(y_true.shape), y_true, scores)
    return ops.cast(y_true, "float32")


def _query_weights(sample_weight, scores):
    weights = checks.tensor("sample_weight", sample_weight)
    num_queries = scores.shape[0]
    shape = tuple(weights.shape)
    if len(shape) == 2 and shape[1] == 1:
        weights = ops.squeeze(weights, axis=1)
    if len(weights.shape) != 1 or not _equal(weights.shape[0], num_queries):
        raise ValueError(
            "`sample_weight` must have one weight per query, of shape "
            f"({num_queries},). Received: sample_weight.shape={shape}"
        )
    return weights


def _check_fits(argument, shape, value, scores):
    known = tuple(scores.shape)
    if len(shape) != 2 or not all(map(_equal, shape, known)):
        raise ValueError(
            f"`{argument}` must have shape (queries, candidates) as the "
            "scores, or be ids of shape (batch,) with scores of shape (batch, "
            f"batch). Received: {argument}.shape={tuple(value.shape)}, "
            f"y_pred.shape={known}"
        )


def _equal(a, b):
    """Compare two sizes; None is unknown and equals any."""
    return a is None or b is None or a == b
