import math

import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from tests.adversarial.check_loss import check_adversarial, sigmoid

# Both losses where the logits are 0, and by hand.
LOSSES = {
    kx.adversarial.Hinge: (
        (2.0, 0.0),
        lambda r, f: (np.maximum(0, 1 - r) + np.maximum(0, 1 + f), -f),
    ),
    kx.adversarial.LeastSquares: (
        (0.5, 0.5),
        lambda r, f: ((r - 1) ** 2 / 2 + f**2 / 2, (f - 1) ** 2 / 2),
    ),
    kx.adversarial.Minimax: (
        (2 * math.log(2), -math.log(2)),
        lambda r, f: (
            -np.log(sigmoid(r)) - np.log(1 - sigmoid(f)),
            np.log(1 - sigmoid(f)),
        ),
    ),
    kx.adversarial.NonSaturating: (
        (2 * math.log(2), math.log(2)),
        lambda r, f: (
            -np.log(sigmoid(r)) - np.log(1 - sigmoid(f)),
            -np.log(sigmoid(f)),
        ),
    ),
    kx.adversarial.Relativistic: (
        (math.log(2), math.log(2)),
        lambda r, f: (-np.log(sigmoid(r - f)), -np.log(sigmoid(f - r))),
    ),
    kx.adversarial.Wasserstein: ((0.0, 0.0), lambda r, f: (f - r, -f)),
}


@pytest.mark.parametrize("cls", LOSSES)
def test_loss(cls):
    check_adversarial(cls, *LOSSES[cls])


class Squares(kx.adversarial.AdversarialLoss):
    def call(self, real, fake):
        return real**2 + fake**2, (fake - 2) ** 2


def test_a_loss_of_ones_own_is_one_method():
    x, y = np.random.rand(8, 4), np.random.rand(8, 3)
    gan = kx.GANModel(4, 3)
    gan.compile(loss=Squares(), penalties=[], run_eagerly=True)
    logs = gan.evaluate(x, y, return_dict=True, verbose=0)
    assert logs["generator_loss"] == pytest.approx(4.0, rel=0.5)


def test_the_base_has_no_loss():
    with pytest.raises(NotImplementedError):
        kx.adversarial.AdversarialLoss().generator_loss(None, np.zeros(2))


def test_the_generator_of_minimax_stands_still_where_it_loses():
    """What `NonSaturating` is for."""
    slopes = {}
    for cls in (kx.adversarial.Minimax, kx.adversarial.NonSaturating):
        logit = tf.constant([-20.0])
        with tf.GradientTape() as tape:
            tape.watch(logit)
            loss = cls().generator_loss(None, logit)
        slopes[cls.__name__] = abs(float(tape.gradient(loss, logit)[0]))
    assert slopes["Minimax"] < 1e-8
    assert slopes["NonSaturating"] > 0.99


def test_only_the_difference_of_a_pair_counts():
    loss = kx.adversarial.Relativistic()
    real, fake = np.array([0.5, 2.0]), np.array([-1.0, 1.5])
    np.testing.assert_allclose(
        loss.generator_loss(real + 7, fake + 7),
        loss.generator_loss(real, fake),
        rtol=1e-5,
    )
    assert loss.compares


@pytest.mark.parametrize("losses", [0, lambda x: (x[0], x[0]), lambda x: (x,)])
def test_losses_are_a_pair_of_examples(losses):
    class Own(kx.adversarial.AdversarialLoss):
        def call(self, real, fake):
            return losses(real) if losses else tf.reduce_mean(real)

    with pytest.raises(ValueError, match=r"`Own.call` must return two tensors"):
        Own().generator_loss(None, np.zeros(4))
