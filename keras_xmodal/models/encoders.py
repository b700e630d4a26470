"""What models ask of the encoders that they are given."""

import keras
import tensorflow as tf


def feature_shape(name, encoder, x):
    """Output shape of an encoder, which is built where there is an input."""
    if isinstance(encoder, keras.Model) and getattr(encoder, "outputs", None):
        features = encoder.output_shape
    elif x is None:
        return None
    else:
        # A call builds all layers inside, and a layer that can be called need
        # not have `compute_output_shape`.
        features = encoder(x)
        features = getattr(features, "shape", features)
    fits = isinstance(features, tuple) and len(features) == 2
    if not fits or not isinstance(features[1], int) or features[1] == 0:
        raise ValueError(
            f"`{name}` must return features of shape (batch, dim). "
            f"Received: output shape {features}"
        )
    return features


def check_one_input(argument, layers):
    """Check that functional models take one tensor and return one."""
    for name, layer in layers.items():
        if isinstance(layer, keras.Sequential):
            continue
        for does, puts in (("take", "input"), ("return", "output")):
            tensors = getattr(layer, f"{puts}s", None)
            if not tensors:
                continue
            struct = getattr(layer, puts)
            names = sorted(struct) if isinstance(struct, dict) else None
            if names or len(tensors) > 1:
                named = f" in a dict with keys {names}" if names else ""
                raise ValueError(
                    f"`{argument}[{name!r}]` must {does} one tensor: make "
                    "modalities of the parts, or one array of them. "
                    f"Received: a network of {len(tensors)} {puts}s{named}"
                )


def one_tensor(argument, output):
    """What a network returns, which must be one tensor."""
    if not hasattr(output, "shape"):
        raise ValueError(
            f"`{argument}` must return one tensor. "
            f"Received: an output of type {type(output).__name__}"
        )
    return output


def symbolic(shape, dtype=None):
    """Symbolic batch of any size, or a structure of them."""
    if isinstance(shape, dict):
        dtype = dtype or {}
        return {n: symbolic(s, dtype.get(n)) for n, s in shape.items()}
    if shape and isinstance(shape[0], (list, tuple, dict)):
        dtype = dtype or [None] * len(shape)
        return [symbolic(*each) for each in zip(shape, dtype, strict=True)]
    return keras.KerasTensor((None, *shape[1:]), dtype or "float32")


def check_input(argument, x, expected, dtype=None):
    """Compare shape and dtype with the expected ones; None fits anything."""
    shape = tuple(getattr(x, "shape", ()))
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
    received = "string"
    if x.dtype != object:
        received = keras.backend.standardize_dtype(x.dtype)
    if dtype and dtype != received and "string" in (dtype, received):
        raise TypeError(
            f"`{argument}` must be {'strings' if dtype == 'string' else dtype}"
            f", for an encoder of these. Received: {argument} of dtype "
            f"{received}"
        )
    if dtype and "int" in dtype and "float" in received:
        raise TypeError(  # Keras would cut off what integers do not hold.
            f"`{argument}` must be integers. "
            f"Received: {argument} of dtype {received}"
        )


def declared_input(layer):
    """Shape and dtype of the one input that a layer declares, or None twice."""
    inputs = getattr(layer, "inputs", None)  # Functional, or built Sequential
    if not isinstance(inputs, (list, tuple)) or len(inputs) != 1:
        return None, None
    return tuple(inputs[0].shape), inputs[0].dtype


def check_texts(name, preprocessor, value):
    """Check what a model that declares texts is given, before it casts them."""
    shape, dtype = declared_input(preprocessor)
    if dtype != "string" or keras.backend.is_keras_tensor(value):
        return
    value = tf.convert_to_tensor(value)
    if value.dtype != tf.string:
        raise TypeError(
            f"{name!r} must hold texts, as strings. "
            f"Received: values of dtype {value.dtype.name}"
        )
    if value.shape.rank not in (None, len(shape)):
        raise ValueError(
            f"{name!r} must hold texts in shape {shape}. "
            f"Received: shape {tuple(value.shape)}"
        )
