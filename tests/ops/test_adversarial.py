"""The values are checked with the losses that use them."""

import numpy as np
import pytest

from keras_xmodal import adversarial as losses
from keras_xmodal.ops import adversarial


@pytest.mark.parametrize(
    ("function", "cls"),
    [
        (adversarial.hinge, losses.Hinge),
        (adversarial.least_squares, losses.LeastSquares),
        (adversarial.minimax, losses.Minimax),
        (adversarial.non_saturating, losses.NonSaturating),
        (adversarial.relativistic, losses.Relativistic),
        (adversarial.wasserstein, losses.Wasserstein),
    ],
)
def test_losses_are_these_functions(function, cls):
    real, fake = np.float32([1.0, -2.0]), np.float32([0.5, 3.0])
    values = function(real, fake)
    loss = cls()
    np.testing.assert_array_equal(
        values[0], loss.discriminator_loss(real, fake)
    )
    np.testing.assert_array_equal(values[1], loss.generator_loss(real, fake))
