import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.retrieval import graph_search
from keras_xmodal.retrieval.graph_search import GraphSearch
from keras_xmodal.retrieval.served_ids import served_ids


def make_index(embeddings, ids):
    index = kx.retrieval.ExactIndex()
    index.add(embeddings, ids, "image")
    return index


def compiled(index, k):
    search = GraphSearch(index._rows["image"], k)
    dim = index._rows["image"].dim
    return tf.function(search, [tf.TensorSpec((None, dim))], autograph=False)


def check_equal(index, queries, k):
    """Run whole, alone and empty batches beside `ExactIndex.search`."""
    search = compiled(index, k)
    expected, expected_scores = index.search(queries, k)
    for part in (slice(0), slice(1), slice(None)):
        ids, scores = search(queries[part])
        np.testing.assert_array_equal(ids, expected[part])
        np.testing.assert_array_equal(scores, expected_scores[part])


@pytest.mark.parametrize("rows_of_an_id", [1, 4])
@pytest.mark.parametrize("k", [1, 7, 1000])
def test_ids_scores_and_ties_are_those_of_the_index(rows_of_an_id, k):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((200, 5)).astype("float32")
    rows[rng.integers(0, 200, 60)] = rows[0]  # ties
    rows[3] = 0
    ids = rng.permutation(200) // rows_of_an_id
    queries = rng.standard_normal((9, 5)).astype("float32")
    queries[4] = 3 * rows[0]
    queries[5] = 0
    queries[6] *= 1e30
    check_equal(make_index(rows, ids), queries, k)


def test_rows_that_float32_does_not_tell_apart():
    """Cosines that differ by less than its sums of products are wrong."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal(300)
    rows = (base + 3e-4 * rng.standard_normal((400, 300))).astype("float32")
    queries = (base + 3e-4 * rng.standard_normal((8, 300))).astype("float32")
    index = make_index(rows, np.arange(400))
    check_equal(index, queries, 20)
    near = tf.matmul(queries, index._rows["image"].embeddings.T)
    plain = tf.math.top_k(near, 20).indices.numpy()
    assert (plain != index.search(queries, 20)[0]).any()


def test_many_queries_and_candidates_are_taken_block_by_block(monkeypatch):
    monkeypatch.setattr(graph_search, "_SCORES", 150)
    monkeypatch.setattr(graph_search, "_CANDIDATES", 16)
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((50, 3)).astype("float32")
    rows[10:] = rows[0]  # as many candidates as rows
    queries = rng.standard_normal((7, 3)).astype("float32")
    check_equal(make_index(rows, np.arange(50)), queries, 30)


def test_a_query_that_is_not_finite_has_no_score():
    rng = np.random.default_rng(0)
    index = make_index(rng.standard_normal((20, 3)), np.arange(20))
    queries = rng.standard_normal((3, 3)).astype("float32")
    expected, expected_scores = index.search(queries, 2)
    for bad in (np.nan, np.inf):
        queries[1] = bad
        ids, scores = compiled(index, 2)(queries)
        assert np.isnan(scores[1]).all()
        for row in (0, 2):
            np.testing.assert_array_equal(ids[row], expected[row])
            np.testing.assert_array_equal(scores[row], expected_scores[row])


IDS = {
    "integers": (np.array([3, -2], "int16"), [3, -2], tf.int16),
    "large": (np.array([2**64 - 1, 0], "uint64"), [2**64 - 1, 0], tf.uint64),
    "truth": (np.array([True, False]), [True, False], tf.bool),
    "numbers": (np.array([0.1, -7.5]), [0.1, -7.5], tf.float64),
    "complex": (np.array([1j, 2.0]), [1j, 2.0], tf.complex128),
    "strings": (np.array(["é", "苹果"]), ["é".encode(), "苹果".encode()], "U"),
    "bytes": (np.array([b"a", b"bc"]), [b"a", b"bc"], "S"),
    "days": (
        np.array(["2024-02-29", "1066-10-14"], "M8[D]"),
        [b"2024-02-29", b"1066-10-14"],
        "M",
    ),
    "seconds": (
        np.array(["2024-02-29T12:30:01", "2000-01-01"], "M8[s]"),
        [b"2024-02-29T12:30:01", b"2000-01-01T00:00:00"],
        "M",
    ),
    "durations": (np.array([5, 1], "m8[D]"), [b"5 days", b"1 days"], "m"),
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_of_any_kind(kind):
    ids, expected, dtype = IDS[kind]
    dtype = dtype if isinstance(dtype, tf.DType) else tf.string
    found, _ = compiled(make_index(np.eye(2), ids), 2)(np.eye(2, dtype="f4"))
    assert found.dtype == dtype
    assert found.numpy().tolist() == [expected, expected[::-1]]


def test_ids_that_tensorflow_lacks():
    rule = "`ids` of an exported index must.*Received: .*longdouble|float128"
    with pytest.raises(TypeError, match=rule):
        served_ids(np.array([1, 2], "longdouble"))
