import numpy as np
import pytest

from keras_xmodal import losses
from tests.helpers import check_loss


def test_value_by_hand():
    # softplus: -(-1) -> 0.313262 at the positives, +-2 at the negatives.
    logits = np.array([[1.0, -2.0], [-2.0, 1.0]], "float32")
    check_loss(
        losses.SigmoidContrastive,
        {"reduction": "sum_over_batch_size", "name": "a"},
        np.arange(2),
        logits,
        0.313262 + 0.126928,
    )


def test_zero_logits_give_log_2_for_each_candidate():
    loss = losses.SigmoidContrastive()
    value = loss(np.arange(5), np.zeros((5, 5), "float32"))
    assert float(value) == pytest.approx(5 * np.log(2), rel=1e-6)


@pytest.mark.parametrize("missing", ["first", "second"])
def test_negatives_of_a_missing_partner_count(missing):
    """Of either side, as the same pairs do: softplus(2) - 2 + softplus(3)."""
    logits = np.array([[2.0, 1.0], [3.0, -1.0]])
    pairs = np.array([[1, 0], [1, 0]])
    if missing == "first":
        logits, pairs = logits.T, pairs.T
    value = losses.SigmoidContrastive()(np.arange(2), logits, pairs)
    assert float(value) == pytest.approx(0.126928 + 3.048587, rel=1e-5)
