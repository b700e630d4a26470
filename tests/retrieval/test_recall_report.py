import numpy as np
import pytest

from keras_xmodal.retrieval import ExactIndex, FaissIndex, recall_report
from tests.retrieval.test_indexes import clustered


def test_recall_is_the_share_of_the_true_neighbours(monkeypatch):
    index = FaissIndex(factory="Flat")
    index.add(clustered(400), modality="image")
    queries = {"image": clustered(9, 5), "text": clustered(4, 6)}
    report = recall_report(index, queries, k=4)
    assert report == {
        "recall@4_image": 1.0,
        "recall@4_text": 1.0,
        "num_rows": 400,
    }
    # One of four is missed: the first of the shortlist, which is the best.
    shortlist = index._shortlist

    def without_the_best(library, queries, count):
        numbers = shortlist(library, queries, count)
        return np.concatenate([numbers[:, 1:], numbers[:, :1] * 0 - 1], 1)

    monkeypatch.setattr(index, "_shortlist", without_the_best)
    report = recall_report(index, queries, k=4)
    assert report["recall@4_image"] == report["recall@4_text"] == 0.75


def test_equal_rows_are_as_good_as_each_other():
    index = FaissIndex(factory="Flat")
    index.add(np.repeat(clustered(3), 40, axis=0), modality="image")
    report = recall_report(index, {"text": clustered(5, 5)}, k=2)
    assert report["recall@2_text"] == 1


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"index": 3}, TypeError, r"`index` must be an index"),
        ({"index": ExactIndex()}, ValueError, "must hold rows"),
        ({"queries": clustered(3)}, TypeError, "`queries` must be a dict"),
        ({"queries": {}}, ValueError, "`queries` must be a dict"),
        ({"queries": {"image": ["a"]}}, TypeError, "`queries` must be"),
        ({"k": 0}, ValueError, "`k` must be"),
        ({"modality": "text"}, ValueError, "modality='text'"),
    ],
)
def test_bad_arguments(arguments, error, match):
    index = ExactIndex()
    index.add(clustered(20), modality="image")
    queries = {"image": clustered(3, 5)}
    with pytest.raises(error, match=match):
        recall_report(**{"index": index, "queries": queries, **arguments})
