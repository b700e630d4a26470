import numpy as np

import keras_xmodal as kx
from tests.adversarial.check_penalty import check_penalty


def test_gradient_penalty():
    check_penalty(
        kx.adversarial.GradientPenalty,
        location="between",
        default_weight=10.0,
        by_hand=lambda s: (np.sqrt(s) - 1) ** 2,
    )
