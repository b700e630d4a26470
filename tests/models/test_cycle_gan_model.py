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
# Of unequal lengths: rows are no pairs.
DATA = {
    "a": RNG.normal(size=(24, 3)).astype("float32"),
    "b": RNG.uniform(size=(20, 3)).astype("float32"),
}
ADAM = keras.optimizers.Adam


def dense(size, units, activation=None, normalized=False, hidden="tanh"):
    layers = [keras.Input((size,)), keras.layers.Dense(8, hidden)]
    if normalized:
        layers.append(keras.layers.BatchNormalization())
    return keras.Sequential([*layers, keras.layers.Dense(units, activation)])


def make_model(compile_options=None, normalized=False, **kwargs):
    keras.utils.set_random_seed(3)
    options = {
        "generators": {
            "a": dense(3, 3, None, normalized),
            "b": dense(3, 3, "sigmoid", normalized),
        },
        "discriminators": {
            "b": dense(3, 1, None, normalized),
            "a": dense(3, 1, None, normalized),
        },
        "ema_momentum": 0.9,
        "seed": 1,
    }
    model = kx.CycleGANModel(**{**options, **kwargs})
    model.compile(
        ADAM(0.01, beta_1=0.5),
        ADAM(0.02, beta_1=0.5),
        **(compile_options or {}),
    )
    return model


def train(model, x=DATA, **kwargs):
    options = {"batch_size": 8, "shuffle": False, "verbose": 0, **kwargs}
    return model.fit(x, **options).history


def batch(size=8):
    return {name: tf.constant(value[:size]) for name, value in DATA.items()}


# Training.


def test_one_step_by_hand():
    """SGD on the formulas, written down a second time."""
    model = make_model()
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.optimizers.SGD(0.2),
        loss="relativistic",
        penalties=["r1"],
        cycle_weight=3.0,
        identity_weight=2.0,
    )
    x = batch()
    a, b = x["a"], x["b"]
    twin = make_model()
    make_a, make_b = twin.generators["a"], twin.generators["b"]
    d_a, d_b = twin.discriminators["a"], twin.discriminators["b"]
    logs = model.train_on_batch(x, return_dict=True)

    def softplus(value):
        return tf.reduce_mean(tf.math.softplus(value))

    def distance(value, other):
        return tf.reduce_mean(tf.abs(value - other))

    def descend(tape, loss, networks, rate):
        variables = [v for n in networks for v in n.trainable_variables]
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        for v, g in zip(variables, gradients, strict=True):
            v.assign(v - rate * g)

    old = make_a.get_weights()
    with tf.GradientTape() as tape:
        fake_a, fake_b = make_a(b), make_b(a)
        adversarial = softplus(d_a(a) - d_a(fake_a))
        adversarial += softplus(d_b(b) - d_b(fake_b))
        cycle = distance(make_a(fake_b), a) + distance(make_b(fake_a), b)
        identity = distance(make_a(a), a) + distance(make_b(b), b)
        loss = adversarial + 3 * cycle + 2 * identity
    descend(tape, loss, [make_a, make_b], 0.1)
    with tf.GradientTape() as tape:
        loss = penalty = 0.0
        for real, fake, d in ((a, fake_a, d_a), (b, fake_b, d_b)):
            with tf.GradientTape() as inner:
                inner.watch(real)
                r = d(real)
            slope = inner.gradient(r, real)
            loss += softplus(d(fake) - r)
            penalty += 0.5 * tf.reduce_mean(tf.reduce_sum(slope**2, axis=1))
        total = loss + penalty
    descend(tape, total, [d_a, d_b], 0.2)

    expected = {
        "generator_loss": adversarial,
        "cycle_loss": cycle,
        "identity_loss": identity,
        "discriminator_loss": loss,
        "r1": penalty,
    }
    assert logs.keys() == expected.keys()
    for name, value in expected.items():
        assert logs[name] == pytest.approx(float(value), rel=1e-5)
    for name in ("a", "b"):
        for kind in ("generators", "discriminators"):
            assert_close(
                getattr(model, kind)[name].get_weights(),
                getattr(twin, kind)[name].get_weights(),
                atol=1e-6,
            )
    new = make_a.get_weights()
    average = [0.9 * v + 0.1 * w for v, w in zip(old, new, strict=True)]
    assert_close(model.ema_generators["a"].get_weights(), average, atol=1e-6)


