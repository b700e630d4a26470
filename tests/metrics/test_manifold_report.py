import importlib
import json

import numpy as np
import pytest

from keras_xmodal.metrics import manifold_report

# In the package, the function of its name stands for the module.
module = importlib.import_module("keras_xmodal.metrics.manifold_report")
KEYS = ("precision", "recall", "density", "coverage")


def column(*values):
    return np.array(values, "float64")[:, None]


def values(report):
    return [report[key] for key in KEYS]


def by_loops(real, generated, k):
    def radius(point, own):
        distances = sorted(np.linalg.norm(point - other) for other in own)
        return distances[k]  # The nearest is the point itself.

    def inside(point, centre, own):
        return np.linalg.norm(point - centre) <= radius(centre, own)

    balls = [[inside(y, x, real) for x in real] for y in generated]
    reached = [[inside(x, y, generated) for y in generated] for x in real]
    return [
        np.mean([any(row) for row in balls]),
        np.mean([any(row) for row in reached]),
        np.sum(balls) / (k * len(generated)),
        np.mean([any(column) for column in zip(*balls, strict=True)]),
    ]


def test_points_on_a_line():
    # All real balls reach 1 far; the generated ones 3.5, 3.5 and 4.5.
    real, generated = column(0, 1, 2, 10, 11), column(1.5, 5, -3)
    report = manifold_report(real, generated, num_neighbors=1)
    assert values(report) == pytest.approx([1 / 3, 3 / 5, 2 / 3, 2 / 5])
    assert report["num_real"] == 5
    assert report["num_generated"] == 3


def test_a_ball_holds_its_boundary():
    report = manifold_report(column(0, 2), column(4, 9), num_neighbors=1)
    assert values(report) == [0.5, 1, 0.5, 0.5]


@pytest.mark.parametrize("max_distances", [1, 50, 2**22])
def test_definitions_by_loops_in_chunks_of_any_size(monkeypatch, max_distances):
    monkeypatch.setattr(module, "_MAX_DISTANCES", max_distances)
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(23, 3)), rng.normal(size=(17, 3)) + 1.2
    for k in (1, 3):
        expected = by_loops(real, generated, k)
        assert not {0.0, 1.0} & set(expected)
        report = manifold_report(real, generated, k)
        assert values(report) == pytest.approx(expected)


def test_equal_sets():
    x = np.random.default_rng(0).normal(size=(300, 8))
    report = manifold_report(x, x[::-1], num_neighbors=5)
    # A sample is in its own ball, too.
    assert values(report) == pytest.approx([1, 1, 6 / 5, 1])


def test_sets_apart():
    x = np.random.default_rng(0).normal(size=(50, 8))
    assert values(manifold_report(x, x + 100)) == [0, 0, 0, 0]


def test_copies_of_few_points():
    """Balls of no size hold the points that are equal to their centre."""
    points = 50 * np.random.default_rng(0).normal(size=(20, 40)) + 1e3
    real, generated = np.repeat(points, 6, 0), np.repeat(points[:10], 8, 0)
    report = manifold_report(real, generated, num_neighbors=5)
    assert values(report) == pytest.approx([1, 0.5, 6 / 5, 0.5])


def test_a_dropped_mode_costs_recall_and_coverage():
    rng = np.random.default_rng(0)
    centres = np.array([[-9.0, 0.0], [9.0, 0.0]])
    real = rng.normal(size=(600, 2)) + centres[np.arange(600) % 2]
    both = rng.normal(size=(600, 2)) + centres[np.arange(600) % 2]
    one = rng.normal(size=(600, 2)) + centres[0]
    both, one = manifold_report(real, both), manifold_report(real, one)
    assert one["precision"] > 0.95
    assert one["density"] > 0.85
    assert one["recall"] < 0.52 < 0.95 < both["recall"]
    assert one["coverage"] < 0.52 < 0.9 < both["coverage"]


def test_noise_costs_precision_and_density():
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(2, 600, 2))
    noisy = generated + 20 * (np.arange(600) % 2)[:, None]
    report = manifold_report(real, noisy)
    assert report["precision"] == pytest.approx(0.5, abs=0.03)
    assert report["density"] == pytest.approx(0.5, abs=0.1)


def test_an_outlier_fools_precision_but_not_density():
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) + 20
    real[0] = 25.0
    report = manifold_report(real, generated)
    assert report["precision"] == 1
    assert report["density"] == pytest.approx(1 / 5)
    assert report["coverage"] == 1 / 400


def test_expectations_for_one_distribution():
    rng = np.random.default_rng(0)
    reports = [
        manifold_report(rng.normal(size=(60, 2)), rng.normal(size=(90, 2)), 3)
        for _ in range(100)
    ]
    for key, expected in (
        ("density", 1),
        ("coverage", reports[0]["expected_coverage"]),
    ):
        found = [report[key] for report in reports]
        error = np.std(found) / np.sqrt(len(found))
        assert error < 0.02
        assert abs(np.mean(found) - expected) < 4 * error
    missed = (59 / 149) * (58 / 148) * (57 / 147)
    assert reports[0]["expected_coverage"] == pytest.approx(1 - missed)


def test_a_common_shift_changes_nothing():
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(2, 100, 4))
    report = manifold_report(real, generated)
    assert manifold_report(real + 1e4, generated + 1e4) == report
    assert json.loads(json.dumps(report)) == report


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
        (
            {"generated": np.ones((5, 3))},
            ValueError,
            r"`generated` must have at least 6 samples.*\(5, 3\)",
        ),
        (
            {"num_neighbors": 0},
            ValueError,
            "`num_neighbors` must be a positive",
        ),
        (
            {"num_neighbors": 1.0},
            TypeError,
            "`num_neighbors` must be a positive",
        ),
    ],
)
def test_bad_input(change, error, match):
    x = np.random.default_rng(0).normal(size=(9, 3))
    with pytest.raises(error, match=match):
        manifold_report(**{"real": x, "generated": x, **change})
