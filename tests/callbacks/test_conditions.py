import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.callbacks.conditions import check_conditions, take


def test_conditions_become_arrays_and_rows_are_taken():
    assert check_conditions(None, 3) is None
    assert take(None, slice(2)) is None
    found = check_conditions(["a", "b", "c"], 3)
    assert list(take(found, [2, 0])) == ["c", "a"]
    found = check_conditions({"class": [1, 2], "text": tf.constant(["ä", "b"])})
    found = take(found, slice(1))
    assert found["class"].tolist() == [1]
    assert found["text"].tolist() == ["ä".encode()]


@pytest.mark.parametrize(
    ("conditions", "num_rows", "match"),
    [
        ([], None, r"at least one\. Received: lengths \[0\]$"),
        (3, None, r"Received: lengths \[0\]"),
        ([1, 2], 3, r"one for each target.*lengths \[2\] for 3 targets"),
        (
            {"a": np.zeros(3), "b": np.zeros((2, 3))},
            None,
            r"equal length.*\[3, 2\]",
        ),
    ],
)
def test_lengths_of_conditions(conditions, num_rows, match):
    with pytest.raises(ValueError, match=match):
        check_conditions(conditions, num_rows)
