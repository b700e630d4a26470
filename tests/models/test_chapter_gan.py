"""The textbook's GAN: its faults, one by one, and their cures."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import saving

RNG = np.random.default_rng(0)
X = RNG.normal(size=(256, 32)).astype("float32")
Y = (1 / (1 + np.exp(-X[:, :8] + 0.3 * RNG.normal(size=(256, 8))))).astype(
    "float32"
)


def test_call_as_in_the_chapter():
    gan = kx.GANModel(32, 8)
    y = gan(X)
    assert y.shape == (256, 8)
    assert float(tf.reduce_min(y)) > 0
    assert float(tf.reduce_max(y)) < 1
    dense = [layer.units for layer in gan.generator.hidden_layers]
    assert [*dense, gan.generator.output_layer.units] == [128, 64, 8]


def test_it_has_a_discriminator_and_both_train():
    """The textbook has a generator alone, and nothing to train it with."""
    keras.utils.set_random_seed(0)
    gan = kx.GANModel(32, 8, ema_momentum=0.95, seed=0)
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    before = np.mean((gan.generate(X, seed=0) - Y) ** 2)
    weights = [n.get_weights() for n in (gan.generator, gan.discriminator)]
    gan.fit(X, Y, batch_size=64, epochs=40, verbose=0)
    for network, old in zip(
        (gan.generator, gan.discriminator), weights, strict=True
    ):
        # A difference of logits does not depend on the discriminator's bias.
        for a, b in zip(network.get_weights()[:5], old[:5], strict=True):
            assert np.abs(a - b).max() > 0
    assert np.mean((gan.generate(X, seed=0) - Y) ** 2) < 0.7 * before


def test_variables_are_tracked_and_saved(tmp_path):
    """The textbook's `W @ x` has the wrong order, and Keras sees no W."""
    with pytest.raises(ValueError, match="matmul"):
        np.zeros((32, 128)) @ X
    gan = kx.GANModel(32, 8)
    assert len(gan.generator.trainable_variables) == 6
    assert len(gan.discriminator.trainable_variables) == 6
    gan.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(X), gan(X))


def test_one_input_has_many_outputs():
    """Without noise a generator can only have one answer to a condition."""
    gan = kx.GANModel(32, 8)
    x = np.repeat(X[:1], 100, axis=0)
    generated = gan.generate(x, seed=0)
    assert (generated.std(axis=0) > 0).all()
    z = np.zeros((100, 64), "float32")
    assert gan.generate(x, z).std(axis=0).max() < 1e-6


def test_the_value_of_the_game_and_its_optimum():
    """V(D*, G) = -log 4 + 2 JSD(p, q), at the best discriminator D*."""
    p, q = np.array([0.1, 0.2, 0.7]), np.array([0.5, 0.3, 0.2])
    loss = kx.adversarial.Minimax()

    def value(p, q):
        logits = np.log(p / q)  # Of D* = p / (p + q).
        one = np.zeros(3)
        # The loss of real examples alone is that with f = -infinity.
        real = loss.discriminator_loss(logits, one - 100)
        fake = loss.discriminator_loss(one + 100, logits)
        return -np.sum(p * real) - np.sum(q * fake)

    def divergence(p, q):
        m = (p + q) / 2
        return np.sum(p * np.log(p / m) + q * np.log(q / m)) / 2

    assert value(p, p) == pytest.approx(-math.log(4), rel=1e-5)
    expected = -math.log(4) + 2 * divergence(p, q)
    assert value(p, q) == pytest.approx(expected, rel=1e-5)


def test_sure_discriminators_give_finite_losses():
    """`log(sigmoid(-120))` is -inf in float32."""
    with np.errstate(over="ignore", divide="ignore"):
        assert np.isneginf(np.log(1 / (1 + np.exp(np.float32(120)))))
    logits = np.float32([-120.0, 120.0])
    for name in ("minimax", "non_saturating"):
        loss = saving.resolve("loss", name, kx.adversarial.AdversarialLoss)
        for function in (loss.discriminator_loss, loss.generator_loss):
            assert np.isfinite(function(logits, -logits)).all()
