import json

import numpy as np
import pytest

from keras_xmodal.metrics import kernel_distance


def features(samples=8, dim=3, seed=0):
    return np.random.default_rng(seed).normal(size=(samples, dim)) + seed


def by_loops(real, generated):
    """Of equally many samples."""

    def kernel(x, y):
        return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

    n = len(real)
    total = 0.0
    for i in range(n):
        for j in range(n):
            cross = kernel(real[i], generated[j])
            total -= 2 * cross / n**2
            if i != j:
                within = kernel(real[i], real[j])
                within += kernel(generated[i], generated[j])
                total += within / (n * (n - 1))
    return total


def test_formula_by_loops():
    real, generated = features(), features(seed=1)
    report = kernel_distance(real, generated)
    expected = by_loops(real, generated)
    assert report["mean"] == pytest.approx(expected, rel=1e-12)


def test_all_of_both_sides_is_one_subset():
    report = kernel_distance(features(), features(seed=1), num_subsets=5)
    assert report["num_subsets"] == 1
    assert report["subset_size"] == 8
    assert report["standard_deviation"] == 0
    report = kernel_distance(features(), features(9, seed=1), num_subsets=5)
    assert (report["num_subsets"], report["subset_size"]) == (5, 8)
    assert report["standard_deviation"] > 0


def test_subsets_of_pairs():
    """Mean and deviation over all subsets of two in three."""
    real, generated = features(3), features(3, seed=1)
    pairs = [[0, 1], [0, 2], [1, 2]]
    values = [by_loops(real[a], generated[b]) for a in pairs for b in pairs]
    report = kernel_distance(real, generated, 4000, subset_size=2)
    error = np.std(values) / np.sqrt(4000)
    assert report["mean"] == pytest.approx(np.mean(values), abs=4 * error)
    expected = pytest.approx(np.std(values), rel=0.1)
    assert report["standard_deviation"] == expected


def test_no_bias_between_samples_of_one_distribution():
    rng = np.random.default_rng(0)
    sets = rng.normal(size=(400, 2, 10, 4))
    found = [kernel_distance(*pair)["mean"] for pair in sets]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 4 * error
    assert min(found) < 0
    # What a sample beside itself would add: of |x|^2 / 4, the mean is 1, the
    # second moment 24 / 16 and the third 192 / 64.
    itself = 3 + 3 * 24 / 16 + 3 * 1 + 1
    others = 1 + 3 * 4 / 16
    assert 2 * (itself - others) / 10 > 8 * error


def test_shift_of_one_dimension():
    """With samples of one number, the kernel is a polynomial of it."""
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(2, 2000, 1)) + [[[0.0]], [[2.0]]]
    # Moments of N(0, 1) and N(2, 1), in sum_k C(3, k) (m_k - m'_k)^2.
    expected = 3 * (0 - 2) ** 2 + 3 * (1 - 5) ** 2 + (0 - 14) ** 2
    found = kernel_distance(real, generated, subset_size=2000)["mean"]
    assert found == pytest.approx(expected, rel=0.1)


def test_seed():
    real, generated = features(20), features(20, seed=1)
    report = kernel_distance(real, generated, 3, 5)
    assert json.loads(json.dumps(report)) == report
    assert kernel_distance(real, generated, 3, 5, seed=0) == report
    other = kernel_distance(real, generated, 3, 5, seed=1)
    assert other["mean"] != report["mean"]


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"real": np.ones(4)}, ValueError, "`real` must have shape"),
        ({"generated": np.ones((9, 2))}, ValueError, "must have the same dim"),
        (
            {"real": np.full((9, 3), np.nan)},
            ValueError,
            "`real` must be finite",
        ),
        ({"real": np.ones((1, 3))}, ValueError, "`real` must have at least 2"),
        ({"num_subsets": 0}, ValueError, "`num_subsets` must be a positive"),
        ({"subset_size": 1}, ValueError, "`subset_size` must be an integer of"),
        ({"subset_size": 2.5}, TypeError, "`subset_size` must be an integer"),
    ],
)
def test_bad_input(change, error, match):
    arguments = {"real": features(), "generated": features(seed=1), **change}
    with pytest.raises(error, match=match):
        kernel_distance(**arguments)
