"""Checks of features and samples, real beside generated, and distances."""

import numpy as np

from keras_xmodal import checks

# Squared distances below this share of the squared lengths are rounding.
_EQUAL = 1e-12


def check_feature_pair(real, generated, min_samples):
    """Check the features of two sets and cast them to float64.

    Args:
        real: Array of shape `(real samples, dim)`.
        generated: Array of shape `(generated samples, dim)`.
        min_samples: Integer, the samples that each must have.

    Returns:
        Two float64 NumPy arrays.

    Raises:
        TypeError: If they are not real numbers.
        ValueError: If ranks or dims do not fit, values are not finite, or
            samples are too few.
    """
    real = checks.embeddings("real", real, "float64")
    generated = checks.embeddings("generated", generated, "float64")
    checks.same_dim(real=real.shape, generated=generated.shape)
    for argument, features in (("real", real), ("generated", generated)):
        if len(features) < min_samples:
            raise ValueError(
                f"`{argument}` must have at least {min_samples} samples. "
                f"Received: {argument}.shape={features.shape}"
            )
    return real, generated


def check_samples(**samples):
    """Check raw samples of several sets, such as images.

    Args:
        **samples: Arrays of shape `(samples, ...)`, by the names of the
            arguments in the error.

    Returns:
        List of NumPy arrays, in order.

    Raises:
        TypeError: If they are not real numbers.
        ValueError: If one has no samples or no axis but the samples, the
            shapes of a sample differ, or values are not finite.
    """
    samples = {
        name: checks.real_numbers(name, value)
        for name, value in samples.items()
    }
    for name, value in samples.items():
        if value.ndim < 2 or 0 in value.shape:
            raise ValueError(
                f"`{name}` must have shape (samples, ...), none being 0. "
                f"Received: {name}.shape={value.shape}"
            )
        checks.finite(name, value)
    if len({value.shape[1:] for value in samples.values()}) > 1:
        names = ", ".join(f"`{name}`" for name in samples)
        shapes = {name: value.shape for name, value in samples.items()}
        raise ValueError(
            f"{names} must have samples of the same shape. "
            f"Received: shapes {shapes}"
        )
    return list(samples.values())


def squared_distances(x, y):
    """Squared Euclidean distances, 0 between equal points in spite of rounding.

    Args:
        x: float64 array of shape `(rows, dim)`.
        y: float64 array of shape `(columns, dim)`.

    Returns:
        float64 array of shape `(rows, columns)`.
    """
    # Far from the origin, differences of large squares are rounded off.
    centre = y.mean(axis=0)
    x, y = x - centre, y - centre
    lengths = np.sum(x**2, axis=1)[:, None] + np.sum(y**2, axis=1)
    distances = lengths - 2 * (x @ y.T)
    distances[distances <= _EQUAL * lengths] = 0.0
    return distances
