import numpy as np
import pytest

from keras_xmodal import losses
from tests.helpers import check_loss

SIMILARITIES = np.array(
    [[0.5, 0.6, 0.4], [0.1, 0.9, 0.2], [0.41, 0.6, 0.4]], "float32"
)


def test_rows_by_hand():
    # Positives .5, .9, .4 with a margin of .3.
    check_loss(
        losses.TripletSemiHardNegative,
        {"margin": 0.3, "symmetric": False, "name": "a"},
        np.arange(3),
        SIMILARITIES,
        np.mean([0.2, 0.0, 0.31]),
    )


def test_margin_has_to_be_positive():
    with pytest.raises(ValueError, match=r"a positive number.*margin=0"):
        losses.TripletSemiHardNegative(margin=0)
