import numpy as np
import pytest

from keras_xmodal.retrieval.rows import Rows


def test_many_small_batches_keep_their_order():
    rows, expected = Rows(), []
    rng = np.random.default_rng(0)
    for size in rng.integers(1, 5, size=100):
        embeddings = rng.normal(size=(size, 2)).astype("float32")
        rows = rows.extended(embeddings, np.arange(size) + len(expected))
        expected.extend(embeddings)
        assert len(rows) == len(expected)
        assert len(rows._blocks) < 10
    np.testing.assert_array_equal(rows.embeddings, expected)
    np.testing.assert_array_equal(rows.ids, np.arange(len(expected)))


def test_extending_changes_no_other_rows():
    x = np.ones((2, 2), "float32")
    first = Rows().extended(x, np.array(["a", "b"]))
    second = first.extended(x, np.array(["longer"] * 2))
    assert first.ids.tolist() == ["a", "b"]
    assert second.ids.tolist() == ["a", "b", "longer", "longer"]
    assert second.kept(np.array([True, False] * 2)).ids.tolist() == [
        "a",
        "longer",
    ]


def test_ids_that_fit_no_dtype_are_refused_at_once():
    x = np.ones((1, 2), "float32")
    rows = Rows().extended(x, np.array([-1]))
    with pytest.raises(ValueError, match="fit one integer dtype"):
        rows.extended(x, np.array([2**64 - 1], "uint64"))
