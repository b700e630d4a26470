"""Settings of the whole suite."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # A worker has one core: threads of TensorFlow and of NumPy's linear
    # algebra would wait for those of the other workers.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

import pickle

import keras
import pytest

from tests.helpers import run_command


def pytest_ignore_collect(collection_path, config):
    """Import no file whose tests are all large where none is asked for."""
    mark = "\npytestmark = pytest.mark.large\n"
    if config.option.markexpr != "not large" or collection_path.is_dir():
        return None
    return mark in collection_path.read_text(encoding="utf-8") or None


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The demo's process, ended, and its run folder: one for all workers."""
    import fcntl

    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    place /= "demo"
    place.mkdir(exist_ok=True)
    path, told = place / "keras-xmodal-demo", place / "process"
    with open(place / "lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            process = run_command("demo", "--output", path)
            told.write_bytes(pickle.dumps(process))
    return pickle.loads(told.read_bytes()), path


@pytest.fixture(autouse=True, scope="module")
def state_of_numbers(request):
    """State of the module's generator, `RNG`, after its import."""
    generator = getattr(request.module, "RNG", None)
    return generator and generator.bit_generator.state


@pytest.fixture(autouse=True)
def same_numbers(request, state_of_numbers):
    """Each test draws the same, whatever ran before it on its worker."""
    keras.utils.set_random_seed(0)
    if state_of_numbers:
        request.module.RNG.bit_generator.state = state_of_numbers
