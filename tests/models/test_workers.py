"""Several workers train as one device does."""

import json
import os
import pickle
import re
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import keras_xmodal as kx
from tests.models import training_of_workers as trainings

pytestmark = pytest.mark.large

SOURCES = ("train_on_other_losses", "train_on_all_sources")


def free_addresses(count):
    """Addresses on this machine that no program has yet."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def run_workers(count, *arguments, timeout=900):
    """Run them until all have ended; if one fails or hangs, end all."""
    addresses = free_addresses(count)
    command = [sys.executable, "-m", trainings.__name__, *map(str, arguments)]
    workers = []
    for index in range(count):
        task = {"type": "worker", "index": index}
        config = {"cluster": {"worker": addresses}, "task": task}
        workers.append(
            subprocess.Popen(
                command,
                env={**os.environ, "TF_CONFIG": json.dumps(config)},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    end = time.monotonic() + timeout
    try:
        while any(worker.poll() is None for worker in workers):
            assert time.monotonic() < end, "workers hang"
            if any(worker.poll() for worker in workers):
                break
            time.sleep(0.1)
    finally:
        for worker in workers:
            worker.kill()
        errors = [worker.communicate()[1][-3000:] for worker in workers]
    codes = [worker.returncode for worker in workers]
    assert codes == [0] * count, "\n".join(errors)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    trainings.write_files(folder)
    return folder


@pytest.fixture(scope="module")
def expected(files):
    """What one device finds of all models."""
    return trainings.use_all_models(files)


def found_by(count, folder, *names):
    """What each of the workers finds in trainings of these names."""
    run_workers(count, folder, *names)
    return [
        pickle.loads((folder / f"{index}.pickle").read_bytes())
        for index in range(count)
    ]


@pytest.fixture(scope="module")
def two(files):
    """What two workers find, in one start."""
    others = ("shuffled_rows", "callbacks", "refusals")
    return found_by(2, files, "use_all_models", *SOURCES, *others)


def compare(found, expected):
    keras.tree.assert_same_structure(found, expected)
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5),
        found,
        expected,
    )


@pytest.mark.parametrize("name", trainings.MODELS)
def test_two_workers_are_one_device(two, expected, files, name):
    for found in two:
        compare(found["use_all_models"][name], expected[name])
    alone = keras.saving.load_model(files / f"{name}.keras")
    compare(trainings.variables(alone), expected[name]["variables"])


def test_four_workers_are_one_device(expected, tmp_path):
    for found in found_by(4, tmp_path, "train_all_models"):
        for name, values in found["train_all_models"].items():
            compare(values, {part: expected[name][part] for part in values})


@pytest.mark.parametrize("name", SOURCES)
def test_losses_and_sources_of_two_workers(two, files, name):
    expected = getattr(trainings, name)(files)
    for found in two:
        compare(found[name], expected)


def test_arrays_are_shuffled_alike(two):
    """Each row once in an epoch, in a new order, the modalities apart."""
    first, second = (found["shuffled_rows"] for found in two)
    orders = []
    for a, b in zip(first, second, strict=True):
        # Of 5 rows a worker has 3, the other one 2; of 2, each has one.
        orders.append(a["image"][:3] + b["image"][:2])
        orders[-1] += a["image"][3:] + b["image"][2:]
        assert sorted(orders[-1]) == [*range(7)]
        text = a["text"][:3] + b["text"][:2] + a["text"][3:] + b["text"][2:]
        assert sorted(text[:4]) == [*range(4)]
        assert text[:4] != [row for row in orders[-1] if row < 4]
    assert len({*map(tuple, orders)}) > 1


def test_callbacks_of_two_workers(two, files):
    for found in two:
        assert found["callbacks"]["stopped"] == 1
        compare(found["callbacks"]["history"], two[0]["callbacks"]["history"])
        assert found["callbacks"]["checkpoint"]
    best = keras.saving.load_model(files / "best.keras")
    scores = two[0]["callbacks"]["history"]["val_image_text_rsum"]
    evaluation = kx.callbacks.RetrievalEvaluation(
        (trainings.X, trainings.IDS), ks=[1]
    )
    assert evaluation.evaluate(best)["val_image_text_rsum"] == max(scores)
    assert not (files / "backup2").exists()


def test_what_several_workers_are_told(two):
    for found in two:
        errors = found["refusals"]
        assert "an order of its own" in errors["PyDataset"]
        assert re.search(r"all workers see.*epochs \[2, -1\]", errors["backup"])
        assert "2 replicas" in errors["batch"]
        assert "jit_compile=True" in errors["jit"]


def test_keras_does_not_train_on_several_workers(two):
    """If this fails, Keras does: remove `strategies.logs_to_reduce`."""
    for found in two:
        assert "PerReplica" in found["refusals"]["keras"]
