"""Memory and time of a step on a large batch, whole and by micro-batches.

    python -m benchmarks.speed.grad_cache --out results.json

A convolutional tower of 32 px and a tower of texts, each case in a process of
its own: the peak of its memory above the start, once the model, the optimizer
and the data are there, and the median seconds of a step of `fit`, the first
aside. `cosine_similarity` is between embeddings and given vectors, so that what
the towers need is seen alone; `info_nce` has the similarities of all pairs too.
The batch itself, 3 KiB an example and twice in the pipeline, counts in all
cases; the table gives the MiB of embeddings. Losses after some steps differ a
little: Keras' Adam squares the parts of a sparse gradient, of an `Embedding`,
each on its own.
"""

import argparse
import json
import pathlib
import resource
import statistics
import sys
import time

from benchmarks.settings import this_command
from benchmarks.speed.processes import load_of, machine_facts, run

DIM, STEPS = 128, 3
LOSSES = ("cosine_similarity", "info_nce")
REMAT = "remat"


def cases(batch_sizes, micro, largest_whole):
    """Dicts of the cases: a batch of the micro-batch's size, and larger."""
    for loss in LOSSES:
        yield {"loss": loss, "batch_size": micro, "micro_batch_size": None}
        for batch_size in batch_sizes:
            for size in (
                (None, micro) if batch_size <= largest_whole else (micro,)
            ):
                yield {
                    "loss": loss,
                    "batch_size": batch_size,
                    "micro_batch_size": size,
                }
    yield {
        "loss": LOSSES[0],
        "batch_size": batch_sizes[0],
        "micro_batch_size": None,
        REMAT: True,
    }


def make_model(case):
    import contextlib

    import keras
    from keras import layers

    import keras_xmodal as kx

    keras.utils.set_random_seed(0)
    scope = contextlib.nullcontext()
    if case.get(REMAT):
        scope = keras.RematScope("activations")
    with scope:
        image = [
            layers.Conv2D(filters, 3, strides, "same", activation="gelu")
            for filters, strides in ((32, 1), (64, 2), (128, 2))
        ]
        text = [
            layers.Conv1D(256, 3, padding="same", activation="gelu")
            for _ in range(2)
        ]
    model = kx.EmbeddingModel(
        encoders={
            "image": keras.Sequential(
                [
                    keras.Input((32, 32, 3), dtype="uint8"),
                    layers.Rescaling(1 / 255),
                    *image,
                    layers.GlobalAveragePooling2D(),
                ]
            ),
            "text": keras.Sequential(
                [
                    keras.Input((16,), dtype="int32"),
                    layers.Embedding(2000, DIM),
                    *text,
                    layers.GlobalAveragePooling1D(),
                ]
            ),
        },
        embedding_dim=DIM,
    )
    model.compile(
        keras.optimizers.Adam(1e-3),
        case["loss"],
        micro_batch_size=case["micro_batch_size"],
        jit_compile=False,
    )
    return model


def measure(case):
    """Train some steps on one batch; return memory and time."""
    import keras
    import numpy as np
    import tensorflow as tf

    rng, rows = np.random.default_rng(0), case["batch_size"]
    x = {
        "image": rng.integers(0, 256, (rows, 32, 32, 3), "uint8"),
        "text": rng.integers(0, 2000, (rows, 16), "int32"),
    }
    y = np.arange(rows)
    if case["loss"] != "info_nce":
        y = {name: rng.random((rows, DIM), "float32") for name in x}
    model = make_model(case)
    model({name: value[:2] for name, value in x.items()})
    model.optimizer.build(model.trainable_variables)
    data = tf.data.Dataset.from_tensors((x, y)).repeat(STEPS)
    times = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            times.append(-time.perf_counter())

        def on_train_batch_end(self, batch, logs=None):
            times[-1] += time.perf_counter()

    start = peak()
    logs = model.fit(data, verbose=0, callbacks=[Clock()]).history
    return {
        "mib": round(peak() - start),
        "seconds": round(statistics.median(times[1:]), 3),
        "loss_value": logs["loss"][0],
    }


def peak():
    """The most memory that this process had so far, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--batch-sizes",
        nargs="+",
        type=int,
        default=[2048, 4096, 8192],
        help="of the whole batches, the smallest first",
    )
    add("--micro-batch-size", type=int, default=256)
    add(
        "--largest-whole",
        type=int,
        default=4096,
        help="of larger batches, the step by micro-batches alone",
    )
    add("--out", type=pathlib.Path, help="file for the JSON")
    add("--worker", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(measure(arguments.worker)))
        return
    load, table = load_of(2), []
    for case in cases(
        arguments.batch_sizes,
        arguments.micro_batch_size,
        arguments.largest_whole,
    ):
        result = run([*this_command(), "--worker", json.dumps(case)])
        embeddings = case["batch_size"] * 2 * DIM * 4 / 2**20
        table.append({**case, **result, "embeddings_mib": round(embeddings, 1)})
        print(json.dumps(table[-1]), flush=True)
    results = {
        "load_before": load,
        "machine": machine_facts(threads=None),
        "table": table,
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
