"""The share of an epoch that is waiting, by a clock that only tests turn."""

import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.callbacks import InputWait, input_wait
from keras_xmodal.models.data import without_autotuner

BATCHES, ROWS = 5, 4
READ, STEP = 3.0, 1.0  # seconds, of a batch


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless it is moved."""
    clock = types.SimpleNamespace(now=7.0)
    monkeypatch.setattr(
        input_wait,
        "time",
        types.SimpleNamespace(perf_counter=lambda: clock.now),
    )
    return clock


class Steps(keras.callbacks.Callback):
    """Each step takes its time; what follows the last one takes more."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_train_batch_begin(self, batch, logs=None):
        self.clock.now += STEP

    def on_test_begin(self, logs=None):
        self.clock.now += 100.0


def data(clock=None, rows=BATCHES * ROWS):
    """Batches whose reading takes its time."""
    x = np.linspace(-1, 1, 3 * rows, dtype="float32").reshape(rows, 3)
    batches = tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch(ROWS)
    if clock is None:
        return batches

    def read(x):
        clock.now += READ
        return x

    batches = batches.map(
        lambda x, y: (
            tf.ensure_shape(tf.numpy_function(read, [x], tf.float32), x.shape),
            y,
        )
    )
    # Nothing is read before it is asked for.
    return without_autotuner(batches)


def make_model(**options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse", **options)
    return model


@pytest.mark.parametrize(
    "options",
    [
        {"jit_compile": False},
        {"jit_compile": True},
        {"run_eagerly": True},
        {"steps_per_execution": 2, "jit_compile": False},
    ],
    ids=str,
)
def test_share_of_the_time_by_hand(clock, options, tmp_path):
    model, per_call = (
        make_model(**options),
        options.get("steps_per_execution", 1),
    )
    board = keras.callbacks.TensorBoard(tmp_path)
    history = model.fit(
        data(clock),
        epochs=2,
        shuffle=False,
        verbose=0,
        validation_data=data(),
        callbacks=[Steps(clock), InputWait(), board],
    )
    calls = -(-BATCHES // per_call)
    # The attempt at a sixth batch finds none: it begins a step, too.
    share = READ * BATCHES / (READ * BATCHES + STEP * calls)
    np.testing.assert_allclose(history.history["input_wait"], [share] * 2)
    (file,) = (tmp_path / "train").glob("events*")
    names = [
        value.tag
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    ]
    assert names.count("epoch_input_wait") == 2


def other_data(kind):
    x = np.linspace(-1, 1, 54, dtype="float32").reshape(18, 3)
    if kind == "arrays":
        return {"x": x, "y": x[:, :1], "batch_size": ROWS, "shuffle": False}
    if kind == "steps":
        return {
            "x": data(rows=18).repeat(),
            "steps_per_epoch": 3,
            "shuffle": False,
        }
    batches = [
        (x[i : i + ROWS], x[i : i + ROWS, :1]) for i in range(0, 18, ROWS)
    ]
    if kind == "generator":
        forever = (batch for _ in range(9) for batch in batches)
        return {"x": forever, "steps_per_epoch": 3, "shuffle": False}

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return len(batches)

        def __getitem__(self, index):
            return batches[index]

    return {"x": Batches(), "shuffle": False}


@pytest.mark.parametrize("kind", ["arrays", "steps", "generator", "PyDataset"])
@pytest.mark.parametrize("per_call", [1, 2])
def test_training_is_the_same(kind, per_call):
    """Of five batches, the last one is smaller."""
    found = []
    for callbacks in ([], [InputWait()]):
        model = make_model(steps_per_execution=per_call)
        history = model.fit(
            **other_data(kind), epochs=2, verbose=0, callbacks=callbacks
        )
        found.append((model.get_weights(), history.history))
    (expected, losses), (weights, logs) = found
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert len(logs["input_wait"]) == 2
    assert all(0 <= share <= 1 for share in logs["input_wait"])
    np.testing.assert_allclose(logs["loss"], losses["loss"], rtol=1e-6)


def test_the_model_is_left_as_it_was(clock):
    model, wait = make_model(), InputWait()

    class StopError(Exception):
        pass

    class Fail(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise StopError

    with pytest.raises(StopError):
        model.fit(data(), shuffle=False, verbose=0, callbacks=[wait, Fail()])
    history = model.fit(
        data(clock), shuffle=False, verbose=0, callbacks=[Steps(clock), wait]
    )
    assert history.history["input_wait"] == [READ / (READ + STEP)]
    assert not isinstance(model.train_function, input_wait._WatchedSteps)
    assert (
        "input_wait" not in model.fit(data(), shuffle=False, verbose=0).history
    )


def test_models_of_this_package_stop_by_it():
    """`EarlyStopping` before it still finds the logs."""
    x = {"a": np.ones((8, 3)), "b": np.ones((8, 2))}
    model = kx.EmbeddingModel({"a": 3, "b": 2}, 2)
    model.compile("sgd")
    stop = keras.callbacks.EarlyStopping(
        "input_wait", mode="min", min_delta=2, patience=1
    )
    history = model.fit(
        x, epochs=5, verbose=0, callbacks=[stop, InputWait()], batch_size=4
    )
    assert len(history.history["input_wait"]) == 2


REPLICAS = """
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
import numpy as np
from keras_xmodal.callbacks import InputWait
from tests.callbacks.test_input_wait import data, make_model
found = []
for callbacks in ([], [InputWait()]):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = make_model()
    history = model.fit(
        data(rows=17), epochs=2, verbose=0, shuffle=False, callbacks=callbacks
    )
    found.append(history.history)
np.testing.assert_allclose(found[1]["loss"], found[0]["loss"], rtol=1e-6)
assert len(found[1]["input_wait"]) == 2
assert all(0 <= share <= 1 for share in found[1]["input_wait"])
"""


@pytest.mark.large
def test_replicas():
    """In a process of its own: logical devices are set up at the start."""
    result = subprocess.run(
        [sys.executable, "-c", REPLICAS], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
