"""What all callbacks have in common: copies, order, silence."""

import copy
import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx

RNG = np.random.default_rng(0)
X = {
    name: RNG.random((24, dim)).astype("float32")
    for name, dim in (("a", 6), ("b", 5), ("c", 4), ("d", 3))
}
IDS = np.arange(24)
DIMS = {name: value.shape[1] for name, value in X.items()}
DATASET = tf.data.Dataset.from_tensor_slices((X, IDS)).batch(8)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return X, IDS


def make_vae():
    model = kx.VAEModel(DIMS, latent_dim=2)
    model.compile("adam", run_eagerly=True)
    return model, {"x": X}


def make_embedding():
    model = kx.EmbeddingModel(DIMS, 4)
    model.compile("adam", run_eagerly=True)
    return model, {"x": X, "y": IDS}


def make_gan():
    gan = kx.GANModel(6, 5)
    gan.compile(run_eagerly=True)
    return gan, {"x": X["a"], "y": X["b"]}


EXTRACTOR = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
PAIRS = X["a"], X["b"]
CALLBACKS = {
    "retrieval of a dataset": (
        make_embedding,
        lambda f: kx.callbacks.RetrievalEvaluation(DATASET),
    ),
    "retrieval of a PyDataset": (
        make_embedding,
        lambda f: kx.callbacks.RetrievalEvaluation(Batches()),
    ),
    "retrieval of a list": (
        make_embedding,
        lambda f: kx.callbacks.RetrievalEvaluation(list(DATASET)),
    ),
    "RetrievalGrid": (
        make_embedding,
        lambda f: kx.callbacks.RetrievalGrid(
            DATASET, "a", "b", folder=f, num_queries=1, k=1
        ),
    ),
    "Projector": (
        make_embedding,
        lambda f: kx.callbacks.Projector(DATASET, log_dir=f, num_examples=2),
    ),
    "InputWait": (make_embedding, lambda f: kx.callbacks.InputWait()),
    "LatentEvaluation": (
        make_vae,
        lambda f: kx.callbacks.LatentEvaluation(X, IDS % 2),
    ),
    "LatentPlot": (make_vae, lambda f: kx.callbacks.LatentPlot(X, folder=f)),
    "SampleGrid": (
        make_vae,
        lambda f: kx.callbacks.SampleGrid(folder=f, num_examples=1),
    ),
    "TranslationGrid": (
        make_vae,
        lambda f: kx.callbacks.TranslationGrid(
            X, folder=f, num_examples=1, to_text={"a": lambda a: ["a"] * len(a)}
        ),
    ),
    "KLWarmUp": (make_vae, lambda f: kx.callbacks.KLWarmUp(1)),
    "WeightSchedule": (
        make_vae,
        lambda f: kx.callbacks.WeightSchedule(
            "kl_weight", keras.optimizers.schedules.CosineDecay(1.0, 9)
        ),
    ),
    "GenerationEvaluation": (
        make_gan,
        lambda f: kx.callbacks.GenerationEvaluation(PAIRS, EXTRACTOR),
    ),
    "ModeCollapseMonitor": (
        make_gan,
        lambda f: kx.callbacks.ModeCollapseMonitor(PAIRS, threshold=0),
    ),
    "ConditionalSampleGrid": (
        make_gan,
        lambda f: kx.callbacks.ConditionalSampleGrid(
            X["a"][:2], folder=f, num_examples=1
        ),
    ),
    "ForOptimizer": (
        make_gan,
        lambda f: kx.callbacks.ForOptimizer(
            "generator_optimizer",
            keras.callbacks.LearningRateScheduler(lambda epoch: 0.01),
        ),
    ),
}


def test_all_callbacks_are_here():
    tested = {type(make("folder")) for _, make in CALLBACKS.values()}
    public = {getattr(kx.callbacks, name) for name in kx.callbacks.__all__}
    # `BackupAndRestore` is Keras' own, but for how it writes.
    assert public - tested <= {kx.callbacks.BackupAndRestore}


