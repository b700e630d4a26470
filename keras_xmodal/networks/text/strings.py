"""Texts as string tensors, for the layers that take them."""

import tensorflow as tf

from keras_xmodal import checks


def to_strings(texts, name):
    """Make a string tensor of texts."""
    return tf.convert_to_tensor(checks.string_array(name, texts), tf.string)


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
