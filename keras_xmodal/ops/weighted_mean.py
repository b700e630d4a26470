"""Means that weights of examples change."""

import keras
from keras import ops


def weighted_mean(values, weight=None):
    """Mean of values of shape `(batch,)` by weights of that shape or None."""
    if weight is None:
        return ops.mean(values)
    weight = ops.cast(weight, "float32")
    return ops.sum(weight * values) / ops.maximum(
        ops.sum(weight), keras.config.epsilon()
    )
