"""Training speed of VAEModel beside MultiVae (PyTorch).

    python -m benchmarks.speed.vae --peer-python peers/bin/python

Both sides train the networks that `peers/bench_multivae.py` describes, with as
many parameters, in float32 with Adam, on the same number of pairs of 28 x 28
bits in memory; batch 128, 32 latents, as `speed/compare.py` says. `fit` is on a
dict of arrays, `dataset` the same on a `tf.data.Dataset`; the peer's figure is
its median epoch of a plain loop, without data pipeline or argument parsing, in
all cases (`--peer-via trainer`: of MultiVae's own trainer), and the first epoch
does not count.

TELBO is left out: MultiVae trains its bounds one after the other. `MMVAE-10` is
MMVAE with 10 samples and the DReG estimator. With the defaults it takes half an
hour on two idle cores.
"""

import math

from benchmarks.speed import compare

# Objective, number of samples, estimator (None: the objective's own).
CONFIGURATIONS = {
    "MVAE": ("MVAE", 1, None),
    "MMVAE": ("MMVAE", 1, "iwae"),
    "MMVAE-10": ("MMVAE", 10, "dreg"),
    "MoPoE": ("MoPoE", 1, None),
    "MVTCAE": ("MVTCAE", 1, None),
    "JMVAE": ("JMVAE", 1, None),
    "CVAE": ("CVAE", 1, None),
    "MMVAEPlus": ("MMVAEPlus", 1, "iwae"),
}
SHAPE = (28, 28, 1)
LATENT_DIM, PRIVATE_DIM = 32, 16


def mlp_networks(layers):
    """Layers of the encoder, and of the decoder."""
    encoder = [
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dense(512, activation="relu"),
    ]
    decoder = [
        layers.Dense(512, activation="relu"),
        layers.Dense(512, activation="relu"),
        layers.Dense(math.prod(SHAPE)),
        layers.Reshape(SHAPE),
    ]
    return encoder, decoder


def conv_networks(layers):
    """Layers of the encoder, and of the decoder."""
    options = {"strides": 2, "padding": "same"}
    encoder = [
        layers.Conv2D(32, 4, activation="relu", **options),
        layers.Conv2D(64, 4, activation="relu", **options),
        layers.Flatten(),
        layers.Dense(256, activation="relu"),
    ]
    decoder = [
        layers.Dense(256, activation="relu"),
        layers.Dense(64 * 7 * 7, activation="relu"),
        layers.Reshape((7, 7, 64)),
        layers.Conv2DTranspose(32, 4, activation="relu", **options),
        layers.Conv2DTranspose(1, 4, **options),
    ]
    return encoder, decoder


ARCHITECTURES = {"mlp": mlp_networks, "conv": conv_networks}


def build_model(configuration, architecture, jit_compile):
    import keras
    from keras import layers

    import keras_xmodal as kx

    name, num_samples, estimator = CONFIGURATIONS[configuration]
    options = {"num_samples": num_samples}
    if estimator:
        options["estimator"] = estimator
    if name == "CVAE":
        options["target"] = "a"
    if name == "MMVAEPlus":
        options["private_dim"] = PRIVATE_DIM
    objective = getattr(kx.objectives, name)(**options)
    encoders, decoders = {}, {}
    for modality in ("a", "b"):
        networks = ARCHITECTURES[architecture](layers)
        encoders[modality], decoders[modality] = map(keras.Sequential, networks)
    generated = objective.generated_modalities(("a", "b"))
    model = kx.VAEModel(
        latent_dim=LATENT_DIM,
        encoders=encoders,
        decoders={modality: decoders[modality] for modality in generated},
        likelihoods=dict.fromkeys(generated, "bernoulli"),
        objective=objective,
        seed=0,
    )
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=jit_compile)
    model(make_data(1)[0])
    model.optimizer.build(model.trainable_variables)
    return model


def make_data(num_examples):
    import numpy as np

    random = np.random.default_rng(0)
    x = {
        name: random.integers(2, size=(num_examples, *SHAPE)).astype("float32")
        for name in ("a", "b")
    }
    return (x,)


def fit_options(mode, batch_size, num_batches):
    import tensorflow as tf

    num_examples = num_batches * batch_size
    (x,) = make_data(num_examples)
    if mode == "fit":
        return {"x": x, "batch_size": batch_size}
    data = tf.data.Dataset.from_tensor_slices(x).shuffle(num_examples)
    data = data.batch(batch_size, drop_remainder=True)
    return {"x": compare.without_autotuning(data.prefetch(tf.data.AUTOTUNE))}


def peer_options(configuration, arguments):
    objective, num_samples, estimator = CONFIGURATIONS[
        configuration["configuration"]
    ]
    batch_size = configuration["batch_size"]
    return [
        f"--objective={objective}",
        f"--num-samples={num_samples}",
        f"--estimator={estimator or 'iwae'}",
        f"--architecture={configuration['architecture']}",
        f"--batch-size={batch_size}",
        f"--latent-dim={LATENT_DIM}",
        f"--private-dim={PRIVATE_DIM}",
        f"--num-examples={arguments.steps * batch_size}",
        f"--epochs={arguments.epochs + 1}",
        f"--threads={arguments.threads}",
        f"--via={arguments.peer_via}",
    ]


if __name__ == "__main__":
    compare.main(
        compare.Benchmark(
            name="vae_speed",
            description=__doc__,
            peer="bench_multivae.py",
            peer_packages="torch and multivae",
            peer_check=["--num-examples=128"],
            peer_options=peer_options,
            axes={
                "configuration": [*CONFIGURATIONS],
                "architecture": [*ARCHITECTURES],
            },
            build_model=build_model,
            make_data=make_data,
            fit_options=fit_options,
            batch_size=128,
            modes=("fit", "dataset", "step"),
            options={"peer-via": ["loop", "trainer"]},
            defaults={"architecture": ["mlp"], "jit": ["off", "on"]},
        )
    )
