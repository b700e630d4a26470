"""Training with a memory is training among the rows of a queue."""

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.ops import chunks
from tests.losses import reference

RNG = np.random.default_rng(4)
N, BATCH, SIZE = 20, 6, 9  # Batches of 6, 6, 6 and 2 rows.
SIZES = {"image": 5, "text": 4, "sound": 3}
X = {
    name: RNG.normal(size=(N, size)).astype("float32")
    for name, size in SIZES.items()
}
PAIR = {name: X[name] for name in ("image", "text")}
IDS = RNG.integers(0, 14, N)
EXAMPLES = RNG.integers(0, 3, N).astype("float32")
BOTH_SIDES = {
    "image": RNG.integers(0, 3, N).astype("float32"),
    "text": RNG.integers(0, 2, N).astype("float32"),
}


def make(x=PAIR, **kwargs):
    keras.utils.set_random_seed(0)
    model = kx.EmbeddingModel({name: SIZES[name] for name in x}, 4, **kwargs)
    model({name: value[:1] for name, value in x.items()})
    return model


def fit(model, x=PAIR, weights=None, epochs=2, batch_size=BATCH, **options):
    return model.fit(
        x,
        IDS,
        batch_size,
        epochs,
        shuffle=False,
        verbose=0,
        sample_weight=weights,
        **options,
    ).history


def train(x=PAIR, weights=None, pairs=None, epochs=2, batch_size=6, **options):
    """A trained model, with its logs."""
    model = make(x, pairs=pairs)
    options = {"memory_size": SIZE, **options}
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), **options)
    return model, fit(model, x, weights, epochs, batch_size)


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    if model.memory is not None:
        variables += model.memory.variables
    return [variable.numpy() for variable in variables]


def assert_same(one, other, tolerance=1e-5):
    for a, b in zip(state(one[0]), state(other[0]), strict=True):
        np.testing.assert_allclose(a, b, tolerance, tolerance)
    assert one[1].keys() == other[1].keys()
    for name, values in one[1].items():
        np.testing.assert_allclose(values, other[1][name], tolerance)


def batches(x, weights, epochs, size):
    for _ in range(epochs):
        for start in range(0, N, size):
            rows = slice(start, start + size)
            yield keras.tree.map_structure(
                lambda value, rows=rows: None if value is None else value[rows],
                (x, IDS, weights),
            )


class Queue:
    """Rows in lists, in the plainest way."""

    def __init__(self, names, size, warm_up):
        self.rows = collections.deque(maxlen=size)
        self.names, self.seen, self.warm_up = names, 0, warm_up

    def push(self, ids, embeddings, weights):
        self.seen += len(ids)
        for i, number in enumerate(ids):
            row = {"id": number}
            for name in self.names:
                weight = weights
                if isinstance(weights, dict):
                    weight = weights.get(name)
                row[name] = (
                    embeddings[name][i] if name in embeddings else np.zeros(4),
                    0.0
                    if name not in embeddings
                    else 1.0
                    if weight is None
                    else weight[i],
                )
            self.rows.append(row)

    def read(self, pair):
        rows = self.rows if self.seen >= self.warm_up else ()
        return (
            np.array([row["id"] for row in rows], int),
            *(
                np.array([row[name][0] for row in rows]).reshape(-1, 4)
                for name in pair
            ),
            *(np.array([row[name][1] for row in rows]) for name in pair),
        )