RELATIVISTIC = {
    "loss": "relativistic",
    "penalties": ["r1", "gradient_penalty"],
}


def test_a_step_of_xla_is_that_of_eager():
    def make():
        model = make_model(RELATIVISTIC)
        for discriminator in model.discriminators.values():
            # The bias does not count, and its gradient is rounding alone.
            discriminator.layers[-1].bias.trainable = False
        return model

    check_train_step(make, batch())


@pytest.mark.large
def test_trains_alike_with_xla_and_eagerly():
    weights = []

    def fit(**options):
        model = make_model({**RELATIVISTIC, **options})
        history = train(model)
        assert set(history) == {
            "generator_loss",
            "cycle_loss",
            "discriminator_loss",
            "r1",
            "gradient_penalty",
        }
        # Of the biases, which do not count, there is rounding alone.
        for discriminator in model.discriminators.values():
            discriminator.layers[-1].bias.assign([0.0])
        weights.append(model.get_weights())
        return model, history

    check_same_training(fit)
    for other in weights[1:]:
        assert_close(other, weights[0], atol=1e-3)


def test_each_step_leaves_the_other_networks_alone():
    model = make_model({"run_eagerly": True, "loss": "hinge"}, normalized=True)

    def weights():
        return [
            [v.numpy() for network in networks for v in network.variables]
            for networks in (
                model.generators.values(),
                model.discriminators.values(),
            )
        ]

    before = weights()
    fakes = model._generator_step(batch())
    between = weights()
    model._discriminator_step(batch(), fakes)
    after = weights()
    assert_close(between[1], before[1], atol=0)
    assert_close(after[0], between[0], atol=0)
    for old, new in ((before[0], between[0]), (between[1], after[1])):
        changed = [
            np.abs(v - w).max() > 0 for v, w in zip(old, new, strict=True)
        ]
        assert all(changed)


def test_saves_and_resumes_exactly(tmp_path):
    """With all that layers keep, and noise in augmentation and penalty."""
    shape = (6, 6, 1)
    data = {
        name: RNG.uniform(-1, 1, size=(size, *shape)).astype("float32")
        for name, size in (("a", 16), ("b", 12))
    }

    def make():
        keras.utils.set_random_seed(3)
        normalize = kx.layers.SpectralNormalization
        model = make_model(
            {
                "loss": kx.adversarial.Hinge(),
                "penalties": [kx.adversarial.GradientPenalty(0.3)],
                "cycle_weight": 4.0,
                "identity_weight": 1.5,
                "run_eagerly": True,
            },
            generators={
                name: kx.networks.ConvTranslator((2, 3), 1, output_channels=1)
                for name in "ab"
            },
            discriminators={
                name: keras.Sequential(
                    [
                        keras.Input(shape),
                        normalize(keras.layers.Conv2D(2, 3)),
                        keras.layers.BatchNormalization(),
                        keras.layers.Flatten(),
                        keras.layers.Dense(1),
                    ]
                )
                for name in "ab"
            },
            augmenter=kx.layers.AdaptiveAugmentation(adaptation_speed=200),
            preprocessors={"a": keras.layers.Rescaling(0.5)},
        )
        model.augmenter.probability.assign(0.5)
        return model

    model = make()
    history = train(model, data)
    assert 0 < history["augmentation"][-1] != 0.5
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert int(loaded.step) == 2
    assert loaded.penalties[0].weight == 0.3
    assert (loaded.cycle_weight, loaded.identity_weight) == (4.0, 1.5)
    raw = {"a": data["a"]}
    translated = model.translate(raw, "b")
    np.testing.assert_array_equal(loaded.translate(raw, "b"), translated)
    histories = [train(m, data) for m in (model, loaded)]
    assert histories[0] == histories[1]
    # Uninterrupted, it is the same.
    whole = make()
    train(whole, data, epochs=2)
    for other in (loaded, whole):
        assert_close(other.get_weights(), model.get_weights(), atol=0)
        for name in ("generator_optimizer", "discriminator_optimizer"):
            variables = [
                [v.numpy() for v in getattr(m, name).variables]
                for m in (model, other)
            ]
            assert_close(*variables, atol=0)


