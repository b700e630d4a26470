import numpy as np
import pytest

from keras_xmodal.ops.products import (
    aligned_empty,
    is_aligned,
    most_error,
    products,
)
from keras_xmodal.retrieval import near_rows
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


def scan_alone(monkeypatch):
    """Let the float32 scan, not the product of all rows, answer."""

    def never(*args):
        raise AssertionError

    monkeypatch.setattr(module, "_FEW_SCORES", 0)
    monkeypatch.setattr(module, "_PAIR_COST", 0)
    monkeypatch.setattr(module, "_top_k_of_all", never)


def near_each_other(rows, dim):
    """Cosines that float32 does not tell apart."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=dim) + 3e-4 * rng.normal(size=(rows, dim))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")


ROWS = {
    "any": unit(3000, 32),
    "the best come last": unit(3000)[np.argsort(unit(3000)[:, 0])],
    "ties": unit(300)[np.random.default_rng(0).integers(300, size=3000)],
    "near": near_each_other(1000, 300),
    "zeros": np.concatenate([np.zeros((2990, 6), "float32"), unit(10)]),
    "longer than 1": unit(3000) * np.float32(1.0009),
}


@pytest.mark.parametrize("num_queries", [1, 8, 9, 30])
@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("block", [64, 16384])
def test_the_scan_in_float32_finds_what_float64_finds(
    kind, num_queries, block, monkeypatch
):
    scan_alone(monkeypatch)
    monkeypatch.setattr(module, "_ROW_BLOCK", block)
    rows = ROWS[kind]
    queries = unit(num_queries, rows.shape[1], seed=1)
    queries[0] = rows[0] / max(1, np.linalg.norm(rows[0]))
    if kind == "near":
        queries = near_each_other(num_queries, 300)[:, ::-1]
        rows = np.ascontiguousarray(rows[:, ::-1])
    expected, expected_scores = brute_force(queries, rows, 20)
    found, scores = top_k(queries, rows, 20)
    np.testing.assert_array_equal(scores, np.clip(expected_scores, -1, 1))
    if kind != "longer than 1":  # where clipped scores tie, by row
        np.testing.assert_array_equal(found, expected)
        return
    clipped = queries.astype("float64") @ rows.astype("float64").T
    clipped = np.clip(clipped, -1, 1).astype("float32")
    order = np.argsort(-clipped, axis=1, kind="stable")[:, :20]
    np.testing.assert_array_equal(found, order)


@pytest.mark.parametrize("num_queries", [3, 30])
def test_rows_in_parts_without_those_that_are_gone(num_queries, monkeypatch):
    scan_alone(monkeypatch)
    rows, queries = unit(2000), unit(num_queries, seed=1)
    parts = [rows[:7], rows[7:1000], rows[1000:1001], rows[1001:]]
    gone = np.flatnonzero(np.random.default_rng(0).random(2000) < 0.4)
    # Also the best.
    gone = np.union1d(gone, brute_force(queries, rows, 3)[0].ravel())
    stay = np.setdiff1d(np.arange(2000), gone)
    found, scores = top_k(queries, parts, 10, gone)
    expected, expected_scores = brute_force(queries, rows[stay], 10)
    np.testing.assert_array_equal(found, stay[expected])
    np.testing.assert_array_equal(scores, expected_scores)
    monkeypatch.undo()
    for k in (600, 5000):  # more than a scan is for, and all
        found, scores = top_k(queries, parts, k, gone)
        expected, expected_scores = brute_force(queries, rows[stay], k)
        np.testing.assert_array_equal(found, stay[expected])
        np.testing.assert_array_equal(scores, expected_scores)


def test_a_query_near_to_too_many_rows_is_compared_with_all(monkeypatch):
    monkeypatch.setattr(near_rows, "_CROWD", 50)
    rows, queries = unit(3000), unit(12, seed=1)
    rows[1000:1200] = queries[5]
    compared = []
    of_all = module._top_k_of_all

    def count(queries, *args):
        compared.extend(queries)
        return of_all(queries, *args)

    monkeypatch.setattr(module, "_top_k_of_all", count)
    found, scores = top_k(queries, rows, 10)
    np.testing.assert_array_equal(compared, queries[5:6])
    expected, expected_scores = brute_force(queries, rows, 10)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(scores, expected_scores)


def test_arithmetic_of_fewer_bits_is_noticed(monkeypatch):
    """As oneDNN has it where an environment variable asks for bfloat16."""

    def rough(x, y):
        x, y = (
            (part.view("uint32") & np.uint32(0xFFFF0000)).view("float32")
            for part in map(np.ascontiguousarray, (x, y))
        )
        return x @ y.T

    monkeypatch.setattr(near_rows, "products", rough)
    monkeypatch.setattr(module, "_PAIR_COST", 0)
    rows, queries = near_each_other(3000, 40), near_each_other(9, 40)
    found, scores = top_k(queries, rows, 10)
    expected, expected_scores = brute_force(queries, rows, 10)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(scores, expected_scores)


def test_the_error_of_float32_products_is_within_its_bound():
    for dim in (3, 128, 2000):
        x, y = unit(50, dim), unit(700, dim, seed=1)
        exact = x.astype("float64") @ y.astype("float64").T
        error = np.abs(products(x, y) - exact).max()
        assert 0 < error < most_error(dim)


def test_products_of_arrays_wherever_they_lie():
    memory = np.zeros(4 * 60 + 3, "uint8")
    x = memory[3 : 3 + 4 * 48].view("float32").reshape(16, 3)
    x[...] = unit(16, 3)
    x.flags.writeable = False
    np.testing.assert_allclose(products(x, x), x @ x.T, atol=1e-6)
    aligned = aligned_empty((16, 3))
    aligned[...] = x
    assert is_aligned(aligned)
    assert not is_aligned(x)
    np.testing.assert_array_equal(products(aligned, x), products(x, x))
