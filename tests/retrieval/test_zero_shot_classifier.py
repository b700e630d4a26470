import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.retrieval import ZeroShotClassifier

NAMES = ["zero", "one", "two", "three", "four", "five", "six"]


class Model:
    """Texts point to the class they name; pictures are embeddings."""

    def __init__(self):
        self.prompts = []

    def encode(self, x, modality):
        if modality == "image":
            return np.asarray(x)
        self.prompts.extend(x.tolist())
        table = np.eye(len(NAMES))
        noise = np.random.default_rng(len(x)).normal(size=(len(x), 7))
        words = [prompt.split()[-1] for prompt in x]
        return table[[NAMES.index(word) for word in words]] + 0.1 * noise


def pictures(classes, noise=0.0):
    rng = np.random.default_rng(0)
    x = np.eye(len(NAMES))[classes]
    return {"image": x + noise * rng.normal(size=x.shape)}


def test_prompts_are_averaged_and_normalised():
    model = Model()
    templates = ("a photo of {}", "the {} {}")
    classifier = ZeroShotClassifier(model, NAMES, templates)
    assert model.prompts[:3] == ["a photo of zero", "the zero zero"] + [
        "a photo of one"
    ]
    embeddings = Model().encode(np.array(model.prompts), "text")
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    expected = embeddings.reshape(7, 2, 7).mean(axis=1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(
        classifier.class_embeddings, expected, rtol=1e-5, atol=1e-6
    )


def test_predictions():
    classifier = ZeroShotClassifier(Model(), NAMES)
    x = pictures([3, 0, 6])
    np.testing.assert_array_equal(classifier.predict(x), [3, 0, 6])
    np.testing.assert_array_equal(classifier.predict(x["image"]), [3, 0, 6])
    np.testing.assert_allclose(
        classifier.predict_scores(x),
        classifier.class_embeddings[:, [3, 0, 6]].T,
        rtol=1e-6,
    )


def test_other_modalities_can_name_the_classes():
    class Shouting(Model):
        def encode(self, x, modality):
            assert modality in ("image", "speech")
            return super().encode(x, modality)

    classifier = ZeroShotClassifier(Shouting(), NAMES, modality="speech")
    np.testing.assert_array_equal(classifier.predict(pictures([2])), [2])


def test_evaluation_by_hand():
    classifier = ZeroShotClassifier(Model(), NAMES)
    results = classifier.evaluate(pictures([0, 0, 1, 2]), [0, 1, 1, 1])
    assert results["accuracy"] == 0.5
    confusion = np.zeros((7, 7), int)
    confusion[0, 0], confusion[1, 0] = 1, 1
    confusion[1, 1], confusion[1, 2] = 1, 1
    np.testing.assert_array_equal(results["confusion_matrix"], confusion)
    # Classes 0, 1 and 2 occur.
    assert results["precision"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert results["recall"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert results["f1"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_evaluation_matches_scikit_learn():
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    y = np.random.default_rng(1).integers(6, size=200)
    x = pictures(y, noise=0.5)
    classifier = ZeroShotClassifier(Model(), NAMES)
    results = classifier.evaluate(x, y)
    predicted = classifier.predict(x)
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        y, predicted, average="macro", zero_division=0
    )
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(y, predicted),
        "top_5_accuracy": sklearn_metrics.top_k_accuracy_score(
            y, classifier.predict_scores(x), k=5, labels=np.arange(7)
        ),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }
    assert results["accuracy"] < 1
    np.testing.assert_array_equal(
        results.pop("confusion_matrix"),
        sklearn_metrics.confusion_matrix(y, predicted, labels=np.arange(7)),
    )
    assert results == pytest.approx(expected)


def test_names_are_labels_too():
    classifier = ZeroShotClassifier(Model(), NAMES)
    x, y = pictures([0, 1, 2, 3], noise=0.4), np.array([0, 1, 2, 2])
    by_number = classifier.evaluate(x, y)
    names = [NAMES[i] for i in y]
    content = [name.encode() for name in names]
    for labels in (names, np.array(names), content, tf.constant(names)):
        by_name = classifier.evaluate(x, labels)
        for key in by_number:
            np.testing.assert_array_equal(by_number[key], by_name[key])


def test_collapsed_model_is_at_chance():
    class Collapsed:
        def encode(self, x, modality):
            return np.full((len(x), 128), 0.3)

    results = ZeroShotClassifier(Collapsed(), NAMES).evaluate(
        {"image": np.zeros(70)}, np.repeat(np.arange(7), 10)
    )
    assert results["accuracy"] == pytest.approx(1 / 7)
    assert results["top_5_accuracy"] == 0


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (
            {"class_names": []},
            ValueError,
            "`class_names` must be a seq",
        ),
        ({"class_names": ["a", "a"]}, ValueError, "different from each other"),
        ({"class_names": "cat"}, TypeError, "`class_names` must be a seq"),
        ({"class_names": [1, 2]}, TypeError, "`class_names` must be a seq"),
        ({"templates": ()}, ValueError, "`templates` must be a sequence of"),
        ({"templates": ("a photo",)}, ValueError, "`{}` where.*'a photo'"),
        ({"templates": "{}"}, TypeError, "`templates` must be a sequence"),
        ({"model": None}, TypeError, "must have a method"),
    ],
)
def test_bad_arguments(change, error, match):
    arguments = {"model": Model(), "class_names": NAMES, **change}
    with pytest.raises(error, match=match):
        ZeroShotClassifier(**arguments)


def test_bad_data():
    classifier = ZeroShotClassifier(Model(), NAMES)
    x = pictures([0, 1])
    for y, error, match in [
        ([0], ValueError, r"`y` must have shape .*\(2,\).*\(1,\)"),
        ([0, 7], ValueError, "from 0 to 6. Received: y from 0 to 7"),
        ([-1, 0], ValueError, "from 0 to 6. Received: y from -1 to 0"),
        (["one", "nine"], ValueError, "unknown classes, first .*nine"),
        ([0.0, 1.0], TypeError, "`y` must be integers.*float64"),
    ]:
        with pytest.raises(error, match=match):
            classifier.evaluate(x, y)
    with pytest.raises(ValueError, match="`x` must be of one modality"):
        classifier.predict({**x, "text": ["a"]})
    with pytest.raises(ValueError, match=r"same dim.*3\), class_emb.*7\)"):
        classifier.predict(np.ones((2, 3)))
    with pytest.raises(ValueError, match="NaN or infinity"):
        classifier.predict(x["image"] * np.nan)


def test_scores_are_cosines():
    class Table:
        def encode(self, x, modality):
            rng = np.random.default_rng(0)
            return rng.normal(size=(len(x), 512))

    names = [str(i) for i in range(300)]
    classifier = ZeroShotClassifier(Table(), names)
    x = {"image": names}
    scores = classifier.predict_scores(x)
    assert scores.max() == 1
    assert np.isfinite(np.arccos(scores)).all()
    assert np.isfinite(np.arccos(-scores)).all()
