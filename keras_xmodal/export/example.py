"""Smallest requests for a signature of a SavedModel."""

import dataclasses

import tensorflow as tf

from keras_xmodal.export import samples

_TEXT = "red apple"


@dataclasses.dataclass(frozen=True)
class Example:
    """One input of a signature, in which all rows and values are the same.

    Args:
        value: Float, integer or bytes.
        shape: Tuple, that of a row; None where the input has no rows.
        dtype: `tf.DType`.
        holds: What the bytes are, as in a report, or None.
    """

    value: float | int | bytes
    shape: tuple[int, ...] | None
    dtype: tf.DType
    holds: str | None = None

    def _shape(self, num_rows):
        return () if self.shape is None else (num_rows, *self.shape)

    def tensor(self, num_rows):
        """The input, of this many rows."""
        return tf.fill(
            self._shape(num_rows), tf.constant(self.value, self.dtype)
        )

    def proto(self, num_rows):
        """The same as a message, which holds the value once."""
        proto = tf.make_tensor_proto(self.value, self.dtype)
        proto.tensor_shape.CopyFrom(
            tf.TensorShape(self._shape(num_rows)).as_proto()
        )
        return proto


def find_examples(signature, strings, pictures):
    """Examples of the inputs of a loaded signature, which it runs on.

    Args:
        signature: What `tf.saved_model.load` gives.
        strings: Dict, what the strings of an input hold.
        pictures: Dict, the shape of the pictures of an input.
    """
    specs = signature.structured_input_signature[1]
    for open_size in (samples.OPEN_SIZE, 8, 4, 2, 1):
        examples = {
            name: _find_example(
                spec, strings.get(name), pictures.get(name), open_size
            )
            for name, spec in specs.items()
        }
        try:
            signature(**{name: e.tensor(1) for name, e in examples.items()})
        except tf.errors.InvalidArgumentError as error:
            refused = error  # A sequence may have too many positions.
            continue
        return examples
    raise refused


def _find_example(spec, holds, picture, open_size):
    shape = None
    if spec.shape.rank:
        shape = tuple(size or open_size for size in spec.shape[1:])
    if spec.dtype == tf.string:
        value = _TEXT.encode()
        if holds not in (None, "text"):
            value = samples.file(holds, picture)
        return Example(value, shape, spec.dtype, holds or "text")
    return Example(0.5 if spec.dtype.is_floating else 1, shape, spec.dtype)
