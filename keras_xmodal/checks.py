"""The rules that arguments must keep, each written once.

A check takes the name of the argument, for its error, and what was passed. It
returns the value in its plain form, so that a configuration can be saved: a
NumPy scalar or a tensor of one number becomes a Python number. What is of a
wrong type is a TypeError, what is of the right type but not allowed a
ValueError. A bool is no number, and 2.0 no integer. With `optional=True`,
None is allowed and returned.
"""

import datetime
import inspect
import keyword
import math
import numbers
import operator
import os
import pathlib
import re
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

_LARGEST = 2**31 - 1
_LARGEST_FLOAT = float(np.finfo(np.float32).max)
# Kinds of NumPy dtypes whose values can be equal to each other.
ID_FAMILIES = ("biu", "f", "c", "U", "S", "M", "m")
_MODALITY_NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")
# Kinds of objects that ids may be, and their dtypes; None for NumPy's choice.
_ID_TYPES = (
    ((str, bytes), object),
    ((bool, np.bool_), bool),
    (numbers.Integral, None),
    ((float, np.floating), None),
    ((datetime.date, np.datetime64), "datetime64"),
    ((datetime.timedelta, np.timedelta64), "timedelta64"),
)


# Numbers


def integer(argument, value, least=None, most=None, optional=False):
    """An integer, from `least` to `most` where these are given.

    No size or count is above 2**31 - 1: no loop or tensor would end.
    """
    if optional and value is None:
        return None
    rule = _or_none(_integer_rule(least, most), optional)
    plain = _as_integer(value)
    if plain is None:
        raise _type_error(argument, rule, value)
    if least is not None and plain < least:
        raise _value_error(argument, rule, value)
    if plain > (_LARGEST if most is None else most):
        rule += f", of at most {_LARGEST}" if most is None else ""
        raise _value_error(argument, rule, value)
    return plain


def positive_integer(argument, value, optional=False):
    """An integer above 0."""
    return integer(argument, value, 1, optional=optional)


def seed(value, optional=False):
    """A seed of random numbers: an integer from 0 to 2**32 - 1."""
    return integer("seed", value, 0, 2**32 - 1, optional)


def positive_integers(argument, values, length=None, empty=False):
    """A tuple of integers above 0, of this length; not empty by default."""
    rule = "a tuple of positive integers"
    if length is not None:
        rule = f"a tuple of {length} positive integers"
    elif not empty:
        rule = "a tuple of positive integers, not empty"
    return _positive_integers(argument, values, rule, length, empty)


def increasing_integers(argument, values):
    """A tuple of integers above 0, each larger than the one before."""
    found = positive_integers(argument, values)
    if list(found) != sorted(set(found)):
        rule = "a tuple of positive integers, increasing"
        raise _value_error(argument, rule, values)
    return found


def image_size(argument, value):
    """A pair of positive integers, as a tuple."""
    rule = "a pair of positive integers, height and width"
    return _positive_integers(argument, value, rule, 2, False)


def in_range(argument, value, low, high, ends="[]", optional=False):
    """A number from `low` to `high`; `ends="[)"` leaves out `high`."""
    if optional and value is None:
        return None
    rule = f"in {ends[0]}{low:g}, {high:g}{ends[1]}"
    rule = _or_none(rule, optional)
    plain = _as_number(value)
    if plain is None:
        raise _type_error(argument, f"a number {rule}", value)
    above = plain > low or (ends[0] == "[" and plain == low)
    below = plain < high or (ends[1] == "]" and plain == high)
    if not (above and below):
        raise _value_error(argument, rule, value)
    return plain


def number(argument, value, optional=False):
    """A finite number."""
    return _finite_number(argument, value, "a finite number", None, optional)


def positive(argument, value, optional=False):
    """A finite number above 0."""
    return _finite_number(
        argument, value, "a positive number", lambda x: x > 0, optional
    )


def not_negative(argument, value, optional=False):
    """A finite number of at least 0."""
    return _finite_number(
        argument, value, "a non-negative number", lambda x: x >= 0, optional
    )


