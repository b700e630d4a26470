"""Functions of prepared batches, applied to raw examples in memory."""

import threading

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.models import data as data_lib
from keras_xmodal.models.preprocessed import Preprocessed
from keras_xmodal.ops.noise import Noise, resolve_seed

# Threads that share a model build and trace it one after the other.
_TRACING = threading.RLock()


def apply_to_rows(
    model,
    key,
    function,
    x,
    rows=(),
    present=None,
    *,
    batch_size,
    seed=None,
    check=None,
):
    """Apply a function to examples, batch by batch, preprocessing included.

    It is compiled once for a key and a kind of `x`, whatever the number of
    examples, and kept by the model.

    Args:
        model: `MultimodalModel`.
        key: Tuple of what `function` depends on, but for its arguments.
        function: Function of what a call of the model takes, the `rows` of
            the batch and `LatentNoise`, to tensors.
        x: Raw examples, whose names and sizes are checked.
        rows: Structure of further arrays of as many rows.
        present: Dict `{modality: boolean (examples,)}`, or None.
        batch_size: Positive integer.
        seed: Integer of the noise, or None for a random one.
        check: Function of NumPy arrays, prepared `x` and `present`, that
            raises where they are wrong; or None.

    Returns:
        NumPy arrays, in the structure of what `function` returns.
    """
    checks.positive_integer("batch_size", batch_size)
    seed = resolve_seed(seed)
    data = x, present or {}, rows
    compiled = _compiled(model, key, function, data, check)
    count = len(keras.tree.flatten(data)[0])
    outputs = []
    for start in range(0, count, batch_size):
        batch = keras.tree.map_structure(
            data_lib.to_tensor,
            data_lib.take_rows(data, slice(start, start + batch_size)),
        )
        noise = (tf.constant(n, "int64") for n in (seed, start))
        try:
            output = compiled(*_plain(batch), *noise)
        except tf.errors.InvalidArgumentError:
            _prepare(model, *batch[:2], check)  # Raises what can be read.
            raise
        outputs.append(keras.tree.map_structure(lambda y: y.numpy(), output))
    return keras.tree.map_structure(
        lambda *parts: np.concatenate(parts), *outputs
    )


def _compiled(model, key, function, data, check):
    """The function of a model for a kind of data, traced for any size."""
    x = data[0]
    is_prepared = isinstance(x, Preprocessed)
    names = tuple(x) if isinstance(x, dict) else ()
    key = *key, names, is_prepared, _adapted(model)
    specs = keras.tree.map_structure(_spec, _plain(data))
    kind = key, tuple(map(str, keras.tree.flatten(specs)))
    if kind in model._functions:
        return model._functions[kind]
    with _TRACING:
        return _trace(model, key, kind, function, data, specs, check)


def _trace(model, key, kind, function, data, specs, check):
    """Build the model where it is not yet, and trace for a kind of data."""
    is_prepared = isinstance(data[0], Preprocessed)
    _look(model, *data[:2])
    if key not in model._functions:

        @tf.function(reduce_retracing=True)
        def compiled(x, present, rows, seed, first_row):
            num_rows = tf.shape(keras.tree.flatten((x, present, rows))[0])[0]
            if is_prepared:
                x = Preprocessed(x)
            x = _prepare(model, x, present, check)
            first_row = tf.cast(first_row, "int32")
            noise = Noise(seed).latents(num_rows, first_row)
            return function(x, rows, noise)

        model._functions[key] = compiled
    scalar = tf.TensorSpec((), "int64")
    model._functions[key].get_concrete_function(*specs, scalar, scalar)
    model._functions[kind] = model._functions[key]
    return model._functions[kind]


def _prepare(model, x, present, check=None):
    """What a call takes."""
    if not keras.tree.flatten(x):
        return x
    if present:
        x = data_lib.fill_missing(x, present)
    x = model._prepare((x,), inputs=True)[0]
    if check is not None and tf.is_symbolic_tensor(keras.tree.flatten(x)[0]):
        data_lib.check_in_graph(check, x, present)
    elif check is not None:
        check(*keras.tree.map_structure(np.asarray, (x, present)))
    return x


def _look(model, x, present):
    """Check what the first examples become, and build the model for them."""
    if not keras.tree.flatten(x):
        return
    first = data_lib.take_rows((x, present), slice(0, 32))
    prepared = _prepare(
        model, *keras.tree.map_structure(data_lib.to_tensor, first)
    )
    model._check_input(prepared)
    if not model.built:
        model._build_on(prepared)


def _adapted(model):
    """Identity of what `adapt` replaces in preprocessors."""
    return tuple(
        id(value)
        for preprocessor in model.preprocessors.values()
        for layer in preprocessor._flatten_layers()
        if hasattr(layer, "adapt")
        for value in vars(layer).values()
        if not isinstance(value, (int, float, str, type(None)))
    )


def _spec(value):
    dtype = data_lib.to_tensor(value[:1]).dtype
    return tf.TensorSpec((None, *value.shape[1:]), dtype)


def _plain(data):
    """Plain dicts, which all that `tf.function` compares understands."""
    x, *rest = data
    return dict(x) if isinstance(x, dict) else x, *rest
