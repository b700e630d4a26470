"""A GAN whose distribution a test sets: noise around a mean for each class."""

import keras
import numpy as np

import keras_xmodal as kx

MEANS = 3 * np.eye(3, 4, dtype="float32")


def data(examples=120):
    """Labels of three classes, and the targets that `make_gan` generates."""
    rng = np.random.default_rng(0)
    labels = np.arange(examples) % 3
    return labels, (MEANS[labels] + rng.normal(size=(examples, 4))).astype(
        "float32"
    )


def make_gan(rates=(0.0, 0.0), **kwargs):
    """`G(z, c)` is `z` plus the mean of `c`; `SetWeights` changes it."""
    keras.utils.set_random_seed(0)
    inputs = [keras.Input((4,)), keras.Input((3,))]
    joined = keras.layers.Concatenate()(inputs)
    generator = keras.Model(inputs, keras.layers.Dense(4)(joined))
    gan = kx.GANModel(
        generator=generator,
        discriminator=kx.networks.DenseDiscriminator((8,)),
        latent_dim=4,
        condition_encoder=keras.layers.CategoryEncoding(3, "one_hot"),
        ema_momentum=0.5,
        seed=0,
        **kwargs,
    )
    gan.build((None,))
    set_weights(gan)
    # Tracing a graph takes longer than the few steps of a test.
    gan.compile(*map(keras.optimizers.SGD, rates), run_eagerly=True)
    return gan


def set_weights(gan, noise=1.0, condition=1.0, shift=0.0):
    """Scale what noise and condition do, and shift the output."""
    kernel = np.concatenate([noise * np.eye(4), condition * MEANS])
    weights = [kernel.astype("float32"), np.full(4, shift, "float32")]
    gan.generator.set_weights(weights)
    gan.ema_generator.set_weights(weights)


class SetWeights(keras.callbacks.Callback):
    """At the end of each epoch, `set_weights` of this epoch's arguments."""

    def __init__(self, *arguments):
        super().__init__()
        self.arguments = arguments

    def on_epoch_end(self, epoch, logs=None):
        set_weights(self.model, **self.arguments[epoch])


def fit(gan, *callbacks, epochs=1, **kwargs):
    labels, targets = data()
    return gan.fit(
        labels,
        targets,
        epochs=epochs,
        batch_size=60,
        verbose=0,
        callbacks=list(callbacks),
        **kwargs,
    ).history