def increasing_pair(argument, value):
    """Two finite numbers, the first one smaller, as a tuple."""
    rule = "a pair of a smaller and a larger number"
    pair = [_as_number(item) for item in items(argument, value, rule)]
    if None in pair:
        raise _type_error(argument, rule, value)
    if len(pair) != 2 or not -math.inf < pair[0] < pair[1] < math.inf:
        raise _value_error(argument, rule, value)
    return tuple(pair)


# Names, choices, objects


def string(argument, value, optional=False):
    """A string."""
    return instance_of(argument, value, str, "a string", optional)


def strings(argument, values, empty=False):
    """A sequence of strings, as a tuple; not empty by default."""
    rule = "a sequence of strings" + ("" if empty else ", not empty")
    found = items(argument, values, rule)
    if not all(isinstance(item, str) for item in found):
        raise _type_error(argument, rule, values)
    if not found and not empty:
        raise _value_error(argument, rule, values)
    return tuple(map(str, found))


def verbose(value):
    """`verbose` as Keras takes it, as a boolean: whether to show progress."""
    if isinstance(value, str):
        one_of("verbose", value, ("auto",))
    elif not isinstance(value, numbers.Integral) or value not in (0, 1, 2):
        raise _value_error("verbose", "'auto', 0, 1 or 2", value)
    return bool(value)


def one_of(argument, value, options, optional=False):
    """One of several options, which is returned as it is among them."""
    if optional and value is None:
        return None
    options = list(options)
    for option in options:
        if isinstance(value, type(option)) and value == option:
            return option
    raise _value_error(argument, _or_none(f"one of {options}", optional), value)


def items(argument, values, rule):
    """A list of what a sequence or an array holds."""
    several = isinstance(values, np.ndarray) and values.ndim != 1
    if several or isinstance(values, (str, bytes, dict)):
        raise _type_error(argument, rule, values)
    try:
        return list(values)
    except TypeError:
        raise _type_error(argument, rule, values) from None


def some_of(argument, values, options, empty=False):
    """Different ones of several options, as a tuple; not empty by default."""
    options = list(options)
    rule = f"{'' if empty else 'one or several '}different ones of {options}"
    found = items(argument, values, f"a tuple or list of {rule}")
    known = all(item in options for item in found)
    if not known or len(set(found)) < len(found) or not (found or empty):
        raise _value_error(argument, rule, values)
    return tuple(found)


def path(argument, value, optional=False):
    """A string or path object, as an absolute `pathlib.Path`."""
    kinds = (str, os.PathLike)
    value = instance_of(
        argument, value, kinds, "a string or path object", optional
    )
    if value is None:
        return None
    if "\0" in os.fsdecode(value):
        raise _value_error(argument, "a path without a null character", value)
    return pathlib.Path(os.path.abspath(os.path.expanduser(value)))


def keras_layer(argument, value, optional=False):
    """A Keras layer or model."""
    kind = keras.layers.Layer
    return instance_of(
        argument, value, kind, "a Keras layer or model", optional
    )


def keras_layers(argument, layers, optional=False):
    """A dict of Keras layers by modality, copied; empty where it is None."""
    if optional and layers is None:
        return {}
    instance_of(
        argument, layers, dict, "a dict {modality: keras layer}", optional
    )
    return {
        name: keras_layer(f"{argument}[{name!r}]", layer)
        for name, layer in layers.items()
    }


def serving_model(argument, value):
    """A model that lists its `endpoints`."""
    is_layer = isinstance(value, keras.layers.Layer)
    if not is_layer or not callable(getattr(value, "endpoints", None)):
        raise TypeError(
            f"`{argument}` must say what it serves by a method `endpoints`, as "
            "the models of this package. "
            f"Received: {argument} of type {type(value).__name__}"
        )
    return value


def encodes(model):
    """A model that encodes raw examples."""
    if isinstance(model, str) or not callable(getattr(model, "encode", None)):
        raise TypeError(
            "`model` must have a method `encode(x, modality=...)`. "
            f"Received: model of type {type(model).__name__}"
        )
    return model


def instance_of(argument, value, kinds, rule, optional=False):
    """An instance of a class or one of several, which `rule` describes."""
    if not isinstance(value, kinds) and not (optional and value is None):
        raise _type_error(argument, _or_none(rule, optional), value)
    return value


