import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.metrics import checks


def test_embeddings_become_float32():
    for dtype in ("float16", "float64", "int8"):
        x = checks.check_embeddings(np.ones((2, 3), dtype), "x")
        assert x.dtype == np.float32
    x = checks.check_embeddings(tf.ones((2, 3), "bfloat16"), "x")
    assert x.dtype == np.float32
    assert checks.check_embeddings([[1.0]], "x").shape == (1, 1)
    x = checks.check_embeddings([[1e300]], "x", "float64")
    assert x.dtype == np.float64
    assert x == 1e300


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (np.ones(3), ValueError, r"`x` must have shape .*\(3,\)"),
        (np.ones((0, 3)), ValueError, r"`x` must have shape .*\(0, 3\)"),
        (np.ones((3, 0)), ValueError, r"`x` must have shape .*\(3, 0\)"),
        ([[1.0], [np.nan]], ValueError, r"NaN or .* in 1 of 2 .* row 1"),
        ([[np.inf], [1.0]], ValueError, r"NaN or .* in 1 of 2 .* row 0"),
        ([["a"]], TypeError, "`x` must be real numbers.*<U1"),
        ([[True]], TypeError, "`x` must be real numbers.*bool"),
        ([[None]], TypeError, "`x` must be real numbers.*object"),
    ],
)
def test_bad_embeddings(value, error, match):
    with pytest.raises(error, match=match):
        checks.check_embeddings(value, "x")


@pytest.mark.parametrize(
    ("ids", "dtype"),
    [
        ([1, 2], "int64"),
        (np.array([1, 2], "uint8"), "uint8"),
        (["a", "été"], "<U3"),
        ([b"a", b"bc"], "S2"),
        (np.array(["a", "bc"], object), "<U2"),
        (tf.constant(["a", "été"]), "<U3"),
        (np.array(["2024-01-01"], "datetime64[D]"), "datetime64[D]"),
        ([0.5, 1.5], "float64"),
        ([True, False], "bool"),
    ],
)
def test_ids_of_any_type(ids, dtype):
    found = checks.check_ids(ids)
    assert found.dtype == dtype
    assert len(found) == len(ids)


@pytest.mark.parametrize(
    ("ids", "error", "match"),
    [
        ([[1]], ValueError, r"`ids` must have shape .*\(1, 1\)"),
        ([1, "a"], TypeError, r"one type.*\['int', 'str'\]"),
        ([1, 0.5], TypeError, r"one type.*\['float', 'int'\]"),
        ([2**63, -1], TypeError, "`ids` must be"),
        ([2**80], TypeError, "`ids` must be of a NumPy dtype.*int"),
        ([None, "a"], TypeError, r"NoneType', 'str"),
        (np.array([1.0, np.nan]), ValueError, "not be NaN.*1 of 2"),
        (np.array(["NaT"], "datetime64[D]"), ValueError, "not be NaN or NaT"),
        (np.zeros(1, [("a", int)]), TypeError, "numbers, strings or dates"),
    ],
)
def test_bad_ids(ids, error, match):
    with pytest.raises(error, match=match):
        checks.check_ids(ids)


def test_ids_of_another_length():
    with pytest.raises(ValueError, match=r"shape \(3,\).*y.shape=\(2,\)"):
        checks.check_ids([1, 2], 3, "y")


def test_concatenation_keeps_every_id():
    join = checks.concatenate_ids
    long = join([np.array(["a"]), np.array(["longer"])])
    assert long.tolist() == ["a", "longer"]
    large = 2**53 + 1
    for dtypes in (("int64", "uint64"), ("uint64", "int64")):
        a, b = np.array([large], dtypes[0]), np.array([large - 1], dtypes[1])
        assert join([a, b]).tolist() == [large, large - 1]
    unsigned = join([np.array([2**64 - 1], "uint64"), np.array([5])])
    assert unsigned.tolist() == [2**64 - 1, 5]
    with pytest.raises(ValueError, match=r"fit one integer dtype.*-1 to 1844"):
        join([np.array([2**64 - 1], "uint64"), np.array([-1])])
    with pytest.raises(TypeError, match=r"one kind.*int64.*<U1"):
        join([np.array([1]), np.array(["1"])])


def test_matched_ids_are_equal_where_the_ids_are():
    a, b = checks.match_ids(np.array(["x", "y"]), np.array(["yy", "y", "x"]))
    assert (a[:, None] == b[None, :]).tolist() == [
        [False, False, True],
        [False, True, False],
    ]
    large = np.array([2**60, 2**60 + 1])
    (codes,) = checks.match_ids(large)
    assert codes.tolist() == [0, 1]
