import math

import numpy as np

import keras_xmodal as kx
from tests.adversarial.check_loss import check_adversarial, sigmoid


def test_relativistic():
    check_adversarial(
        kx.adversarial.Relativistic,
        (math.log(2), math.log(2)),
        lambda r, f: (
            -np.log(sigmoid(r - f)),
            -np.log(sigmoid(f - r)),
        ),
    )


def test_only_the_difference_of_a_pair_counts():
    loss = kx.adversarial.Relativistic()
    real, fake = np.array([0.5, 2.0]), np.array([-1.0, 1.5])
    np.testing.assert_allclose(
        loss.generator_loss(real + 7, fake + 7),
        loss.generator_loss(real, fake),
        rtol=1e-5,
    )
    assert loss.compares
