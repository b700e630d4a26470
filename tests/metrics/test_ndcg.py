import numpy as np
import pytest

from keras_xmodal.metrics import NDCG
from tests.metrics.check_metric import check_compiled_metric, check_metric


def test_compiled_and_saved():
    check_compiled_metric(NDCG, {"k": 3})


@pytest.mark.parametrize("grades", [2, 4])
@pytest.mark.parametrize("k", [None, 1, 3, 50])
def test_matches_brute_force(k, grades):
    def gain(ranked):
        return sum(g / np.log2(i + 2) for i, g in enumerate(ranked[:k]))

    check_metric(
        NDCG,
        {"k": k},
        lambda ranked: gain(ranked) / gain(sorted(ranked, reverse=True)),
        grades=grades,
    )


def test_matches_scikit_learn():
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


def test_k_and_name():
    assert NDCG().name == "ndcg"
    assert NDCG(10).name == "ndcg_at_10"
    with pytest.raises(ValueError, match=r"`k` must be a positive.*k=0"):
        NDCG(0)
