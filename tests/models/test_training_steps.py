"""What all models do in a step alike: counts, means, weights, replicas."""

import keras
import numpy as np
import pytest

import keras_xmodal as kx
from tests.models.test_data_gate import (
    VECTORS,
    each_model,
    embedding,
    gan,
    results,
    vae,
)


def accumulate(model, steps=3):
    """Compile with optimizers that gather the gradients of some batches."""

    def optimizer():
        return keras.optimizers.SGD(0.1, gradient_accumulation_steps=steps)

    if hasattr(model, "generator_optimizer"):
        model.compile(optimizer(), optimizer(), run_eagerly=True)
    else:
        model.compile(optimizer(), run_eagerly=True)
    return model


@pytest.mark.parametrize("make", [vae, gan], ids=["vae", "gan"])
def test_gathered_batches_have_noise_of_their_own(make):
    """Weights stay for two batches: only noise can change the losses."""
    model = accumulate(make(), steps=3)
    losses = [model.train_on_batch(VECTORS, return_dict=True) for _ in range(3)]
    name = "loss" if make is vae else "generator_loss"
    assert len({logs[name] for logs in losses}) == 3


@pytest.mark.parametrize("make", [vae, gan], ids=["vae", "gan"])
def test_schedules_count_batches(make, tmp_path):
    model = accumulate(make(), steps=3)
    seen = []
    name = "kl_weight" if make is vae else "penalty_weight"
    schedule = kx.callbacks.WeightSchedule(
        name, lambda step: seen.append(step) or 1.0
    )
    model.fit(VECTORS, batch_size=2, callbacks=[schedule], verbose=0)
    assert sorted(set(seen)) == [0, 1, 2]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert int(loaded.step) == 3
    del seen[:]
    loaded.fit(VECTORS, batch_size=2, callbacks=[schedule], verbose=0)
    assert sorted(set(seen)) == [3, 4, 5]


def test_warm_up_counts_batches_and_warns_by_them():
    model = accumulate(vae(), steps=3)
    warm_up = kx.callbacks.KLWarmUp(4)
    options = {"batch_size": 2, "callbacks": [warm_up], "verbose": 0}
    with pytest.warns(UserWarning, match=r"at 0\.75"):
        history = model.fit(VECTORS, **options)
    assert results(history)["kl_weight"] == 0.5  # Of the last batch.
    assert results(model.fit(VECTORS, **options))["kl_weight"] == 1


class Unreached(keras.layers.Layer):
    """A layer with a weight that its output does not depend on."""

    def build(self, input_shape):
        self.extra = self.add_weight(shape=(3,), name="extra")

    def call(self, x):
        return x


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("gathered", [None, 2])
@each_model
def test_a_weight_that_the_loss_does_not_reach(make, gathered, policy):
    """It stays, and the others learn."""
    layers = keras.layers

    def network(size, units, *more):
        return keras.Sequential(
            [keras.Input((size,)), Unreached(), layers.Dense(units, *more)]
        )

    sizes = {"image": 8, "text": 5}
    if make is embedding:
        model = kx.EmbeddingModel(
            encoders={n: network(size, 4) for n, size in sizes.items()},
            embedding_dim=4,
            dtype=policy,
        )
    elif make is vae:
        model = kx.VAEModel(
            latent_dim=3,
            encoders={n: network(size, 4) for n, size in sizes.items()},
            decoders={n: network(3, size) for n, size in sizes.items()},
            dtype=policy,
        )
    elif make is gan:
        model = kx.GANModel(
            generator=network(3, 5),
            discriminator=network(5, 1),
            conditional=False,
            target="text",
            latent_dim=3,
            dtype=policy,
        )
    else:
        model = kx.CycleGANModel(
            {"image": network(5, 8), "text": network(8, 5)},
            {"image": network(8, 1), "text": network(5, 1)},
            dtype=policy,
        )
    if gathered:
        accumulate(model, gathered)
    else:
        model.compile(run_eagerly=True)
    x = {"text": VECTORS["text"]} if make is gan else VECTORS
    if not model.built:
        model.build({name: value.shape for name, value in x.items()})
    found = [v for v in model.trainable_variables if "extra" in v.path]
    assert found
    before = [v.numpy() for v in model.trainable_variables]
    model.fit(x, batch_size=3, epochs=2, verbose=0)
    learned = [
        v.path
        for v, old in zip(model.trainable_variables, before, strict=True)
        if not np.array_equal(v.numpy(), old)
    ]
    assert learned
    assert not any("extra" in path for path in learned)
