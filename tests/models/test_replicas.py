"""Several replicas train as one device does, or the model says no."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.large

START = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
import keras_xmodal as kx
from tests.models.test_data_gate import (
    IDS, UNEQUAL, VECTORS, cycle_gan, embedding, gan, vae
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
HALF = {"image": np.array([1.0, 0, 1, 2, 1, 1]),
        "text": np.array([1.0, 3, 1, 0, 1, 1])}

def compare(make, *data, batch_size=6, prepare=None, **kwargs):
    # 4 of 6 rows are batches of 2 + 2 and 1 + 1; 5 of 6 are 3 + 2 and 1 + 0.
    def trained():
        model = make()
        if prepare:
            prepare(model)
        options = {"batch_size": batch_size, "shuffle": False, "verbose": 0}
        logs = model.fit(*data, epochs=2, **options, **kwargs).history
        del options["shuffle"]
        weight = {k: v for k, v in kwargs.items() if k == "sample_weight"}
        logs["evaluation"] = list(
            model.evaluate(*data, return_dict=True, **options, **weight)
            .values()
        )
        return model, logs
    one, logs = trained()
    with strategy.scope():
        two, others = trained()
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
    for name, values in logs.items():
        np.testing.assert_allclose(
            values, others[name], rtol=2e-4, atol=1e-6, err_msg=name
        )
    return two
"""


def run(code):
    """In a process of its own: logical devices are set up at the start."""
    result = subprocess.run(
        [sys.executable, "-c", START + code], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]


def test_embedding_model():
    """Negatives, ids and weights are those of the whole batch."""
    run("""
for batch_size in (6, 4, 5):
    compare(embedding, VECTORS, IDS, batch_size=batch_size)
compare(embedding, VECTORS, sample_weight=UNEQUAL)
compare(embedding, VECTORS, IDS, sample_weight=HALF)
for loss in ("sigmoid_contrastive", "triplet_hard_negative"):
    compare(
        embedding, VECTORS, IDS,
        prepare=lambda model: model.compile(
            keras.optimizers.SGD(0.1), loss, run_eagerly=False
        ),
    )
compare(
    embedding, VECTORS, IDS,
    prepare=lambda model: model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1),
        learning_rate_multipliers={"image": 0.1, "text": 0},
        run_eagerly=False,
    ),
)

def regularized():
    keras.utils.set_random_seed(0)
    model = kx.EmbeddingModel(
        encoders={
            name: keras.layers.Dense(4, kernel_regularizer="l2")
            for name in ("image", "text", "sound")
        },
        embedding_dim=3,
    )
    model.compile(keras.optimizers.SGD(0.1))
    return model

compare(regularized, {**VECTORS, "sound": VECTORS["text"]}, IDS, batch_size=4)

# All replicas remember the rows of all.
for options in ({}, {"micro_batch_size": 2}):
    models = []
    for batch_size in (4, 5):
        models.append(compare(
            embedding, VECTORS, IDS, batch_size=batch_size, sample_weight=HALF,
            prepare=lambda model: model.compile(
                keras.optimizers.SGD(0.1), memory_size=5, memory_warm_up=4,
                run_eagerly=False, **options,
            ),
        ))
    for model in models:
        assert model.memory.seen.numpy() == 12
        np.testing.assert_array_equal(model.memory.ids.numpy(), IDS[-5:])

def plain():
    keras.utils.set_random_seed(0)
    model = kx.EmbeddingModel(8, 5)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model

compare(
    plain, VECTORS["image"], VECTORS["text"], batch_size=5,
    sample_weight=UNEQUAL,
)

# Micro-batches of the rows of a replica, which may have none.
compare(
    embedding, VECTORS, IDS, batch_size=5, sample_weight=HALF,
    prepare=lambda model: model.compile(
        keras.optimizers.SGD(0.1), micro_batch_size=2, run_eagerly=False
    ),
)
encoder = keras.Sequential(
    [keras.Input((8,)), keras.layers.Reshape((2, 4)),
     kx.layers.SpecAugment(1, 2, seed=1), keras.layers.Flatten()]
)
with strategy.scope():
    model = kx.EmbeddingModel(
        encoders={"image": encoder, "text": keras.layers.Dense(3)},
        embedding_dim=3,
    )
    model.compile(micro_batch_size=2)
    try:
        model.fit(VECTORS, batch_size=6, verbose=0)
    except ValueError as error:
        assert "leave `micro_batch_size` out" in str(error)
    else:
        raise SystemExit("SpecAugment")
""")


