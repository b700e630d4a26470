"""Means that weights of examples change."""

import keras
from keras import ops

from keras_xmodal.ops.replicas import num_replicas, sum_over_replicas


def weighted_mean(values, weight=None):
    """Mean of values of shape `(batch,)` by weights of that shape or None.

    The mean of what several replicas return is that of the whole batch.
    """
    if weight is not None:
        values = ops.cast(weight, "float32") * values
    return ops.sum(values) / ops.maximum(
        total_weight(values, weight), keras.config.epsilon()
    )


def total_weight(values, weight=None):
    """Sum of the weights of a batch, or the number of its rows.

    By it, a mean over batches is one over examples. Of several replicas, each
    has an equal share, whatever its rows.
    """
    if weight is None:
        total = ops.cast(ops.shape(values)[0], "float32")
    else:
        total = ops.sum(ops.cast(weight, "float32"))
    return sum_over_replicas(total) / num_replicas()
