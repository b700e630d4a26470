import numpy as np
import pytest
from scipy.special import log_softmax

from keras_xmodal.ops import contrastive as ops

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(5, 7)).astype("float32")
POSITIVES = np.zeros((5, 7), bool)
POSITIVES[np.arange(5), np.arange(5)] = True
POSITIVES[0, 6] = True  # A second positive of the first anchor.

FUNCTIONS = [
    ops.info_nce,
    ops.sigmoid_contrastive,
    lambda p, s, mask=None: ops.triplet_all_negatives(p, s, 0.2, mask),
    lambda p, s, mask=None: ops.triplet_hard_negative(p, s, 0.2, mask),
    lambda p, s, mask=None: ops.triplet_semi_hard_negative(p, s, 0.2, mask),
]
each_function = pytest.mark.parametrize("function", FUNCTIONS)


def hinges_by_hand(row, positives, margin=0.2):
    """All hinges of one anchor, by loops, against its farthest positive."""
    positive = min(s for s, p in zip(row, positives, strict=True) if p)
    negatives = [s for s, p in zip(row, positives, strict=True) if not p]
    return (
        positive,
        negatives,
        [max(0, margin + s - positive) for s in negatives],
    )


def test_info_nce_equals_its_definition():
    expected = [
        -np.mean(log_softmax(row.astype("float64"))[p])
        for row, p in zip(LOGITS, POSITIVES, strict=True)
    ]
    np.testing.assert_allclose(
        ops.info_nce(POSITIVES, LOGITS), expected, rtol=1e-5
    )


def test_info_nce_of_uniform_logits_is_log_of_the_candidates():
    loss = ops.info_nce(np.eye(6), np.full((6, 6), 3.0))
    np.testing.assert_allclose(loss, np.log(6), rtol=1e-6)


def test_sigmoid_contrastive_equals_its_definition():
    z = LOGITS.astype("float64")
    expected = np.log1p(np.exp(z)).sum(1) - (z * POSITIVES).sum(1)
    np.testing.assert_allclose(
        ops.sigmoid_contrastive(POSITIVES, LOGITS), expected, rtol=1e-5
    )


def test_triplet_sum_and_max_equal_their_definitions():
    hinges = [
        hinges_by_hand(row, p)[2]
        for row, p in zip(LOGITS, POSITIVES, strict=True)
    ]
    np.testing.assert_allclose(
        ops.triplet_all_negatives(POSITIVES, LOGITS, 0.2),
        [sum(h) for h in hinges],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        ops.triplet_hard_negative(POSITIVES, LOGITS, 0.2),
        [max(h) for h in hinges],
        rtol=1e-5,
    )


def test_semi_hard_takes_the_nearest_negative_behind_the_positive():
    expected = []
    for row, p in zip(LOGITS, POSITIVES, strict=True):
        positive, negatives, _ = hinges_by_hand(row, p)
        behind = [s for s in negatives if s < positive]
        negative = max(behind) if behind else min(negatives)
        expected.append(max(0, 0.2 + negative - positive))
    np.testing.assert_allclose(
        ops.triplet_semi_hard_negative(POSITIVES, LOGITS, 0.2),
        expected,
        rtol=1e-5,
        atol=1e-6,
    )


@each_function
def test_masked_candidate_changes_nothing(function):
    mask = np.ones_like(POSITIVES)
    mask[:, 5] = False
    poisoned = LOGITS.copy()
    poisoned[:, 5] = 1e6
    kept = np.delete(np.arange(7), 5)
    np.testing.assert_allclose(
        function(POSITIVES, poisoned, mask=mask),
        function(POSITIVES[:, kept], LOGITS[:, kept]),
        rtol=1e-6,
    )


@each_function
def test_order_of_candidates_does_not_matter(function):
    order = RNG.permutation(7)
    np.testing.assert_allclose(
        function(POSITIVES[:, order], LOGITS[:, order]),
        function(POSITIVES, LOGITS),
        rtol=1e-5,
        atol=1e-6,
    )


@each_function
def test_losses_do_not_care_for_extreme_logits(function):
    for scale in (1e4, -1e4):
        assert np.isfinite(function(POSITIVES, LOGITS * scale)).all()


@pytest.mark.parametrize("function", FUNCTIONS[:1] + FUNCTIONS[2:])
def test_anchor_without_a_positive_has_loss_zero(function):
    assert function(np.zeros((1, 7)), LOGITS[:1]).numpy() == 0


def test_anchor_weight_is_that_of_its_heaviest_positive():
    weights = np.full((5, 7), 9.0, "float32")
    weights[POSITIVES] = [0.5, 0.25, 2, 0, 1, 3]
    np.testing.assert_array_equal(
        ops.anchor_weights(POSITIVES, weights), [0.5, 2, 0, 1, 3]
    )


def test_positives_from_large_ids_are_exact():
    # The two differ only below the precision of float32.
    ids = np.array([2**40, 2**40 + 1])
    np.testing.assert_array_equal(ops.positives_from_ids(ids), np.eye(2))