def keyword_arguments(owner, received, known=("name", "trainable")):
    """Keyword arguments for a base class which would lose others silently."""
    unknown = [name for name in received if name not in known]
    if unknown:
        parameters = inspect.signature(type(owner).__init__).parameters
        own = [*parameters][1:-1]  # without `self` and `kwargs`
        raise TypeError(
            f"The arguments of `{type(owner).__name__}` must be of "
            f"{[*own, *known]}. Received: {', '.join(unknown)}"
        )
    return received


# Modalities


def modalities(argument, data, known, complete=False):
    """A dict by modality: known ones, at least one; all with `complete`."""
    known = list(known)
    if not isinstance(data, dict):
        raise TypeError(
            f"`{argument}` must be a dict of modalities {{name: value}} with "
            f"names of {known}. Received: {argument} of type "
            f"{type(data).__name__}"
        )
    unknown = [name for name in data if name not in known]
    if unknown or not data or (complete and len(data) < len(known)):
        count = "all of them" if complete else "at least one"
        raise ValueError(
            f"`{argument}` must hold modalities of {known}, {count}. "
            f"Received: {argument} with keys {list(data)}"
            + (f", of which {unknown} are unknown" if unknown else "")
        )
    return data


def modality_names(argument, names):
    """Names of modalities, as a tuple.

    They become names of layers, metrics, files, signatures and their inputs.
    Of the latter, TensorFlow makes arguments of Python functions.
    """
    names = tuple(names)
    rule = (
        "names of modalities must be strings of ASCII letters, digits and "
        "underscores, which start with a letter, and neither 'self' nor a "
        "keyword of Python, such as 'class'"
    )
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"`{argument}`: {rule}. Received: {name!r} of type "
                f"{type(name).__name__}"
            )
        is_reserved = keyword.iskeyword(name) or name == "self"
        if is_reserved or not _MODALITY_NAME.fullmatch(name):
            raise ValueError(f"`{argument}`: {rule}. Received: {name!r}")
    return names


def modality_pairs(argument, pairs, known=None):
    """Pairs of two different modalities, each pair once; None stays None."""
    if pairs is None:
        return None
    rule = "pairs of two different modalities"
    if known is not None:
        rule += f" of {list(known)}"
    pairs = [
        tuple(items(argument, pair, rule))
        for pair in items(argument, pairs, rule)
    ]
    wrong = any(
        len(pair) != 2
        or not all(isinstance(name, str) for name in pair)
        or pair[0] == pair[1]
        or (known is not None and not set(pair) <= set(known))
        for pair in pairs
    )
    if wrong or len(set(map(frozenset, pairs))) < len(pairs):
        raise _value_error(argument, f"{rule}, each pair once", pairs)
    return pairs


def examples(argument, x):
    """A dict of arrays of equally many examples, at least one."""
    instance_of(argument, x, dict, "a dict {modality: array}")
    x = {
        name: np.asarray(array(f"{argument}[{name!r}]", value))
        for name, value in x.items()
    }
    lengths = {
        name: len(value) if value.ndim else 0 for name, value in x.items()
    }
    if not same_length(argument, lengths, 1):
        raise _value_error(argument, "a dict {modality: array}, not empty", x)
    return x


def same_length(argument, lengths, least=0):
    """One length for all of a dict of lengths; None is unknown, fits any."""
    known = {name: n for name, n in lengths.items() if n is not None}
    different = set(known.values())
    if len(different) > 1 or min(different, default=least) < least:
        at_least = f", at least {least}" if least else ""
        raise ValueError(
            f"`{argument}` must hold equally many examples of each{at_least}. "
            f"Received: numbers of examples {known}"
        )
    return next(iter(known.values()), None)


# Arrays


def array(argument, value):
    """A NumPy array, of strings and bytes as objects; tensors stay such.

    NumPy's own dtype of bytes loses the zeros at the end of a file, and takes
    the room of the longest one for each.
    """
    if keras.ops.is_tensor(value) or isinstance(value, keras.KerasTensor):
        return value
    array = _numpy(argument, value, object if _holds_text(value) else None)
    if array.dtype.kind == "S":
        _check_no_files(argument, array)
    if array.dtype.kind in "SUT":
        array = array.astype(object)
    if array.dtype.kind == "O":
        _check_texts(argument, array)
    return array