def test_a_longer_modality_is_seen_once_and_a_shorter_one_repeats():
    seen = {"a": [], "b": []}
    sizes = []
    model = make_model({"run_eagerly": True})
    data = {
        "a": np.arange(10, dtype="float32")[:, None] * np.ones(3, "float32"),
        "b": np.arange(4, dtype="float32")[:, None] * np.ones(3, "float32") / 4,
    }
    prepared = model._gate(data, training=True, batch_size=4, shuffle=True)
    for epoch in range(2):
        for (x,) in prepared:
            sizes.append(len(x["a"]))
            assert len(x["b"]) == len(x["a"])
            for name in seen:
                seen[name].append((epoch, x[name][:, 0].numpy()))
    assert sizes == [4, 4, 2] * 2
    epochs = [
        np.concatenate([v for e, v in seen["a"] if e == epoch])
        for epoch in range(2)
    ]
    for order in epochs:
        np.testing.assert_array_equal(np.sort(order), np.arange(10))
    assert (epochs[0] != epochs[1]).any()
    b = 4 * np.concatenate([v for e, v in seen["b"] if e == 0])
    # Each time round has all of them, in another order than `a`.
    for start in (0, 4):
        np.testing.assert_array_equal(np.sort(b[start : start + 4]), range(4))
    assert np.bincount(b.astype(int)).min() == 2
    # In order, where asked for.
    ((x,),) = model._gate(data, training=True, batch_size=10)
    np.testing.assert_array_equal(x["a"], data["a"])
    rows = np.arange(10) % 4
    np.testing.assert_array_equal(x["b"], data["b"][rows])


def test_data_sets_and_arrays_train_alike():
    rows = {name: value[:20] for name, value in DATA.items()}
    dataset = tf.data.Dataset.from_tensor_slices(rows).batch(8)
    histories = [
        train(
            make_model({"run_eagerly": True}), x, validation_data=x, **options
        )
        for x, options in (
            (rows, {}),
            (dataset, {"batch_size": None}),
            (dataset.map(lambda x: (x,)), {"batch_size": None}),
            (rows, {"steps_per_epoch": 3}),
        )
    ]
    assert "val_cycle_loss" in histories[0]
    for other in histories[1:]:
        assert other == histories[0]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    with_policy = keras.dtype_policies.get(policy)
    keras.config.set_dtype_policy(with_policy)
    try:
        model = make_model({"penalties": ["r1"], "run_eagerly": True})
    finally:
        keras.config.set_dtype_policy("float32")
    history = train(model, epochs=2)
    assert np.isfinite(list(history.values())).all()
    scaled = isinstance(
        model.generator_optimizer, keras.optimizers.LossScaleOptimizer
    )
    assert scaled is (policy == "mixed_float16")


@pytest.mark.large
def test_two_replicas_train_as_one():
    """In a process of its own: logical devices are set up at the start."""
    import subprocess
    import sys

    code = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
