"""What the replicas of a `tf.distribute` strategy know of each other."""

import keras
import tensorflow as tf
from keras import ops


def _context():
    """The context of a replica among several, or None."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return context


def sum_over_replicas(value):
    """Sum of a tensor, or of a structure of tensors, over all replicas."""
    context = _context()
    if context is None:
        return value
    value = keras.tree.map_structure(tf.convert_to_tensor, value)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def gather_rows(value):
    """Tensors of the whole batch, of structures of tensors of a replica's rows.

    Their gradient is the sum of those of all replicas.
    """
    context = _context()
    if context is None:
        return value
    return keras.tree.map_structure(
        lambda part: None if part is None else context.all_gather(part, axis=0),
        value,
    )


def num_replicas():
    """How many replicas share a batch."""
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def rows_before(num_rows):
    """Rows of a batch that the replicas before this one hold."""
    context = _context()
    if context is None:
        return 0
    counts = context.all_gather(
        ops.reshape(ops.cast(num_rows, "int32"), (1,)), axis=0
    )
    before = tf.range(context.num_replicas_in_sync) < (
        context.replica_id_in_sync_group
    )
    return tf.reduce_sum(tf.where(before, counts, 0))
