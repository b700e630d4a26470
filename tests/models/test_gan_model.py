import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from tests.helpers import (
    assert_close,
    check_same_training,
    check_train_step,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 5)).astype("float32")
Y = (1 / (1 + np.exp(-X @ RNG.normal(size=(5, 3))))).astype("float32")
# Losses have tests of their own. Of these two, one compares real with fake.
LOSSES = [
    "relativistic",
    "wasserstein",
    *(
        pytest.param(name, marks=pytest.mark.large)
        for name in ("hinge", "least_squares", "minimax", "non_saturating")
    ),
]


def make_gan(compile_options=None, **kwargs):
    keras.utils.set_random_seed(3)
    # Tracing a graph takes longer than the few steps of most tests here.
    compile_options = dict(compile_options or {})
    if not compile_options.get("jit_compile"):
        compile_options.setdefault("run_eagerly", True)
    options = {
        "generator": kx.networks.DenseGenerator(3, (16,)),
        "discriminator": kx.networks.DenseDiscriminator((16,)),
        "latent_dim": 4,
        "ema_momentum": 0.9,
        "seed": 1,
    }
    gan = kx.GANModel(**{**options, **kwargs})
    gan.compile(
        keras.optimizers.Adam(0.01, beta_1=0.5),
        keras.optimizers.Adam(0.02, beta_1=0.5),
        **compile_options,
    )
    return gan


def functional(units, activation=None, *between, sizes=(4, 5)):
    inputs = [keras.Input((size,)) for size in sizes]
    x = keras.layers.Concatenate()(inputs)
    for layer in between:
        x = layer(x)
    return keras.Model(inputs, keras.layers.Dense(units, activation)(x))


def train(gan, x=X, y=Y, **kwargs):
    options = {"batch_size": 16, "shuffle": False, "verbose": 0, **kwargs}
    return gan.fit(x, y, **options).history


# Training.


def all_options(loss):
    penalty = "gradient_penalty" if loss == "wasserstein" else "r1"
    return {
        "loss": loss,
        "penalties": [penalty, "r2"],
        "mismatch_weight": 0.5,
        "discriminator_steps": 2,
    }


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_of_xla_is_that_of_eager(loss):
    def make():
        gan = make_gan(all_options(loss))
        gan.build((None, 5))
        if loss == "relativistic":
            # The bias does not count, and its gradient is rounding alone.
            gan.discriminator.output_layer.bias.trainable = False
        return gan

    check_train_step(make, (tf.constant(X[:16]), tf.constant(Y[:16])))


@pytest.mark.large
def test_trains_alike_with_xla_and_eagerly():
    weights = []

    def fit(**options):
        gan = make_gan({**all_options("relativistic"), **options})
        history = train(gan, epochs=2)
        assert {"discriminator_loss", "generator_loss", "r1", "r2"} < {*history}
        # Of the bias, which does not count, there is rounding alone.
        scores = [history.pop(f"{x}_score") for x in ("real", "fake")]
        history["difference"] = np.subtract(*scores)
        gan.discriminator.output_layer.bias.assign([0.0])
        weights.append(gan.get_weights())
        return gan, history

    check_same_training(fit, atol=1e-4)
    for other in weights[1:]:
        assert_close(other, weights[0], atol=1e-3)


@pytest.mark.large
def test_learns_what_a_condition_says():
    """Means by condition, against the mean of all targets."""
    keras.utils.set_random_seed(0)
    labels = RNG.integers(2, size=2000)
    y = np.where(labels[:, None], 0.8, 0.2) + 0.02 * RNG.normal(size=(2000, 3))
    gan = make_gan(
        {"run_eagerly": False},
        condition_encoder=keras.layers.CategoryEncoding(2, "one_hot"),
    )
    gan.fit(labels, y.astype("float32"), batch_size=100, epochs=15, verbose=0)
    for label, mean in ((0, 0.2), (1, 0.8)):
        generated = gan.generate(np.full(200, label), seed=0)
        assert np.abs(generated.mean(axis=0) - mean).max() < 0.1


