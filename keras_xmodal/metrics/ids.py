"""Ids of several sources, brought together."""

import numpy as np

from keras_xmodal import checks


def concatenate_ids(arrays, argument="ids"):
    """Join ids without changing any: no rounding, no truncation.

    Args:
        arrays: List of NumPy arrays of shape `(rows,)`.
        argument: Name of the argument in the error.

    Returns:
        NumPy array of the common dtype.

    Raises:
        TypeError: If they are of different kinds, such as numbers and strings.
        ValueError: If no integer dtype, or unit of time, holds all of them.
    """
    families = {
        family
        for family in checks.ID_FAMILIES
        for array in arrays
        if array.dtype.kind in family
    }
    if len(families) > 1:
        raise TypeError(
            f"`{argument}` must be of one kind. Received: dtypes "
            f"{[str(array.dtype) for array in arrays]}"
        )
    # Together, NumPy makes uint64 and int64 to float64, exact up to 2**53.
    if families == {"biu"} and np.result_type(*arrays).kind == "f":
        filled = [array for array in arrays if array.size]
        low = min(int(array.min()) for array in filled)
        high = max(int(array.max()) for array in filled)
        dtype = "int64" if high < 2**63 else "uint64"
        if dtype == "uint64" and low < 0:
            raise ValueError(
                f"`{argument}` must fit one integer dtype. "
                f"Received: ids from {low} to {high}"
            )
        arrays = [array.astype(dtype) for array in arrays]
    if families <= {"M", "m"}:
        arrays = _of_one_unit(arrays, argument)
    return np.concatenate(arrays)


def _of_one_unit(arrays, argument):
    """Dates or durations of several units, none of which may overflow."""
    try:
        dtype = np.result_type(*arrays)
        joined = [array.astype(dtype) for array in arrays]
        exact = all(
            (one.astype(array.dtype) == array).all()
            for one, array in zip(joined, arrays, strict=True)
        )
    except (TypeError, OverflowError):
        exact = False
    if not exact:
        raise ValueError(
            f"`{argument}` must fit one unit of time. Received: dtypes "
            f"{[str(array.dtype) for array in arrays]}"
        )
    return joined


def match_ids(*arrays, argument="ids"):
    """Replace ids by small integers, equal where the ids are.

    Args:
        *arrays: NumPy arrays of shape `(rows,)`, as `checks.ids` returns them.
        argument: Name of the argument in the error.

    Returns:
        List of int64 arrays, numbered from 0 over all of the arrays.

    Raises:
        TypeError: If they are of different kinds.
        ValueError: If no integer dtype, or unit of time, holds all of them.
    """
    merged = concatenate_ids(arrays, argument)
    _, codes = np.unique(merged, return_inverse=True)
    ends = np.cumsum([len(array) for array in arrays])
    return np.split(codes.astype("int64"), ends[:-1])