from tests.models.test_cycle_gan_model import DATA, make_model
def trained():
    model = make_model({"identity_weight": 1.0})
    rows = {name: value[:16] for name, value in DATA.items()}
    data = tf.data.Dataset.from_tensor_slices(rows).batch(8)
    model.fit(data, verbose=0)
    return model.get_weights()
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


# Quality.


@pytest.mark.large
def test_learns_to_turn_pictures_light_side_out():
    """Dark shapes on light ground and light ones on dark, without a pair.

    On held-out pictures, against leaving them as they are, and against the
    mean picture of the other modality.
    """
    random = np.random.default_rng(0)

    def pictures(count):
        """Bars at random places, dark on light, in [-1, 1]."""
        x = np.full((count, 8, 8, 1), 0.8, "float32")
        for picture in x:
            row, column = random.integers(0, 6, size=2)
            height, width = ((2, 5), (5, 2))[random.integers(2)]
            picture[row : row + height, column : column + width] = -0.8
        return x + random.uniform(-0.2, 0.2, x.shape).astype("float32")

    keras.utils.set_random_seed(0)
    model = kx.CycleGANModel(
        generators={
            name: kx.networks.ConvTranslator((8,), 1, output_channels=1)
            for name in ("dark", "light")
        },
        discriminators={
            name: kx.networks.ConvDiscriminator((8, 16))
            for name in ("dark", "light")
        },
        ema_momentum=0.95,
        seed=0,
    )
    model.compile(ADAM(0.002, beta_1=0.5), ADAM(0.002, beta_1=0.5))
    data = {"dark": pictures(480), "light": -pictures(400)}
    model.fit(data, batch_size=16, epochs=5, verbose=0)
    held_out = pictures(100)
    for source, to, x in (
        ("dark", "light", held_out),
        ("light", "dark", -held_out),
    ):
        translated = model.translate({source: x}, to=to)
        error = np.abs(translated + x).mean()
        unchanged = np.abs(x + x).mean()
        mean = np.abs(data[to].mean(axis=0) + x).mean()
        assert error < 0.25 * unchanged
        assert error < 0.5 * mean


# Use.


def test_call_predict_and_translate():
    def scaling(scale):
        return keras.layers.Rescaling(scale)

    model = make_model(preprocessors={"a": scaling(0.5), "b": scaling(0.1)})
    a, b = DATA["a"], DATA["b"]
    outputs = model(DATA)
    assert set(outputs) == {"a", "b"}
    assert_close(outputs["b"], model.ema_generators["b"](a), atol=0)
    assert_close(outputs["a"], model.ema_generators["a"](b), atol=0)
    assert set(model({"a": a})) == {"b"}
    assert model.predict({"a": a}, verbose=0)["b"].shape == (24, 3)
    expected = model({"a": 0.5 * a})["b"]
    translated = model.translate({"a": a}, to="b")
    assert isinstance(translated, np.ndarray)
    np.testing.assert_allclose(translated, expected, atol=1e-6)
    np.testing.assert_allclose(
        model.translate({"a": a.tolist()}, "b", batch_size=7),
        translated,
        atol=1e-6,
    )


def test_modalities_of_unequal_shapes():
    model = make_model(
        {"run_eagerly": True},
        generators={"a": dense(2, 3), "b": dense(3, 2, "sigmoid")},
        discriminators={"a": dense(3, 1), "b": dense(2, 1)},
    )
    assert model.modality_shapes == {"a": (3,), "b": (2,)}
    data = {"a": DATA["a"], "b": DATA["b"][:, :2]}
    train(model, data)
    assert model.translate({"a": DATA["a"]}, "b").shape == (24, 2)
    with pytest.raises(ValueError, match="modalities of equal shapes"):
        model.compile(identity_weight=1)
    # Where no shape is known to `compile`.
    model = make_model(
        {"identity_weight": 1},
        generators={
            "a": keras.layers.Dense(3),
            "b": keras.layers.Dense(2, "sigmoid"),
        },
        discriminators={name: keras.layers.Dense(1) for name in "ab"},
    )
    with pytest.raises(ValueError, match="modalities of equal shapes"):
        train(model, data)


