"""The raw conditions that callbacks of a GAN generate from."""

import keras
import numpy as np

from keras_xmodal.models.array_dataset import to_arrays


def check_conditions(conditions, num_rows=None):
    """Check raw conditions and make NumPy arrays of them.

    Args:
        conditions: Array, list or dict of arrays, or None for none.
        num_rows: Integer, the length they must have; None for any but 0.

    Returns:
        NumPy array, or dict of them, or None.

    Raises:
        ValueError: If lengths are 0, differ, or are not `num_rows`.
    """
    if conditions is None:
        return None
    conditions = keras.tree.map_structure(np.asarray, to_arrays(conditions))
    lengths = [
        len(value) if value.ndim else 0
        for value in keras.tree.flatten(conditions)
    ]
    expected = lengths[:1] if num_rows is None else [num_rows]
    if set(lengths) != set(expected) or 0 in lengths:
        rule = "one for each target" if num_rows else "at least one"
        raise ValueError(
            f"`conditions` must hold conditions of equal length, {rule}. "
            f"Received: lengths {lengths}"
            + (f" for {num_rows} targets" if num_rows else "")
        )
    return conditions


def take(conditions, rows):
    """Take rows of conditions.

    Args:
        conditions: As of `check_conditions`.
        rows: Slice or integers.

    Returns:
        The same structure, or None.
    """
    if conditions is None:
        return None
    return keras.tree.map_structure(lambda value: value[rows], conditions)
