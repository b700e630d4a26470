"""Checks of embeddings and ids, shared by all that compares them."""

import numpy as np

# Kinds of NumPy dtypes whose values can be equal to each other.
_FAMILIES = ("biu", "f", "c", "U", "S", "M", "m")
# What a plain sequence must hold throughout, or NumPy has converted it.
_PYTHON_TYPES = {"U": str, "S": bytes, "f": float}


def check_embeddings(embeddings, argument, dtype="float32"):
    """Check embeddings and cast them.

    Args:
        embeddings: Array of shape `(rows, dim)`.
        argument: Name of the argument in the error.
        dtype: Dtype of the result, a NumPy float.

    Returns:
        NumPy array of shape `(rows, dim)` and of this dtype.

    Raises:
        TypeError: If they are not real numbers.
        ValueError: If they have another rank, no rows or columns, or are not
            finite.
    """
    embeddings = np.asarray(embeddings)
    kind = embeddings.dtype.kind
    if kind not in "fiu" and embeddings.dtype.name != "bfloat16":
        raise TypeError(
            f"`{argument}` must be real numbers. "
            f"Received: {argument} of dtype {embeddings.dtype}"
        )
    if embeddings.ndim != 2 or 0 in embeddings.shape:
        raise ValueError(
            f"`{argument}` must have shape (rows, dim), neither being 0. "
            f"Received: {argument}.shape={embeddings.shape}"
        )
    embeddings = embeddings.astype(dtype)
    wrong = ~np.isfinite(embeddings).all(axis=1)
    if wrong.any():
        raise ValueError(
            f"`{argument}` must be finite. Received: NaN or infinity in "
            f"{int(wrong.sum())} of {len(wrong)} rows, first in row "
            f"{int(wrong.argmax())}"
        )
    return embeddings


def check_ids(ids, num_rows=None, argument="ids"):
    """Check ids, of any dtype whose values compare as equal or not.

    Args:
        ids: Array or sequence of shape `(rows,)`. Objects that are all
            strings, or bytes of UTF-8, become a string array.
        num_rows: Integer, the length they must have; None for any.
        argument: Name of the argument in the error.

    Returns:
        NumPy array of shape `(rows,)`, not of dtype object.

    Raises:
        TypeError: If they are of mixed types or of a type without equality.
        ValueError: If the shape is wrong or one is NaN.
    """
    array = np.asarray(ids)
    if array.ndim != 1 or num_rows not in (None, len(array)):
        raise ValueError(
            f"`{argument}` must have shape ({num_rows or 'rows'},), one id "
            f"per row. Received: {argument}.shape={array.shape}"
        )
    kind = array.dtype.kind
    if kind == "O":
        array = _strings(array, argument)
    elif kind == "T":
        array = array.astype(str)
    elif not any(kind in family for family in _FAMILIES):
        raise TypeError(
            f"`{argument}` must be numbers, strings or dates. "
            f"Received: {argument} of dtype {array.dtype}"
        )
    elif kind in _PYTHON_TYPES and not hasattr(ids, "dtype"):
        allowed = (_PYTHON_TYPES[kind], np.generic)
        if not all(isinstance(value, allowed) for value in ids):
            raise TypeError(
                f"`{argument}` must be of one type. "
                f"Received: types {_type_names(ids)}"
            )
    missing = array != array
    if missing.any():
        raise ValueError(
            f"`{argument}` must not be NaN or NaT, which equals nothing. "
            f"Received: {int(missing.sum())} of {len(array)}"
        )
    return array


def concatenate_ids(arrays, argument="ids"):
    """Join ids without changing any: no rounding, no truncation.

    Args:
        arrays: List of NumPy arrays of shape `(rows,)`.
        argument: Name of the argument in the error.

    Returns:
        NumPy array of the common dtype.

    Raises:
        TypeError: If they are of different kinds, such as numbers and strings.
        ValueError: If no integer dtype holds all of them.
    """
    families = {
        family
        for family in _FAMILIES
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
    return np.concatenate(arrays)


def match_ids(*arrays, argument="ids"):
    """Replace ids by small integers, equal where the ids are.

    Args:
        *arrays: NumPy arrays of shape `(rows,)`, as `check_ids` returns them.
        argument: Name of the argument in the error.

    Returns:
        List of int64 arrays, numbered from 0 over all of the arrays.

    Raises:
        TypeError: If they are of different kinds.
        ValueError: If no integer dtype holds all of them.
    """
    merged = concatenate_ids(arrays, argument)
    _, codes = np.unique(merged, return_inverse=True)
    ends = np.cumsum([len(array) for array in arrays])
    return np.split(codes.astype("int64"), ends[:-1])


def _strings(array, argument):
    if all(isinstance(value, bytes) for value in array):
        array = np.array([value.decode("utf-8") for value in array])
    if all(isinstance(value, str) for value in array):
        return array.astype(str)
    raise TypeError(
        f"`{argument}` must be of a NumPy dtype with equality, or all strings. "
        f"Received: objects of types {_type_names(array)}"
    )


def _type_names(values):
    return sorted({type(value).__name__ for value in values})
