"""What models ask of the encoders that they are given."""

import keras


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
    if not isinstance(features, tuple) or len(features) != 2 or not features[1]:
        raise ValueError(
            f"`{name}` must return features of shape (batch, dim). "
            f"Received: output shape {features}"
        )
    return features


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
    received = keras.backend.standardize_dtype(x.dtype)
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
