"""Ids as TensorFlow holds them."""

import numpy as np
import tensorflow as tf


def served_ids(ids):
    """Make ids of an index an array that TensorFlow takes.

    Strings become UTF-8, dates ISO 8601 (`2024-05-01`), durations what NumPy
    prints (`5 days`); numbers stay.
    """
    kind = ids.dtype.kind
    if kind == "M":
        ids = np.datetime_as_string(ids)
    elif kind == "m":
        ids = ids.astype(str)
    if ids.dtype.kind == "U":
        ids = np.char.encode(ids, "utf-8")
    if ids.dtype.kind == "S":
        return ids.astype(object)
    try:
        tf.as_dtype(ids.dtype)
    except TypeError:
        raise TypeError(
            "`ids` of an exported index must be of a dtype that TensorFlow "
            "has. "
            f"Received: ids of dtype {ids.dtype}"
        ) from None
    return ids