def test_each_step_leaves_the_other_network_alone():
    normalized = functional(
        1,
        None,
        keras.layers.BatchNormalization(),
        keras.layers.Dense(8, "tanh"),
        sizes=(3, 5),
    )
    gan = make_gan(
        {"run_eagerly": True, "loss": "least_squares"}, discriminator=normalized
    )
    gan.build((None, 5))

    def weights():
        return [
            [v.numpy() for v in network.variables]
            for network in (gan.generator, gan.discriminator)
        ]

    x, y = tf.constant(X), tf.constant(Y)
    before = weights()
    gan._discriminator_step(y, x, x, None, 0)
    between = weights()
    gan._generator_step(y, x, None)
    after = weights()
    assert_close(between[0], before[0], atol=0)
    assert_close(after[1], between[1], atol=0)
    for old, new in ((before[1], between[1]), (between[0], after[0])):
        changed = [
            np.abs(a - b).max() > 0 for a, b in zip(old, new, strict=True)
        ]
        assert all(changed)


def test_one_step_by_hand():
    """SGD on the formulas, written down a second time."""
    gan = make_gan({"penalties": [], "run_eagerly": True})
    gan.compile(
        keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.2), penalties=["r1"]
    )
    gan.build((None, 5))
    x, y = tf.constant(X[:8]), tf.constant(Y[:8])
    weights = [n.get_weights() for n in (gan.generator, gan.discriminator)]
    twin = make_gan()
    twin.build((None, 5))
    for network, values in zip(
        (twin.generator, twin.discriminator), weights, strict=True
    ):
        network.set_weights(values)
    generator, discriminator = twin.generator, twin.discriminator
    z = [gan._latents(gan._noise(stream), 8) for stream in (2, 1)]
    gan.train_on_batch(x, y)

    variables = discriminator.trainable_variables
    with tf.GradientTape() as tape:
        with tf.GradientTape() as inner:
            inner.watch(y)
            r = discriminator([y, x])
        slope = inner.gradient(r, y)
        f = discriminator([generator([z[0], x]), x])
        loss = tf.reduce_mean(tf.math.softplus(f - r))
        loss += 0.5 * tf.reduce_mean(tf.reduce_sum(slope**2, axis=1))
    gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
    for v, g in zip(variables, gradients, strict=True):
        v.assign(v - 0.2 * g)
    variables = generator.trainable_variables
    with tf.GradientTape() as tape:
        f = discriminator([generator([z[1], x]), x])
        loss = tf.reduce_mean(tf.math.softplus(discriminator([y, x]) - f))
    old = generator.get_weights()
    for v, g in zip(variables, tape.gradient(loss, variables), strict=True):
        v.assign(v - 0.1 * g)
    assert_close(
        gan.discriminator.get_weights(), discriminator.get_weights(), atol=1e-6
    )
    assert_close(
        gan.generator.get_weights(), generator.get_weights(), atol=1e-6
    )
    average = [
        0.9 * a + 0.1 * b
        for a, b in zip(old, generator.get_weights(), strict=True)
    ]
    assert_close(gan.ema_generator.get_weights(), average, atol=1e-6)


def test_each_update_of_the_discriminator_has_noise_of_its_own():
    gan = make_gan()
    gan.compile(
        "sgd",
        keras.optimizers.SGD(0.0),
        penalties=[],
        discriminator_steps=2,
        run_eagerly=True,
    )
    gan.build((None, 5))
    x, y = tf.constant(X[:8]), tf.constant(Y[:8])
    losses = []
    for stream in (2, 5):
        z = gan._latents(gan._noise(stream), 8)
        fake = gan.discriminator([gan.generator([z, x]), x])
        real = gan.discriminator([y, x])
        losses.append(np.mean(tf.math.softplus(fake - real)))
    logs = gan.train_on_batch(x, y, return_dict=True)
    expected = pytest.approx(np.mean(losses), rel=1e-5)
    assert losses[0] != expected
    assert logs["discriminator_loss"] == expected


