import numpy as np

from keras_xmodal import losses
from tests.helpers import check_loss

LOGITS = np.array([[2.0, 1.0], [0.0, 3.0]], "float32")


def test_both_directions():
    # Rows: log(1+e^-1), log(1+e^-3); columns: log(1+e^-2), log(1+e^-2).
    expected = np.mean([0.313262, 0.048587, 0.126928, 0.126928])
    check_loss(
        losses.InfoNCE,
        {"symmetric": True, "reduction": "sum_over_batch_size", "name": "a"},
        np.arange(2),
        LOGITS,
        expected,
    )


def test_one_direction():
    check_loss(
        losses.InfoNCE,
        {"symmetric": False},
        np.arange(2),
        LOGITS,
        (0.313262 + 0.048587) / 2,
    )


def test_the_least_loss_of_several_positives_is_their_logarithm():
    """What the docstring says of `val_loss`, of a perfect model."""
    ids = np.repeat(np.arange(4), 5)
    logits = np.where(ids[:, None] == ids, 50.0, -50.0).astype("float32")
    np.testing.assert_allclose(losses.InfoNCE()(ids, logits), np.log(5), 1e-5)
    np.testing.assert_allclose(
        losses.InfoNCE()(ids[::5], logits[::5, ::5]), 0, atol=1e-6
    )