def test_evaluation_is_repeatable_and_has_metrics():
    mae = keras.metrics.MeanAbsoluteError
    metrics = {"a": [mae("error_of_a")], "b": [mae("error_of_b")]}
    options = {"metrics": metrics, "identity_weight": 1, "run_eagerly": True}

    def generator():
        layers = keras.layers
        return keras.Sequential(
            [keras.Input((3,)), layers.Dropout(0.5), layers.Dense(3)]
        )

    def distance(x, y):
        return {name: np.mean(np.abs(x[name] - y[name])) for name in "ab"}

    model = make_model(
        options,
        normalized=True,
        generators={"a": generator(), "b": generator()},
    )
    train(model, validation_data=DATA)
    pairs = {name: value[:20] for name, value in DATA.items()}
    options = {"batch_size": 8, "verbose": 0, "return_dict": True}
    logs = model.evaluate(pairs, **options)
    assert logs == model.evaluate(pairs, **options)
    made = model(pairs)
    back = model(made)
    cycle = sum(distance(back, pairs).values())
    assert logs["cycle_loss"] == pytest.approx(cycle, rel=1e-5)
    for name, value in distance(made, pairs).items():
        assert logs[f"error_of_{name}"] == pytest.approx(value, rel=1e-5)

    logs = model.evaluate(pairs, **{**options, "batch_size": 20})
    expected = {"cycle_loss": sum(distance(back, pairs).values())}
    same = {n: model.ema_generators[n](pairs[n]) for n in "ab"}
    expected["identity_loss"] = sum(distance(same, pairs).values())
    for name, value in distance(made, pairs).items():
        expected[f"error_of_{name}"] = value
    played = [
        model.adversarial_loss.call(d(pairs[name])[:, 0], d(made[name])[:, 0])
        for name, d in model.discriminators.items()
    ]
    names = ("discriminator_loss", "generator_loss")
    for name, values in zip(names, zip(*played, strict=True), strict=True):
        expected[name] = sum(map(np.mean, values))
    assert logs == pytest.approx(expected, rel=1e-5)


def test_without_averages():
    model = make_model({"run_eagerly": True}, ema_momentum=0)
    train(model)
    assert model.ema_generators["a"] is model.generators["a"]


def test_frozen_generator_stays(tmp_path):
    model = make_model()
    model.generators["a"].trainable = False
    model.compile(run_eagerly=True)
    before = model.generators["a"].get_weights()
    train(model)
    assert_close(model.generators["a"].get_weights(), before, atol=0)
    model.save(tmp_path / "model.keras")
    keras.saving.load_model(tmp_path / "model.keras")


# Bad input.

NETWORKS = {name: keras.layers.Dense(1) for name in "abc"}
TWO = {name: NETWORKS[name] for name in "ab"}


def two_inputs():
    inputs = [keras.Input((3,)), keras.Input((3,))]
    return keras.Model(inputs, keras.layers.Concatenate()(inputs))


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"generators": 1}, TypeError, "`generators` must be a dict"),
        ({"generators": {"a": 1, "b": 2}}, TypeError, r"`generators\['a'\]`"),
        ({"generators": NETWORKS}, ValueError, "exactly two modalities"),
        ({"generators": {}}, ValueError, "exactly two modalities"),
        ({"discriminators": NETWORKS}, ValueError, "the same modalities"),
        (
            {"generators": dict.fromkeys("ab", NETWORKS["a"])},
            ValueError,
            "`generators` must be two networks",
        ),
        (
            {"discriminators": dict.fromkeys("ab", NETWORKS["a"])},
            ValueError,
            "`discriminators` must be two networks",
        ),
        (
            {"generators": {**TWO, "b": two_inputs()}},
            ValueError,
            r"`generators\['b'\]` must take one input.*2 inputs",
        ),
        ({"ema_momentum": 1}, ValueError, "ema_momentum=1"),
        ({"augmenter": "flip"}, TypeError, "`augmenter` must"),
        (
            {"preprocessors": {"c": keras.layers.Rescaling(1.0)}},
            ValueError,
            "`preprocessors` must hold",
        ),
    ],
)
def test_wrong_arguments(kwargs, error, match):
    with pytest.raises(error, match=match):
        kx.CycleGANModel(**{"generators": TWO, "discriminators": TWO, **kwargs})


