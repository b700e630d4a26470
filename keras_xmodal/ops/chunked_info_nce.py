"""InfoNCE of both directions from one pass over the logits, in chunks."""

import tensorflow as tf

from keras_xmodal.ops.chunks import size, slice_rows
from keras_xmodal.ops.contrastive import LARGE_NEGATIVE
from keras_xmodal.ops.pairs import equal_ids

# exp(-2 * 43) is a normal float32: no sum of such needs a maximum.
_LARGEST_BOUND = 43.0
_TINY = 1.2e-38


def chunked_info_nce(anchors, candidates, scale, pairs, both):
    """Losses of rows and columns of `scale * anchors @ candidates.T`.

    The gradient computes the logits of each chunk once more.

    Args:
        anchors: Float32 tensor of shape `(batch, dim)`.
        candidates: Float32 tensor of shape `(candidates, dim)`.
        scale: Float32 scalar.
        pairs: `Pairs` with chunks.
        both: Whether the losses of columns are needed, too.

    Returns:
        Float32 tensors of shape `(batch,)` and `(candidates,)`; the second is
        of no use without `both`.
    """
    there = [tf.ones([pairs.rows]), tf.ones([pairs.columns])]
    if pairs.factors is not None:
        there = [
            tf.cast(tf.reduce_any(part > 0, axis=1), "float32")
            for part in pairs.factors
        ]
        # What is missing may be NaN, and as 0 adds nothing to gradients.
        anchors = tf.where(there[0][:, None] > 0, anchors, 0.0)
        candidates = tf.where(there[1][:, None] > 0, candidates, 0.0)
    sums = _Sums(pairs, there, both)
    logs, tops, positives = sums(anchors, candidates, scale)
    if not sums.as_matrices:
        positives = _positives_by_ids(
            anchors, candidates, scale, pairs.ids, there
        )
    return tuple(
        tf.where(count > 0, log + (top - mean), 0.0)
        for log, top, mean, count in zip(
            logs, tops, positives[:2], positives[2:], strict=True
        )
    )


def _positives_by_ids(anchors, candidates, scale, ids, there):
    """As of `_Sums`, from sums of what has equal ids."""
    of_candidates = equal_ids(ids)
    of_anchors = of_candidates[: size(anchors)]

    def of_item(values, items, others):
        sums = tf.math.unsorted_segment_sum(values, items, size(ids))
        return tf.gather(sums, others)

    turns = (of_candidates, of_anchors), (of_anchors, of_candidates)
    counts = [
        of_item(values, *turn)
        for values, turn in zip(there[::-1], turns, strict=True)
    ]
    means = [
        scale
        * tf.math.divide_no_nan(
            tf.reduce_sum(one * of_item(other, *turn), axis=1), count
        )
        for one, other, turn, count in (
            (anchors, candidates, turns[0], counts[0]),
            (candidates, anchors, turns[1], counts[1]),
        )
    ]
    return [*means, counts[0] * there[0], counts[1] * there[1]]