def string_array(argument, value):
    """Strings or bytes as an array of objects; a tensor stays such."""
    if isinstance(value, (list, tuple)) and not value:
        return np.empty(0, object)
    value = array(argument, value)
    if getattr(value.dtype, "name", value.dtype) not in ("object", "string"):
        raise TypeError(
            f"`{argument}` must hold strings. Received: dtype={value.dtype}"
        )
    return value


def values(argument, tensor, low, high, rule="", tolerance=0):
    """Numbers from `low` to `high`, checked in a graph as well.

    `rule` says more than the range does. NumPy arrays stay such.
    """
    dtype = tf.as_dtype(tensor.dtype)
    if dtype.is_integer:
        if low <= dtype.min and dtype.max <= high:
            return tensor
        tolerance = 0
    rule = f"`{argument}` must be {rule or f'from {low} to {high}'}. Received:"
    low, high = low - tolerance, high + tolerance
    if tf.is_symbolic_tensor(tensor):
        number = tf.cast(tensor, tf.int64) if dtype.is_integer else tensor
        inside = tf.reduce_all((number >= low) & (number <= high))
        ends = tf.reduce_min(number), tf.reduce_max(number)
        check = tf.debugging.Assert(
            inside, [f"{rule} values from", ends[0], "to", ends[1]]
        )
        with tf.control_dependencies([check]):
            return tf.identity(tensor)
    array = np.asarray(tensor)
    if array.size:
        least, most = array.min(), array.max()  # NaN where there is one
        if not low <= least <= most <= high:
            raise ValueError(f"{rule} values from {least:g} to {most:g}")
    return tensor


def known_values(argument, tensor, low, high, rule=""):
    """As `values`, where the numbers are known: in no graph."""
    if isinstance(tensor, keras.KerasTensor) or tf.is_symbolic_tensor(tensor):
        return tensor
    return values(argument, tensor, low, high, rule)


def floats(argument, tensor, rule):
    """A tensor of floats, which `rule` describes."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if not dtype.startswith(("float", "bfloat")):
        raise TypeError(
            f"`{argument}` must be {rule}. "
            f"Received: {argument} of dtype {dtype}"
        )
    return tensor


def real_numbers(argument, value):
    """Integers or floats, as a NumPy array."""
    value = _numpy(argument, value)
    if value.dtype.kind not in "fiu" and value.dtype.name != "bfloat16":
        raise TypeError(
            f"`{argument}` must be real numbers. "
            f"Received: {argument} of dtype {value.dtype}"
        )
    return value


def finite(argument, value, hint="", there=None):
    """An array without NaN and infinity; other dtypes than floats pass.

    With `there`, boolean of shape `(examples,)`, only these are looked at.
    """
    value = np.asarray(value)
    floats = value.dtype.kind in "fc" or value.dtype.name == "bfloat16"
    if not floats or not value.size:
        return value
    count = len(value) if value.ndim else 1
    wrong = ~np.isfinite(value.reshape(count, -1)).all(axis=1)
    if there is not None:
        wrong &= there
    if wrong.any():
        raise ValueError(
            f"`{argument}` must be finite. Received: NaN or infinity in "
            f"{int(wrong.sum())} of {len(wrong)} examples, first in example "
            f"{int(wrong.argmax())}" + (f". {hint}" if hint else "")
        )
    return value


def shape(argument, received, *expected, known=()):
    """A shape of these sizes, or of one of several.

    None and names fit any size, as an unknown size does, unless `known` names
    it; `...` fits any number of sizes.
    """
    received = tuple(received)
    if not any(_shape_fits(received, sizes, known) for sizes in expected):
        rule = " or ".join(map(_shape_rule, expected))
        with_known = f", with known {' and '.join(known)}" if known else ""
        raise ValueError(
            f"`{argument}` must have shape {rule}{with_known}. "
            f"Received: {argument}.shape={received}"
        )
    return received


def tensor(argument, value, *expected, dtype="float32"):
    """Real numbers or booleans as a tensor of one of these shapes.

    With `dtype=None`, they keep their own.
    """
    if not keras.ops.is_tensor(value):
        value = array(argument, value)
    kind = getattr(value.dtype, "name", value.dtype)
    if not kind.startswith(("float", "bfloat", "int", "uint", "bool")):
        raise TypeError(
            f"`{argument}` must be real numbers. "
            f"Received: {argument} of dtype {kind}"
        )
    if expected:
        shape(argument, value.shape, *expected)
    if dtype is None:
        return keras.ops.convert_to_tensor(value)
    return keras.ops.cast(value, dtype)


def broadcast(**shapes):
    """Shapes that broadcast, by the names of arguments; None fits any size."""
    longest = max(len(shape) for shape in shapes.values())
    padded = [(1,) * (longest - len(s)) + tuple(s) for s in shapes.values()]
    for sizes in zip(*padded, strict=True):
        if len({size for size in sizes if size not in (None, 1)}) > 1:
            raise ValueError(
                f"`{'`, `'.join(shapes)}` must broadcast with each other. "
                f"Received: shapes { {n: tuple(s) for n, s in shapes.items()} }"
            )


def left_out(rule, **arguments):
    """Refuse arguments, by their names, that are given and say nothing."""
    for argument, value in arguments.items():
        if value is not None and value != [] and value != {}:
            raise ValueError(
                f"{rule}: leave `{argument}` out. "
                f"Received: {argument}={value!r}"
            )


def boolean(argument, value):
    """True or False."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise _type_error(argument, "True or False", value)


