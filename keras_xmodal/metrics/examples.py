"""Checks of examples of several modalities, row by row the same."""

import numpy as np


def check_examples(x, argument="x"):
    """Check that arrays of modalities have equally many rows.

    Args:
        x: What a user passed.
        argument: Name of the argument in the error.

    Returns:
        Dict of NumPy arrays `{modality: (examples, ...)}`.

    Raises:
        TypeError: If it is no dict.
        ValueError: If it is empty, or the numbers of rows differ or are 0.
    """
    if not isinstance(x, dict):
        raise TypeError(
            f"`{argument}` must be a dict {{modality: array}}. "
            f"Received: {argument} of type {type(x).__name__}"
        )
    x = {name: np.asarray(value) for name, value in x.items()}
    sizes = {name: len(value) if value.ndim else 0 for name, value in x.items()}
    if len(set(sizes.values())) != 1 or 0 in sizes.values():
        raise ValueError(
            f"`{argument}` must hold modalities of equally many examples, at "
            f"least one. Received: numbers of examples {sizes}"
        )
    return x


def check_labels(labels, num_examples, argument="labels"):
    """Check class ids.

    Args:
        labels: Array of shape `(examples,)`.
        num_examples: Integer, the length that it must have.
        argument: Name of the argument in the error.

    Returns:
        NumPy array of integers.

    Raises:
        TypeError: If they are not integers.
        ValueError: If the shape is wrong or one is negative.
    """
    labels = np.asarray(labels)
    if labels.shape != (num_examples,):
        raise ValueError(
            f"`{argument}` must have shape ({num_examples},), one class for "
            f"each example. Received: {argument}.shape={labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"`{argument}` must be integers, the indices of classes. "
            f"Received: {argument} of dtype {labels.dtype}"
        )
    if labels.min() < 0:
        raise ValueError(
            f"`{argument}` must not be negative. "
            f"Received: {argument} down to {labels.min()}"
        )
    return labels