class _Sums:
    """Logarithms of sums of exponentials, in one pass, with their gradient.

    Where no logit can be above `_LARGEST_BOUND`, one exponential serves rows
    and columns; else each has its own maximum.

    Call arguments: anchors, candidates and scale, 0 where they are missing.

    Returns:
        Logarithms of `sum(exp(logits - top))` of rows and columns, with the
        gradients of `logsumexp(logits)`; the tops, without; and of pairs with
        matrices the means of logits of positives, and how many there are.
    """

    def __init__(self, pairs, there, both):
        self.pairs = pairs
        self.there = there
        self.both = both
        self.as_matrices = pairs.ids is None or pairs.weights is not None

    def __call__(self, anchors, candidates, scale):
        @tf.custom_gradient
        def compute(anchors, candidates, scale):
            inputs = anchors * scale, candidates
            # By Cauchy and Schwarz; NaN is not small.
            bound = tf.abs(scale) * _longest(anchors) * _longest(candidates)
            is_small = bound <= _LARGEST_BOUND
            sums, tops, positives = tf.cond(
                is_small,
                lambda: self._forward(*inputs, bound),
                lambda: self._forward(*inputs),
            )

            def gradient(*upstream):
                weights = [
                    tf.math.divide_no_nan(of_log, total)
                    for of_log, total in zip(upstream[:2], sums, strict=True)
                ]
                if self.as_matrices:
                    weights += [
                        tf.math.divide_no_nan(of_mean, count)
                        for of_mean, count in zip(
                            upstream[4:6], positives[2:], strict=True
                        )
                    ]
                given = (*inputs, tops, weights)
                of_scaled, of_candidates = tf.cond(
                    is_small,
                    lambda: self._backward(*given, bound),
                    lambda: self._backward(*given),
                )
                return (
                    of_scaled * scale,
                    of_candidates,
                    tf.reduce_sum(of_scaled * anchors),
                )

            # Finite also where no pair is left.
            logs = [tf.math.log(tf.maximum(total, _TINY)) for total in sums]
            return (*logs, *tops, *positives), gradient

        found = compute(anchors, candidates, scale)
        return found[:2], found[2:4], found[4:]

    def _forward(self, anchors, candidates, bound=None):
        chunks = self.pairs.chunks
        rows, columns = self.there

        def body(i, carried):
            start = chunks.start(i)
            new = chunks.is_new(i) * slice_rows(rows, start, chunks.size)
            highest, total, *positives = carried
            logits = self._logits(start, anchors, candidates)
            outputs = []
            if self.as_matrices:
                here = self._positives(start)
                parts = (tf.where(here > 0, logits, 0.0), here)
                outputs = [_times(part, columns) for part in parts]
                positives = [
                    old + _left_times(new, part)
                    for old, part in zip(positives, parts, strict=True)
                ]
            if bound is None:
                logits = self._masked(start, logits)
                top = tf.reduce_max(logits, axis=1, keepdims=True)
                sums = _times(tf.exp(logits - top), columns)
                outputs += [top[:, 0]]
                if self.both:
                    before = highest
                    highest = tf.maximum(before, tf.reduce_max(logits, axis=0))
                    total = total * tf.exp(before - highest) + _left_times(
                        new, tf.exp(logits - highest)
                    )
            else:
                exps = self._exps(start, logits, bound)
                sums = _times(exps, columns)
                if self.both:
                    total += _left_times(new, exps)
            return (highest, total, *positives), [sums, *outputs]

        zeros = tf.zeros_like(columns)
        carried = [zeros + (2 * LARGE_NEGATIVE), zeros]
        carried += [zeros, zeros] if self.as_matrices else []
        number = 1 + 2 * self.as_matrices + (bound is None)
        (highest, total, *of_columns), (sums, *of_rows) = chunks.loop(
            body, carried, [()] * number
        )
        if bound is None:
            tops = of_rows.pop(), highest
        else:
            tops = tf.zeros_like(rows) + bound, zeros + bound
        positives = ()
        if self.as_matrices:
            positives = (
                tf.math.divide_no_nan(of_rows[0], of_rows[1]),
                tf.math.divide_no_nan(of_columns[0], of_columns[1]),
                of_rows[1] * rows,
                of_columns[1] * columns,
            )
        return (sums, total), tops, positives

    def _backward(self, anchors, candidates, tops, weights, bound=None):
        chunks = self.pairs.chunks

        def body(i, carried):
            start = chunks.start(i)

            def block(x):
                return slice_rows(x, start, chunks.size)

            logits = self._logits(start, anchors, candidates)
            rows, columns = block(weights[0]), weights[1]
            if bound is None:
                logits = self._masked(start, logits)
                of_logits = rows[:, None] * tf.exp(
                    logits - block(tops[0])[:, None]
                )
                if self.both:
                    of_logits += columns * tf.exp(logits - tops[1])
            else:
                of_logits = self._exps(start, logits, bound) * self._added(
                    rows, columns
                )
            if self.as_matrices:
                of_logits += self._positives(start) * self._added(
                    block(weights[2]), weights[3]
                )
            new = block(anchors) * chunks.is_new(i)[:, None]
            of_candidates = tf.matmul(of_logits, new, transpose_a=True)
            return (carried[0] + of_candidates,), [
                tf.matmul(of_logits, candidates)
            ]

        (of_candidates,), (of_anchors,) = chunks.loop(
            body, [tf.zeros_like(candidates)], [(size(candidates, 1),)]
        )
        return of_anchors, of_candidates

    def _logits(self, start, anchors, candidates):
        rows = slice_rows(anchors, start, self.pairs.chunks.size)
        return tf.matmul(rows, candidates, transpose_b=True)

    def _positives(self, start):
        """Float 1 at positives, also missing ones."""
        positives = self.pairs.positives_of(start)
        if self.pairs.weights is not None:
            positives &= self.pairs.weights_of(start) > 0
        return tf.cast(positives, "float32")

    def _masked(self, start, logits):
        if self.pairs.weights is not None:
            return tf.where(
                self.pairs.weights_of(start) > 0, logits, LARGE_NEGATIVE
            )
        if self.pairs.factors is None:
            return logits
        rows, columns = self.there
        rows = slice_rows(rows, start, self.pairs.chunks.size)
        missing = 1 - rows[:, None] * columns
        return logits + LARGE_NEGATIVE * missing

    def _exps(self, start, logits, bound):
        """Exponentials, of what is there at least."""
        exps = tf.exp(logits - bound)
        if self.pairs.weights is None:
            return exps
        return tf.where(self.pairs.weights_of(start) > 0, exps, 0.0)

    def _added(self, rows, columns):
        """`rows[:, None] + columns`, faster than broadcasts."""
        if not self.both:
            return rows[:, None]
        left = tf.stack([rows, tf.ones_like(rows)], axis=1)
        return tf.matmul(left, tf.stack([tf.ones_like(columns), columns]))


def _longest(vectors):
    return tf.sqrt(tf.reduce_max(tf.reduce_sum(tf.square(vectors), axis=1)))


def _times(matrix, vector):
    """Weighted sums of rows, faster than `reduce_sum`."""
    return tf.matmul(matrix, vector[:, None])[:, 0]


def _left_times(vector, matrix):
    return tf.matmul(vector[None], matrix)[0]
