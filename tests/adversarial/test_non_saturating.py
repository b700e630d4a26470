import math

import numpy as np

import keras_xmodal as kx
from tests.adversarial.check_loss import check_adversarial, sigmoid


def test_non_saturating():
    check_adversarial(
        kx.adversarial.NonSaturating,
        (2 * math.log(2), math.log(2)),
        lambda r, f: (
            -np.log(sigmoid(r)) - np.log(1 - sigmoid(f)),
            -np.log(sigmoid(f)),
        ),
    )
