"""A step by micro-batches is the step of the whole batch."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import keras_xmodal as kx

RNG = np.random.default_rng(0)
N = 11
X = {
    "image": RNG.random((N, 4, 4, 3), "float32"),
    "text": RNG.integers(20, size=(N, 5)).astype("int32"),
    "sound": RNG.normal(size=(N, 6, 8)).astype("float32"),
}
PAIR = {name: X[name] for name in ("image", "text")}
IDS = np.array([0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 0])
WEIGHTS = {
    "image": np.array([1.0, 0, 1, 2, 1, 1, 1, 0, 1, 0.5, 1]),
    "text": np.array([1.0, 3, 1, 0, 1, 1, 2, 0, 1, 1, 1]),
}
TARGETS = {name: RNG.normal(size=(N, 6)).astype("float32") for name in PAIR}
VECTORS = {"image": X["sound"][:, 0], "text": X["sound"][:, 1]}
WITHOUT_TEXT = {name: X[name] for name in ("image", "sound")}
CHAIN = [("image", "text"), ("text", "sound")]
STUDENT = kx.losses.SimilarityDistillation(RNG.normal(size=(7, 6)))


def make(names=PAIR, noise=(), kind=kx.EmbeddingModel, **kwargs):
    """A model of towers, with layers of noise in those of images and texts."""
    keras.utils.set_random_seed(0)
    towers = {
        "image": [
            keras.Input((4, 4, 3)),
            *noise,
            layers.Conv2D(4, 2, activation="gelu", kernel_regularizer="l2"),
            layers.Flatten(),
        ],
        "text": [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(20, 6),
            layers.GlobalAveragePooling1D(),
            *([layers.Dropout(0.5, seed=1)] if noise else []),
            layers.Dense(6),
        ],
        "sound": [keras.Input((6, 8)), layers.Flatten(), layers.Dense(5)],
    }
    model = kind(
        encoders={name: keras.Sequential(towers[name]) for name in names},
        embedding_dim=6,
        **kwargs,
    )
    model({name: X[name] for name in names})
    return model


def sgd(**kwargs):
    return keras.optimizers.SGD(0.1, momentum=0.9, **kwargs)


class DenseAdam(keras.optimizers.Adam):
    """Of gradients as they are.

    In sparse ones, of an `Embedding`, Keras squares each occurrence of a row
    on its own, and not their sum.
    """

    def apply(self, grads, trainable_variables=None):
        grads = [*map(tf.convert_to_tensor, grads)]
        super().apply(grads, trainable_variables)


def train(model, x=PAIR, y=IDS, weights=None, steps=1, **options):
    """Train on one batch, often; return logs, weights and all other state."""
    options = {"optimizer": sgd(), "run_eagerly": True, **options}
    model.compile(**options)
    logs = model.fit(
        x, y, N, steps, shuffle=False, verbose=0, sample_weight=weights
    ).history
    return logs, state(model)


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [variable.numpy().astype("float64") for variable in variables]


def assert_equal(one, other, tolerance=1e-5):
    assert one[0].keys() == other[0].keys()
    for name, values in one[0].items():
        np.testing.assert_allclose(values, other[0][name], tolerance)
    for a, b in zip(one[1], other[1], strict=True):
        np.testing.assert_allclose(a, b, tolerance, tolerance)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(
    ("optimizer", "loss"),
    # InfoNCE does not see the bias, whose gradient is what rounding leaves.
    [(sgd, "info_nce"), (DenseAdam, "sigmoid_contrastive")],
)
def test_is_the_step_of_the_whole_batch(optimizer, loss, steps):
    options = {"loss": loss, "steps": steps}
    whole = train(make(), optimizer=optimizer(), **options)
    # 4: 3 of 4, where a row fills up
    for size in (2, 4, 100) if steps == 1 else (4,):
        options["micro_batch_size"] = size
        assert_equal(whole, train(make(), optimizer=optimizer(), **options))


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize(
    ("data", "options"),
    [
        ((PAIR, IDS, WEIGHTS), {}),
        ((PAIR, None, WEIGHTS["image"]), {"loss": "sigmoid_contrastive"}),
        ((X, IDS), {"loss": "triplet_hard_negative"}),
        ((X, IDS, WEIGHTS), {"pairs": CHAIN}),
        ((PAIR, IDS), {"names": X}),  # A modality is missing.
        ((PAIR, TARGETS, WEIGHTS["text"]), {"loss": "cosine_similarity"}),
        ((PAIR, TARGETS), {"loss": STUDENT}),
        ((PAIR,), {"learning_rate_multipliers": {"image": 0, "text": 0.5}}),
    ],
)
def test_all_losses(data, options):
    options = {"names": data[0], **options}
    model = {k: options.pop(k) for k in ("names", "pairs") if k in options}
    whole = train(make(**model), *data, **options)
    assert_equal(
        whole, train(make(**model), *data, micro_batch_size=4, **options)
    )


@pytest.mark.parametrize(
    "options",
    [
        {"clipnorm": 0.1},  # Without texts: Keras clips occurrences of tokens.
        {"global_clipnorm": 0.1},
        {"gradient_accumulation_steps": 2},
        {"use_ema": True, "ema_overwrite_frequency": 2, "weight_decay": 0.1},
    ],
)
def test_what_optimizers_do_with_gradients(options):
    def trained(**more):
        model = make(WITHOUT_TEXT)
        optimizer = sgd(**options)
        return train(
            model, WITHOUT_TEXT, IDS, None, 2, optimizer=optimizer, **more
        )

    assert_equal(trained(), trained(micro_batch_size=4))


class OneTape(kx.EmbeddingModel):
    """What a step has to be: one tape over the same micro-batches of 4."""

    def call(self, x, training=False):
        if not training:
            return super().call(x)
        rows = np.arange(12).reshape(3, 4) % N
        return {
            name: ops.concatenate(
                [
                    super(OneTape, self).call({name: value}, True)[name]
                    for value in (ops.take(x[name], r, axis=0) for r in rows)
                ]
            )[:N]
            for name in x
        }


def noise():
    return (
        kx.layers.ImageAugmentation(translation=0.3, seed=1),
        layers.RandomFlip(seed=2),
        layers.Reshape((4, 12)),
        kx.layers.SpecAugment(1, 4, 1, 2, seed=3),
        layers.Reshape((4, 4, 3)),
        layers.GaussianNoise(0.1, seed=4),
    )


@pytest.mark.parametrize("graph", [False, True])
def test_noise_is_that_of_one_tape(graph):
    options = {"run_eagerly": not graph, "steps": 1 if graph else 3}
    one = train(make(noise=noise(), kind=OneTape), **options)
    model = make(noise=noise())
    assert_equal(one, train(model, micro_batch_size=4, **options), 1e-6)
    (masks,) = (v for v in model.variables if v.path.endswith("step"))
    assert int(masks) == 3 * options["steps"]  # Each micro-batch has its own.


@pytest.mark.parametrize(
    ("policy", "scale", "steps"),
    [
        ("mixed_bfloat16", None, 2),
        ("mixed_float16", 64, 2),
        ("mixed_float16", None, 0),  # Too large a scale: no step is made.
    ],
)
def test_half_precision(policy, scale, steps):
    def trained(kind, **options):
        optimizer = sgd()
        if scale:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, scale)
        model = make(noise=noise(), kind=kind)
        after = train(
            model,
            steps=2,
            loss="sigmoid_contrastive",
            optimizer=optimizer,
            **options,
        )
        assert int(model.optimizer.iterations) == steps
        return after

    keras.config.set_dtype_policy(policy)
    try:
        one = trained(OneTape)
        parts = trained(kx.EmbeddingModel, micro_batch_size=4)
    finally:
        keras.config.set_dtype_policy("float32")
    assert_equal(one, parts, 1e-6)


def small(kind=kx.EmbeddingModel):
    """Towers that XLA compiles fast."""
    keras.utils.set_random_seed(0)
    encoders = {
        "image": [keras.Input((8,)), layers.Dropout(0.5, seed=1)],
        "text": [keras.Input((2, 8)), kx.layers.SpecAugment(2, 2, seed=1)],
    }
    encoders["text"].append(layers.Flatten())
    return kind(
        encoders={k: keras.Sequential(v) for k, v in encoders.items()},
        embedding_dim=3,
    )


SMALL = {"image": X["sound"][:, 0], "text": X["sound"][:, :2]}


def test_noise_under_xla():
    options = {"x": SMALL, "run_eagerly": False, "jit_compile": True}
    one = train(small(OneTape), **options)
    assert_equal(one, train(small(), micro_batch_size=4, **options), 1e-6)


@pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=pytest.mark.large)]
)
def test_batches_of_graphs(jit_compile):
    """A smaller last batch, some steps at once, a batch after `fit`."""

    def trained(**options):
        keras.utils.set_random_seed(0)
        model = kx.EmbeddingModel({"image": 8, "text": 5}, 4)
        model.compile(sgd(), **options)
        x = {"image": X["sound"][:, 0], "text": X["sound"][:, 1, :5]}
        logs = model.fit(
            x,
            IDS,
            batch_size=8,
            epochs=2,
            shuffle=False,
            verbose=0,
            validation_data=(x, IDS),
        ).history
        rest = model.train_on_batch({k: v[:3] for k, v in x.items()})
        return {**logs, "batch": [rest]}, state(model)

    whole = trained(run_eagerly=True)
    options = {"steps_per_execution": 2, "jit_compile": jit_compile}
    assert_equal(whole, trained(micro_batch_size=4, **options))


class Counting(layers.Layer):
    """Counts its calls."""

    calls = 0

    def call(self, x):
        self.calls += 1
        return x


def test_towers_that_rest_are_embedded_once():
    def calls(**options):
        counters = {"image": Counting(), "text": Counting()}
        towers = {
            name: keras.Sequential(
                [keras.Input((4,)), layers.Dense(3), counter]
            )
            for name, counter in counters.items()
        }
        model = kx.EmbeddingModel(encoders=towers, embedding_dim=2)
        if not options:
            towers["text"].trainable = False
            model.projections["text"].trainable = False
        x = dict.fromkeys(towers, X["sound"][:, 0, :4])
        model(x)
        model.compile(sgd(), run_eagerly=True, micro_batch_size=3, **options)
        for counter in counters.values():
            counter.calls = 0
        model.train_on_batch(x)
        return [counter.calls for counter in counters.values()]

    assert calls() == [8, 4]
    assert calls(learning_rate_multipliers={"image": 0}) == [4, 8]


def test_adapters():
    def trained(**options):
        model = make()
        for layer in (
            *model.encoders["text"].layers,
            *model.projections.values(),
        ):
            if hasattr(layer, "enable_lora"):
                layer.enable_lora(2)
        return train(model, steps=2, **options)

    assert_equal(trained(), trained(micro_batch_size=4))


def test_rematerialized_activations():
    """Keras' own scope, as the page of large batches has it."""

    def trained(scope, **options):
        keras.utils.set_random_seed(0)
        with scope:
            towers = {
                name: keras.Sequential(
                    [keras.Input((8,)), layers.Dense(4, "gelu")]
                )
                for name in VECTORS
            }
        model = kx.EmbeddingModel(encoders=towers, embedding_dim=3)
        return train(model, VECTORS, **options)

    whole = trained(contextlib.nullcontext())
    for options in ({}, {"micro_batch_size": 4, "run_eagerly": False}):
        scope = keras.RematScope("activations")
        assert_equal(whole, trained(scope, **options), 1e-6)


