"""What Keras' own training does not do under a `tf.distribute` strategy."""

import contextlib
import pathlib
import tempfile

import keras
import tensorflow as tf
from keras import ops

from keras_xmodal.ops.replicas import is_chief, num_workers, of_all_workers


def logs_to_reduce(step):
    """A step whose logs Keras can reduce over several workers.

    It takes their mean over a first axis, which scalars do not have
    (keras#20585).
    """

    def step_of_a_worker(data):
        return keras.tree.map_structure(
            lambda value: ops.reshape(value, (1,)), step(data)
        )

    return step_of_a_worker


def check_steps(model):
    """Check that replicas can make the steps as they were compiled."""
    replicas = model.distribute_strategy.num_replicas_in_sync
    if replicas > 1 and (model.jit_compile or model.steps_per_execution > 1):
        raise ValueError(
            "Under a strategy of several replicas, TensorFlow makes one step "
            "at a time, and none with XLA: `compile` with `jit_compile=False` "
            "and `steps_per_execution=1`. Received: "
            f"jit_compile={model.jit_compile}, "
            f"steps_per_execution={model.steps_per_execution}, "
            f"{replicas} replicas"
        )


def check_one_replica(model, method):
    """Check that no batch would be given to each of several replicas."""
    replicas = model.distribute_strategy.num_replicas_in_sync
    if replicas > 1:
        raise ValueError(
            f"`{method}` is for one replica: under a strategy of several, "
            "TensorFlow gives the whole batch to each of them. Give `fit`, "
            "`evaluate` or `predict` a data set of it. "
            f"Received: {replicas} replicas"
        )


def check_order(strategy, shuffle):
    """Check that workers read the batches of a `PyDataset` in one order."""
    if shuffle and num_workers(strategy) > 1:
        raise ValueError(
            "`shuffle` of a `PyDataset` must be False under several workers, "
            "each of which would take an order of its own. "
            f"Received: shuffle={shuffle}, {num_workers(strategy)} workers"
        )


def shared_seed(strategy):
    """A random seed that all workers share, or None where there is one."""
    if num_workers(strategy) == 1:
        return None
    seed = tf.random.uniform((), maxval=2**31 - 1, dtype="int32").numpy()
    return int(of_all_workers(strategy, seed)[0])


@contextlib.contextmanager
def written_once(model, path):
    """Give the path to write to, which is a temporary one but for the chief.

    All workers have to write, for some values are sums over them, and go on
    when the chief has written.
    """
    strategy = model.distribute_strategy
    if is_chief(strategy):
        yield path
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield pathlib.Path(folder) / pathlib.Path(path).name
    if num_workers(strategy) > 1:
        of_all_workers(strategy, 0)
