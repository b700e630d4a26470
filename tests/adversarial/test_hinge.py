import numpy as np

import keras_xmodal as kx
from tests.adversarial.check_loss import check_adversarial


def test_hinge():
    check_adversarial(
        kx.adversarial.Hinge,
        (2.0, 0.0),
        lambda r, f: (
            np.maximum(0, 1 - r) + np.maximum(0, 1 + f),
            -f,
        ),
    )
