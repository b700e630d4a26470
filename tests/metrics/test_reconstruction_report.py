import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from keras_xmodal.metrics import reconstruction_report


def images(examples=4, size=24, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((examples, size, size, channels))


def ssim_by_scipy(x, y, value_range):
    """Wang et al. 2004: deviation 1.5, window 11, inner part only."""

    def blur(image):
        # 5 / 1.5 deviations: a window of 11.
        return gaussian_filter(image, 1.5, truncate=5 / 1.5)[5:-5, 5:-5]

    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    mean_x, mean_y = blur(x), blur(y)
    variances = blur(x * x) - mean_x**2 + blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    value = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return np.mean(value * (2 * covariance + c2) / (variances + c2))


@pytest.mark.parametrize("value_range", [1.0, 255.0])
def test_images(value_range):
    x = images() * value_range
    y = x + 0.2 * value_range * images(seed=1)
    report = reconstruction_report(x, y, value_range=value_range)
    assert report["mse"] == pytest.approx(np.linalg.norm(x - y) ** 2 / x.size)
    assert report["mse_of_mean"] == pytest.approx(x.var(axis=0).mean())
    expected = np.mean(
        [
            ssim_by_scipy(a[..., c], b[..., c], value_range)
            for a, b in zip(x, y, strict=True)
            for c in range(3)
        ]
    )
    assert report["ssim"] == pytest.approx(expected, abs=1e-4)


def test_perfect_and_small_images():
    x = images(size=8, channels=1)
    report = reconstruction_report(x, x)
    assert report["mse"] == 0
    assert report["ssim"] == pytest.approx(1, abs=1e-6)
    assert reconstruction_report(x, 1 - x)["ssim"] < 0


def test_vectors_have_no_ssim():
    x = np.random.default_rng(0).normal(size=(50, 3))
    report = reconstruction_report(x, np.broadcast_to(x.mean(axis=0), x.shape))
    assert set(report) == {"mse", "mse_of_mean"}
    assert report["mse"] == pytest.approx(report["mse_of_mean"])


def test_bytes_against_floats_are_compared_by_squares():
    x = np.array([[0, 255]], "uint8")
    report = reconstruction_report(x, np.array([[255.0, 0.0]]))
    assert report["mse"] == 255**2


def test_images_of_bytes():
    x, y = ((255 * images(seed=seed)).astype("uint8") for seed in (0, 1))
    expected = reconstruction_report(
        x.astype("float64"), y.astype("float64"), value_range=255
    )
    assert "ssim" in expected
    assert reconstruction_report(x, y) == expected
    assert reconstruction_report(x, y.astype("float64")) == expected


def test_tokens():
    x = np.array([[5, 6, 0, 0], [5, 5, 7, 0]])
    y = np.array([[5, 5, 0, 0], [5, 5, 9, 1]])
    report = reconstruction_report(x, y)
    assert report == {"token_accuracy": 5 / 8, "most_frequent_token": 3 / 8}
    report = reconstruction_report(x, y, padding_id=0)
    assert report == {"token_accuracy": 3 / 5, "most_frequent_token": 3 / 5}


def test_labels_are_tokens_too():
    report = reconstruction_report(np.arange(4), np.array([0, 1, 2, 0]))
    assert report["token_accuracy"] == 0.75
    assert report["most_frequent_token"] == 0.25


def test_values_are_python_numbers():
    report = reconstruction_report(images(), images(seed=1))
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize(
    ("x", "y", "options", "error", "match"),
    [
        ([[1.0]], [[1.0, 2.0]], {}, ValueError, r"same shape.*\(1, 2\)"),
        ([], [], {}, ValueError, "without a 0"),
        ([np.nan], [1.0], {}, ValueError, "must be finite.*1 of 1"),
        (["a"], ["a"], {}, TypeError, "`x` must be real numbers"),
        ([1.0], [1.0], {"value_range": 0}, ValueError, "`value_range` must"),
        ([0, 0], [1, 2], {"padding_id": 0}, ValueError, "2 ids, all of them"),
        ([1.0], [2.0], {"padding_id": 0}, ValueError, "no ids.*padding_id=0"),
        ([0, 0], [1, 2], {"value_range": 255}, ValueError, "are no images"),
        ([1.0], [2.0], {"value_range": 255}, ValueError, "are no images"),
    ],
)
def test_bad_input(x, y, options, error, match):
    with pytest.raises(error, match=match):
        reconstruction_report(np.array(x), np.array(y), **options)


def test_ssim_is_at_most_1():
    x = np.random.default_rng(0).random((40, 24, 24, 3))
    assert 0.999 < reconstruction_report(x, x)["ssim"] <= 1