def test_mismatched_conditions_by_hand():
    gan = make_gan({"mismatch_weight": 0.25, "penalties": []})
    gan.build((None, 5))
    # Examples 1 and 2 have one condition: none to mistake for another.
    x, y = X[:4].copy(), tf.constant(Y[:4])
    x[2] = x[1]
    real, fake = tf.constant([0.1, 0.2, 0.3, 0.4]), tf.constant([0.5] * 4)
    values = gan._discriminator_loss(
        {"real": real, "fake": fake}, y, tf.constant(x), tf.constant(x)
    )
    mismatched = gan.discriminator([y, np.roll(x, 1, axis=0)]).numpy()[:, 0]
    loss = gan.adversarial_loss.discriminator_loss
    expected = 0.75 * loss(real, fake) + 0.25 * loss(real, mismatched)
    expected = np.where([False, False, True, False], loss(real, fake), expected)
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_examples_of_no_weight_change_nothing():
    def trained(x, y, **kwargs):
        gan = make_gan({"run_eagerly": True})
        gan.build((None, 5))
        gan.train_on_batch(x, y, **kwargs)
        return gan.get_weights()

    weight = np.float32([1, 1, 1, 0, 0, 0])
    other = Y[:6].copy()
    other[3:] = 0.123
    expected = trained(X[:6], Y[:6], sample_weight=weight)
    assert_close(trained(X[:6], other, sample_weight=weight), expected, atol=0)
    assert_close(trained(X[:3], Y[:3]), expected, atol=1e-6)


@pytest.mark.parametrize(
    "run_eagerly", [True, pytest.param(False, marks=pytest.mark.large)]
)
def test_saves_and_resumes_exactly(run_eagerly, tmp_path):
    def make():
        keras.utils.set_random_seed(3)

        def layers():
            return keras.layers.Dense(8), keras.layers.BatchNormalization()

        return make_gan(
            {
                "loss": kx.adversarial.Hinge(),
                "penalties": [kx.adversarial.R1(0.3)],
                "mismatch_weight": 0.25,
                "run_eagerly": run_eagerly,
            },
            generator=functional(3, "sigmoid", *layers(), sizes=(4, 6)),
            discriminator=functional(1, None, *layers(), sizes=(3, 6)),
            condition_encoder=keras.layers.Dense(6),
        )

    gan = make()
    train(gan, epochs=2)
    path = tmp_path / "model.keras"
    gan.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.penalties[0].weight == 0.3
    assert loaded.mismatch_weight == 0.25
    assert int(loaded.step) == 6
    assert_close(loaded(X), gan(X), atol=0)
    histories = [train(m, epochs=2) for m in (gan, loaded)]
    assert histories[0] == histories[1]
    assert_close(gan.get_weights(), loaded.get_weights(), atol=0)
    for name in ("generator_optimizer", "discriminator_optimizer"):
        a, b = (getattr(m, name).variables for m in (gan, loaded))
        assert_close([v.numpy() for v in a], [v.numpy() for v in b], atol=0)

    # Uninterrupted, it is the same.
    whole = make()
    train(whole, epochs=4)
    assert_close(whole.get_weights(), gan.get_weights(), atol=0)


