import numpy as np
import pytest

from keras_xmodal.metrics import ids


def test_concatenation_keeps_every_id():
    join = ids.concatenate_ids
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


def test_dates_of_several_units():
    days = np.array(["2020-01-01", "2020-01-02"], "datetime64[D]")
    exact = np.array(["2020-01-01"], "datetime64[ns]")
    assert [codes.tolist() for codes in ids.match_ids(days, exact)] == [
        [0, 1],
        [0],
    ]
    for dates in (["3000-01-01"], ["1000-01-01"]):
        far = np.array(dates, "datetime64[D]")
        for arrays in ((far, exact), (exact, far)):
            with pytest.raises(ValueError, match=r"one unit of time.*64.ns"):
                ids.concatenate_ids(arrays)
    with pytest.raises(ValueError, match="one unit of time"):
        ids.concatenate_ids(
            [np.array([2**62], "m8[h]"), np.array([1], "m8[s]")]
        )


def test_matched_ids_are_equal_where_the_ids_are():
    a, b = ids.match_ids(np.array(["x", "y"]), np.array(["yy", "y", "x"]))
    assert (a[:, None] == b[None, :]).tolist() == [
        [False, False, True],
        [False, True, False],
    ]
    large = np.array([2**60, 2**60 + 1])
    (codes,) = ids.match_ids(large)
    assert codes.tolist() == [0, 1]
