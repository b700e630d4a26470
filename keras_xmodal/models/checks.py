"""Checks of what a user passes to the models, before training starts.

Each raises a ValueError or TypeError that names the argument, says the rule
and shows what was received.
"""

import itertools
import numbers

import keras
import numpy as np


def check_modalities(data, modalities, argument="x"):
    """Check that a dict names known modalities, at least one.

    Args:
        data: The dict that a user passed.
        modalities: Names that the model knows.
        argument: Name of the argument in the error.

    Raises:
        TypeError: If it is not a dict.
        ValueError: If it is empty or names an unknown modality.
    """
    if not isinstance(data, dict):
        raise TypeError(
            f"`{argument}` must be a dict of modalities "
            f"{{name: batch}} with names of {list(modalities)}. "
            f"Received: {argument} of type {type(data).__name__}"
        )
    unknown = [name for name in data if name not in modalities]
    if unknown or not data:
        raise ValueError(
            f"`{argument}` must hold modalities of {list(modalities)}, at "
            f"least one. Received: {argument} with keys {list(data)}"
        )


def check_same_batch_size(batch_sizes, argument="x"):
    """Check that all known batch sizes are equal.

    Args:
        batch_sizes: Dict of names and sizes; None is unknown and fits all.
        argument: Name of the argument in the error.

    Raises:
        ValueError: If two of them differ.
    """
    known = {name: n for name, n in batch_sizes.items() if n is not None}
    if len(set(known.values())) > 1:
        raise ValueError(
            f"`{argument}` must have as many examples in every modality. "
            f"Received: batch sizes {known}"
        )


def check_arrays(x, y, sample_weight, modalities, finite=True):
    """Check in-memory training data before the first step.

    Args:
        x: Dict of arrays.
        y: None or ids of shape `(examples,)`.
        sample_weight: None, an array of shape `(examples,)` or a dict of
            them by modality.
        modalities: Names that the model knows.
        finite: Whether all values of `x` must be finite.

    Raises:
        TypeError: If `x` is no dict or ids are not integers.
        ValueError: If modalities are unknown, sizes differ, there is no
            example or no finite value where one is needed.
    """
    check_modalities(x, modalities)
    sizes = {name: _length(name, value) for name, value in x.items()}
    check_same_batch_size(sizes)
    size = next(iter(sizes.values()))
    if size == 0:
        raise ValueError(
            f"`x` must hold at least one example. Received: sizes {sizes}"
        )
    for name, value in x.items() if finite else ():
        check_finite(value, f"x[{name!r}]")
    if y is not None:
        check_ids(y)
        _check_length("y", y, size)
    weights = (
        sample_weight
        if isinstance(sample_weight, dict)
        else {None: sample_weight}
    )
    if isinstance(sample_weight, dict):
        check_modalities(sample_weight, modalities, "sample_weight")
    for name, value in weights.items():
        if value is None:
            continue
        argument = f"sample_weight[{name!r}]" if name else "sample_weight"
        _check_length(argument, value, size)
        check_finite(value, argument)
        if np.min(np.asarray(value)) < 0:
            raise ValueError(
                f"`{argument}` must not be negative. "
                f"Received: a minimum of {np.min(np.asarray(value))}"
            )


def check_dataset(dataset, modalities):
    """Check what a `tf.data.Dataset` says of itself, without reading it.

    Args:
        dataset: Dataset of batches `x`, `(x, ids)` or `(x, ids, weights)`.
        modalities: Names that the model knows.

    Raises:
        TypeError: If it does not hold dicts.
        ValueError: If it is empty or names an unknown modality.
    """
    spec = dataset.element_spec
    check_modalities(
        spec[0] if isinstance(spec, tuple) else spec, modalities, "dataset"
    )
    if int(dataset.cardinality()) == 0:
        raise ValueError(
            "`dataset` must hold at least one batch. "
            f"Received: an empty dataset {dataset}"
        )


