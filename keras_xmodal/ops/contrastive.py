"""Contrastive objectives, row by row, on a matrix of logits.

Every function takes `positives` (which candidate describes the same item as
the anchor) and `mask` (which candidate counts at all), both of the shape of
the logits, and computes in float32. A masked candidate changes nothing. A row
without a positive has no defined loss and gives 0; `anchor_weights` gives it
weight 0.
"""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.types import Tensor, TensorLike

# Far below any logit, and finite: `0 * LARGE_NEGATIVE` is 0, not NaN.
LARGE_NEGATIVE = -1e9
_PAIRS = ("batch", "candidates")


def positives_from_ids(
    anchor_ids: TensorLike, candidate_ids: TensorLike | None = None
) -> Tensor:
    """Mark the pairs whose ids are equal.

    Args:
        anchor_ids: Integer tensor of shape `(batch,)`.
        candidate_ids: Integer tensor of shape `(candidates,)`. Defaults to
            `anchor_ids`.

    Returns:
        Boolean tensor of shape `(batch, candidates)`.
    """
    anchor_ids = as_ids("anchor_ids", anchor_ids)
    if candidate_ids is None:
        candidate_ids = anchor_ids
    candidate_ids = as_ids("candidate_ids", candidate_ids)
    return ops.equal(
        ops.expand_dims(anchor_ids, 1), ops.expand_dims(candidate_ids, 0)
    )


def anchor_weights(positives: TensorLike, weights: TensorLike) -> Tensor:
    """Weight of each anchor: that of its heaviest positive pair.

    Args:
        positives: Tensor of shape `(batch, candidates)`, nonzero at positives.
        weights: Tensor of shape `(batch, candidates)`, the weight of each
            pair; 0 removes it.

    Returns:
        Tensor of shape `(batch,)`; 0 where no positive is left.
    """
    weights = checks.tensor("weights", weights, _PAIRS)
    positives = checks.tensor("positives", positives, _PAIRS, dtype="bool")
    checks.same_shape(positives=positives.shape, weights=weights.shape)
    return ops.max(ops.where(positives, weights, 0.0), axis=-1)


def as_ids(argument, value):
    """Ids as a tensor of shape `(batch,)` that can be compared."""
    if not ops.is_tensor(value):
        value = checks.integer_ids(argument, value)
    checks.shape(argument, value.shape, ("batch",))
    value = ops.convert_to_tensor(value)
    # Keras compares 64 bits without a sign as 32; with one, none is lost.
    is_uint64 = keras.backend.standardize_dtype(value.dtype) == "uint64"
    return ops.cast(value, "int64") if is_uint64 else value


def _pairs(positives, logits, mask, argument="logits"):
    """Positives, logits and mask, of one shape."""
    logits = checks.tensor(argument, logits, _PAIRS)
    positives = checks.tensor("positives", positives, _PAIRS, dtype="bool")
    shapes = {"positives": positives.shape, argument: logits.shape}
    if mask is not None:
        mask = checks.tensor("mask", mask, _PAIRS)
        shapes["mask"] = mask.shape
    checks.same_shape(**shapes)
    return positives, logits, mask


def _prepare(positives, logits, mask, argument="logits"):
    """Check, and split the valid pairs in positives and negatives."""
    positives, logits, mask = _pairs(positives, logits, mask, argument)
    negatives = ops.logical_not(positives)
    if mask is not None:
        mask = ops.cast(mask, "bool")
        positives = ops.logical_and(positives, mask)
        negatives = ops.logical_and(negatives, mask)
    return positives, negatives, logits


def info_nce(
    positives: TensorLike, logits: TensorLike, mask: TensorLike | None = None
) -> Tensor:
    """Cross-entropy of each anchor against its positives.

    `-1/|P(i)| * sum_{j in P(i)} log softmax(logits_i)_j`, the "outside"
    form of the supervised contrastive loss; with one positive it is InfoNCE.

    Args:
        positives: Tensor of shape `(batch, candidates)`, nonzero where anchor
            and candidate describe the same item.
        logits: Tensor of shape `(batch, candidates)`.
        mask: Optional tensor of shape `(batch, candidates)`, zero where the
            candidate does not count.

    Returns:
        Float32 tensor of shape `(batch,)`, in nats.

    Reference:
        - van den Oord et al., 2018, https://arxiv.org/abs/1807.03748, eq. 4
        - Khosla et al., 2020, https://arxiv.org/abs/2004.11362, eq. 2
    """
    positives, logits, mask = _pairs(positives, logits, mask)
    positives = ops.cast(positives, "float32")
    if mask is not None:
        logits = ops.where(ops.cast(mask, "bool"), logits, LARGE_NEGATIVE)
        positives = positives * ops.cast(mask, "float32")
    count = ops.sum(positives, axis=-1, keepdims=True)
    targets = positives / ops.maximum(count, 1.0)  # (batch, candidates)
    losses = ops.categorical_crossentropy(targets, logits, from_logits=True)
    return ops.where(ops.squeeze(count, axis=-1) > 0, losses, 0.0)


