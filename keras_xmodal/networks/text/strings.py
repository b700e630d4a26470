"""Texts as string tensors, for the layers that take them."""

import numpy as np
import tensorflow as tf


def to_strings(texts, name):
    """Make a string tensor of texts."""
    if isinstance(texts, (list, tuple)):
        texts = np.array(texts, dtype=object)
    try:
        texts = tf.convert_to_tensor(texts)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"`{name}` must hold strings. Received: {name}={texts!r}"
        ) from error
    if texts.dtype != tf.string:
        raise TypeError(
            f"`{name}` must hold strings. Received: dtype={texts.dtype.name}"
        )
    return texts


def to_one_text_each(inputs):
    """Make a string tensor of the inputs of a layer, one text an example."""
    texts = to_strings(inputs, "inputs")
    rank = texts.shape.rank
    if rank not in (0, 1) and (rank != 2 or texts.shape[1] != 1):
        raise ValueError(
            "`inputs` must have shape (batch,), (batch, 1) or (). "
            f"Received: shape={texts.shape}"
        )
    return texts
