"""What a signature takes: the rules, for clients and servers."""

import numpy as np
import tensorflow as tf

from keras_xmodal import checks


def check_inputs(inputs, specs):
    """Inputs of a signature as arrays of its dtypes and shapes.

    Integers and floats are converted where the signature's dtype holds them;
    strings become bytes.

    Args:
        inputs: Dict of arrays or sequences by the name of the input.
        specs: Dict of `tf.TensorSpec` by the name of the input.
    """
    checks.instance_of("inputs", inputs, dict, "a dict {name: array}")
    if set(inputs) != set(specs):
        raise ValueError(
            f"`inputs` must hold {sorted(specs)}. "
            f"Received: {sorted(map(str, inputs))}"
        )
    arrays = {
        name: check_input(f"inputs[{name!r}]", inputs[name], spec)
        for name, spec in specs.items()
    }
    checks.same_length(
        "inputs",
        {name: len(value) for name, value in arrays.items() if value.ndim},
        1,
    )
    return arrays


def check_input(argument, value, spec):
    """One input as an array of its dtype and shape."""
    if spec.dtype == tf.string:
        array = to_bytes(checks.string_array(argument, value))
    else:
        array = _numbers(argument, value, spec.dtype)
    if spec.shape.rank is not None:
        sizes = [size or "any" for size in spec.shape]
        if spec.shape.rank:
            sizes[0] = sizes[0] if spec.shape[0] else "batch"
        checks.shape(argument, array.shape, tuple(sizes))
    return array


def to_array(argument, value):
    """An input whose signature is not known; strings become bytes."""
    array = np.asarray(checks.array(argument, value))
    if array.dtype == object:
        return to_bytes(array)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"`{argument}` must hold numbers, booleans or strings. "
            f"Received: {array.dtype}"
        )
    return checks.finite(argument, array)


def to_bytes(array):
    """An array of objects, in which strings are bytes in UTF-8."""
    array = np.asarray(array)
    encoded = np.empty(array.shape, object)
    for index, item in np.ndenumerate(array):
        encoded[index] = item.encode() if isinstance(item, str) else item
    return encoded


def _numbers(argument, value, dtype):
    array = np.asarray(checks.array(argument, value))
    kinds = "b" if dtype.is_bool else "iu" if dtype.is_integer else "iuf"
    if array.size and array.dtype.kind not in kinds:
        raise TypeError(
            f"`{argument}` must hold {dtype.name}. "
            f"Received: {'strings' if array.dtype == object else array.dtype}"
        )
    if dtype.is_integer:
        checks.values(argument, array, dtype.min, dtype.max)
    with np.errstate(over="ignore"):  # It becomes infinite.
        array = array.astype(dtype.as_numpy_dtype)
    return checks.finite(argument, array)
