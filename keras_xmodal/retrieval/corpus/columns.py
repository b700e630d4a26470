"""Values and ids of a corpus, as chunks hold them."""

import numpy as np

from keras_xmodal import checks


def check_dense(argument, values):
    """Values of a modality, one for each row, as an array."""
    if isinstance(values, dict) or not hasattr(values, "__len__"):
        raise TypeError(
            f"`{argument}` must be an array, one value for each row. "
            f"Received: {argument} of type {type(values).__name__}"
        )
    values = np.asarray(values)
    if values.ndim == 0:
        raise ValueError(
            f"`{argument}` must be a batch, of rank 1 at least. "
            "Received: a scalar"
        )
    return values


def row_ids(argument, ids, length=None):
    """Ids as Parquet holds them: integers of 64 bits or strings."""
    ids = checks.ids(argument, ids, length)
    if ids.dtype.kind == "U":
        return ids.astype(object)
    if ids.dtype.kind not in "iu":
        raise TypeError(
            f"`{argument}` must be integers or strings. "
            f"Received: {argument} of dtype {ids.dtype}"
        )
    return ids if ids.dtype == "uint64" else ids.astype("int64")


def kind_of_ids(ids):
    """The name of their type in Parquet."""
    return "string" if ids.dtype.kind in "OU" else ids.dtype.name
