import numpy as np
import pytest
from scipy.linalg import sqrtm

from keras_xmodal.metrics import frechet_distance


def features(samples=200, dim=6, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(dim, dim))
    return rng.normal(size=(samples, dim)) @ mixing + rng.normal(size=dim)


def standardized(samples, dim, seed):
    """Features whose mean is exactly 0 and whose covariance exactly 1."""
    x = np.random.default_rng(seed).normal(size=(samples, dim))
    x -= x.mean(axis=0)
    orthogonal, _ = np.linalg.qr(x)
    return orthogonal * np.sqrt(samples - 1)


def by_matrix_root(real, generated):
    shift = real.mean(axis=0) - generated.mean(axis=0)
    a, b = np.cov(real.T), np.cov(generated.T)
    return shift @ shift + np.trace(a + b - 2 * sqrtm(a @ b).real)


def test_formula_with_a_matrix_root():
    real, generated = features(), features(300, seed=1)
    expected = by_matrix_root(real, generated)
    assert expected > 1
    found = frechet_distance(real, generated)
    assert isinstance(found, float)
    assert found == pytest.approx(expected, rel=1e-9)


def test_gaussians_along_the_same_axes():
    shift, scale = np.array([3.0, 0.0, -1.0]), np.array([1.0, 0.5, 4.0])
    found = frechet_distance(
        standardized(50, 3, 0), standardized(80, 3, 1) * scale + shift
    )
    assert found == pytest.approx(9 + 1 + 0.5**2 + 3**2, rel=1e-10)


def test_gaussians_along_other_axes():
    """In two dimensions, the root has the trace of a closed form."""
    mix_a, mix_b = np.array([[2, 1], [0, 1]]), np.array([[1, 0], [-3, 0.5]])
    found = frechet_distance(
        standardized(40, 2, 0) @ mix_a, standardized(60, 2, 1) @ mix_b
    )
    a, b = mix_a.T @ mix_a, mix_b.T @ mix_b
    root = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a @ b)))
    expected = np.trace(a) + np.trace(b) - 2 * root
    assert found == pytest.approx(expected, rel=1e-10)


def test_fewer_samples_than_dimensions():
    """Embedded in more dimensions, the distance stays the same."""
    real, generated = features(60, 4), features(40, 4, seed=1)
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(200, 200)))
    found = frechet_distance(real @ turn[:4], generated @ turn[:4])
    assert found == pytest.approx(frechet_distance(real, generated), rel=1e-9)


def test_fewer_samples_than_dimensions_by_eigenvalues():
    real, generated = features(5, 20), features(7, 20, seed=1)
    shift = real.mean(axis=0) - generated.mean(axis=0)
    a, b = np.cov(real.T), np.cov(generated.T)
    # The four largest; the others are rounding, and their roots are not.
    eigenvalues = np.sort(np.linalg.eigvals(a @ b).real)[-4:]
    expected = shift @ shift + np.trace(a + b) - 2 * np.sqrt(eigenvalues).sum()
    assert frechet_distance(real, generated) == pytest.approx(expected)


@pytest.mark.parametrize("samples", [3, 100])
def test_equal_sets_have_no_distance(samples):
    for seed in range(20):
        x = features(samples, 20, seed)
        order = np.random.default_rng(seed).permutation(samples)
        # Rounding is to neither side.
        assert 0 <= frechet_distance(x, x[order]) < 1e-10 * np.sum(x**2)


def test_sides_may_be_exchanged():
    real, generated = features(), features(30, seed=1)
    found = frechet_distance(generated, real)
    assert found == pytest.approx(frechet_distance(real, generated), rel=1e-10)


def test_a_common_shift_changes_nothing():
    real, generated = features(), features(seed=1)
    found = frechet_distance(real + 1e5, generated + 1e5)
    assert found == pytest.approx(frechet_distance(real, generated), rel=1e-6)


def test_bias_of_finite_samples():
    """Of means `2 d / N`, of covariances `d (d + 1) / 2N`, to first order."""
    samples, dim = 1000, 12
    rng = np.random.default_rng(0)
    found = [
        frechet_distance(*rng.normal(size=(2, samples, dim))) for _ in range(40)
    ]
    expected = (dim * (dim + 1) / 2 + 2 * dim) / samples
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - expected) < 4 * error + 0.02 * expected


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"real": np.ones(4)}, "`real` must have shape"),
        ({"generated": np.ones((9, 3))}, "must have the same dim"),
        ({"generated": np.full((9, 4), np.nan)}, "`generated` must be finite"),
        ({"real": np.ones((1, 4))}, "`real` must have at least 2 samples"),
    ],
)
def test_bad_input(change, match):
    arguments = {"real": features(9, 4), "generated": features(9, 4), **change}
    with pytest.raises(ValueError, match=match):
        frechet_distance(**arguments)
