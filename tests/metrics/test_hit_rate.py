import numpy as np
import pytest

from keras_xmodal.metrics import HitRate
from tests.metrics.check_metric import check_compiled_metric, check_metric


def test_compiled_and_saved():
    check_compiled_metric(HitRate, {"k": 3})


@pytest.mark.parametrize("k", [1, 3, 50])
def test_matches_brute_force(k):
    check_metric(HitRate, {"k": k}, lambda ranked: float(any(ranked[:k])))


def test_collapsed_model_scores_zero():
    metric = HitRate(4)
    metric.update_state(np.eye(5), np.ones((5, 5)))
    assert metric.result() == 0


def test_nan_scores_are_no_hit():
    metric = HitRate(1)
    metric.update_state(np.eye(3), np.full((3, 3), np.nan))
    assert metric.result() == 0


def test_name():
    assert HitRate(5).name == "hit_rate_at_5"
    assert HitRate(np.int64(5), name="x").get_config()["k"] == 5


@pytest.mark.parametrize("k", [0, -1])
def test_k_must_be_positive(k):
    with pytest.raises(ValueError, match=f"`k` must be a positive.*k={k}"):
        HitRate(k)


@pytest.mark.parametrize("k", [1.0, True, "1", None])
def test_k_must_be_an_integer(k):
    with pytest.raises(TypeError, match=f"`k` must be a positive.*k={k!r}"):
        HitRate(k)
