"""Tensors as the values of JSON that servers take and give."""

import base64

import numpy as np
import tensorflow as tf


def to_json(array):
    """Nested lists; of bytes, a text where they are one, or `{"b64": ...}`."""
    if array.dtype != object:
        return array.tolist()
    values = np.empty(array.shape, object)
    for index, item in np.ndenumerate(array):
        try:
            values[index] = item.decode()
        except UnicodeDecodeError:
            values[index] = {"b64": base64.b64encode(item).decode()}
    return values.tolist()


def from_json(value, argument="outputs"):
    """An array of numbers, or of bytes where there are strings.

    `null` is how JSON has NaN and infinity.

    Raises:
        ValueError: If the lists have different lengths, or something is no
            number and no string.
    """
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        array = np.array(None)
    if array.dtype.kind in "biuf":
        return array
    # Texts and dicts, as one object each.
    array = np.array(value, object)
    if all(item is None or isinstance(item, float) for item in array.flat):
        return array.astype(float)
    decoded = np.empty(array.shape, object)
    for index, item in np.ndenumerate(array):
        decoded[index] = _to_bytes(item, argument)
    return decoded


def as_dtype(array, dtype):
    """Values of JSON in the dtype that a server tells; strings stay bytes."""
    return array if dtype == tf.string else array.astype(dtype.as_numpy_dtype)


def named(name, array):
    """An output, whose bytes are texts but where its name says `_bytes`."""
    if array.dtype != object or name.endswith("_bytes"):
        return array
    texts = np.empty(array.shape, object)
    try:
        for index, item in np.ndenumerate(array):
            texts[index] = item.decode()
    except UnicodeDecodeError:
        return array
    return texts


def from_base64(text, argument="outputs"):
    """The bytes that a string in base64 stands for."""
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{argument}` must hold bytes as strings in base64. "
            f"Received: {repr(text)[:40]}"
        ) from error


def _to_bytes(item, argument):
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, dict) and list(item) == ["b64"]:
        return from_base64(item["b64"], argument)
    raise ValueError(
        f"`{argument}` must hold numbers, or nothing but strings and "
        '{"b64": string}, in lists of equal lengths. '
        f"Received: {repr(item)[:40]}"
    )