def check_ids(ids):
    """Check that ids are integers of rank 1.

    Args:
        ids: Array or tensor of ids.

    Raises:
        TypeError: If they are not integers.
        ValueError: If they have another rank.
    """
    dtype = getattr(ids, "dtype", None)
    dtype = np.asarray(ids).dtype if dtype is None else dtype
    if not _is_integer(dtype):
        raise TypeError(
            "`y` must hold the integer id of each example, equal where two "
            f"examples describe the same item. Received: y of dtype {dtype}"
        )
    rank = len(getattr(ids, "shape", np.shape(ids)))
    if rank != 1:
        raise ValueError(
            "`y` must hold one id per example, of shape (batch,). "
            f"Received: y.shape={tuple(getattr(ids, 'shape', np.shape(ids)))}"
        )


def check_finite(value, argument):
    """Check that a float array holds no NaN and no infinity.

    Args:
        value: Array; other dtypes than float are not looked at.
        argument: Name of the argument in the error.

    Raises:
        ValueError: If a value is not finite.
    """
    value = np.asarray(value)
    if not value.size or not np.issubdtype(value.dtype, np.floating):
        return
    rows = ~np.isfinite(value.reshape(len(value), -1)).all(axis=1)
    if rows.any():
        raise ValueError(
            f"`{argument}` must be finite. Received: NaN or infinity in "
            f"{int(rows.sum())} of {len(value)} examples, first in example "
            f"{int(rows.argmax())}. Fill a missing modality with zeros and "
            "give it `sample_weight` 0."
        )


def check_dims(input_dim, embedding_dim, encoders):
    """Check the sizes that a model is built with.

    Args:
        input_dim: None, integer or dict `{modality: integer}`.
        embedding_dim: Integer, or None where encoders are given.
        encoders: None or dict of encoders.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a size is not positive or nothing is to be embedded.
    """
    sizes = dict(input_dim) if isinstance(input_dim, dict) else {}
    sizes = {f"input_dim[{name!r}]": size for name, size in sizes.items()}
    if input_dim is not None and not isinstance(input_dim, dict):
        sizes["input_dim"] = input_dim
    if embedding_dim is not None:
        sizes["embedding_dim"] = embedding_dim
    elif encoders is None:
        raise ValueError(
            "`embedding_dim` may be None only with `encoders`. "
            f"Received: input_dim={input_dim}, embedding_dim=None"
        )
    for argument, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, numbers.Integral):
            raise TypeError(
                f"`{argument}` must be an integer. "
                f"Received: {argument}={size!r} of type {type(size).__name__}"
            )
        if size <= 0:
            raise ValueError(
                f"`{argument}` must be positive. Received: {argument}={size}"
            )
    if input_dim == {} or encoders == {}:
        raise ValueError(
            "A model needs at least one modality. "
            f"Received: input_dim={input_dim}, encoders={encoders}"
        )


def check_layers(argument, layers):
    """Check a dict of Keras layers and copy it.

    Args:
        argument: Name of the argument in the error.
        layers: None or dict `{modality: layer}`.

    Returns:
        A dict, empty for None.

    Raises:
        TypeError: If it is no dict, or holds something else than layers.
    """
    layers = {} if layers is None else layers
    if not isinstance(layers, dict):
        raise TypeError(
            f"`{argument}` must be a dict {{modality: keras layer}}. "
            f"Received: {argument} of type {type(layers).__name__}"
        )
    for name, layer in layers.items():
        if not isinstance(layer, keras.layers.Layer):
            raise TypeError(
                f"`{argument}[{name!r}]` must be a Keras layer or model. "
                f"Received: {layer!r} of type {type(layer).__name__}"
            )
    return dict(layers)


