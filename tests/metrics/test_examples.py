import numpy as np
import pytest

from keras_xmodal.metrics.examples import check_examples, check_labels


def test_examples_become_arrays():
    x = check_examples({"a": [1.0, 2.0], "b": np.zeros((2, 3))})
    assert x["a"].shape == (2,)
    assert x["b"].shape == (2, 3)


@pytest.mark.parametrize(
    ("x", "error", "match"),
    [
        (np.zeros(3), TypeError, "`x` must be a dict.*ndarray"),
        ({}, ValueError, "at least one"),
        ({"a": np.zeros((0, 2))}, ValueError, "at least one.*'a': 0"),
        ({"a": np.float32(3)}, ValueError, "'a': 0"),
        ({"a": [1, 2], "b": [1]}, ValueError, "equally many.*'a': 2, 'b': 1"),
    ],
)
def test_bad_examples(x, error, match):
    with pytest.raises(error, match=match):
        check_examples(x)


def test_labels_become_an_array():
    assert check_labels([0, 2, 1], 3).tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("labels", "error", "match"),
    [
        ([0, 1], ValueError, r"`labels` must have shape \(3,\).*\(2,\)"),
        ([[0], [1], [2]], ValueError, r"\(3, 1\)"),
        ([0.0, 1.0, 2.0], TypeError, "must be integers.*float64"),
        ([0, -1, 2], ValueError, "must not be negative.*-1"),
    ],
)
def test_bad_labels(labels, error, match):
    with pytest.raises(error, match=match):
        check_labels(labels, 3)
