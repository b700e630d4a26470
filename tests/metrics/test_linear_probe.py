import json

import numpy as np
import pytest
from scipy.stats import norm

from keras_xmodal.metrics import linear_probe
from keras_xmodal.metrics.linear_probe import _fit


def blobs(examples=400, dim=5, classes=3, noise=0.2, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=examples)
    centres = np.random.default_rng(99).normal(size=(classes, dim))
    return centres[labels] + noise * rng.normal(size=(examples, dim)), labels


def test_separate_classes_are_told_apart():
    report = linear_probe(*blobs(seed=1), *blobs(seed=2))
    assert report["accuracy"] == report["train_accuracy"] == 1.0
    assert report["num_train"] == report["num_test"] == 400


def test_accuracy_is_that_of_the_best_classifier():
    """Two Gaussians two deviations apart: Bayes' accuracy is Phi(1)."""
    rng = np.random.default_rng(0)
    labels = np.arange(20_000) % 2
    latents = rng.normal(size=(20_000, 1)) + 2 * labels[:, None]
    half = slice(0, 10_000), slice(10_000, None)
    report = linear_probe(
        latents[half[0]], labels[half[0]], latents[half[1]], labels[half[1]]
    )
    error = np.sqrt(norm.cdf(1) * norm.cdf(-1) / 10_000)
    assert abs(report["accuracy"] - norm.cdf(1)) < 4 * error
    assert report["chance"] == 0.5


def test_a_class_between_two_others_is_found():
    """Where least squares on one-hot labels would never choose it."""
    labels = np.repeat([0, 1, 2], 50)
    latents = labels[:, None] + 0.01 * np.random.default_rng(0).normal(
        size=(150, 1)
    )
    report = linear_probe(latents, labels, latents, labels, l2=1e-3)
    assert report["accuracy"] == 1.0


def test_noise_is_at_chance():
    rng = np.random.default_rng(0)
    latents, labels = rng.normal(size=(4000, 4)), rng.integers(2, size=4000)
    report = linear_probe(
        latents[:2000], labels[:2000], latents[2000:], labels[2000:]
    )
    assert abs(report["accuracy"] - 0.5) < 4 * np.sqrt(0.25 / 2000)


def test_weights_are_the_optimum():
    """Of one dimension and two classes, found by a grid."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    x = rng.normal(size=(60, 1)) + labels[:, None]
    weights, intercept = _fit(x, np.eye(2)[labels], l2=3.0)
    # With a penalty, the weights of the classes are opposite.
    assert weights[0, 0] == pytest.approx(-weights[0, 1], abs=1e-5)
    slope = np.linspace(0, 2, 401)[:, None, None]
    shift = np.linspace(-2, 2, 401)[None, :, None]
    logit = (2 * labels - 1) * (slope * x[:, 0] + shift)
    loss = np.log1p(np.exp(-logit)).sum(axis=-1) + 3.0 * slope[..., 0] ** 2 / 4
    best = np.unravel_index(loss.argmin(), loss.shape)
    found = weights[0, 1] - weights[0, 0], intercept[1] - intercept[0]
    assert found[0] == pytest.approx(slope[best[0]].item(), abs=0.006)
    assert found[1] == pytest.approx(shift[0, best[1]].item(), abs=0.011)


def test_scale_and_shift_of_the_latents_change_nothing():
    train, test = blobs(noise=2.0, seed=1), blobs(noise=2.0, seed=2)
    expected = linear_probe(*train, *test)
    scale = np.array([1e3, 1.0, 1e-3, 7.0, 1.0])
    found = linear_probe(
        train[0] * scale + 5, train[1], test[0] * scale + 5, test[1]
    )
    assert found["accuracy"] == pytest.approx(expected["accuracy"], abs=0.006)


def test_a_dead_dimension_does_no_harm():
    (train, train_labels), (test, test_labels) = blobs(seed=1), blobs(seed=2)
    train, test = (
        np.pad(train, ((0, 0), (0, 1))),
        np.pad(test, ((0, 0), (0, 1))),
    )
    assert linear_probe(train, train_labels, test, test_labels)["accuracy"] == (
        1.0
    )


def test_labels_of_any_type_and_classes_of_one_side():
    (train, train_labels), (test, test_labels) = blobs(seed=1), blobs(seed=2)
    names = np.array(["cat", "dog", "owl"])
    report = linear_probe(train, names[train_labels], test, names[test_labels])
    assert report["accuracy"] == 1.0
    seen = train_labels != 1
    report = linear_probe(
        train[seen], names[train_labels[seen]], test, names[test_labels]
    )
    assert report["accuracy"] == pytest.approx(np.mean(test_labels != 1))


def test_chance_is_the_most_frequent_class_of_training():
    latents = np.random.default_rng(0).normal(size=(6, 2))
    report = linear_probe(
        latents, [1, 1, 1, 0, 0, 2], latents, [2, 2, 2, 2, 1, 0]
    )
    assert report["chance"] == pytest.approx(1 / 6)


def test_values_are_python_numbers_and_the_same_again():
    report = linear_probe(*blobs(noise=2.0), *blobs(noise=2.0, seed=1))
    assert json.loads(json.dumps(report)) == report
    again = linear_probe(*blobs(noise=2.0), *blobs(noise=2.0, seed=1))
    assert again == report


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"train_labels": [0, 1]}, ValueError, r"`train_labels` .*=\(2,\)"),
        ({"test_labels": [0] * 3}, ValueError, r"`test_labels` .*=\(3,\)"),
        ({"train_labels": [0] * 400}, ValueError, "two classes at least"),
        ({"test_labels": ["a"] * 400}, TypeError, "of one kind"),
        ({"test_latents": np.zeros((400, 2))}, ValueError, "same dim"),
        ({"train_latents": np.zeros(400)}, ValueError, "`train_latents` must"),
        ({"l2": 0}, ValueError, "`l2` must be a positive"),
    ],
)
def test_bad_input(change, error, match):
    train, train_labels = blobs()
    test, test_labels = blobs(seed=1)
    arguments = {
        "train_latents": train,
        "train_labels": train_labels,
        "test_latents": test,
        "test_labels": test_labels,
    }
    with pytest.raises(error, match=match):
        linear_probe(**{**arguments, **change})
