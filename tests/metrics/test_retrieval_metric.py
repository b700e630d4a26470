import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.metrics import MeanReciprocalRank, RetrievalMetric
from keras_xmodal.ops import ranks


class MeanRank(RetrievalMetric):
    def query_values(self, relevance, scores):
        return ranks.best_rank(relevance, scores)


def test_a_metric_is_one_method():
    metric = MeanRank()
    metric.update_state([[1, 0], [0, 0], [0, 1]], [[1, 2], [1, 2], [1, 2]])
    assert metric.result() == 1.5
    assert metric.name.startswith("mean_rank")


def test_no_query_counts():
    metric = MeanRank()
    metric.update_state(np.zeros((2, 3)), np.ones((2, 3)))
    assert metric.result() == 0


def test_sample_weight_does_not_revive_a_query_without_answer():
    metric = MeanRank()
    metric.update_state([[0, 0], [0, 1]], [[1, 2], [2, 1]], [100.0, 1.0])
    assert metric.result() == 2


@pytest.mark.parametrize("shape", [(3, 5), (4, 3), (4,), (4, 4, 1)])
def test_targets_must_fit_the_scores(shape):
    scores = np.ones((4, 5))
    with pytest.raises(
        ValueError, match=r"`y_true` must have shape .*y_pred.shape=\(4, 5\)"
    ):
        MeanReciprocalRank().update_state(np.ones(shape), scores)


def test_scores_must_have_rank_two():
    with pytest.raises(ValueError, match=r"`y_pred` must be .*\(4,\)"):
        MeanReciprocalRank().update_state(np.ones(4), np.ones(4))


@pytest.mark.parametrize("shape", [(), (3,), (4, 2), (4, 1, 1)])
def test_weights_must_fit_the_queries(shape):
    with pytest.raises(ValueError, match=r"`sample_weight` must .* \(4,\)"):
        MeanReciprocalRank().update_state(np.eye(4), np.eye(4), np.ones(shape))


def test_unknown_shapes_in_a_graph():
    metric = MeanReciprocalRank()

    @tf.function(
        input_signature=[
            tf.TensorSpec((None,), tf.int64),
            tf.TensorSpec((None, None)),
            tf.TensorSpec((None,)),
        ]
    )
    def update(ids, scores, weights):
        metric.update_state(ids, scores, weights)

    update(np.arange(4), np.eye(4), np.ones(4))
    assert metric.result() == 1
