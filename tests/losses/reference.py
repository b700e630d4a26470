"""The contrastive losses by their definitions, in NumPy and float64."""

import numpy as np

MARGIN = 0.2


def softplus(z):
    return np.logaddexp(0, z)


def info_nce(z, positives, negatives, weights):
    there = np.where(positives | negatives, z, -np.inf)
    top = np.max(there, axis=1, initial=-1e9, keepdims=True)
    log_sum = np.log(np.exp(there - top).sum(1)) + top[:, 0]
    return log_sum - mean(z, positives)


def mean(z, where):
    return np.where(where, z, 0).sum(1) / np.maximum(where.sum(1), 1)


def sigmoid(z, positives, negatives, weights):
    losses = softplus(z) - np.where(positives, z, 0)
    return np.where(positives | negatives, weights * losses, 0).sum(1)


def least(z, where):
    return np.min(z, axis=1, where=where, initial=1e9, keepdims=True)


def most(z, where):
    return np.max(z, axis=1, where=where, initial=-1e9, keepdims=True)


def hinges(z, positives):
    return np.maximum(MARGIN + z - least(z, positives), 0)


def all_negatives(z, positives, negatives, weights):
    return np.where(negatives, hinges(z, positives), 0).sum(1)


def hard(z, positives, negatives, weights):
    return np.where(negatives, hinges(z, positives), 0).max(1)


def semi_hard(z, positives, negatives, weights):
    behind = negatives & (z < least(z, positives))
    negative = np.where(
        behind.any(1, keepdims=True), most(z, behind), least(z, negatives)
    )
    losses = np.maximum(MARGIN + negative - least(z, positives), 0)[:, 0]
    return np.where(negatives.any(1), losses, 0)


def own(z, positives, negatives, weights):
    """Of `Own` in `test_chunks.py`."""
    return softplus(0.1 + most(z, negatives)[:, 0] - mean(z, positives))


LOSSES = {
    "info_nce": info_nce,
    "one_direction": info_nce,
    "sigmoid": sigmoid,
    "all_negatives": all_negatives,
    "hard": hard,
    "semi_hard": semi_hard,
    "own": own,
}


def pairs_of(name, left, right, are_of_examples):
    """Weights of pairs, of those of anchors and of candidates."""
    if not are_of_examples:
        return np.outer(left, right)
    there = np.outer(left > 0, right > 0)
    if name == "sigmoid":
        return there * (left[:, None] + right) / 2
    return there * left[:, None]


def anchor_weights(positives, weights, has_own):
    """Weights of anchors: of their own pair, or of the heaviest."""
    heaviest = np.where(positives, weights, 0).max(1)
    if not has_own:
        return heaviest
    own = weights.diagonal()
    return np.where(own > 0, own, heaviest)


def loss(name, directions):
    """The mean over directions.

    Each is logits, positives, weights of pairs and weights of anchors.
    """
    sums, totals = [], []
    for z, positives, weights, anchors in directions:
        there = weights > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            rows = LOSSES[name](
                z, positives & there, ~positives & there, weights
            )
        if name == "sigmoid":
            sums.append(rows.sum())
        else:  # Without a positive there is no loss.
            has = (positives & there).any(1)
            sums.append((anchors * np.where(has, rows, 0)).sum())
        totals.append(anchors.sum())
    if name == "sigmoid":
        totals = [np.mean(totals)] * len(totals)
    means = [a / b if b else 0.0 for a, b in zip(sums, totals, strict=True)]
    return means[0] if name == "one_direction" else np.mean(means)


def of_embeddings(name, targets, anchors, candidates, scale, bias, weights):
    """What `from_embeddings` returns."""
    has_ids = np.ndim(targets) == 1
    positives = targets[:, None] == targets if has_ids else targets
    z = scale * anchors @ candidates.T + bias
    is_weighted = weights is not None
    are_of_examples = is_weighted and np.shape(weights) == (len(z),)
    if not is_weighted:
        weights = np.ones(z.shape)
    if are_of_examples:
        pairs = [pairs_of(name, weights, weights, True)] * 2
    elif isinstance(weights, tuple):
        pairs = [pairs_of(name, *x, False) for x in (weights, weights[::-1])]
    else:
        pairs = [weights, weights.T]
    directions = []
    for logits, p, w in (
        (z, positives, pairs[0]),
        (z.T, positives.T, pairs[1]),
    ):
        totals = anchor_weights(p, w, has_ids)
        if are_of_examples and has_ids:
            totals = weights
        directions.append((logits, p, w, totals))
    if name == "sigmoid" and not (has_ids and is_weighted):
        directions = directions[:1]
    return loss(name, directions)


def with_memory(name, ids, anchors, candidates, scale, bias, weights, memory):
    """What `from_embeddings` returns of rows and a memory."""
    old_ids, old_anchors, old_candidates, *old_weights = memory
    all_ids = np.concatenate([ids, old_ids])
    are_of_examples = not isinstance(weights, tuple)
    if weights is None:
        weights = np.ones(len(ids))
    sides = (weights, weights) if are_of_examples else weights
    directions = []
    for (rows, left), (others, right), more, more_weights in (
        (
            (anchors, sides[0]),
            (candidates, sides[1]),
            old_candidates,
            old_weights[1],
        ),
        (
            (candidates, sides[1]),
            (anchors, sides[0]),
            old_anchors,
            old_weights[0],
        ),
    ):
        z = scale * rows @ np.concatenate([others, more]).T + bias
        positives = ids[:, None] == all_ids
        right = np.concatenate([right, more_weights])
        pairs = pairs_of(name, left, right, are_of_examples)
        totals = anchor_weights(positives, pairs, True)
        if are_of_examples:
            totals = left
        directions.append((z, positives, pairs, totals))
    return loss(name, directions)
