"""What a linear classifier reads from a latent space."""

import numpy as np
import scipy

from keras_xmodal import checks
from keras_xmodal.metrics.ids import match_ids
from keras_xmodal.reports import Report


def linear_probe(
    train_latents: np.ndarray,
    train_labels: np.ndarray,
    test_latents: np.ndarray,
    test_labels: np.ndarray,
    l2: float = 1.0,
) -> dict[str, float]:
    """Classify latents by logistic regression.

    The latents are standardised, by mean and deviation of the training set;
    the classifier is fitted to its optimum, without chance.

    Args:
        train_latents: Array of shape `(train examples, dim)`.
        train_labels: Array of shape `(train examples,)`, of any dtype with
            equality; two classes at least.
        test_latents: Array of shape `(test examples, dim)`.
        test_labels: Array of shape `(test examples,)`, of the same kind. A
            class that training does not have counts as wrong.
        l2: Positive float, the penalty `l2 / 2 |weights|^2` on the sum of the
            examples' losses; the intercept is free.

    Returns:
        Dict of Python numbers: `"accuracy"` on the test set; `"chance"`, the
        accuracy there of the most frequent class of the training set;
        `"train_accuracy"`; `"num_train"`, `"num_test"`.

    Raises:
        TypeError: If latents or labels are of a wrong type.
        ValueError: If shapes do not fit, values are not finite, training has
            one class only, or `l2` is not positive.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        rng = np.random.default_rng(0)
        labels = rng.integers(3, size=200)
        latents = np.eye(3)[labels] + 0.1 * rng.normal(size=(200, 3))
        report = kx.metrics.linear_probe(
            latents[:100], labels[:100], latents[100:], labels[100:]
        )
        print(report["accuracy"])  # 1.0
        ```

    Reference:
        - Alain and Bengio, 2017, https://arxiv.org/abs/1610.01644
    """
    train = checks.embeddings("train_latents", train_latents).astype("float64")
    test = checks.embeddings("test_latents", test_latents).astype("float64")
    checks.same_dim(train_latents=train.shape, test_latents=test.shape)
    l2 = checks.positive("l2", l2)
    train_labels = checks.ids("train_labels", train_labels, len(train))
    test_labels = checks.ids("test_labels", test_labels, len(test))
    train_labels, test_labels = match_ids(
        train_labels, test_labels, argument="train_labels and test_labels"
    )
    classes, targets = np.unique(train_labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "`train_labels` must have two classes at least. "
            "Received: all of one class"
        )
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation == 0] = 1.0
    train, test = (train - mean) / deviation, (test - mean) / deviation
    weights, intercept = _fit(train, np.eye(len(classes))[targets], l2)

    def accuracy(latents, labels):
        predicted = classes[np.argmax(latents @ weights + intercept, axis=1)]
        return float(np.mean(predicted == labels))

    most_frequent = classes[np.bincount(targets).argmax()]
    return Report(
        {
            "accuracy": accuracy(test, test_labels),
            "chance": float(np.mean(test_labels == most_frequent)),
            "train_accuracy": accuracy(train, train_labels),
            "num_train": len(train),
            "num_test": len(test),
        }
    )


def _fit(x, targets, l2):
    """Weights `(dim, classes)` and intercept `(classes,)` at the optimum."""
    shape = (x.shape[1] + 1, targets.shape[1])

    def loss(parameters):
        parameters = parameters.reshape(shape)
        weights, intercept = parameters[:-1], parameters[-1]
        logits = x @ weights + intercept
        log_probs = logits - scipy.special.logsumexp(
            logits, axis=1, keepdims=True
        )
        errors = np.exp(log_probs) - targets  # (examples, classes)
        value = 0.5 * l2 * np.sum(weights**2) - np.sum(targets * log_probs)
        gradient = np.vstack([x.T @ errors + l2 * weights, errors.sum(axis=0)])
        # Per example, so that the tolerance is not one of the set's size.
        return value / len(x), gradient.ravel() / len(x)

    start = np.zeros(shape[0] * shape[1])
    options = {"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-7}
    result = scipy.optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", options=options
    )
    parameters = result.x.reshape(shape)
    return parameters[:-1], parameters[-1]
