import json

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from keras_xmodal.metrics import latent_report


def posterior(examples=50, dim=4, seed=0):
    rng = np.random.default_rng(seed)
    # From well above the threshold to well below.
    mean = rng.normal(size=(examples, dim)) * [2.0, 1.0, 0.03, 0.0]
    return mean, rng.normal(size=(examples, dim))


def kl_by_quadrature(mean, log_variance):
    q = norm(mean, np.exp(log_variance / 2))

    def integrand(z):
        return q.pdf(z) * (q.logpdf(z) - norm.logpdf(z))

    return quad(integrand, *q.interval(1 - 1e-13))[0]


def test_divergence_of_each_dimension():
    mean, log_variance = posterior(examples=5)
    report = latent_report(mean, log_variance)
    expected = np.vectorize(kl_by_quadrature)(mean, log_variance).mean(axis=0)
    np.testing.assert_allclose(report["kl_per_dim"], expected, rtol=1e-4)
    assert report["kl"] == pytest.approx(expected.sum(), rel=1e-4)


def test_active_units():
    mean, log_variance = posterior()
    report = latent_report(mean, log_variance)
    assert report["active_units"] == 2
    assert report["num_units"] == 4
    assert not report["collapsed"]
    assert latent_report(mean, log_variance, 1e-6)["active_units"] == 3
    assert latent_report(mean, log_variance, 99.0)["collapsed"]


def test_variance_over_the_examples_counts_not_the_distance_from_the_prior():
    """A posterior that is far from the prior, but the same for everything."""
    report = latent_report(np.full((9, 2), 3.0), np.full((9, 2), -5.0))
    assert report["active_units"] == 0
    assert report["collapsed"]
    assert report["kl"] > 10


def test_the_prior_has_no_divergence():
    report = latent_report(np.zeros((3, 2)), np.zeros((3, 2)))
    assert report["kl_per_dim"] == [0.0, 0.0]
    assert report["collapsed"]


def test_order_of_examples_changes_nothing():
    mean, log_variance = posterior()
    order = np.random.default_rng(1).permutation(len(mean))
    found = latent_report(mean[order], log_variance[order])
    expected = latent_report(mean, log_variance)
    assert found["kl"] == pytest.approx(expected["kl"], rel=1e-9)


def test_values_are_python_numbers():
    report = latent_report(*posterior())
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"mean": np.zeros(4)}, r"`mean` must have shape"),
        ({"mean": np.full((50, 4), np.nan)}, "`mean` must be finite"),
        ({"log_variance": np.zeros((50, 3))}, r"same shape.*\(50, 4\).*3\)"),
        ({"threshold": -1}, "`threshold` must be a non-negative.*-1"),
    ],
)
def test_bad_input(change, match):
    mean, log_variance = posterior()
    arguments = {"mean": mean, "log_variance": log_variance, **change}
    with pytest.raises(ValueError, match=match):
        latent_report(**arguments)