def booleans(argument, values):
    """An array of truth values, from booleans or the numbers 0 and 1."""
    array = _numpy(argument, values)
    if not np.isin(array, (False, True)).all():
        raise ValueError(
            f"`{argument}` must hold True or False. "
            f"Received: {argument}={values!r}"
        )
    return array.astype(bool)


def functions(argument, values, optional=False):
    """A dict of functions by modality, copied; empty where it is None."""
    if optional and values is None:
        return {}
    fits = isinstance(values, Mapping) and all(map(callable, values.values()))
    if not fits:
        raise _type_error(argument, "a dict {modality: function}", values)
    return dict(values)


def shapes(argument, received, known=(), **expected):
    """The shapes of a list of tensors, each by its name, as tuples."""
    received = received if isinstance(received, (list, tuple)) else [received]
    found = [tuple(s) for s in received if isinstance(s, (list, tuple))]
    if not len(found) == len(received) == len(expected):
        raise ValueError(
            f"`{argument}` must be a list [{', '.join(expected)}]. "
            f"Received: {argument} of shape {received}"
        )
    return [
        shape(name, sizes, expected[name], known=known)
        for name, sizes in zip(expected, found, strict=True)
    ]


def same_shape(**shapes):
    """One shape for all, by the names of arguments; None fits any size."""
    return _same("the same shape", shapes, slice(None))


def same_dim(**shapes):
    """One size of the last axis for all, by the names of arguments."""
    return _same("the same dim", shapes, slice(-1, None))


def embeddings(argument, value, dtype="float32") -> np.ndarray:
    """Finite vectors of shape `(examples, dim)`, as floats of this dtype.

    With `dtype=None`, float32 or what they have that is more exact.
    """
    value = real_numbers(argument, value)
    if value.ndim != 2 or 0 in value.shape:
        raise ValueError(
            f"`{argument}` must have shape (examples, dim), neither being 0. "
            f"Received: {argument}.shape={value.shape}"
        )
    finite(argument, value)
    with np.errstate(over="ignore"):
        floats = value.astype(dtype or np.result_type(value, "float32"))
    if not np.isfinite(floats).all():
        raise ValueError(
            f"`{argument}` must be numbers that {floats.dtype} holds, up to "
            f"{np.finfo(floats.dtype).max:g}. "
            f"Received: {argument} from {value.min():g} to {value.max():g}"
        )
    return floats


