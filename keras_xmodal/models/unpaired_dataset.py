"""Arrays whose rows are no pairs, as a data set of batches."""

import tensorflow as tf

from keras_xmodal.models.array_dataset import to_tensor


def unpaired_dataset(arrays, batch_size, shuffle):
    """Batches of arrays of any lengths, each in an order of its own.

    An epoch goes once through the longest; the others start again, in a new
    order, as often as that takes.

    Args:
        arrays: Dict `{modality: array}`.
        batch_size: Positive integer, examples of each in a batch.
        shuffle: Whether to shuffle, over all examples.

    Returns:
        `tf.data.Dataset` of dicts, with floats in Keras' default precision.
    """
    tensors = {name: to_tensor(value) for name, value in arrays.items()}
    longest = max(len(value) for value in tensors.values())
    rows = {}
    for name, value in tensors.items():
        rows[name] = tf.data.Dataset.range(len(value))
        if shuffle:
            rows[name] = rows[name].shuffle(len(value))
        if len(value) < longest:
            rows[name] = rows[name].repeat()
    options = tf.data.Options()
    options.autotune.enabled = False

    def take(batch):
        return {
            name: tf.gather(tensors[name], row) for name, row in batch.items()
        }

    dataset = tf.data.Dataset.zip(rows).take(longest)
    dataset = dataset.batch(batch_size).map(take).prefetch(2)
    return dataset.with_options(options)