@pytest.mark.filterwarnings("ignore:The posterior has collapsed")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=() if name.startswith("retr") else pytest.mark.large
        )
        for name in CALLBACKS
    ],
)
def test_copies_train_for_themselves(name, tmp_path):
    """Tuners make a deep copy of each callback for each trial."""
    make_model, make_callback = CALLBACKS[name]
    callback = make_callback(tmp_path)
    keys = []
    for _ in range(2):  # of a new one, and of one that has trained
        copied = copy.deepcopy([callback])[0]
        assert type(copied) is type(callback)
        assert copied is not callback
        if hasattr(callback, "data"):
            assert copied.data is callback.data
        for one in (copied, callback):
            keras.utils.set_random_seed(0)
            model, data = make_model()
            history = model.fit(**data, verbose=0, callbacks=[one])
            assert one.model is model
            keys.append(history.history)
    assert all(set(found) == set(keys[0]) for found in keys)
    assert copied.model is not callback.model


def test_early_stopping_may_stand_anywhere():
    monitor = "val_a_to_b_R@1"
    for first in (True, False):
        evaluation = kx.callbacks.RetrievalEvaluation((X, IDS))
        stopping = keras.callbacks.EarlyStopping(
            monitor, mode="max", patience=1
        )
        evaluation.evaluate = lambda model: {monitor: 0.5}
        callbacks = [evaluation, stopping]
        model, data = make_embedding()
        history = model.fit(
            **data,
            epochs=9,
            verbose=0,
            callbacks=callbacks[:: -1 if first else 1],
        )
        assert len(history.history["loss"]) == 2


def test_only_readers_of_logs_change_their_place():
    calls = []

    class Called(keras.callbacks.Callback):
        def __init__(self, name, adds_logs=False):
            super().__init__()
            self.name, self.adds_logs = name, adds_logs

        def on_epoch_end(self, epoch, logs=None):
            calls.append(self.name)

    class Reader(keras.callbacks.CSVLogger):
        def __init__(self, name):
            self.name = name

        def on_train_begin(self, logs=None):
            pass

        def on_epoch_end(self, epoch, logs=None):
            calls.append(self.name)

        def on_train_end(self, logs=None):
            pass

    for model, data in (make_embedding(), make_gan(), make_vae()):
        calls.clear()
        callbacks = [
            Reader("r1"),
            Called("c1"),
            Called("e1", True),
            Called("c2"),
            Reader("r2"),
            Called("e2", True),
            Called("c3"),
            Reader("r3"),
        ]
        model.fit(**data, verbose=0, callbacks=callbacks)
        assert calls == ["c1", "e1", "c2", "e2", "r1", "r2", "c3", "r3"]
        model.fit(**data, verbose=0, callbacks=callbacks[1])  # alone
        assert calls[-1] == "c1"


class Messages(logging.Handler):
    def __init__(self):
        super().__init__()
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


@pytest.fixture
def retracing():
    """What TensorFlow says of retracing, but for the training itself."""
    handler, logger = Messages(), tf.get_logger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("WARNING")
    found = []
    yield found
    found += [
        text
        for text in handler.texts
        if "retracing" in text and "multi_step_on_iterator" not in text
    ]
    logger.setLevel(level)
    logger.removeHandler(handler)
    assert found == []


@pytest.mark.large
def test_no_callback_is_warned_of_for_retracing(retracing, tmp_path):
    model = kx.EmbeddingModel(DIMS, 4)
    model.compile("adam", jit_compile=False)
    callbacks = [
        kx.callbacks.RetrievalEvaluation(
            (X, IDS), prefix=f"{size}_", batch_size=size, diagnostics=False
        )
        for size in (5, 7, 24)
    ]
    model.fit(X, IDS, epochs=2, verbose=0, callbacks=callbacks)
    vae = kx.VAEModel(DIMS, latent_dim=2)
    vae.compile("adam", jit_compile=False)
    vae.fit(X, verbose=0)
    evaluation = kx.callbacks.LatentEvaluation(X, batch_size=7)
    grid = kx.callbacks.TranslationGrid(X, folder=tmp_path, num_examples=2)
    for _ in range(2):
        evaluation.evaluate(vae)
        grid.draw(vae)
