import math

import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from tests.adversarial.check_loss import check_adversarial, sigmoid


def test_minimax():
    check_adversarial(
        kx.adversarial.Minimax,
        (2 * math.log(2), -math.log(2)),
        lambda r, f: (
            -np.log(sigmoid(r)) - np.log(1 - sigmoid(f)),
            np.log(1 - sigmoid(f)),
        ),
    )


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