@pytest.mark.parametrize(
    ("loss", "name"),
    [("info_nce", "info_nce"), ("sigmoid_contrastive", "sigmoid")],
)
@pytest.mark.parametrize(
    ("x", "weights", "options"),
    [
        (PAIR, None, {}),
        (PAIR, EXAMPLES, {"memory_warm_up": 0}),
        (PAIR, BOTH_SIDES, {"memory_warm_up": 13}),
        (PAIR, BOTH_SIDES, {"memory_size": 4, "batch_size": 6}),
        (X, BOTH_SIDES, {"pairs": [("image", "text"), ("sound", "image")]}),
    ],
)
def test_equals_a_queue(loss, name, x, weights, options):
    """Step by step: losses of the definition, and gradients of one tape."""
    model, _ = train(
        x, weights, loss=loss, run_eagerly=True, epochs=0, **options
    )
    plain = make(x, pairs=options.get("pairs"))
    plain.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    size = options.get("memory_size", SIZE)
    queue = Queue(list(x), size, options.get("memory_warm_up", size))
    for part, ids, there in batches(x, weights, 2, BATCH):
        found = model.train_on_batch(part, ids, there, return_dict=True)
        with tf.GradientTape() as tape:
            embeddings = plain(part, training=True)
            values, total, count = [], 0.0, 0
            for pair in plain.pairs:
                scale = plain.logit_scales["_".join(pair)]
                arguments = (
                    ids,
                    *(embeddings[n] for n in pair),
                    scale.scale,
                    scale.logit_bias,
                )
                sides = there
                if isinstance(there, dict):
                    one = np.ones(len(ids), "float32")
                    sides = tuple(there.get(n, one) for n in pair)
                old = queue.read(pair)
                exact = [np.asarray(a, "float64") for a in arguments[1:]]
                values.append(
                    reference.with_memory(name, ids, *exact, sides, old)
                )
                given = {"sample_weight": sides}
                if len(old[0]):
                    given["memory"] = old
                elif sides is None:
                    given["sample_weight"] = np.ones(len(ids))
                # A pair that no example has does not count.
                count += int(plain.loss.total_weight(ids, **given) > 0)
                value = plain.loss.from_embeddings(*arguments, **given)
                np.testing.assert_allclose(value, values[-1], 1e-5)
                total += value
            total /= max(count, 1)
        value = np.sum(values) / max(count, 1)
        np.testing.assert_allclose(found["loss"], value, 1e-4)
        gradients = tape.gradient(total, plain.trainable_weights)
        plain.optimizer.apply(gradients, plain.trainable_weights)
        for a, b in zip(model.weights, plain.weights, strict=True):
            np.testing.assert_allclose(a, b, 1e-4, 1e-5)
        kept = {n: np.array(embeddings[n]) for n in x}
        queue.push(ids, kept, there)
        model.reset_metrics()
    rows = len(queue.rows)
    for pair in model.pairs:
        for i, (a, b) in enumerate(
            zip(model.memory.read(pair), queue.read(pair), strict=True)
        ):
            if i in (1, 2):  # Embeddings, 0 where they are missing.
                b = b * (queue.read(pair)[i + 2][:, None] > 0)
            np.testing.assert_allclose(a[-rows:], b, 1e-3, 1e-4)


@pytest.fixture(scope="module")
def trained():
    """By eager steps, with weights of both sides."""
    return train(weights=BOTH_SIDES, run_eagerly=True)


@pytest.mark.parametrize(
    "options",
    [
        {"micro_batch_size": 4, "run_eagerly": True},
        {"loss": kx.losses.InfoNCE(chunk_size=2), "run_eagerly": True},
        {"steps_per_execution": 3, "jit_compile": False},
        pytest.param({"jit_compile": True}, marks=pytest.mark.large),
        pytest.param(
            {"jit_compile": True, "micro_batch_size": 4},
            marks=pytest.mark.large,
        ),
    ],
)
def test_is_the_same_in_any_way(trained, options):
    assert_same(trained, train(weights=BOTH_SIDES, **options))


@pytest.mark.parametrize("weights", [None, EXAMPLES, BOTH_SIDES])
def test_without_rows_nothing_changes(weights):
    plain = train(weights=weights, run_eagerly=True, memory_size=None)
    assert_same(
        plain, train(weights=weights, run_eagerly=True, memory_size=0), 0
    )
    model, logs = train(weights=weights, run_eagerly=True, memory_warm_up=99)
    object.__setattr__(model, "memory", None)
    assert_same(plain, (model, logs))


def test_evaluation_leaves_it_alone(trained):
    model = trained[0]
    before = state(model)
    with_memory = model.evaluate(PAIR, IDS, verbose=0)
    for a, b in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(a, b)
    memory = model.memory
    object.__setattr__(model, "memory", None)
    without = model.evaluate(PAIR, IDS, verbose=0)
    object.__setattr__(model, "memory", memory)
    assert with_memory == without
    model.evaluate(PAIR, sample_weight=EXAMPLES, verbose=0)  # Without ids.


