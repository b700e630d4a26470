"""Processes that are killed at random moments, and what they do."""

import multiprocessing
import pathlib
import time

import keras
import numpy as np

import keras_xmodal as kx
from keras_xmodal.callbacks import BackupAndRestore
from keras_xmodal.datasets.fetching.fetch import fetch
from keras_xmodal.demo import run as demo
from keras_xmodal.runs import index, parts

KILLS = 20
X = {
    "image": np.random.default_rng(0).random((8, 6)).astype("float32"),
    "text": np.random.default_rng(1).random((8, 4)).astype("float32"),
}


def kill(function, folder, most_seconds, seed, method="fork"):
    """Kill a process at a random moment after it has begun its work.

    `fork` has what a test has patched; TensorFlow needs `forkserver`.
    """
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["tests.robustness.kills"])
    ready = folder.parent / f"ready {folder.name} {seed}"
    process = context.Process(target=function, args=(folder, ready))
    process.start()
    deadline = time.monotonic() + 60
    while not ready.exists() and process.is_alive():
        assert time.monotonic() < deadline, "it hangs"
        time.sleep(0.001)
    time.sleep(np.random.default_rng(seed).uniform(0, most_seconds))
    process.kill()
    process.join(60)
    assert not process.is_alive()
    # Killed, or done before that; an error would be 1.
    assert process.exitcode in (-9, 0), process.exitcode
    ready.unlink(missing_ok=True)


def make_index(version):
    """An index whose rows all say which version it is."""
    index = kx.retrieval.ExactIndex()
    rows = np.random.default_rng(version).normal(size=(2000, 32))
    index.add(rows, ids=np.full(2000, version), modality="image")
    return index


def save_indexes(folder, ready):
    """Save one version after the other."""
    for version in range(10_000):
        make_index(version).save(folder, overwrite=True)
        ready.touch()


def write_files(folder, ready):
    """Write a picture and a recording, one version after the other."""
    folder.mkdir(exist_ok=True)
    for version in range(10_000):
        frames = np.full((2, 64, 64, 3), version % 256, "uint8")
        kx.datasets.write_gif(folder / "clip.gif", frames)
        kx.datasets.write_wav(folder / "sound.wav", np.ones(9000) / 2, 8000)
        ready.touch()


def fetch_again(folder, ready):
    """Fetch a data set of small packages, which a test has put there."""
    ready.touch()
    fetch("mnist_fashion", folder)


def run_demos(folder, ready):
    """Run the demo with a training of no time."""

    def run_in(folder, epochs, seed, quiet):
        for name in ("model.keras", "index.npz", "training.png"):
            (folder / name).write_bytes(bytes([seed]) * 100_000)
        return {"seed": seed}

    demo._run_in = run_in
    for seed in range(10_000):
        demo.run(folder, seed=seed % 256, overwrite=True)
        ready.touch()


def make_model():
    keras.utils.set_random_seed(0)
    model = kx.EmbeddingModel({"image": 6, "text": 4}, 3)
    model.compile("sgd", run_eagerly=True)
    model(X)
    return model


def train(folder, ready):
    """Train with a backup after each epoch."""

    class Ready(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            ready.touch()

    make_model().fit(
        X,
        epochs=10_000,
        verbose=0,
        callbacks=[BackupAndRestore(folder), Ready()],
    )


def export_again(folder, ready):
    """Export a model, once."""
    model = make_model()
    ready.touch()
    kx.export.saved_model(model, folder)


def rebuild_index(folder, ready):
    """Encode all that a run folder finds once more, in many small parts."""
    parts._SIZE = 1
    encode = parts._encode

    def begin(*arguments):
        ready.touch()
        return encode(*arguments)

    parts._encode = begin
    index.run(folder, rebuild=True, quiet=True)


def hidden(folder: pathlib.Path):
    """What killed processes have left beside their places."""
    return sorted(path.name for path in folder.rglob(".*"))
