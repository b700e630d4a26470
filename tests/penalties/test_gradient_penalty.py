import numpy as np

import keras_xmodal as kx
from tests.penalties.check_penalty import check_penalty


def test_gradient_penalty():
    check_penalty(
        kx.penalties.GradientPenalty,
        location="between",
        default_weight=10.0,
        by_hand=lambda s: (np.sqrt(s) - 1) ** 2,
    )