def sigmoid_contrastive(
    positives: TensorLike, logits: TensorLike, mask: TensorLike | None = None
) -> Tensor:
    """Binary cross-entropy of every pair, summed over the candidates.

    `sum_j softplus(z_ij) - sum_{j in P(i)} z_ij`: each pair is one
    "same item or not" question, without a softmax over the batch.

    Args:
        positives: Tensor of shape `(batch, candidates)`, nonzero where anchor
            and candidate describe the same item.
        logits: Tensor of shape `(batch, candidates)`.
        mask: Optional tensor of shape `(batch, candidates)`, zero where the
            candidate does not count; otherwise the weight of the pair.

    Returns:
        Float32 tensor of shape `(batch,)`, in nats.

    Reference:
        - Zhai et al., 2023, https://arxiv.org/abs/2303.15343, algorithm 1
    """
    positives, negatives, logits = _prepare(positives, logits, mask)
    valid = ops.logical_or(positives, negatives)
    # Before the maths: a gradient of NaN stays NaN where nothing uses it.
    logits = ops.where(valid, logits, 0.0)
    losses = ops.softplus(logits) - ops.where(positives, logits, 0.0)
    losses = ops.where(valid, losses, 0.0)
    if mask is not None:
        losses = losses * ops.cast(mask, "float32")
    return ops.sum(losses, axis=-1)


def _hardest_positive(positives, similarities):
    """Similarity of the farthest positive; `(batch, 1)`."""
    return ops.min(
        ops.where(positives, similarities, -LARGE_NEGATIVE),
        axis=-1,
        keepdims=True,
    )


def _zero_without_positive(positives, losses):
    return ops.where(ops.any(positives, axis=-1), losses, 0.0)


def triplet_all_negatives(
    positives: TensorLike,
    similarities: TensorLike,
    margin: float,
    mask: TensorLike | None = None,
) -> Tensor:
    """Sum of the hinges of all negatives: VSE's "sum of hinges".

    `sum_{n in N(i)} max(0, margin + s_in - s_ip)`, where `p` is the farthest
    positive of anchor `i`.

    Args:
        positives: Tensor of shape `(batch, candidates)`, nonzero where anchor
            and candidate describe the same item.
        similarities: Tensor of shape `(batch, candidates)`, usually cosines.
        margin: Float, by how much a positive has to be nearer.
        mask: Optional tensor of shape `(batch, candidates)`, zero where the
            candidate does not count.

    Returns:
        Float32 tensor of shape `(batch,)`.

    Reference:
        - Kiros et al., 2014, https://arxiv.org/abs/1411.2539, section 2.2
    """
    margin = checks.number("margin", margin)
    positives, negatives, similarities = _prepare(
        positives, similarities, mask, "similarities"
    )
    positive = _hardest_positive(positives, similarities)
    hinges = ops.relu(margin + similarities - positive)  # (batch, candidates)
    losses = ops.sum(ops.where(negatives, hinges, 0.0), axis=-1)
    return _zero_without_positive(positives, losses)


def triplet_hard_negative(
    positives: TensorLike,
    similarities: TensorLike,
    margin: float,
    mask: TensorLike | None = None,
) -> Tensor:
    """Hinge of the nearest negative: VSE++'s "max of hinges".

    `max(0, margin + max_{n in N(i)} s_in - s_ip)`, where `p` is the farthest
    positive of anchor `i`.

    Args:
        positives: Tensor of shape `(batch, candidates)`, nonzero where anchor
            and candidate describe the same item.
        similarities: Tensor of shape `(batch, candidates)`, usually cosines.
        margin: Float, by how much a positive has to be nearer.
        mask: Optional tensor of shape `(batch, candidates)`, zero where the
            candidate does not count.

    Returns:
        Float32 tensor of shape `(batch,)`.

    Reference:
        - Faghri et al., 2018, https://arxiv.org/abs/1707.05612, eq. 6
        - Hermans et al., 2017, https://arxiv.org/abs/1703.07737, eq. 5, for
          several positives
    """
    margin = checks.number("margin", margin)
    positives, negatives, similarities = _prepare(
        positives, similarities, mask, "similarities"
    )
    positive = _hardest_positive(positives, similarities)
    hinges = ops.relu(margin + similarities - positive)  # (batch, candidates)
    losses = ops.max(ops.where(negatives, hinges, 0.0), axis=-1)
    return _zero_without_positive(positives, losses)


def triplet_semi_hard_negative(
    positives: TensorLike,
    similarities: TensorLike,
    margin: float,
    mask: TensorLike | None = None,
) -> Tensor:
    """Hinge of the nearest negative that is farther than the positive.

    `max(0, margin + s_in - s_ip)` with `n` the nearest negative for which
    `s_in < s_ip`. Where there is none, `n` is the farthest negative, so that
    an anchor on the wrong side of all its negatives still learns.

    Args:
        positives: Tensor of shape `(batch, candidates)`, nonzero where anchor
            and candidate describe the same item. `p` is the farthest one.
        similarities: Tensor of shape `(batch, candidates)`, usually cosines.
        margin: Float, by how much a positive has to be nearer.
        mask: Optional tensor of shape `(batch, candidates)`, zero where the
            candidate does not count.

    Returns:
        Float32 tensor of shape `(batch,)`.

    Reference:
        - Schroff et al., 2015, https://arxiv.org/abs/1503.03832, section 3.2
    """
    margin = checks.number("margin", margin)
    positives, negatives, similarities = _prepare(
        positives, similarities, mask, "similarities"
    )
    positive = _hardest_positive(positives, similarities)
    semi_hard = ops.logical_and(negatives, similarities < positive)
    nearest = ops.max(
        ops.where(semi_hard, similarities, LARGE_NEGATIVE),
        axis=-1,
        keepdims=True,
    )
    farthest = ops.min(
        ops.where(negatives, similarities, -LARGE_NEGATIVE),
        axis=-1,
        keepdims=True,
    )
    has_semi_hard = ops.any(semi_hard, axis=-1, keepdims=True)
    negative = ops.where(has_semi_hard, nearest, farthest)  # (batch, 1)
    losses = ops.squeeze(ops.relu(margin + negative - positive), axis=-1)
    has_negative = ops.any(negatives, axis=-1)
    losses = ops.where(has_negative, losses, 0.0)
    return _zero_without_positive(positives, losses)
