"""What the replicas of a `tf.distribute` strategy know of each other."""

import keras
import tensorflow as tf


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
    if _context() is None:
        return value
    num_rows = tf.shape(keras.tree.flatten(value)[0])[0]
    before, after = _rows_around(num_rows)
    return keras.tree.map_structure(
        lambda part: None if part is None else _gather(part, before, after),
        value,
    )


def _gather(part, before, after):
    # The sum of blocks with zeros around them: in a step of several workers,
    # TensorFlow's own `all_gather` raises; booleans and bytes have no sum.
    part = tf.convert_to_tensor(part)
    value = part if part.dtype.is_floating else tf.cast(part, "int64")
    ends = [[before, after], *[[0, 0]] * (len(part.shape) - 1)]
    block = tf.pad(value, ends)
    block.set_shape([None, *part.shape[1:]])
    return tf.cast(sum_over_replicas(block), part.dtype)


def num_replicas():
    """How many replicas share a batch."""
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def rows_before(num_rows):
    """Rows of a batch that the replicas before this one hold."""
    return 0 if _context() is None else _rows_around(num_rows)[0]


def _rows_around(num_rows):
    """Rows of a batch that other replicas hold, before and after those here."""
    context = _context()
    replicas = context.num_replicas_in_sync
    place = _place(
        context.replica_id_in_sync_group,
        len(context.strategy.extended.worker_devices),
        replicas,
    )
    num_rows = tf.cast(num_rows, "int32")
    counts = sum_over_replicas(tf.one_hot(place, replicas, num_rows, 0))
    numbers = tf.range(replicas)
    return (
        tf.reduce_sum(tf.where(numbers < place, counts, 0)),
        tf.reduce_sum(tf.where(numbers > place, counts, 0)),
    )


def _place(replica, per_worker, replicas):
    """Number of the part of a batch that a replica is given.

    The first parts go to the first replica of each worker.
    """
    workers = replicas // per_worker
    return replica % per_worker * workers + replica // per_worker


def num_workers(strategy):
    """How many workers, each a process of its own, share a batch."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    local = len(strategy.extended.worker_devices)
    return strategy.num_replicas_in_sync // local


def is_chief(strategy):
    """Whether this process writes for all of them."""
    return num_workers(strategy) == 1 or strategy.extended.should_checkpoint


def of_all_workers(strategy, value):
    """What each worker has of an integer, as an array; all have to ask."""

    def of_replicas():
        return gather_rows(tf.constant([value], "int64"))

    found = strategy.experimental_local_results(strategy.run(of_replicas))
    return found[0].numpy()
