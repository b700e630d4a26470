import numpy as np
import pytest

from keras_xmodal.metrics import Recall
from tests.metrics.check_metric import check_compiled_metric, check_metric


def test_compiled_and_saved():
    check_compiled_metric(Recall, {"k": 3})


@pytest.mark.parametrize("k", [1, 3, 50])
def test_matches_brute_force(k):
    check_metric(Recall, {"k": k}, lambda ranked: sum(ranked[:k]) / sum(ranked))


def test_five_captions_per_image_cap_it():
    captions = np.repeat(np.eye(4), 5, axis=0)
    relevance = np.eye(4) @ captions.T  # (4 images, 20 captions)
    for k, expected in [(1, 0.2), (3, 0.6), (5, 1.0), (10, 1.0)]:
        metric = Recall(k)
        metric.update_state(relevance, relevance)
        np.testing.assert_allclose(metric.result(), expected, rtol=1e-6)


def test_k_is_checked():
    with pytest.raises(ValueError, match=r"`k` must be a positive.*k=0"):
        Recall(0)
    assert Recall(2).name == "recall_at_2"
