"""One-call check of a penalty: of its formula, and inside a model."""

import keras
import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from tests.helpers import check_config

RNG = np.random.default_rng(0)
SQUARED_NORMS = np.array([0.0, 0.25, 1.0, 4.0], "float32")
X = RNG.random((5, 3)).astype("float32")
Y = RNG.random((5, 2)).astype("float32")


def make_gan(penalty=None, hidden_units=(6,)):
    keras.utils.set_random_seed(1)
    gan = kx.GANModel(
        generator=kx.networks.DenseGenerator(2, hidden_units=(4,)),
        discriminator=kx.networks.DenseDiscriminator(hidden_units),
        latent_dim=3,
        seed=2,
    )
    gan.build((None, 3))
    penalties = [] if penalty is None else [penalty]
    gan.compile(penalties=penalties, run_eagerly=True)
    return gan


def check_penalty(cls, location, default_weight, by_hand):
    """Config, formula, and its value in a model by finite differences.

    Args:
        cls: Class of the penalty.
        location: Where the gradient is taken.
        default_weight: The weight that it has by itself.
        by_hand: Function from squared norms to penalties of weight 1.
    """
    check_config(cls, {"weight": 0.5, "name": "other"})
    assert cls().weight == default_weight
    penalty = cls(weight=0.5)
    assert penalty.location == location
    np.testing.assert_allclose(
        penalty(SQUARED_NORMS), 0.5 * by_hand(SQUARED_NORMS), atol=1e-5
    )
    squared_norms = tf.constant(SQUARED_NORMS)
    with tf.GradientTape() as tape:
        tape.watch(squared_norms)
        value = penalty(squared_norms)
    # Finite where the discriminator is flat.
    assert np.isfinite(tape.gradient(value, squared_norms)).all()

    gan = make_gan(penalty)
    expected = by_hand(_squared_norms(gan, penalty))
    gan.train_on_batch(X, Y)
    np.testing.assert_allclose(
        gan.get_metrics_result()[penalty.name],
        0.5 * expected.mean(),
        rtol=2e-2,
    )


def _squared_norms(gan, penalty):
    """Squared norms of the discriminator's gradient, by differences."""
    fake = gan.generator([gan._latents(gan._noise(2), 5), X]).numpy()
    points = {"real": Y, "fake": fake}
    if penalty.location == "between":
        share = gan._noise(3).rows(5).uniform((5, 1)).numpy()
        points["between"] = share * Y + (1 - share) * fake
    point, step = points[penalty.location], 1e-2
    inputs = [(point, X)]
    sizes = [(0, 2), (1, 3)] if penalty.of_condition else [(0, 2)]
    total = np.zeros(5)
    for which, size in sizes:
        for i in range(size):
            values = []
            for sign in (1, -1):
                moved = [v.copy() for v in inputs[0]]
                moved[which][:, i] += sign * step
                values.append(gan.discriminator(moved).numpy()[:, 0])
            total += ((values[0] - values[1]) / (2 * step)) ** 2
    return total