def check_pairs(pairs, modalities):
    """Check which modalities to compare; by default all with all.

    Args:
        pairs: None or an iterable of pairs of names.
        modalities: Names that the model knows.

    Returns:
        List of tuples of two names.

    Raises:
        ValueError: If a pair is repeated or is not of two known modalities.
    """
    if pairs is None:
        return list(itertools.combinations(modalities, 2))
    pairs = [tuple(pair) for pair in pairs]
    for pair in pairs:
        known = all(name in modalities for name in pair)
        if len(set(pair)) != 2 or len(pair) != 2 or not known:
            raise ValueError(
                "`pairs` must hold pairs of two different modalities of "
                f"{list(modalities)}. Received: pairs={pairs}"
            )
    if len({frozenset(pair) for pair in pairs}) < len(pairs):
        raise ValueError(
            f"`pairs` must hold each pair once. Received: pairs={pairs}"
        )
    return pairs


def check_embeddings(argument, value):
    """Check that an array has a row for each example, and return it.

    Args:
        argument: Name of the argument, for the message.
        value: Array of shape `(examples, dim)`.

    Returns:
        NumPy array.

    Raises:
        ValueError: If it has another rank.
    """
    value = np.asarray(value)
    if value.ndim != 2:
        raise ValueError(
            f"`{argument}` must be embeddings of shape (examples, dim), or a "
            f"dict with one modality. Received: {argument}.shape={value.shape}"
        )
    return value


def feature_shape(name, encoder, shape):
    """Output shape of an encoder, which is built where `shape` allows.

    Args:
        name: Name of the modality in the error.
        encoder: Keras layer.
        shape: Input shape, or None where it is not known.

    Returns:
        Tuple `(batch, dim)`, or None where it is not known.

    Raises:
        ValueError: If the encoder does not return `(batch, dim)`.
    """
    if not encoder.built:
        if shape is None:
            return None
        features = encoder(keras.KerasTensor(shape)).shape
    elif isinstance(encoder, keras.Model) and hasattr(encoder, "outputs"):
        features = encoder.output_shape
    elif shape is None:
        return None
    else:
        features = encoder.compute_output_shape(shape)
    if len(features) != 2 or features[-1] is None:
        raise ValueError(
            f"`encoders[{name!r}]` must return features of shape (batch, "
            f"dim). Received: output shape {features}"
        )
    return tuple(features)


def frozen_layers(encoder):
    """Names of the layers that do not train within an encoder that does.

    Args:
        encoder: Keras layer.

    Returns:
        List of names, empty where the encoder is frozen as a whole.
    """
    if not encoder.trainable or not isinstance(encoder, keras.Model):
        return []
    return [layer.name for layer in encoder.layers if not layer.trainable]


def check_shape(argument, x, expected):
    """Compare a shape with the expected one; None matches anything.

    Args:
        argument: Name of the argument in the error.
        x: Tensor.
        expected: Tuple. Any other structure (an encoder with several inputs
            checks them itself) is not looked at.

    Raises:
        ValueError: If rank or a known size differs.
    """
    shape = tuple(x.shape)
    if not isinstance(expected, (tuple, list)) or (
        expected and isinstance(expected[0], (tuple, list, dict))
    ):
        return  # An encoder with several inputs checks them itself.
    if len(shape) != len(expected) or any(
        a is not None and b is not None and a != b
        for a, b in zip(shape[1:], expected[1:], strict=True)
    ):
        expected = (None, *expected[1:])
        raise ValueError(
            f"`{argument}` must have shape {tuple(expected)}. "
            f"Received: {argument}.shape={shape}"
        )


def _length(name, value):
    shape = getattr(value, "shape", None)
    shape = np.shape(value) if shape is None else shape
    if len(shape) == 0:
        raise ValueError(
            f"`x[{name!r}]` must be a batch, of rank 1 at least. "
            f"Received: a scalar of type {type(value).__name__}"
        )
    return shape[0]


def _check_length(argument, value, size):
    if len(value) != size:
        raise ValueError(
            f"`{argument}` must have one value per example. Received: "
            f"{len(value)} values for {size} examples"
        )


def _is_integer(dtype):
    name = getattr(dtype, "name", None) or str(dtype)
    return name.startswith(("int", "uint"))
