"""How often each pair of neighbouring tokens is in a text, written or heard."""

import numpy as np
from keras import ops

from keras_xmodal.types import Tensor, TensorLike

# Below this, a probability of the blank counts as this: a sum of its logarithms
# over hundreds of steps keeps its precision in float32.
_SMALLEST = 1e-7


def bigram_counts(tokens: TensorLike, vocabulary_size: int) -> Tensor:
    """Count the pairs of neighbouring tokens in texts.

    Token 0, padding, stands for the start and the end of a text as well: row 0
    says what it begins with, column 0 what it ends with. An empty text has one
    pair, `(0, 0)`.

    Args:
        tokens: Integer tensor of shape `(batch, length)`, padded with 0 at the
            end.
        vocabulary_size: Integer, number of token ids, padding included.

    Returns:
        Float32 tensor of shape `(batch, vocabulary_size, vocabulary_size)`,
        the count of each first and second token.
    """
    padded = ops.pad(ops.cast(tokens, "int32"), [[0, 0], [1, 1]])
    first = ops.one_hot(padded[:, :-1], vocabulary_size, dtype="float32")
    second = ops.one_hot(padded[:, 1:], vocabulary_size, dtype="float32")
    # Pairs behind the end begin with padding, as the start does.
    is_start = np.arange(padded.shape[1] - 1) == 0
    is_pair = ops.cast(ops.logical_or(padded[:, :-1] != 0, is_start), "float32")
    first = first * ops.expand_dims(is_pair, -1)
    return ops.matmul(ops.transpose(first, (0, 2, 1)), second)


def ctc_bigram_counts(logits: TensorLike) -> Tensor:
    """Expected `bigram_counts` of what a CTC network reads.

    A path takes a label or the blank, 0, at each step, independently. The text
    is the path with neighbouring equals merged and blanks left out. Over all
    paths, a pair `(a, c)` is expected

        sum_t p_t(c) (l_t(a) - [a = c] p_{t-1}(c)),

    where `l_t(a) = sum_{s < t} p_s(a) prod_{s < u < t} p_u(0)` is the
    probability that `a` is the last label before step `t`: a label that is
    held is one, a label behind a blank is a new one. It is exact, has a
    gradient, and takes no beam: what the network doubts counts in parts.

    Args:
        logits: Float tensor of shape `(batch, steps, classes)`, as
            `keras.losses.CTC` takes them: class 0 is the blank.

    Returns:
        Float32 tensor of shape `(batch, classes, classes)`, the expected count
        of each first and second label; 0 stands for the start and the end.

    Reference:
        - Graves et al., 2006, https://doi.org/10.1145/1143844.1143891, eq. 1-3
        - Allauzen et al., 2004, https://aclanthology.org/W04-2907 (expected
          counts of n-grams, for finding what was spoken)
    """
    p = ops.softmax(ops.cast(logits, "float32"), axis=-1)
    labels = p[:, :, 1:]
    log_blank = ops.log(ops.maximum(p[:, :, 0], _SMALLEST))
    until = ops.cumsum(log_blank, axis=1)  # (batch, steps), this one included
    before = until - log_blank
    # Weight of what was written at step s, for step t: (batch, t, s).
    weights = ops.expand_dims(before, 2) - ops.expand_dims(until, 1)
    num_steps = logits.shape[1]
    is_past = np.tri(num_steps, k=-1, dtype=bool)
    weights = ops.where(is_past, ops.exp(ops.where(is_past, weights, 0.0)), 0.0)
    last = ops.concatenate(
        [ops.expand_dims(ops.exp(before), -1), ops.matmul(weights, labels)], -1
    )  # (batch, steps, classes): nothing yet, or a label
    counts = ops.matmul(ops.transpose(last, (0, 2, 1)), labels)
    held = ops.sum(labels[:, 1:] * labels[:, :-1], axis=1)
    held = ops.expand_dims(held, 1) * np.eye(labels.shape[-1], dtype="float32")
    counts = counts - ops.pad(held, [[0, 0], [1, 0], [0, 0]])
    # The last label of all ends the text.
    weights = ops.exp(until[:, -1:] - until)
    end = ops.concatenate(
        [
            ops.exp(until[:, -1:]),
            ops.einsum("bs,bsc->bc", weights, labels),
        ],
        axis=-1,
    )
    return ops.concatenate([ops.expand_dims(end, -1), counts], axis=-1)
