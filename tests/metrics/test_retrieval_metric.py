"""The metrics that are a mean over queries, and what they share."""

import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.metrics import (
    NDCG,
    HitRate,
    MeanAveragePrecision,
    MeanReciprocalRank,
    Recall,
    RetrievalMetric,
    RPrecision,
)
from keras_xmodal.ops import ranks
from tests.metrics.check_metric import check_compiled_metric, check_metric


def average_precision(ranked, k):
    possible = min(sum(ranked), k or len(ranked))
    hits = [i + 1 for i, hit in enumerate(ranked[:k]) if hit]
    return sum((n + 1) / i for n, i in enumerate(hits)) / possible


def ndcg(ranked, k):
    def gain(ranked):
        return sum(g / np.log2(i + 2) for i, g in enumerate(ranked[:k]))

    return gain(ranked) / gain(sorted(ranked, reverse=True))


# The value of one query, of its relevances in rank order, and the `k` to try.
METRICS = {
    HitRate: (lambda ranked, k: float(any(ranked[:k])), (1, 3, 50)),
    MeanAveragePrecision: (average_precision, (None, 1, 3, 50)),
    MeanReciprocalRank: (lambda ranked, k: 1 / (1 + ranked.index(1.0)), ()),
    NDCG: (ndcg, (None, 1, 3, 50)),
    RPrecision: (
        lambda ranked, k: sum(ranked[: int(sum(ranked))]) / sum(ranked),
        (),
    ),
    Recall: (lambda ranked, k: sum(ranked[:k]) / sum(ranked), (1, 3, 50)),
}
CASES = [
    (cls, {"k": k} if ks else {})
    for cls, (_, ks) in METRICS.items()
    for k in ks or (None,)
]
WITH_K = [cls for cls, (_, ks) in METRICS.items() if ks]


@pytest.mark.parametrize(("cls", "kwargs"), CASES)
def test_matches_brute_force(cls, kwargs):
    def value(ranked):
        return METRICS[cls][0](ranked, kwargs.get("k"))

    for grades in (2, 4) if cls is NDCG else (2,):
        check_metric(cls, kwargs, value, grades=grades)


@pytest.mark.parametrize("cls", METRICS)
def test_compiled_and_saved(cls):
    check_compiled_metric(cls, {"k": 3} if cls in WITH_K else {})


@pytest.mark.parametrize("cls", WITH_K)
@pytest.mark.parametrize(
    ("k", "error"),
    [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("10", TypeError)],
)
def test_k_is_checked(cls, k, error):
    with pytest.raises(error, match=f"`k` must be a positive.*k={k!r}"):
        cls(k)


def test_names_tell_k():
    assert HitRate(5).name == "hit_rate_at_5"
    assert HitRate(np.int64(5), name="x").get_config()["k"] == 5
    assert Recall(2).name == "recall_at_2"
    assert MeanAveragePrecision().name == "mean_average_precision"
    assert MeanAveragePrecision(10).name == "mean_average_precision_at_10"
    assert NDCG().name == "ndcg"
    assert NDCG(10).name == "ndcg_at_10"


def test_collapsed_model_scores_the_last_rank():
    for metric, expected in ((HitRate(4), 0.0), (MeanReciprocalRank(), 0.2)):
        metric.update_state(np.eye(5), np.ones((5, 5)))
        np.testing.assert_allclose(metric.result(), expected)


def test_nan_scores_are_no_hit():
    metric = HitRate(1)
    metric.update_state(np.eye(3), np.full((3, 3), np.nan))
    assert metric.result() == 0


def test_five_captions_per_image_cap_the_recall():
    captions = np.repeat(np.eye(4), 5, axis=0)
    relevance = np.eye(4) @ captions.T  # (4 images, 20 captions)
    for k, expected in [(1, 0.2), (3, 0.6), (5, 1.0), (10, 1.0)]:
        metric = Recall(k)
        metric.update_state(relevance, relevance)
        np.testing.assert_allclose(metric.result(), expected, rtol=1e-6)


def test_one_relevant_candidate_gives_the_reciprocal_rank():
    metric = MeanAveragePrecision(k=10)
    metric.update_state([[0, 0, 1, 0]], [[4.0, 3.0, 2.0, 1.0]])
    np.testing.assert_allclose(metric.result(), 1 / 3, rtol=1e-6)


def test_ndcg_matches_scikit_learn():
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    relevance = rng.integers(4, size=(10, 12)).astype("float32")
    scores = rng.normal(size=(10, 12)).astype("float32")  # no ties
    for k in (None, 5):
        metric = NDCG(k)
        metric.update_state(relevance, scores)
        np.testing.assert_allclose(
            metric.result(),
            sklearn_metrics.ndcg_score(relevance, scores, k=k),
            rtol=1e-5,
        )


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
