import copy
import pickle

import numpy as np
import pytest

from keras_xmodal.ops.products import aligned_empty
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


def unit(rows, dim=2, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype("f4")


def test_rows_that_are_added_are_copied_once():
    first = Rows().extended(aligned_empty((4000, 2)), np.arange(4000))
    second = first.extended(unit(1), np.array([7]))
    third = second.extended(unit(900), np.arange(900))
    for rows in (second, third):
        assert rows.all_blocks[0].base is first.all_blocks[0].base
    assert third.all_blocks[1].base is second.all_blocks[1].base
    assert list(map(len, (first, second, third))) == [4000, 4001, 4901]
    assert first.all_blocks[0].shape == (4000, 2)


def test_two_that_extend_the_same_rows_do_not_meet():
    base = Rows().extended(unit(5), np.arange(5))
    one = base.extended(np.full((2, 2), 1, "f4"), np.array([10, 11]))
    other = base.extended(np.full((3, 2), 2, "f4"), np.array([9, 8, 7]))
    again = one.extended(np.full((1, 2), 3, "f4"), np.array([12]))
    assert again.ids.tolist() == [0, 1, 2, 3, 4, 10, 11, 12]
    assert again.embeddings[5:, 0].tolist() == [1, 1, 3]
    assert other.embeddings[5:, 0].tolist() == [2, 2, 2]
    assert base.ids.tolist() == [0, 1, 2, 3, 4]


def test_removed_rows_are_masked_until_they_are_more_than_half():
    whole = Rows()
    for start in range(0, 12, 4):
        x = aligned_empty((1024, 2))
        x[...] = np.arange(1024)[:, None] + 1024 * start / 4
        whole = whole.extended(x, np.arange(1024) + 256 * start)
    assert len(whole.all_blocks) == 3
    hits, there = whole.having(np.array([0, 1023, 1024, 3071, 9999]))
    assert np.flatnonzero(hits).tolist() == [0, 1023, 1024, 3071]
    assert there.tolist() == [True, True, True, True, False]
    rows = whole.kept(~hits)
    assert len(rows) == 3068
    expected = np.setdiff1d(np.arange(3072), [0, 1023, 1024, 3071])
    np.testing.assert_array_equal(rows.ids, expected)
    np.testing.assert_array_equal(rows.embeddings[:, 0], expected)
    np.testing.assert_array_equal(np.concatenate(rows.blocks())[:, 0], expected)
    assert rows.all_blocks[0] is whole.all_blocks[0]
    assert rows.having(np.array([0, 1]))[1].tolist() == [False, True]
    assert len(whole) == 3072

    rows = rows.extended(unit(1), np.array([0]))
    assert rows.ids[-1] == 0
    assert rows.having(np.array([0]))[0].nonzero()[0].tolist() == [3072]
    few = rows.kept(np.arange(3073) % 3 == 2)
    assert len(few.gone) == 0
    np.testing.assert_array_equal(few.ids, expected[expected % 3 == 2])
    for copied in (pickle.loads(pickle.dumps(rows)), copy.deepcopy(rows)):
        np.testing.assert_array_equal(copied.ids, rows.ids)
        np.testing.assert_array_equal(copied.embeddings, rows.embeddings)


@pytest.mark.parametrize(
    ("known", "ids", "expected"),
    [
        (np.array([1, 2], "int8"), np.array([258, 2, -1]), [0, 1, 0]),
        (np.array([2**64 - 1], "uint64"), np.array([-1, 5]), [0, 0]),
        (np.array([-1]), np.array([2**64 - 1], "uint64"), [0]),
        (np.array([True]), np.array([5, 1]), [0, 1]),
        (np.array([0.1], "float32"), np.array([0.1, np.float32(0.1)]), [0, 1]),
        (np.array(["ab"]), np.array(["abc", "ab", "a"]), [0, 1, 0]),
        (
            np.array(["2024-01-01"], "M8[D]"),
            np.array(["2024-01-01T00", "2024-01-01T01"], "M8[h]"),
            [1, 0],
        ),
        (np.array([3, 3, 4]), np.array([3, 3, 9, 4]), [1, 1, 0, 1]),
    ],
)
def test_ids_of_several_dtypes_are_equal_where_their_values_are(
    known, ids, expected
):
    rows = Rows().extended(unit(len(known)), known)
    hits, there = rows.having(ids)
    np.testing.assert_array_equal(there, np.array(expected, bool))
    wanted = [item for item, one in zip(ids, expected, strict=True) if one]
    assert hits.tolist() == [item in wanted for item in known]