def ids(argument, value, length=None) -> np.ndarray:
    """Ids of shape `(examples,)`, of any dtype whose values can be equal.

    Strings and bytes of UTF-8 are of one kind, a string array.
    """
    array = _numpy(argument, value)
    if array.dtype.kind in "fU" and not hasattr(value, "dtype"):
        array = _numpy(argument, value, object)  # which are not converted
    if array.ndim != 1 or length not in (None, len(array)):
        expected = "examples" if length is None else length
        raise ValueError(
            f"`{argument}` must have shape ({expected},), one id per example. "
            f"Received: {argument}.shape={array.shape}"
        )
    kind = array.dtype.kind
    if kind in "OST":
        array = _id_array(argument, array.astype(object))
    elif not any(kind in family for family in ID_FAMILIES):
        raise TypeError(
            f"`{argument}` must be numbers, strings or dates. "
            f"Received: {argument} of dtype {array.dtype}"
        )
    missing = array != array
    if missing.any():
        raise ValueError(
            f"`{argument}` must not be NaN or NaT, which equals nothing. "
            f"Received: {int(missing.sum())} of {len(array)}"
        )
    return array


def integer_ids(argument, value):
    """Integer ids of shape `(examples,)`; tensors, also symbolic, stay such."""
    if getattr(value, "dtype", None) is None:
        value = np.asarray(value)
    dtype = getattr(value.dtype, "name", value.dtype)
    if not dtype.startswith(("int", "uint")):
        raise TypeError(
            f"`{argument}` must hold the integer id of each example, equal "
            "where two examples describe the same item. "
            f"Received: {argument} of dtype {dtype}"
        )
    if len(value.shape) != 1:
        raise ValueError(
            f"`{argument}` must hold one id per example, of shape (batch,). "
            f"Received: {argument}.shape={tuple(value.shape)}"
        )
    return value


def class_ids(argument, value, length=None, num_classes=None):
    """Integers from 0 of shape `(examples,)`, below `num_classes`."""
    value = np.asarray(value)
    if value.ndim != 1 or length not in (None, len(value)):
        expected = "examples" if length is None else length
        raise ValueError(
            f"`{argument}` must have shape ({expected},), one class for each "
            f"example. Received: {argument}.shape={value.shape}"
        )
    if value.dtype.kind not in "iu":
        raise TypeError(
            f"`{argument}` must be integers, the indices of classes. "
            f"Received: {argument} of dtype {value.dtype}"
        )
    high = math.inf if num_classes is None else num_classes - 1
    if value.size and not 0 <= value.min() <= value.max() <= high:
        rule = f"be from 0 to {high}" if num_classes else "not be negative"
        raise ValueError(
            f"`{argument}` must {rule}. Received: {argument} from "
            f"{value.min()} to {value.max()}"
        )
    return value


def _holds_text(value):
    if isinstance(value, (list, tuple)):
        return any(map(_holds_text, value))
    return isinstance(value, (str, bytes))


def _check_texts(argument, array):
    for index, item in np.ndenumerate(array):
        if not isinstance(item, (str, bytes)):
            raise TypeError(
                f"`{argument}` must hold numbers, or nothing but strings. "
                "Where a text is missing, give '' with `sample_weight` 0. "
                f"Received: {repr(item)[:40]} of type {type(item).__name__} "
                f"in example {index[0] if index else 0}"
            )


def _check_no_files(argument, array):
    """Refuse files as bytes of a fixed width, whose ends may be lost."""
    for index, item in np.ndenumerate(array):
        if b"\0" in item:
            raise TypeError(
                f"`{argument}` must hold files as a list of bytes or an array "
                f"of dtype object, as NumPy's {array.dtype} loses the zeros "
                f"at their end. Received: {len(item)} bytes that begin with "
                f"{item[:16]!r} in example {index[0] if index else 0}"
            )


def _numpy(argument, value, dtype=None):
    try:
        return np.asarray(value, dtype)
    except ValueError as error:
        raise ValueError(
            f"`{argument}` must hold arrays of equal shapes. Received: {error}"
        ) from error