@pytest.mark.parametrize(
    ("networks", "match"),
    [
        (
            {"generators": {"a": dense(3, 2), "b": dense(3, 3)}},
            r"`generators\['a'\]` must make.*\(None, 3\).*\(None, 2\)",
        ),
        (
            {"discriminators": {"a": dense(3, 1, "sigmoid"), "b": dense(3, 1)}},
            r"`discriminators\['a'\]` must return logits",
        ),
        (
            {"discriminators": {"a": dense(3, 1), "b": dense(3, 2)}},
            r"`discriminators\['b'\]` must return one logit.*\(None, 2\)",
        ),
    ],
)
def test_networks_that_do_not_fit(networks, match):
    with pytest.raises(ValueError, match=match):
        make_model(**networks)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"loss": "mse"}, ValueError, "loss='mse'"),
        ({"loss": kx.losses.InfoNCE()}, TypeError, "AdversarialLoss"),
        ({"penalties": ["l2"]}, ValueError, "'l2'"),
        ({"penalties": ["r1", "r1"]}, ValueError, "different names"),
        (
            {"penalties": [kx.adversarial.MatchingAwareGradientPenalty()]},
            ValueError,
            "needs conditions",
        ),
        ({"cycle_weight": -1}, ValueError, "cycle_weight=-1"),
        ({"identity_weight": np.nan}, ValueError, "identity_weight=nan"),
        ({"metrics": ["mae"]}, TypeError, "`metrics` must be a dict"),
        ({"metrics": {"c": ["mae"]}}, ValueError, r"keys \['c'\]"),
        (
            {"metrics": {"a": ["mae"], "b": ["mae"]}},
            ValueError,
            "different names",
        ),
    ],
)
def test_wrong_compile_arguments(options, error, match):
    model = make_model()
    with pytest.raises(error, match=match):
        model.compile(**options)


def test_one_optimizer_for_both():
    optimizer = ADAM()
    with pytest.raises(ValueError, match="two optimizers"):
        make_model().compile(optimizer, optimizer)


def test_layers_of_wrong_second_derivatives():
    unsafe = keras.layers.UpSampling2D(interpolation="bilinear")
    discriminators = {
        name: keras.Sequential(
            [keras.Input((8, 8, 1)), *layers, keras.layers.Flatten()]
            + [keras.layers.Dense(1)]
        )
        for name, layers in (("a", []), ("b", [unsafe]))
    }
    model = kx.CycleGANModel(
        {name: kx.networks.ConvTranslator((2,), 1, 1) for name in "ab"},
        discriminators,
    )
    with pytest.raises(ValueError, match=unsafe.name):
        model.compile(penalties=["r1"])
    model.compile()


def changed(name, **kwargs):
    value = DATA[name].copy()
    value[3, 1] = kwargs["value"]
    return {**DATA, name: value}