def test_half_precision():
    """The memory is float32, as embeddings are."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        whole = train(run_eagerly=True)
        parts = train(run_eagerly=True, micro_batch_size=BATCH)
    finally:
        keras.config.set_dtype_policy("float32")
    assert_same(whole, parts, 1e-6)
    assert {v.dtype for v in whole[0].memory.variables} == {"int64", "float32"}


def test_save_load_and_go_on(trained, tmp_path):
    model, _ = train(weights=BOTH_SIDES, run_eagerly=True, epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = True
    assert (loaded.memory_size, loaded.memory_warm_up) == (SIZE, None)
    logs = fit(loaded, weights=BOTH_SIDES, epochs=1)
    expected = {name: values[1:] for name, values in trained[1].items()}
    assert_same((trained[0], expected), (loaded, logs), 1e-6)

    bare = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert bare.memory is None
    assert not any("memory" in v.path for v in loaded.variables)


def test_backup_and_restore(trained, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def resumed(*callbacks):
        model, _ = train(run_eagerly=True, epochs=0)
        backup = kx.callbacks.BackupAndRestore(tmp_path)
        fit(model, weights=BOTH_SIDES, callbacks=[backup, *callbacks])
        return model

    with pytest.raises(KeyboardInterrupt):
        resumed(Stop())
    for a, b in zip(state(trained[0]), state(resumed()), strict=True):
        np.testing.assert_allclose(a, b, 1e-6, 1e-6)


def test_weights_without_a_memory_empty_it(tmp_path):
    plain, _ = train(run_eagerly=True, memory_size=None)
    plain.save_weights(tmp_path / "a.weights.h5")
    model, _ = train(run_eagerly=True)
    assert model.memory.seen == 2 * N
    model.load_weights(tmp_path / "a.weights.h5")
    assert not any(np.any(v.numpy()) for v in model.memory.variables)
    model.compile("adam")
    assert model.memory is None
    assert "memory_size" not in model.get_compile_config()


def data(*parts):
    return tf.data.Dataset.from_tensor_slices(parts).batch(BATCH)


@pytest.mark.parametrize(
    "start",
    [
        lambda model: model.fit(PAIR),
        lambda model: model.fit(PAIR, sample_weight=EXAMPLES),
        lambda model: model.fit(data(PAIR)),
        lambda model: model.fit(x for x in [(PAIR,)]),
        lambda model: model.train_on_batch(PAIR),
    ],
)
def test_training_data_holds_ids(start):
    model = make()
    model.compile(memory_size=4, run_eagerly=True)
    with pytest.raises(ValueError, match="training data must hold ids"):
        start(model)
    model.fit(data(PAIR, IDS), verbose=0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"memory_size": -1}, "`memory_size` must be"),
        ({"memory_size": 2.5}, "`memory_size` must be"),
        ({"memory_size": 4, "memory_warm_up": -1}, "`memory_warm_up` must be"),
        ({"memory_warm_up": 4}, "leave `memory_warm_up` out"),
        (
            {"memory_size": 4, "loss": "cosine_similarity"},
            "needs a contrastive loss",
        ),
        (
            {
                "memory_size": 4,
                "loss": kx.losses.SimilarityDistillation(np.eye(4)),
            },
            "needs a contrastive loss",
        ),
    ],
)
def test_what_has_no_meaning_is_refused(options, match):
    with pytest.raises((TypeError, ValueError), match=match):
        make().compile(**options)


def test_losses_with_a_large_memory_are_in_chunks(monkeypatch):
    """Also from a batch on that is too large with it, in a new graph."""
    monkeypatch.setattr(chunks, "_WHOLE", 40)
    traced = []
    new = chunks.Chunks

    def spy(rows, columns, *arguments):
        traced.append((rows, columns))
        return new(rows, columns, *arguments)

    monkeypatch.setattr(chunks, "Chunks", spy)
    model = make()
    model.compile("sgd", memory_size=8, jit_compile=False)
    for batch_size, is_chunked in ((3, False), (4, True)):  # 3 x 11, 4 x 12
        fit(model, batch_size=batch_size, epochs=1)
        assert bool(traced) == is_chunked


def test_sizes_have_to_be_known():
    def towers(*first):
        encoders = {
            name: keras.Sequential([*first, keras.layers.Dense(3)])
            for name in ("image", "text")
        }
        return kx.EmbeddingModel(encoders=encoders, embedding_dim=None)

    with pytest.raises(ValueError, match="embeddings of known size"):
        towers().compile(memory_size=4)
    model = towers(keras.Input((5,)))
    model.compile(memory_size=4)
    assert model.memory.embeddings["text"].shape == (4, 3)
    with pytest.raises(ValueError, match="leave `memory_size` out"):
        kx.EmbeddingModel(4, 2).compile("adam", "mse", memory_size=4)
