import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.adversarial.gradient_norms import logits_and_gradient_norms
from tests.adversarial.check_penalty import X, Y, check_penalty, make_gan

# Where the gradient is taken, the weight by itself, and the formula.
PENALTIES = {
    kx.adversarial.GradientPenalty: (
        "between",
        10.0,
        lambda s: (np.sqrt(s) - 1) ** 2,
    ),
    kx.adversarial.MatchingAwareGradientPenalty: ("real", 2.0, lambda s: s**3),
    kx.adversarial.R1: ("real", 1.0, lambda s: 0.5 * s),
    kx.adversarial.R2: ("fake", 1.0, lambda s: 0.5 * s),
}


@pytest.mark.parametrize("cls", PENALTIES)
def test_penalty(cls):
    check_penalty(cls, *PENALTIES[cls])


class SquaredNorm(kx.adversarial.Penalty):
    location = "fake"

    def call(self, squared_norm):
        return squared_norm


def test_a_penalty_of_ones_own_is_one_method():
    gan = make_gan(SquaredNorm(weight=2.0, name="norm"))
    logs = gan.train_on_batch(X, Y, return_dict=True)
    twin = make_gan(kx.adversarial.R2(weight=4.0))
    expected = twin.train_on_batch(X, Y, return_dict=True)
    assert logs["norm"] == pytest.approx(expected["r2"], rel=1e-5)


@pytest.mark.parametrize("weight", [-1.0, float("inf"), float("nan")])
def test_weights_are_checked(weight):
    with pytest.raises(ValueError, match="non-negative"):
        kx.adversarial.R1(weight)


def test_what_a_penalty_does_to_the_weights():
    """Its gradient by the discriminator's weights, by differences."""
    gan = make_gan(kx.adversarial.R1(), hidden_units=(3,))
    discriminator = gan.discriminator
    # `leaky_relu` has corners, which differences jump over.
    discriminator.hidden_layers[0].activation = tf.tanh

    def penalty():
        points = {"real": tf.constant(Y)}
        _, norms = logits_and_gradient_norms(
            lambda x, features: gan._discriminate(
                gan.discriminator, x, features
            ),
            points,
            tf.constant(X),
            gan.penalties,
        )
        return tf.reduce_mean(gan.penalties[0](norms["real", False]))

    variable = discriminator.hidden_layers[0].kernel
    with tf.GradientTape() as tape:
        value = penalty()
    gradient = tape.gradient(value, variable.value).numpy()
    kernel, step = variable.numpy(), 1e-2
    for index in np.ndindex(*kernel.shape):
        values = []
        for sign in (1, -1):
            moved = kernel.copy()
            moved[index] += sign * step
            variable.assign(moved)
            values.append(float(penalty()))
        variable.assign(kernel)
        difference = (values[0] - values[1]) / (2 * step)
        assert gradient[index] == pytest.approx(difference, abs=2e-4)