def test_vae_model():
    run("""
for objective in ("mopoe", "mmvae", "jmvae"):
    for batch_size in (6, 5):
        compare(
            lambda: vae(objective=objective), VECTORS, batch_size=batch_size,
            prepare=lambda model: model.free_bits.assign(0.05),
        )
compare(vae, VECTORS, sample_weight=UNEQUAL, batch_size=4)
compare(vae, VECTORS, batch_size=4, callbacks=[kx.callbacks.KLWarmUp(4)])
compare(vae, VECTORS, sample_weight=HALF)
""")


def test_gan_model():
    run("""
compare(gan, VECTORS, batch_size=5)
compare(gan, VECTORS, sample_weight=UNEQUAL, batch_size=4)

def unconditional():
    keras.utils.set_random_seed(0)
    model = kx.GANModel(output_dim=5, latent_dim=3, seed=0)
    model.compile(run_eagerly=False)
    return model

compare(unconditional, VECTORS["text"], batch_size=5)

def pictures(augmenter):
    keras.utils.set_random_seed(0)
    model = kx.GANModel(
        generator=keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(48, "sigmoid"),
             keras.layers.Reshape((4, 4, 3))]
        ),
        discriminator=keras.Sequential(
            [keras.Input((4, 4, 3)), keras.layers.Flatten(),
             keras.layers.Dense(1, kernel_initializer="ones")]
        ),
        conditional=False, target="image", latent_dim=3, seed=0,
        augmenter=augmenter,
    )
    model.compile(loss="hinge", run_eagerly=False)
    return model

x = np.random.default_rng(0).random((6, 4, 4, 3), "float32")
compare(lambda: pictures(kx.layers.DiffAugment()), x, batch_size=5)
adaptive = kx.layers.AdaptiveAugmentation
model = compare(
    lambda: pictures(adaptive(target=-0.99, adaptation_speed=30)), x,
    batch_size=5,
)
assert model.augmenter.probability.numpy() > 0

with strategy.scope():
    try:
        gan().compile(mismatch_weight=0.5)
    except ValueError as error:
        assert "several replicas" in str(error)
    else:
        raise SystemExit("mismatch")
""")


def test_cycle_gan_model():
    run("""
compare(cycle_gan, VECTORS)
compare(cycle_gan, VECTORS, batch_size=5)
""")


def test_what_replicas_do_alone_and_what_they_refuse():
    run("""
def refused(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except ValueError as error:
        assert "2 replicas" in str(error)
    else:
        raise SystemExit(f"{function} is not refused")

for make in (embedding, vae, gan, cycle_gan):
    x = {name: value[:5] for name, value in VECTORS.items()}
    given = x["image"] if make is gan else x
    expected = make().predict(given, batch_size=4, verbose=0)
    with strategy.scope():
        model = make()
    found = model.predict(given, batch_size=4, verbose=0)  # It builds, too.
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
        found, expected,
    )
    refused(model.train_on_batch, VECTORS)
    refused(model.test_on_batch, VECTORS)
    refused(model.predict_on_batch, given)
    for options in ({"jit_compile": True}, {"steps_per_execution": 2}):
        with strategy.scope():
            model.compile(**options)
        refused(model.fit, VECTORS, verbose=0)
        refused(model.evaluate, VECTORS, verbose=0)

# Each row draws noise of its own.
layer = kx.layers.GumbelSoftmax(seed=3)
logits = np.zeros((5, 64), "float32")
expected = layer(logits, training=True).numpy()
with strategy.scope():
    layer = kx.layers.GumbelSoftmax(seed=3)
parts = strategy.experimental_distribute_values_from_function(
    lambda c: tf.constant(
        logits[:3] if c.replica_id_in_sync_group == 0 else logits[3:]
    )
)
run = tf.function(
    lambda x: strategy.run(lambda part: layer(part, training=True), (x,))
)
found = strategy.experimental_local_results(run(parts))
np.testing.assert_allclose(np.concatenate(found), expected)
""")
