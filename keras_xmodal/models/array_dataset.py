"""Arrays in memory as a data set of batches."""

import keras
import numpy as np
import tensorflow as tf


def as_dataset(x, y, options):
    """Make arrays a data set, where Keras' way with them is not asked for.

    Args:
        x: Array or structure of arrays.
        y: Array.
        options: Dict of the arguments of `fit`, from which those are taken
            that the data set stands for.

    Returns:
        Pair `(dataset, None)`, or `(x, y)` as they are.
    """
    unlike = ("validation_split", "class_weight", "steps_per_epoch")
    if any(options.get(name) for name in unlike):
        return x, y
    shuffle = options.get("shuffle", True)
    if shuffle not in (True, False):
        return x, y
    batch_size = options.pop("batch_size", None) or 32
    options.setdefault("validation_batch_size", batch_size)
    options["shuffle"] = False  # The data set does.
    arrays = [x, y, options.pop("sample_weight", None)]
    arrays = [to_arrays(part) for part in arrays if part is not None]
    return array_dataset(tuple(arrays), batch_size, shuffle), None


def array_dataset(arrays, batch_size, shuffle):
    """Batches of arrays, in a new order in every epoch.

    What Keras makes of arrays leaves TensorFlow's autotuner on, which may end
    an epoch late, and takes time from the training on few cores.

    Args:
        arrays: Structure of arrays of equal length.
        batch_size: Positive integer.
        shuffle: Whether to shuffle, over all examples.

    Returns:
        `tf.data.Dataset` of the structure, with floats in Keras' default
        precision.
    """
    tensors = keras.tree.map_structure(to_tensor, arrays)
    count = len(keras.tree.flatten(tensors)[0])
    rows = tf.data.Dataset.range(count)
    if shuffle:
        rows = rows.shuffle(count)
    options = tf.data.Options()
    options.autotune.enabled = False

    def take(batch):
        return keras.tree.map_structure(lambda t: tf.gather(t, batch), tensors)

    dataset = rows.batch(batch_size).map(take).prefetch(2)
    return dataset.with_options(options)


def to_tensor(value):
    """Keep an array in the memory of the host, floats in Keras' precision.

    Args:
        value: Array or tensor.

    Returns:
        Tensor.
    """
    if not tf.is_tensor(value):
        value = np.asarray(value)
        if np.issubdtype(value.dtype, np.floating):
            value = value.astype(keras.config.floatx(), copy=False)
    with tf.device("CPU:0"):
        return tf.convert_to_tensor(value)


def to_arrays(part):
    """Make arrays of lists, in a dict or alone.

    Args:
        part: Array, list or dict of them; None in a dict is left out.

    Returns:
        Array or dict of arrays.
    """
    if isinstance(part, dict):
        return {k: to_arrays(v) for k, v in part.items() if v is not None}
    return part if hasattr(part, "shape") else np.asarray(part)
