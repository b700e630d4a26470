"""What a step makes one number of."""

import keras
from keras import ops


def weighted_mean(values, weight=None):
    """Mean of the losses of examples, by their weights.

    Args:
        values: Float32 tensor of shape `(batch,)`.
        weight: Tensor of shape `(batch,)`, or None.

    Returns:
        Scalar tensor.
    """
    if weight is None:
        return ops.mean(values)
    weight = ops.cast(weight, "float32")
    return ops.sum(weight * values) / ops.maximum(
        ops.sum(weight), keras.config.epsilon()
    )


def added_losses(network):
    """The sum of the losses that layers of a network add.

    Args:
        network: Keras layer.

    Returns:
        Float32 scalar, or 0.
    """
    return sum(ops.sum(ops.cast(value, "float32")) for value in network.losses)
