import numpy as np
import pytest

from keras_xmodal.metrics import MeanAveragePrecision
from tests.metrics.check_metric import check_compiled_metric, check_metric


def test_compiled_and_saved():
    check_compiled_metric(MeanAveragePrecision, {"k": 3})


@pytest.mark.parametrize("k", [None, 1, 3, 50])
def test_matches_brute_force(k):
    def average_precision(ranked):
        possible = min(sum(ranked), k or len(ranked))
        hits = [i + 1 for i, hit in enumerate(ranked[:k]) if hit]
        return sum((n + 1) / i for n, i in enumerate(hits)) / possible

    check_metric(MeanAveragePrecision, {"k": k}, average_precision)


def test_one_relevant_candidate_gives_the_reciprocal_rank():
    metric = MeanAveragePrecision(k=10)
    metric.update_state([[0, 0, 1, 0]], [[4.0, 3.0, 2.0, 1.0]])
    np.testing.assert_allclose(metric.result(), 1 / 3, rtol=1e-6)


def test_k_and_name():
    assert MeanAveragePrecision().name == "mean_average_precision"
    assert MeanAveragePrecision(10).name == "mean_average_precision_at_10"
    with pytest.raises(ValueError, match=r"`k` must be a positive.*k=0"):
        MeanAveragePrecision(0)
    with pytest.raises(TypeError, match=r"`k` must be a positive.*k='10'"):
        MeanAveragePrecision("10")