@pytest.mark.parametrize(
    ("x", "options", "error", "match"),
    [
        (DATA["a"], {}, TypeError, "must be a dict"),
        ({"a": DATA["a"]}, {}, ValueError, r"must hold the modalities"),
        ({**DATA, "c": DATA["a"]}, {}, ValueError, r"'c'"),
        ({**DATA, "a": DATA["a"][:0]}, {}, ValueError, "at least 1"),
        (changed("a", value=np.nan), {}, ValueError, r"`x\['a'\]` must be fin"),
        (
            changed("b", value=1.5),
            {},
            ValueError,
            r"`x\['b'\]` must be in \[0, 1\].*sigmoid.* to 1.5",
        ),
        (
            {**DATA, "b": DATA["b"][:, :2]},
            {},
            ValueError,
            r"`x\['b'\]` must have shape \(None, 3\).*\(20, 2\)",
        ),
        (DATA, {"y": DATA["b"]}, ValueError, r"Received: \['y'\]"),
        (DATA, {"sample_weight": np.ones(24)}, ValueError, "sample_weight"),
        (DATA, {"validation_split": 0.5}, ValueError, "validation_split"),
    ],
)
def test_wrong_data_is_refused_before_training(x, options, error, match):
    model = make_model()
    with pytest.raises(error, match=match):
        model.fit(x, verbose=0, **options)
    assert int(model.step) == 0


def test_wrong_datasets_are_refused():
    sizes = {"a": 8, "b": 4}
    batches = tf.data.Dataset.from_tensors(
        {name: DATA[name][:size] for name, size in sizes.items()}
    )
    with pytest.raises(ValueError, match=r"equally many.*'a'.*8.*'b'.*4"):
        make_model().fit(batches)
    pictures = {**DATA, "b": np.zeros((24, 2))}
    dataset = tf.data.Dataset.from_tensor_slices(
        {name: value[:20] for name, value in pictures.items()}
    )
    with pytest.raises(ValueError, match=r"`x\['b'\]` must have shape"):
        make_model().fit(dataset.batch(8))


def test_a_batch_of_one_with_batch_statistics():
    model = make_model({"run_eagerly": True}, normalized=True)
    with pytest.raises(ValueError, match="BatchNormalization"):
        model.fit(DATA, batch_size=23, verbose=0)
    train(model)


def test_losses_that_are_not_finite_stop_the_training():
    class Breaking(kx.adversarial.AdversarialLoss):
        def call(self, real, fake):
            # Breaks once the discriminators have learned something.
            value = tf.math.log(0.4 - tf.reduce_mean(real - fake))
            return value + 0 * real, -fake

    model = make_model()
    model.compile(ADAM(0.0), ADAM(0.05), Breaking(), run_eagerly=True)
    with pytest.raises(FloatingPointError, match=r"in step \d+ .batch"):
        train(model, epochs=200)
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert int(model.step) % 3 == 0


@pytest.mark.parametrize(
    ("x", "to", "options", "error", "match"),
    [
        ({"a": DATA["a"]}, "c", {}, ValueError, "to='c'"),
        ({"a": DATA["a"]}, "a", {}, ValueError, "`x` must hold 'b' alone"),
        (DATA, "b", {}, ValueError, "`x` must hold 'a' alone"),
        ({"c": DATA["a"]}, "b", {}, ValueError, r"keys \['c'\]"),
        (DATA["a"], "b", {}, TypeError, "must be a dict"),
        ({"a": DATA["a"][:0]}, "b", {}, ValueError, "at least 1"),
        ({"a": DATA["a"][:, :2]}, "b", {}, ValueError, r"shape \(None, 3\)"),
        ({"a": DATA["a"] * np.inf}, "b", {}, ValueError, "must be finite"),
        ({"a": DATA["a"]}, "b", {"batch_size": 0}, ValueError, "batch_size=0"),
    ],
)
def test_wrong_arguments_of_translate(x, to, options, error, match):
    with pytest.raises(error, match=match):
        make_model().translate(x, to, **options)


def test_a_model_without_weights_does_not_translate():
    model = kx.CycleGANModel(
        {name: keras.layers.Dense(3) for name in "ab"},
        {name: keras.layers.Dense(1) for name in "ab"},
    )
    with pytest.raises(ValueError, match="must be built"):
        model.translate({"a": DATA["a"]}, "b")