def test_saves_what_layers_keep_between_steps(tmp_path):
    """Adaptive augmentation and spectral normalisation, of images."""
    images = RNG.uniform(-1, 1, size=(48, 8, 8, 1)).astype("float32")

    def make():
        keras.utils.set_random_seed(3)
        normalize = kx.layers.SpectralNormalization
        discriminator = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                normalize(keras.layers.Conv2D(4, 3, activation="leaky_relu")),
                keras.layers.Flatten(),
                normalize(keras.layers.Dense(1)),
            ]
        )
        return make_gan(
            {"loss": "hinge", "discriminator_steps": 2},
            generator=kx.networks.ConvGenerator((8, 8, 1), (4,)),
            discriminator=discriminator,
            augmenter=kx.layers.AdaptiveAugmentation(adaptation_speed=200),
            conditional=False,
        )

    gan = make()
    history = train(gan, images, None, epochs=1)
    assert history["augmentation"][-1] > 0
    gan.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    histories = [train(m, images, None, epochs=1) for m in (gan, loaded)]
    assert histories[0] == histories[1]
    whole = make()
    train(whole, images, None, epochs=2)
    for other in (loaded, whole):
        assert_close(other.get_weights(), gan.get_weights(), atol=0)


def test_backup_and_restore(tmp_path):
    """Keras' own callback finds all there is to keep."""
    expected = make_gan()
    train(expected, epochs=3)

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    gan = make_gan()
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(gan, epochs=3, callbacks=[backup, Interrupt()])
    resumed = make_gan()
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    train(resumed, epochs=3, callbacks=[backup])
    assert_close(resumed.get_weights(), expected.get_weights(), atol=0)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    gan = make_gan(
        dtype=policy,
        generator=kx.networks.DenseGenerator(3, (16,), dtype=policy),
        discriminator=kx.networks.DenseDiscriminator((16,), dtype=policy),
    )
    history = train(gan, epochs=3)
    assert np.isfinite(list(history.values())).all()
    scaled = isinstance(
        gan.generator_optimizer, keras.optimizers.LossScaleOptimizer
    )
    assert scaled is (policy == "mixed_float16")
    assert gan.generate(X, seed=0).dtype == np.float32


