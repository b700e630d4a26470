"""Registration of every Keras object under one constant package name."""

import keras


def register(cls):
    """Register a class with Keras as `keras_xmodal>ClassName`.

    The name is written into every saved file, so it never changes: a file
    saved today loads in later releases without `custom_objects`.

    Args:
        cls: A class or function that Keras serializes.

    Returns:
        The same object.
    """
    return keras.saving.register_keras_serializable("keras_xmodal")(cls)
