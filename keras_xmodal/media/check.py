"""Checks of files that say the same in graphs and out of them."""

import tensorflow as tf


def check(condition, rule, evidence, *values, error=ValueError):
    """Check eagerly, or return the operation that does it in the graph."""
    if not tf.executing_eagerly():
        message = tf.strings.format(f"{rule}. Received: {evidence}", values)
        # `tf.debugging.Assert` is slower to trace, by a branch for each.
        return tf.raw_ops.Assert(condition=condition, data=[message])
    if not condition:
        received = evidence.format(
            *(
                repr(value.numpy().tobytes()) if value.shape.rank else value
                for value in values
            )
        )
        raise error(f"{rule}. Received: {received}")
    return None


def after(assertions, tensor):
    """The tensor, once the operations of checks have run."""
    if tf.executing_eagerly():
        return tensor
    with tf.control_dependencies(assertions):
        return tf.identity(tensor)


class InvalidFile(tf.errors.InvalidArgumentError):
    """The error of TensorFlow's own decoders, in our words."""


def invalid(message):
    """Make an `InvalidFile`."""
    return InvalidFile(None, None, message)
