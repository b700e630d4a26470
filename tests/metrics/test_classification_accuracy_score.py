import json

import keras
import numpy as np
import pytest

from keras_xmodal.metrics import classification_accuracy_score

CLASSES = 3


def blobs(samples=240, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(CLASSES, size=samples, p=[0.5, 0.3, 0.2])
    x = np.eye(CLASSES)[labels] + 0.2 * rng.normal(size=(samples, CLASSES))
    return x, labels


def build(learning_rate=0.1):
    model = keras.Sequential(
        [keras.Input((CLASSES,)), keras.layers.Dense(CLASSES)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(learning_rate), loss)
    return model


def score(classifier, generated, **options):
    return classification_accuracy_score(
        classifier, *generated, *blobs(200, 1), *blobs(300, 2), **options
    )


def test_good_samples_teach_as_much_as_real_ones():
    report = score(build, blobs())
    assert report["accuracy"] > 0.95
    assert report["ceiling"] > 0.95
    _, labels = blobs(300, 2)
    assert report["chance"] == pytest.approx(np.bincount(labels)[0] / 300)
    assert report["num_generated"] == 240
    assert report["num_train"] == 200
    assert report["num_test"] == 300
    assert json.loads(json.dumps(report)) == report


def test_samples_that_ignore_their_class_teach_nothing():
    """And a classifier that knows the classes already does not help."""
    model = build()
    kernel = 50 * np.eye(CLASSES, dtype="float32")
    model.layers[0].set_weights([kernel, np.zeros(CLASSES)])
    x, labels = blobs()
    report = score(model, (np.zeros_like(x), labels))
    assert report["ceiling"] > 0.95
    # The bias is all that learns, and it learns the most frequent class.
    assert report["accuracy"] < 0.75
    np.testing.assert_array_equal(model.layers[0].kernel, kernel)
    assert model.optimizer.iterations.numpy() == 0


def test_both_trainings_start_from_the_same_weights():
    models = []

    def recorded():
        models.append(build(learning_rate=0.0))
        return models[-1]

    report = score(recorded, blobs(), epochs=1)
    first, second = (model.layers[0].kernel.numpy() for model in models)
    np.testing.assert_array_equal(first, second)
    assert report["accuracy"] == report["ceiling"]


def test_epochs_and_batches():
    models = []

    def recorded():
        models.append(build())
        return models[-1]

    score(recorded, blobs(), epochs=2, batch_size=50)
    steps = [int(model.optimizer.iterations.numpy()) for model in models]
    assert steps == [2 * 5, 2 * 4]


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"generated": np.ones((240, 4))}, ValueError, "same shape"),
        ({"train": np.ones(200)}, ValueError, "`train` must have shape"),
        (
            {"generated": np.full((240, 3), np.nan)},
            ValueError,
            "`generated` must be finite",
        ),
        (
            {"generated_labels": [0, 1]},
            ValueError,
            r"`generated_labels` must have shape \(240,\)",
        ),
        (
            {"train_labels": [0.5] * 200},
            TypeError,
            "`train_labels` must be integers",
        ),
        (
            {"test_labels": [3] * 300},
            ValueError,
            "`test_labels` must be from 0 to 2.*from 3 to 3",
        ),
        ({"epochs": 0}, ValueError, "`epochs` must be a positive"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be a positive"),
        ({"classifier": 3}, TypeError, "`classifier` must be a compiled.*=3"),
        (
            {"classifier": keras.Sequential},
            TypeError,
            "`classifier` must be a compiled",
        ),
        (
            {"classifier": keras.Sequential([keras.layers.Dense(3)])},
            TypeError,
            "`classifier` must be a compiled",
        ),
    ],
)
def test_bad_input(change, error, match):
    arguments = dict(
        zip(
            ("generated", "generated_labels", "train", "train_labels"),
            (*blobs(240), *blobs(200, 1)),
            strict=True,
        )
    )
    arguments["test"], arguments["test_labels"] = blobs(300, 2)
    with pytest.raises(error, match=match):
        classification_accuracy_score(
            **{"classifier": build, **arguments, **change}
        )


def test_a_function_that_builds_nothing_new():
    model = build()
    with pytest.raises(ValueError, match="must build a new model"):
        score(lambda: model, blobs())


def test_scores_of_a_wrong_shape():
    model = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"must return scores.*\(1, 1\)"):
        score(model, blobs())
