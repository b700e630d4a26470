import numpy as np

from keras_xmodal.metrics import MeanReciprocalRank
from tests.metrics.check_metric import check_compiled_metric, check_metric


def test_compiled_and_saved():
    check_compiled_metric(MeanReciprocalRank, {})


def test_matches_brute_force():
    check_metric(
        MeanReciprocalRank, {}, lambda ranked: 1 / (1 + ranked.index(1.0))
    )


def test_collapsed_model_scores_the_last_rank():
    metric = MeanReciprocalRank()
    metric.update_state(np.eye(5), np.ones((5, 5)))
    np.testing.assert_allclose(metric.result(), 0.2)
