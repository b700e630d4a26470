"""The raw conditions that callbacks of a GAN generate from."""

import keras
import numpy as np

from keras_xmodal.models.data import to_arrays


def check_conditions(conditions, num_rows=None):
    """Check raw conditions and make NumPy arrays of them."""
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
    """Take rows of conditions."""
    if conditions is None:
        return None
    return keras.tree.map_structure(lambda value: value[rows], conditions)
