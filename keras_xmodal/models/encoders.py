"""What models ask of the encoders that they are given."""

import keras


def feature_shape(name, encoder, shape):
    """Output shape of an encoder, which is built where `shape` allows."""
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
    """Names of the layers that do not train within an encoder that does."""
    if not encoder.trainable or not isinstance(encoder, keras.Model):
        return []
    return [layer.name for layer in encoder.layers if not layer.trainable]


def check_input(argument, x, expected):
    """Compare a shape with the expected one; None matches anything."""
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


def declared_input(layer):
    """Shape and dtype of the one input that a layer declares, or None twice."""
    inputs = getattr(layer, "inputs", None)  # Functional, or built Sequential
    if not isinstance(inputs, (list, tuple)) or len(inputs) != 1:
        return None, None
    return tuple(inputs[0].shape), inputs[0].dtype
