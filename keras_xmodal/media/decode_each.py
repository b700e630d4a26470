"""Batches of files, each decoded by itself."""

import tensorflow as tf

from keras_xmodal import checks


def decode_each(contents, decode, shape):
    """Decode one or a batch of files, to tensors of one shape.

    `decode` takes a scalar string tensor and a name for its errors.
    """
    contents = checks.string_array("contents", contents)
    contents = tf.convert_to_tensor(contents, tf.string)
    if contents.shape.rank == 0:
        return decode(contents)
    checks.shape("contents", contents.shape, ("batch",), ())
    if tf.executing_eagerly():
        # Faster than an eager `map_fn`, and says which one is corrupt.
        decoded = [
            decode(content, f"`contents[{index}]`")
            for index, content in enumerate(contents)
        ]
        return tf.reshape(decoded, (-1, *shape))
    signature = tf.TensorSpec(shape, tf.float32)
    return tf.map_fn(decode, contents, fn_output_signature=signature)


def refusal(name, rule, content):
    """The error about a file that is not what it must be."""
    content = content.numpy()
    return tf.errors.InvalidArgumentError(
        None,
        None,
        f"{name} must be {rule}. Received: {len(content)} bytes that begin "
        f"with {content[:16]!r}",
    )