@pytest.mark.large
def test_two_replicas_train_as_one(tmp_path):
    """In a process of its own: logical devices are set up at the start."""
    import subprocess
    import sys

    code = """
import sys
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
from tests.models.test_gan_model import X, Y, make_gan
def trained():
    options = {"discriminator_steps": 2, "run_eagerly": False}
    gan = make_gan({"loss": "relativistic", **options})
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    gan.fit(data, epochs=2, verbose=0)
    return gan.get_weights()
one = trained()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    two = trained()
print(max(np.abs(a - b).max() for a, b in zip(one, two)))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert float(result.stdout.split()[-1]) < 1e-5


# Use.


def test_call_predict_and_generate():
    gan = make_gan()
    gan.build((None, 5))
    z = RNG.normal(size=(48, 4)).astype("float32")
    expected = gan.ema_generator([z, X])
    assert_close(gan(X, z), expected, atol=0)
    np.testing.assert_allclose(gan.generate(X, z), expected, atol=1e-6)
    np.testing.assert_array_equal(gan(X), gan(X))
    assert gan.predict(X, verbose=0).shape == (48, 3)
    generated = gan.generate(X, seed=5)
    assert not np.allclose(generated, gan.generate(X, seed=6))
    # Neither the batch size nor the other rows change an example.
    np.testing.assert_allclose(
        gan.generate(X, seed=5, batch_size=7), generated, atol=1e-6
    )
    seeds = np.arange(48)
    rows = gan.generate(X, seed=seeds)
    np.testing.assert_allclose(
        gan.generate(X[9:12], seed=seeds[9:12]), rows[9:12], atol=1e-6
    )


def test_without_a_condition():
    gan = make_gan(conditional=False)
    train(gan, Y, None, epochs=2)
    assert gan.generate(num_examples=7, seed=0).shape == (7, 3)
    assert gan(np.zeros((2, 4), "float32")).shape == (2, 3)
    dataset = tf.data.Dataset.from_tensor_slices(Y).batch(16)
    gan.fit(dataset, verbose=0)
    logs = gan.evaluate(Y, verbose=0, return_dict=True)
    assert set(logs) == {
        "discriminator_loss",
        "generator_loss",
        "real_score",
        "fake_score",
    }


def test_named_modalities(tmp_path):
    scale = keras.layers.Rescaling(0.5)
    gan = make_gan(
        condition="text", target="image", preprocessors={"text": scale}
    )
    data = {"text": X, "image": Y}
    history = train(gan, data, None, epochs=1)
    unnamed = make_gan()
    assert train(unnamed, np.float32(0.5) * X, Y, epochs=1) == history
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(16)
    gan.fit(gan.preprocess(dataset), verbose=0)
    # Raw conditions are preprocessed.
    np.testing.assert_allclose(
        gan.generate(X, seed=1),
        gan(X * 0.5, z=gan.sample_latents(48, seed=1)),
        atol=1e-6,
    )
    gan.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        loaded.generate(X, seed=1), gan.generate(X, seed=1)
    )
    with pytest.raises(ValueError, match="'image'"):
        gan.fit({"text": X}, verbose=0)


def test_one_optimizer_stands_for_both():
    adam = keras.optimizers.Adam(3e-3, beta_1=0.2)
    gan = make_gan()
    gan.compile(optimizer=adam, run_eagerly=True)
    optimizers = (gan.generator_optimizer, gan.discriminator_optimizer)
    assert optimizers[0] is not optimizers[1]
    for optimizer in optimizers:
        assert float(optimizer.learning_rate) == pytest.approx(3e-3)
        assert optimizer.beta_1 == 0.2
    train(gan, epochs=1)
    assert all(int(o.iterations) == int(gan.step) for o in optimizers)
    with pytest.raises(ValueError, match="for both networks"):
        make_gan({"optimizer": "adam"})


def test_evaluation_is_repeatable_and_has_metrics():
    layers = keras.layers
    gan = make_gan(
        {"metrics": ["mse"]},
        generator=functional(3, "sigmoid", layers.Dropout(0.5)),
        discriminator=functional(
            1, None, layers.BatchNormalization(), sizes=(3, 5)
        ),
    )
    train(gan, epochs=1, validation_data=(X, Y))
    logs = gan.evaluate(X, Y, batch_size=16, verbose=0, return_dict=True)
    assert logs == gan.evaluate(
        X, Y, batch_size=16, verbose=0, return_dict=True
    )
    z = gan._latents(gan._noise(0, step=-2), 48)
    fake = gan(X, z)
    expected = np.mean((fake - Y) ** 2)
    assert logs["mean_squared_error"] == pytest.approx(expected, rel=1e-4)
    x, y = tf.constant(X), tf.constant(Y)
    real, fake = (gan.discriminator([v, x])[:, 0] for v in (y, fake))
    names = ("discriminator_loss", "generator_loss")
    for name, values in zip(
        names, gan.adversarial_loss.call(real, fake), strict=True
    ):
        assert logs[name] == pytest.approx(np.mean(values), rel=1e-4)


def test_without_an_average():
    gan = make_gan(ema_momentum=0)
    train(gan)
    assert gan.ema_generator is gan.generator


# Bad input.


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({}, ValueError, "Either `output_dim`"),
        ({"input_dim": 3}, ValueError, "Either `output_dim`"),
        ({"input_dim": 3, "output_dim": 0}, ValueError, "`output_dim` must be"),
        ({"output_dim": 2, "latent_dim": -1}, ValueError, "latent_dim=-1"),
        ({"output_dim": 2, "ema_momentum": 1}, ValueError, "ema_momentum=1"),
        ({"output_dim": 2, "conditional": True}, ValueError, "`conditional`"),
        (
            {"output_dim": 2, "generator": functional(2)},
            ValueError,
            "given together",
        ),
        ({"generator": 1, "discriminator": 2}, TypeError, "`generator` must"),
        (
            {"input_dim": 3, "output_dim": 2, "target": "image"},
            ValueError,
            "`condition` and `target`",
        ),
        (
            {"output_dim": 2, "condition_encoder": keras.layers.Dense(2)},
            ValueError,
            "without conditions",
        ),
    ],
)
def test_wrong_arguments(kwargs, error, match):
    with pytest.raises(error, match=match):
        kx.GANModel(**kwargs)


def test_discriminators_of_probabilities_or_wrong_rank():
    with pytest.raises(ValueError, match="must return logits"):
        make_gan(discriminator=functional(1, "sigmoid", sizes=(3, 5))).build(
            (None, 5)
        )
    with pytest.raises(ValueError, match=r"one logit.*\(None, 2\)"):
        make_gan(discriminator=functional(2, sizes=(3, 5))).build((None, 5))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"loss": "mse"}, ValueError, "loss='mse'"),
        ({"loss": kx.losses.InfoNCE()}, TypeError, "AdversarialLoss"),
        ({"penalties": ["l2"]}, ValueError, "'l2'"),
        ({"penalties": ["r1", "r1"]}, ValueError, "different names"),
        ({"mismatch_weight": 2}, ValueError, "mismatch_weight=2"),
        ({"discriminator_steps": 0}, ValueError, "discriminator_steps=0"),
    ],
)
def test_wrong_compile_arguments(options, error, match):
    gan = make_gan()
    with pytest.raises(error, match=match):
        gan.compile(**options)


def test_one_optimizer_for_both():
    optimizer = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="two optimizers"):
        make_gan().compile(optimizer, optimizer)


def test_layers_of_wrong_second_derivatives():
    def discriminator(layer):
        return keras.Sequential(
            [keras.Input((8, 8, 1)), layer, keras.layers.Flatten()]
            + [keras.layers.Dense(1)]
        )

    generator = keras.Sequential(
        [keras.layers.Dense(64, "tanh"), keras.layers.Reshape((8, 8, 1))]
    )
    for layer in (
        keras.layers.UpSampling2D(interpolation="bilinear"),
        keras.layers.Resizing(4, 4),
    ):
        gan = kx.GANModel(
            generator=generator,
            discriminator=discriminator(layer),
            conditional=False,
        )
        with pytest.raises(ValueError, match=layer.name):
            gan.compile()
        gan.compile(penalties=[])
    gan = kx.GANModel(
        generator=generator,
        discriminator=discriminator(keras.layers.UpSampling2D()),
        conditional=False,
    )
    gan.compile()


def bad(value):
    y = Y.copy()
    y[3, 1] = value
    return y


@pytest.mark.parametrize(
    ("x", "y", "match"),
    [
        (X, None, "`y` must hold the targets"),
        (X[:5], Y, "equally many"),
        (X[:0], Y[:0], "at least 1"),
        (X, bad(np.nan), "`y` must be finite"),
        (X, bad(1.5), r"\[0, 1\].*sigmoid.* to 1.5"),
        (X, np.zeros((48, 4)), r"\(None, 3\).*\(None, 4\)"),
        (np.full_like(X, np.inf), Y, "`x` must be finite"),
    ],
)
def test_wrong_data_is_refused_before_training(x, y, match):
    gan = make_gan()
    with pytest.raises(ValueError, match=match):
        gan.fit(x, y, verbose=0)
    assert int(gan.step) == 0


def test_wrong_datasets_are_refused():
    gan = make_gan()
    dataset = tf.data.Dataset.from_tensor_slices((X, Y[:, :2])).batch(8)
    with pytest.raises(ValueError, match=r"\(None, 3\).*\(None, 2\)"):
        gan.fit(dataset)


def test_a_batch_of_one_with_batch_statistics():
    gan = make_gan(
        generator=functional(3, "sigmoid", keras.layers.BatchNormalization())
    )
    with pytest.raises(ValueError, match="BatchNormalization"):
        gan.fit(X[:33], Y[:33], batch_size=16, verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices((X, Y))
    with pytest.raises(ValueError, match="batch of one"):
        gan.fit(dataset.batch(1, drop_remainder=True))
    train(gan)


def test_a_generator_that_cannot_be_copied():
    class Network(keras.Model):
        def __init__(self, units):
            super().__init__()

    with pytest.raises(ValueError, match="ema_momentum=0"):
        make_gan(generator=Network(3))


def test_losses_that_are_not_finite_stop_the_training():
    class Breaking(kx.adversarial.AdversarialLoss):
        def call(self, real, fake):
            # Breaks once the discriminator has learned something.
            value = tf.math.log(0.4 - tf.reduce_mean(real - fake))
            return value + 0 * real, -fake

    gan = make_gan({"loss": Breaking(), "penalties": []})
    gan.compile(
        keras.optimizers.Adam(0.0), keras.optimizers.Adam(0.05), Breaking(), []
    )
    kept = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: kept.append(gan.get_weights())
    )
    with pytest.raises(FloatingPointError, match=r"in step \d+ .batch"):
        train(gan, epochs=200, callbacks=[keep])
    assert np.isfinite(np.concatenate([w.ravel() for w in kept[-1]])).all()
    assert_close(gan.get_weights(), kept[-1], atol=0)
    assert int(gan.step) == 3 * (len(kept) - 1)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({}, "`condition` must be given"),
        ({"condition": X, "z": np.zeros((48, 4)), "seed": 1}, "either `z` or"),
        ({"condition": X, "z": np.zeros((48, 5))}, r"\(None, 4\)"),
        ({"condition": X, "z": np.zeros((47, 4))}, "equally many"),
        ({"condition": X, "seed": [1, 2]}, "equally many"),
        ({"condition": X[:0]}, "at least 1"),
    ],
)
def test_wrong_arguments_of_generate(kwargs, match):
    gan = make_gan()
    gan.build((None, 5))
    with pytest.raises(ValueError, match=match):
        gan.generate(**kwargs)


def test_the_number_of_examples_is_needed_without_conditions():
    gan = make_gan(conditional=False)
    with pytest.raises(ValueError, match="`num_examples` must say"):
        gan.generate()


def test_predict_does_not_depend_on_its_batches():
    gan = make_gan()
    x = np.tile(X[:1], (5, 1))
    one = gan.predict(x, verbose=0)
    assert len(np.unique(one, axis=0)) == 5
    np.testing.assert_allclose(
        gan.predict(x, batch_size=2, verbose=0), one, rtol=1e-5
    )
    np.testing.assert_allclose(gan.predict_on_batch(x), one, rtol=1e-5)
    np.testing.assert_allclose(gan(x), one, rtol=1e-5)


@pytest.mark.parametrize("target", [None, "y"])
def test_without_conditions_there_are_no_targets_beside_the_input(target):
    y = np.random.default_rng(0).random((8, 2), "float32")
    ids, weights = np.arange(8), np.ones(8)

    def losses(*data, **kwargs):
        gan = kx.GANModel(
            generator=kx.networks.DenseGenerator(2),
            discriminator=kx.networks.DenseDiscriminator(),
            conditional=False,
            target=target,
            seed=0,
        )
        gan.compile(run_eagerly=True)
        return gan.evaluate(*data, verbose=0, **kwargs)

    def dataset(*parts):
        return tf.data.Dataset.from_tensor_slices(parts).batch(4)

    losses(y)
    losses(y, ids)
    losses(y, sample_weight=weights)
    losses(dataset(y, ids, weights))
    for wrong in ((y, y), (y, y[:, :1]), (dataset(y, y),)):
        with pytest.raises(ValueError, match="`input_dim`"):
            losses(*wrong)


def test_a_number_of_examples_is_no_condition():
    with pytest.raises(ValueError, match="num_examples=3"):
        kx.GANModel(output_dim=2).generate(3)


def test_scaling_of_the_loss_may_be_left_out(tmp_path):
    gan = kx.GANModel(3, 2, dtype="mixed_float16")
    gan.compile(auto_scale_loss=False)
    gan.save(tmp_path / "gan.keras")
    for model in (gan, keras.saving.load_model(tmp_path / "gan.keras")):
        assert type(model.generator_optimizer) is keras.optimizers.Adam
