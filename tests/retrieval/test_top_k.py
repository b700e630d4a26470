import numpy as np
import pytest

from keras_xmodal.retrieval import top_k as module
from keras_xmodal.retrieval.top_k import top_k


def unit(rows, dim=6, seed=0):
    x = np.random.default_rng(seed).normal(size=(rows, dim))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")


def brute_force(queries, rows, k):
    scores = (queries.astype("float64") @ rows.astype("float64").T).astype(
        "float32"
    )
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


@pytest.fixture(params=[(2, 3), (5, 16), (256, 16384)])
def blocks(request, monkeypatch):
    monkeypatch.setattr(module, "_QUERY_BLOCK", request.param[0])
    monkeypatch.setattr(module, "_ROW_BLOCK", request.param[1])


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("k", [1, 4, 40, 100])
@pytest.mark.parametrize("different", [40, 6, 1])
def test_matches_a_full_sort_with_ties(k, different):
    rng = np.random.default_rng(0)
    rows = unit(different)[rng.integers(different, size=40)]
    queries = unit(11, seed=1)
    found, scores = top_k(queries, rows, k)
    expected, expected_scores = brute_force(queries, rows, k)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(scores, expected_scores)
    assert scores.dtype == np.float32


def test_one_query_finds_what_a_batch_finds():
    rows, queries = unit(831, 128), unit(37, 128, seed=1)
    found, scores = top_k(queries, rows, 10)
    for i, query in enumerate(queries):
        one, score = top_k(query[None], rows, 10)
        np.testing.assert_array_equal(one[0], found[i])
        np.testing.assert_array_equal(score[0], scores[i])


def test_full_score_matrix_is_never_held(monkeypatch):
    tracemalloc = pytest.importorskip("tracemalloc")
    monkeypatch.setattr(module, "_QUERY_BLOCK", 16)
    monkeypatch.setattr(module, "_ROW_BLOCK", 256)
    x = unit(2000, 4)
    tracemalloc.start()
    top_k(x, x, 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2000 * 2000 * 4 / 4
