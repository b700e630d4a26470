"""The data of callbacks of a GAN: conditions, and targets."""

import keras
import numpy as np

from keras_xmodal.metrics.features import check_samples
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
            f"`data` must hold conditions of equal length, {rule}. "
            f"Received: lengths {lengths}"
            + (f" for {num_rows} targets" if num_rows else "")
        )
    return conditions


def check_pairs(data):
    """Check `(conditions, targets)`, or targets alone; return the two."""
    parts = data if isinstance(data, tuple) else (data,)
    if not 1 <= len(parts) <= 2:
        raise ValueError(
            "`data` must be a pair `(conditions, targets)`, or the targets of "
            f"a model without conditions. Received: a tuple of {len(parts)}"
        )
    if isinstance(parts[-1], dict):
        raise TypeError(
            "`data` must hold an array of targets, alone or in a pair "
            "`(conditions, targets)`. Received: a dict with keys "
            f"{list(parts[-1])}"
        )
    (targets,) = check_samples(targets=parts[-1])
    if len(parts) == 1:
        return None, targets
    return check_conditions(parts[0], len(targets)), targets


def take(conditions, rows):
    """Take rows of conditions."""
    if conditions is None:
        return None
    return keras.tree.map_structure(lambda value: value[rows], conditions)
