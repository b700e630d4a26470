import numpy as np

from keras_xmodal.demo.questions import read_split
from keras_xmodal.metrics import retrieval_report
from keras_xmodal.recipes.ridge_baseline import RidgeBaseline

RNG = np.random.default_rng(0)


def test_solution_equals_ridge_regression_in_primal_form():
    images = RNG.integers(256, size=(12, 2, 2, 3), dtype="uint8")
    texts = [f"name {chr(97 + i)}{chr(98 + i)}" for i in range(12)]
    baseline = RidgeBaseline(alpha=0.5).fit(images, texts)
    x = images.reshape(12, -1) / 255
    y = baseline.encode_texts(texts)
    centred = x - x.mean(0)
    weights = np.linalg.solve(
        centred.T @ centred + 0.5 * np.eye(12), centred.T @ (y - y.mean(0))
    )
    expected = centred @ weights + y.mean(0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(baseline.encode(images), expected, atol=1e-4)


def test_texts_that_share_ngrams_are_similar():
    images = RNG.integers(256, size=(3, 2, 2, 3), dtype="uint8")
    baseline = RidgeBaseline().fit(images, ["apple", "red apple", "violin"])
    vectors = baseline.encode_texts(["apple", "apples", "violin", "@"])
    assert vectors[0] @ vectors[1] > 0.8
    assert vectors[0] @ vectors[2] == 0
    np.testing.assert_array_equal(vectors[3], 0)


def test_it_is_as_hard_as_it_is_said_to_be():
    """Trained on all Noto pictures, tested on all Fluent ones."""
    train = read_split("train+test_concept")
    test = read_split("test_style+test_style_concept")
    baseline = RidgeBaseline().fit(train["image"], train["text"])
    report = retrieval_report(
        baseline.encode(test["image"]),
        baseline.encode_texts(test["text"]),
    )
    assert report["num_candidates"] == 831
    assert report["R@1"] > 0.17
    assert report["R@5"] > 0.30
    assert report["R@10"] > 0.34
