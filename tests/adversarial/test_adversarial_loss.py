import numpy as np
import pytest

import keras_xmodal as kx


class Squares(kx.adversarial.AdversarialLoss):
    def call(self, real, fake):
        return real**2 + fake**2, (fake - 2) ** 2


def test_a_loss_of_ones_own_is_one_method():
    x, y = np.random.rand(8, 4), np.random.rand(8, 3)
    gan = kx.GANModel(4, 3)
    gan.compile(loss=Squares(), penalties=[])
    logs = gan.evaluate(x, y, return_dict=True, verbose=0)
    assert logs["generator_loss"] == pytest.approx(4.0, rel=0.5)


def test_the_base_has_no_loss():
    with pytest.raises(NotImplementedError):
        kx.adversarial.AdversarialLoss().generator_loss(None, np.zeros(2))
