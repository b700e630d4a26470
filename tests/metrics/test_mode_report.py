import json

import numpy as np
import pytest
from scipy.stats import chi2, entropy

from keras_xmodal.metrics import mode_report

GRID = np.stack(np.meshgrid(range(5), range(5)), axis=-1).reshape(-1, 2) * 2.0


def around(centres, modes, deviation=0.05, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(len(modes), centres.shape[1]))
    return centres[modes] + deviation * noise


def test_modes_by_hand():
    report = mode_report([0, 0, 1, 3], num_modes=4)
    assert report["num_covered"] == 3
    assert report["num_modes"] == report["num_samples"] == 4
    assert report["kl"] == pytest.approx(np.log(2) / 2)
    assert report["expected_kl"] == 3 / 8
    assert report["expected_covered"] == pytest.approx(4 * (1 - 0.75**4))


def test_divergence_from_given_probabilities():
    real = np.array([0.5, 0.25, 0.15, 0.1])
    report = mode_report([0, 0, 1, 3], 4, probabilities=real)
    assert report["kl"] == pytest.approx(entropy([0.5, 0.25, 0, 0.25], real))
    expected = np.sum(1 - (1 - real) ** 4)
    assert report["expected_covered"] == pytest.approx(expected)
    report = mode_report([0, 0, 1, 3], 3 + 1, probabilities=[1 / 4] * 4)
    assert report == mode_report([0, 0, 1, 3], 4)
    report = mode_report([0, 0, 1], 2, probabilities=[2 / 3, 1 / 3])
    assert report["kl"] == pytest.approx(0, abs=1e-12)


def test_a_single_mode_is_the_logarithm_of_their_number():
    report = mode_report(np.full(50, 7), num_modes=10)
    assert report["num_covered"] == 1
    assert report["kl"] == pytest.approx(np.log(10))


def test_digits_of_stacked_mnist():
    rng = np.random.default_rng(0)
    digits = rng.integers(10, size=(26_000, 3))
    report = mode_report(digits, num_modes=1000)
    assert report["num_covered"] == 1000
    assert report["expected_covered"] == pytest.approx(1000)
    assert report["expected_kl"] == pytest.approx(0.0192, abs=5e-5)
    # 2 N times it is about chi-squared.
    deviation = np.sqrt(2 * 999) / (2 * 26_000)
    assert abs(report["kl"] - report["expected_kl"]) < 4 * deviation
    modes = digits @ [100, 10, 1]
    assert mode_report(modes, num_modes=1000) == report
    dropped = mode_report(digits[digits[:, 2] != 9], num_modes=1000)
    assert dropped["num_covered"] == 900


def test_few_samples_cannot_cover_all_modes():
    rng = np.random.default_rng(0)
    found = [
        mode_report(rng.integers(100, size=150), 100)["num_covered"]
        for _ in range(200)
    ]
    expected = mode_report(np.zeros(150, int), 100)["expected_covered"]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - expected) < 4 * error


def test_grid_of_gaussians():
    modes = np.arange(10_000) % 25
    report = mode_report(around(GRID, modes), centres=GRID, deviation=0.05)
    assert report["num_covered"] == report["num_modes"] == 25
    assert report["kl"] == pytest.approx(0, abs=1e-12)
    expected = chi2.cdf(9, df=2)
    assert report["expected_high_quality"] == pytest.approx(expected)
    error = np.sqrt(expected * (1 - expected) / 10_000)
    assert abs(report["high_quality"] - expected) < 4 * error
    assert json.loads(json.dumps(report)) == report


def test_dropped_modes_of_a_grid():
    points = around(GRID, np.arange(9000) % 9)
    report = mode_report(points, centres=GRID, deviation=0.05)
    assert report["num_covered"] == 9
    assert report["kl"] == pytest.approx(np.log(25 / 9))


def test_points_between_modes_are_of_low_quality_and_cover_none():
    points = around(GRID, np.arange(900) % 9)
    between = np.full((100, 2), 6.8)  # Nearest to a mode that is dropped.
    report = mode_report(
        np.concatenate([points, between]), centres=GRID, deviation=0.05
    )
    assert report["num_covered"] == 9
    assert 0.87 < report["high_quality"] <= 0.9
    assert report["num_samples"] == 1000
    assert report["kl"] == pytest.approx(np.log(25 / 10))


def test_three_deviations_are_the_limit():
    centres = np.array([[1e3, 1e3], [1e3, 1e3 + 5]])
    points = centres[[0, 0, 1, 1]] + [[2.99, 0], [0, -3.01], [0, 2.99], [0, 0]]
    report = mode_report(points, centres=centres, deviation=1)
    assert report["high_quality"] == 0.75
    report = mode_report(points, centres=centres, deviation=0.5)
    assert report["high_quality"] == 0.25
    assert report["num_covered"] == 1


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"samples": [0]}, ValueError, "Give one of `num_modes` and `centres`"),
        (
            {"samples": [[0.0]], "num_modes": 1, "centres": [[0.0]]},
            ValueError,
            "Give one of",
        ),
        (
            {"samples": [0], "num_modes": 2, "deviation": 1.0},
            ValueError,
            "`centres` and `deviation` must be given together",
        ),
        (
            {"samples": [[0.0]], "centres": [[0.0]]},
            ValueError,
            "must be given together.*deviation=None",
        ),
        (
            {"samples": [[0.0]], "centres": [[0.0]], "deviation": 0},
            ValueError,
            "`deviation` must be a positive.*=0",
        ),
        (
            {"samples": [[0.0]], "centres": [[0.0, 1.0]], "deviation": 1},
            ValueError,
            r"same dim.*\(1, 1\).*\(1, 2\)",
        ),
        (
            {"samples": [[np.nan]], "centres": [[0.0]], "deviation": 1},
            ValueError,
            "`samples` must be finite",
        ),
        (
            {"samples": [0.0], "num_modes": 2},
            TypeError,
            "`samples` must be int",
        ),
        (
            {"samples": np.zeros((1, 1, 1), int), "num_modes": 2},
            ValueError,
            r"`samples` must have shape.*\(1, 1, 1\)",
        ),
        (
            {"samples": np.zeros(0, int), "num_modes": 2},
            ValueError,
            r"`samples` must have shape.*\(0,\)",
        ),
        (
            {"samples": [2], "num_modes": 2},
            ValueError,
            "`samples` must be from 0 to 1.*from 2 to 2",
        ),
        ({"samples": [-1], "num_modes": 2}, ValueError, "from -1 to -1"),
        (
            {"samples": [[0, 0, 10]], "num_modes": 1000},
            ValueError,
            "from 0 to 9.*to 10",
        ),
        (
            {"samples": [[0, 0, 0]], "num_modes": 100},
            ValueError,
            "`num_modes` must be .*num_modes=100, 3 digits",
        ),
        (
            {"samples": [0], "num_modes": 0},
            ValueError,
            "`num_modes` must be a positive",
        ),
        (
            {"samples": [0], "num_modes": 2, "probabilities": [1.0]},
            ValueError,
            r"`probabilities` must have shape \(2,\).*\(1,\)",
        ),
        (
            {"samples": [0], "num_modes": 2, "probabilities": [0.0, 1.0]},
            ValueError,
            "must be positive.*minimum 0.0",
        ),
        (
            {"samples": [0], "num_modes": 2, "probabilities": [1.0, 1.0]},
            ValueError,
            "sum 2.0",
        ),
    ],
)
def test_bad_input(arguments, error, match):
    with pytest.raises(error, match=match):
        mode_report(**arguments)
