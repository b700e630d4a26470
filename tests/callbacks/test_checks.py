import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.callbacks import checks


def test_conditions_become_arrays_and_rows_are_taken():
    assert checks.check_conditions(None, 3) is None
    assert checks.take(None, slice(2)) is None
    found = checks.check_conditions(["a", "b", "c"], 3)
    assert list(checks.take(found, [2, 0])) == ["c", "a"]
    found = checks.check_conditions(
        {"class": [1, 2], "text": tf.constant(["ä", "b"])}
    )
    found = checks.take(found, slice(1))
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
        checks.check_conditions(conditions, num_rows)


def test_seed_and_prefix():
    assert checks.check_seed(np.int64(3)) == 3
    assert checks.check_prefix("val_") == "val_"
    for seed in (None, True, 0.5):
        with pytest.raises(TypeError, match="`seed` must be an integer"):
            checks.check_seed(seed)
    with pytest.raises(TypeError, match="`prefix` must be a string"):
        checks.check_prefix(None)
