"""Training speed of GANModel beside plain PyTorch.

    python -m benchmarks.speed.gan --peer-python peers/bin/python

Both sides train the networks that `peers/bench_torch_gan.py` describes, with as
many parameters, in float32: one update of each network on a batch of 64
pictures, Adam, the penalties, the moving average, as `speed/compare.py` says.
Samples are real pictures. `fit` is on arrays; the peer's figure is the median
of its bare steps, in all cases.
"""

from benchmarks.speed import compare

CONFIGURATIONS = {
    "relativistic": ("relativistic", ()),
    "relativistic+r1+r2": ("relativistic", ("r1", "r2")),
    "non_saturating": ("non_saturating", ()),
    "non_saturating+r1": ("non_saturating", ("r1",)),
    "wasserstein+gradient_penalty": ("wasserstein", ("gradient_penalty",)),
}
SHAPE, CLASSES, LATENT_DIM = (28, 28, 1), 10, 64


def build_generator(keras):
    layers = keras.layers
    z = keras.Input((LATENT_DIM,))
    condition = keras.Input((CLASSES,))
    x = layers.Concatenate()([z, condition])
    x = layers.Dense(128 * 7 * 7, activation="relu")(x)
    x = layers.Reshape((7, 7, 128))(x)
    options = {"strides": 2, "padding": "same"}
    x = layers.Conv2DTranspose(64, 4, activation="relu", **options)(x)
    x = layers.Conv2DTranspose(1, 4, activation="tanh", **options)(x)
    return keras.Model([z, condition], x)


def build_discriminator(keras):
    import keras_xmodal as kx

    layers = keras.layers
    target = keras.Input(SHAPE)
    condition = keras.Input((CLASSES,))
    x = target
    for filters in (64, 128):
        x = layers.Conv2D(filters, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    logit = kx.layers.ProjectionLogit()([x, condition])
    return keras.Model([target, condition], logit)


def build_model(configuration, jit_compile):
    import keras

    import keras_xmodal as kx

    loss, penalties = CONFIGURATIONS[configuration]
    model = kx.GANModel(
        generator=build_generator(keras),
        discriminator=build_discriminator(keras),
        latent_dim=LATENT_DIM,
        seed=0,
    )
    model.compile(loss=loss, penalties=penalties, jit_compile=jit_compile)
    model.build((None, CLASSES))
    return model


def make_data(num_examples):
    import numpy as np

    random = np.random.default_rng(0)
    pictures = random.uniform(-1, 1, size=(num_examples, *SHAPE))
    labels = random.integers(CLASSES, size=num_examples)
    return np.eye(CLASSES, dtype="float32")[labels], pictures.astype("float32")


def fit_options(mode, batch_size, num_batches):
    x, y = make_data(num_batches * batch_size)
    return {"x": x, "y": y, "batch_size": batch_size}


def peer_options(configuration, arguments):
    loss, penalties = CONFIGURATIONS[configuration["configuration"]]
    return [
        f"--loss={loss}",
        f"--batch-size={configuration['batch_size']}",
        f"--steps={arguments.steps}",
        f"--threads={arguments.threads}",
        "--penalties",
        *penalties,
    ]


if __name__ == "__main__":
    compare.main(
        compare.Benchmark(
            name="gan_speed",
            description=__doc__,
            peer="bench_torch_gan.py",
            peer_packages="torch",
            peer_check=["--steps=1", "--warmup=0"],
            peer_options=peer_options,
            axes={"configuration": [*CONFIGURATIONS]},
            build_model=build_model,
            make_data=make_data,
            fit_options=fit_options,
            batch_size=64,
            defaults={"steps": 40},
        )
    )
