"""What a classifier learns from generated data."""

from typing import Any

import keras
import numpy as np

from keras_xmodal import checks
from keras_xmodal.metrics.features import check_samples
from keras_xmodal.reports import Report


def classification_accuracy_score(
    classifier: Any,
    generated: np.ndarray,
    generated_labels: np.ndarray,
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    *,
    epochs: int = 10,
    batch_size: int = 128,
) -> dict[str, float]:
    """Train a classifier on generated data, and test it on real data.

    The same classifier, from the same initial weights, is trained on real
    data, too: no generator of that data should teach more. Give both equally
    many samples, or the one has seen more batches. For the same numbers again,
    call `keras.utils.set_random_seed` before.

    Args:
        classifier: Function without arguments that builds a compiled Keras
            model; or such a model, which is cloned with new initial weights
            and stays as it is (build one with adapted layers in a function,
            for a clone forgets what they are adapted to). Its outputs are
            scores of shape `(batch, classes)`, its loss takes integers.
        generated: Array of shape `(samples, ...)`.
        generated_labels: Integers of shape `(samples,)`, the classes that were
            asked of the generator.
        train: Array of shape `(train samples, ...)`, real.
        train_labels: Integers of shape `(train samples,)`.
        test: Array of shape `(test samples, ...)`, real, and not in `train`
            or the training of the generator.
        test_labels: Integers of shape `(test samples,)`.
        epochs: Positive integer, of both trainings.
        batch_size: Positive integer.

    Returns:
        Dict of Python numbers, accuracies on the test set: `"accuracy"`, of
        the classifier trained on generated data, the score; `"ceiling"`, of
        the one trained on real data; `"chance"`, the share of the most
        frequent class; `"num_generated"`, `"num_train"`, `"num_test"`.

    Raises:
        TypeError: If samples or labels are of a wrong type, or `classifier`
            is no compiled Keras model and builds none.
        ValueError: If shapes do not fit, values are not finite, a label is not
            below the number of classes, or no new model is built.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        def samples(noise, seed):
            rng = np.random.default_rng(seed)
            labels = rng.integers(3, size=300)
            return np.eye(3)[labels] + noise * rng.normal(size=(300, 3)), labels

        def build():
            model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(keras.optimizers.Adam(0.1), loss)
            return model

        report = kx.metrics.classification_accuracy_score(
            build, *samples(1.0, 0), *samples(0.2, 1), *samples(0.2, 2)
        )
        print(report["accuracy"], report["ceiling"], report["chance"])
        ```

    Reference:
        - Ravuri and Vinyals, 2019, https://arxiv.org/abs/1905.10887
    """
    epochs = checks.positive_integer("epochs", epochs)
    batch_size = checks.positive_integer("batch_size", batch_size)
    generated, train, test = check_samples(
        generated=generated, train=train, test=test
    )
    counted = {
        "generated_labels": (generated_labels, len(generated)),
        "train_labels": (train_labels, len(train)),
        "test_labels": (test_labels, len(test)),
    }
    labels = {
        argument: checks.class_ids(argument, values, num_samples)
        for argument, (values, num_samples) in counted.items()
    }
    models = _build(classifier), _build(classifier)
    if models[0] is models[1]:
        raise ValueError(
            "`classifier` must build a new model at each call. "
            f"Received: the same, {models[0].name}, twice"
        )
    for model in models:
        _check_classes(model, test[:1], labels)
    models[1].set_weights(models[0].get_weights())

    def accuracy(model, x, y):
        model.fit(x, y, batch_size, epochs, verbose=0)
        scores = np.asarray(model.predict(test, batch_size, verbose=0))
        return float(np.mean(scores.argmax(axis=1) == labels["test_labels"]))

    return Report(
        {
            "accuracy": accuracy(
                models[0], generated, labels["generated_labels"]
            ),
            "ceiling": accuracy(models[1], train, labels["train_labels"]),
            "chance": float(
                np.bincount(labels["test_labels"]).max() / len(test)
            ),
            "num_generated": len(generated),
            "num_train": len(train),
            "num_test": len(test),
        }
    )


def _build(classifier):
    """Compiled model with initial weights."""
    if isinstance(classifier, keras.Model):
        model = keras.models.clone_model(classifier)
        if classifier.compiled:
            model.compile_from_config(classifier.get_compile_config())
    else:
        model = classifier() if callable(classifier) else classifier
    if not isinstance(model, keras.Model) or not model.compiled:
        raise TypeError(
            "`classifier` must be a compiled Keras model, or a function that "
            f"builds one. Received: classifier={classifier}"
        )
    return model


def _check_classes(model, x, labels):
    """Check outputs and labels, and build the model by the way."""
    shape = np.shape(model.predict(x, verbose=0))
    if len(shape) != 2 or shape[1] < 2:
        raise ValueError(
            "`classifier` must return scores of shape (batch, classes), with "
            f"two classes at least. Received: shape {shape} for one sample"
        )
    for argument, values in labels.items():
        checks.class_ids(argument, values, num_classes=shape[1])
