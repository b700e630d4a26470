"""What a step makes one number of."""

from keras import ops


def added_losses(network):
    """The sum of the losses that layers of a network add.

    Args:
        network: Keras layer.

    Returns:
        Float32 scalar, or 0.
    """
    return sum(ops.sum(ops.cast(value, "float32")) for value in network.losses)