def normalized(trainable):
    """A model with a normalization inside of what is inside of its tower."""
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((8,)), layers.BatchNormalization()])
    inner.trainable = trainable
    inputs = keras.Input((8,))
    outputs = layers.Dense(4)(inner(inputs))
    model = kx.EmbeddingModel(
        encoders={
            "image": keras.Model(inputs, outputs),
            "text": layers.Dense(4),
        },
        embedding_dim=3,
    )
    model(VECTORS)
    return model


def test_frozen_batch_normalization():
    whole = train(normalized(False), VECTORS)
    parts = train(normalized(False), VECTORS, micro_batch_size=4)
    assert_equal(whole, parts)


def add(*added):
    tower = keras.Sequential([keras.Input((8,)), layers.Dense(4), *added])
    model = kx.EmbeddingModel(
        encoders={"image": tower, "text": layers.Dense(4)}, embedding_dim=3
    )
    model(VECTORS)
    return model


class Drawing(layers.Layer):
    """Draws from no generator of its own."""

    def call(self, x):
        return x + keras.random.normal((1, 1))


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: normalized(True), "freeze `BatchNormalization`.*moving_mean"),
        (lambda: add(layers.Dense(2, activity_regularizer="l2")), "add a loss"),
        (lambda: add(Drawing()), "a `SeedGenerator` of their own"),
    ],
)
def test_what_needs_the_whole_batch_is_refused(build, match, run_eagerly):
    model = build()
    before = [v.numpy() for v in model.variables]
    model.compile(sgd(), run_eagerly=run_eagerly, micro_batch_size=4)
    with pytest.raises(ValueError, match=match):
        model.fit(VECTORS, verbose=0)
    for a, b in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("size", [0, -1, 2.5, "all", True])
def test_wrong_sizes_are_refused(size):
    with pytest.raises(
        (TypeError, ValueError), match="`micro_batch_size` must"
    ):
        small().compile("adam", micro_batch_size=size)


def test_a_model_of_one_tensor_has_none():
    model = kx.EmbeddingModel(4, 2)
    with pytest.raises(ValueError, match="leave `micro_batch_size` out"):
        model.compile("adam", "mse", micro_batch_size=4)


def test_it_is_saved(tmp_path):
    model = small()
    train(model, SMALL, micro_batch_size=4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.micro_batch_size == 4
    loaded.compile("adam")
    assert loaded.micro_batch_size is None
    assert "micro_batch_size" not in loaded.get_compile_config()
