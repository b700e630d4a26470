"""Matrices of pairs in chunks of rows, so that none is whole in memory.

The last chunk starts early, to be as large as the others: all sizes are then
static, which XLA needs, and nothing is padded.
"""

import tensorflow as tf

# Entries of a block in memory, and of a matrix that is no larger than it pays.
_BLOCK = 2**20
_WHOLE = 2**20


def is_small(rows, columns):
    """Whether a matrix of these sizes is fast and small enough whole.

    Args:
        rows: Integer, or None for any number.
        columns: The same.
    """
    return None not in (rows, columns) and rows * columns <= _WHOLE


def size(x, axis=0):
    """Size of an axis: an integer, or a tensor where it is not known."""
    static = x.shape[axis]
    return tf.shape(x)[axis] if static is None else static


def slice_rows(x, start, count):
    """`x[start : start + count]`, also under XLA."""
    rest = [size(x, axis) for axis in range(1, len(x.shape))]
    return tf.slice(x, [start] + [0] * len(rest), [count, *rest])


def slice_columns(x, start, count):
    """`x[:, start : start + count]`, also under XLA."""
    return tf.slice(x, [0, start], [size(x), count])


class Chunks:
    """Chunks of `size` rows each, of `num_rows` rows.

    Args:
        num_rows: Integer or tensor.
        num_columns: Integer or tensor, for which `size="auto"` is chosen.
        size: Positive integer or `"auto"`.
        blocks: Integer, how many blocks a chunk may have if that is chosen.
    """

    def __init__(self, num_rows, num_columns, size="auto", blocks=1):
        static = isinstance(num_rows, int) and isinstance(num_columns, int)
        least, most = (min, max) if static else (tf.minimum, tf.maximum)
        if size == "auto":
            size = most(blocks * _BLOCK // most(num_columns, 1), 1)
        self.num_rows = num_rows
        self.size = least(size, num_rows)
        self.count = -(-num_rows // most(self.size, 1))

    def start(self, i):
        return tf.minimum(i * self.size, self.num_rows - self.size)

    def is_new(self, i):
        """Float 0 at the rows that the chunk before had, too; `(size,)`."""
        rows = self.start(i) + tf.range(self.size)
        return tf.cast(rows >= i * self.size, "float32")

    def loop(self, body, carried, shapes):
        """Run `body(i, carried) -> (carried, outputs)` on chunk after chunk.

        Args:
            body: Function of the chunk's number and of what it handed on.
            carried: Tuple of tensors, the start of what is handed on.
            shapes: Shapes of rows of the float32 outputs of a chunk.

        Returns:
            What the last chunk handed on; and the outputs of all, each of
            shape `(num_rows, ...)`.
        """

        def step(i, carried, arrays):
            carried, outputs = body(i, carried)
            return (
                i + 1,
                tuple(carried),
                tuple(
                    array.write(i, output)
                    for array, output in zip(arrays, outputs, strict=True)
                ),
            )

        arrays = tuple(
            tf.TensorArray("float32", self.count, infer_shape=False)
            for _ in shapes
        )
        _, carried, arrays = tf.while_loop(
            lambda i, *_: i < self.count,
            step,
            (tf.constant(0), tuple(carried), arrays),
            parallel_iterations=1,  # Two blocks at once are twice the memory.
        )
        return carried, [
            self._join(array.stack(), shape)
            for array, shape in zip(arrays, shapes, strict=True)
        ]

    def _join(self, stacked, shape):
        """Rows in order, those of two chunks once."""
        stacked = tf.reshape(stacked, [self.count * self.size, *shape])
        late = self.count * self.size - self.num_rows
        if isinstance(late, int) and late == 0:
            return stacked
        rows = tf.range(self.num_rows)
        before = (self.count - 1) * self.size
        return tf.gather(stacked, tf.where(rows < before, rows, rows + late))


def anchor_losses(loss_of_rows, anchors, candidates, scale, bias, chunks):
    """Losses of rows of `scale * anchors @ candidates.T + bias`, in chunks.

    The gradient computes the logits of each chunk once more.

    Args:
        loss_of_rows: Function of the first row, and of logits of shape
            `(chunk, candidates)`, to losses of shape `(chunk,)`.
        anchors: Float32 tensor of shape `(batch, dim)`.
        candidates: Float32 tensor of shape `(candidates, dim)`.
        scale: Float32 scalar.
        bias: Float32 scalar.
        chunks: `Chunks`.

    Returns:
        Float32 tensor of shape `(batch,)`.
    """

    def losses(start, rows, candidates, scale, bias):
        logits = tf.matmul(rows, candidates, transpose_b=True) * scale + bias
        return loss_of_rows(start, logits)

    @tf.custom_gradient
    def compute(anchors, candidates, scale, bias):
        def forward(i, carried):
            start = chunks.start(i)
            rows = slice_rows(anchors, start, chunks.size)
            return carried, [losses(start, rows, candidates, scale, bias)]

        _, (values,) = chunks.loop(forward, (), [()])

        def gradient(upstream):
            def backward(i, carried):
                start = chunks.start(i)
                rows = slice_rows(anchors, start, chunks.size)
                weights = slice_rows(upstream, start, chunks.size)
                inputs = (rows, candidates, scale, bias)
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(inputs)
                    values = losses(start, *inputs)
                new, *rest = tape.gradient(
                    values,
                    inputs,
                    weights * chunks.is_new(i),
                    unconnected_gradients="zero",
                )
                return [a + b for a, b in zip(carried, rest, strict=True)], [
                    new
                ]

            zeros = tuple(map(tf.zeros_like, (candidates, scale, bias)))
            (of_candidates, of_scale, of_bias), (of_anchors,) = chunks.loop(
                backward, zeros, [(size(anchors, 1),)]
            )
            return of_anchors, of_candidates, of_scale, of_bias

        return values, gradient

    return compute(anchors, candidates, scale, bias)