def _as_integer(value):
    """A Python integer, or None where it is no integer."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except (TypeError, AttributeError):  # The latter from tensors of floats.
        pass
    array = _as_scalar(value)
    if array is None or array.dtype.kind not in "iu":
        return None
    return int(array)


def _as_number(value):
    """A Python float, or None where it is no real number."""
    array = _as_scalar(value)
    if array is None:
        return None
    if array.dtype.kind in "fiu" or array.dtype.name == "bfloat16":
        return float(array)
    return float(value) if _as_integer(value) is not None else None


def _as_scalar(value):
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, NotImplementedError):  # It is symbolic.
        return None
    return array if array.ndim == 0 else None


def _positive_integers(argument, values, rule, length, empty):
    plain = [_as_integer(value) for value in items(argument, values, rule)]
    if None in plain:
        raise _type_error(argument, rule, values)
    fits = bool(plain) or empty if length is None else len(plain) == length
    if not fits or any(not 1 <= size <= _LARGEST for size in plain):
        raise _value_error(argument, rule, values)
    return tuple(plain)


def _finite_number(argument, value, rule, fits, optional):
    if optional and value is None:
        return None
    rule = _or_none(rule, optional)
    plain = _as_number(value)
    if plain is None:
        raise _type_error(argument, rule, value)
    if not abs(plain) <= _LARGEST_FLOAT or (fits and not fits(plain)):
        raise _value_error(argument, rule, value)
    return plain


def _integer_rule(least, most):
    if least is not None and most is not None:
        return f"an integer from {least} to {most}"
    if most is not None:
        return f"an integer of at most {most}"
    named = {None: "an integer", 0: "a non-negative integer"}
    named[1] = "a positive integer"
    return named.get(least, f"an integer of at least {least}")


def _or_none(rule, optional):
    return f"{rule} or None" if optional else rule


def _same(rule, shapes, part):
    shapes = {name: tuple(sizes) for name, sizes in shapes.items()}
    first, *others = (sizes[part] for sizes in shapes.values())
    if not all(_shape_fits(other, first, ()) for other in others):
        names = " and ".join(f"`{name}`" for name in shapes)
        received = ", ".join(
            f"{n}.shape={sizes}" for n, sizes in shapes.items()
        )
        raise ValueError(f"{names} must have {rule}. Received: {received}")
    return next(iter(shapes.values()))


def _shape_fits(received, expected, known):
    if ... in expected:
        place = expected.index(...)
        between = (None,) * (len(received) - len(expected) + 1)
        expected = (*expected[:place], *between, *expected[place + 1 :])
    return len(received) == len(expected) and all(
        want not in known
        if size is None
        else isinstance(size, numbers.Integral)
        and (want is None or isinstance(want, str) or size == want)
        for size, want in zip(received, expected, strict=True)
    )


def _shape_rule(expected):
    sizes = ["..." if size is ... else str(size) for size in expected]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _id_array(argument, objects):
    """Objects of one kind as an array that has no objects."""
    fitting = [
        pair
        for pair in _ID_TYPES
        if all(isinstance(value, pair[0]) for value in objects)
    ]
    if not fitting:
        names = sorted({type(value).__name__ for value in objects})
        raise TypeError(
            f"`{argument}` must be numbers, strings or dates, of one type. "
            f"Received: objects of types {names}"
        )
    kinds, dtype = fitting[0]
    if dtype is object:
        return _id_strings(argument, objects)
    if kinds is numbers.Integral and len(objects):
        low, high = min(objects), max(objects)
        if not -(2**63) <= low <= high < 2 ** (63 if low < 0 else 64):
            raise ValueError(
                f"`{argument}` must fit one integer dtype of 64 bits. "
                f"Received: ids from {low} to {high}"
            )
        dtype = "int64" if high < 2**63 else "uint64"
    return np.array(objects.tolist(), dtype)


def _id_strings(argument, objects):
    try:
        strings = [
            value.decode() if isinstance(value, bytes) else value
            for value in objects
        ]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`{argument}` must be strings or bytes of UTF-8. "
            f"Received: {error.object!r}"
        ) from error
    # NumPy takes them for the end.
    padded = [string for string in strings if string.endswith("\0")]
    if padded:
        raise ValueError(
            f"`{argument}` must not end in a null character. "
            f"Received: {padded[0]!r}"
        )
    return np.array(strings, str)


def _type_error(argument, rule, value):
    return TypeError(
        f"`{argument}` must be {rule}. "
        f"Received: {argument}={value!r} of type {type(value).__name__}"
    )


def _value_error(argument, rule, value):
    return ValueError(
        f"`{argument}` must be {rule}. Received: {argument}={value!r}"
    )
