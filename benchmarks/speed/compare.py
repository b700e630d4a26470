"""What the benchmarks of training speed share.

Each of them is a script that starts processes: its peer, and itself with
`--worker`, which trains one configuration and prints a line of JSON. Every run
is a fresh process, and the processes take turns (peer, ours, peer, ours, ...),
because absolute figures drift on a shared machine: what counts is the ratio of
a run of ours to the run of the peer just before it.

- `fit`: one whole `model.fit`, with all that is in it (shuffling, progress
  bar), after an epoch that traces;
- `step`: the median of the bare train steps.

`ratio` compares samples per second, `cpu_ratio` samples per second of CPU time,
which is steadier where other processes run, `floor` is the share of our time
that a step needs at least on this machine (`speed/floor.py`), and
`peak_rss_mib` is of whole processes, with all that they import.
"""

import itertools
import json
import math
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.settings import PEERS, this_command
from benchmarks.speed import floor
from benchmarks.speed.arguments import parse_arguments
from benchmarks.speed.processes import machine_facts, run_quietly

# What of the environment changes the speed of TensorFlow's kernels.
ENVIRONMENT = ("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "XLA_FLAGS")
RATIOS = {"ratio": "samples_per_s", "cpu_ratio": "samples_per_cpu_s"}
WARMUP_STEPS = 10
NUM_BATCHES = 8  # Of the bare steps, in memory; the peers have as many.


class Benchmark(NamedTuple):
    """What one benchmark of speed runs.

    Attributes:
        name: String, what its results are called.
        description: String, what it measures.
        peer: Name of the peer's script, in `peers`.
        peer_packages: String, what the peer's interpreter must have.
        peer_check: Options of the peer for a run as short as can be.
        peer_options: Function of a configuration and of the parsed arguments,
            returns the options of the peer.
        axes: Dict, what `build_model` takes, each with all its values.
        build_model: Function of `axes` and `jit_compile`, returns a compiled
            and built model.
        make_data: Function of the number of examples, returns arrays as
            `train_step` takes them.
        fit_options: Function of mode, batch size and number of batches,
            returns the arguments of `fit`.
        batch_size: Integer.
        defaults: Dict of options that are not the usual.
        modes: Strings, the ways to train.
        options: Dict of further options, each with its values, the first of
            them the default.
    """

    name: str
    description: str
    peer: str
    peer_packages: str
    peer_check: list
    peer_options: Callable
    axes: dict
    build_model: Callable
    make_data: Callable
    fit_options: Callable
    batch_size: int
    defaults: dict
    modes: tuple = ("fit", "step")
    options: dict = {}


# The worker: one configuration, one JSON line.


def work(benchmark, configuration, arguments):
    # First of all: it may set up TensorFlow, which must not be loaded yet.
    import keras_xmodal as kx

    environment = {
        name: os.environ[name] for name in ENVIRONMENT if name in os.environ
    }
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    batch_size, mode, jit = (
        configuration.pop(name) for name in ("batch_size", "mode", "jit")
    )
    model = benchmark.build_model(**configuration, jit_compile=jit == "on")
    if mode == "step":
        data = benchmark.make_data(NUM_BATCHES * batch_size)
        rates = time_steps(model, data, batch_size, jit, arguments.steps)
    else:
        options = benchmark.fit_options(mode, batch_size, arguments.steps)
        num_samples = batch_size * arguments.steps
        rates = time_fit(model, options, num_samples, arguments.epochs)
    result = {
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "keras_xmodal": kx.__version__,
        },
        "environment": environment,
        "parameters": sum(
            math.prod(weight.shape) for weight in model.trainable_weights
        ),
        **dict(zip(RATIOS.values(), rates, strict=True)),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        // 1024,
        "work": floor.work_of(model, benchmark.make_data(batch_size)),
    }
    print("\n" + json.dumps(result))


def time_fit(model, options, num_samples, epochs):
    """Return samples per second of a whole `fit`, of wall and CPU time."""
    model.fit(**options)
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(**options, epochs=epochs)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return round(epochs * num_samples / wall, 1), round(
        epochs * num_samples / cpu, 1
    )


def time_steps(model, data, batch_size, jit, num_steps):
    """Return samples per second of the median step, and of CPU time."""
    import tensorflow as tf

    batches = list(tf.data.Dataset.from_tensor_slices(data).batch(batch_size))
    step = tf.function(model.train_step, jit_compile=jit == "on")
    times = []
    for number in range(WARMUP_STEPS + num_steps):
        if number == WARMUP_STEPS:
            cpu = time.process_time()
        start = time.perf_counter()
        logs = step(batches[number % NUM_BATCHES])
        float(next(iter(logs.values())))  # Waits for the end of the step.
        times.append(time.perf_counter() - start)
    cpu = time.process_time() - cpu
    median = statistics.median(times[WARMUP_STEPS:])
    return round(batch_size / median, 1), round(batch_size * num_steps / cpu, 1)


def without_autotuning(dataset):
    """Switch off what may hold up the end of an epoch: see README.md."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


# The driver: starts the processes in turns.


def run_turn(benchmark, configuration, arguments):
    """Run the peer once, then each way of ours."""
    peer = None
    if not arguments.no_peer:
        options = benchmark.peer_options(configuration, arguments)
        peer = run_quietly(
            [arguments.peer_python, PEERS / benchmark.peer, *options], arguments
        )
    turn = []
    for jit, mode in itertools.product(arguments.jit, arguments.modes):
        key = {**configuration, "mode": mode, "jit": jit}
        command = [
            *this_command(),
            f"--worker={json.dumps(key)}",
            f"--steps={arguments.steps}",
            f"--epochs={arguments.epochs}",
            f"--threads={arguments.threads}",
        ]
        ours = run_quietly(command, arguments)
        turn.append(compare(key, ours, peer, arguments.max_other_load))
    return turn


def compare(key, ours, peer, max_other_load):
    """The record of a run of ours, beside the peer's run before it if any."""
    record = {**key, "ours": ours}
    loads = [ours.get("other_load", 0.0)]
    if peer:
        if ours["parameters"] != peer["parameters"]:
            raise RuntimeError(
                f"{key} must have as many parameters on both sides. Received: "
                f"{ours['parameters']} and {peer['parameters']}"
            )
        record["peer"] = dict(peer)
        for name, rate in RATIOS.items():
            record[name] = round(ours[rate] / peer[rate], 3)
        loads.append(peer.get("other_load", 0.0))
    record["undisturbed"] = max(loads) <= max_other_load
    return record


def run_all(benchmark, arguments):
    """All runs, in the order in which they took turns."""
    names = [*benchmark.axes, "batch_size"]
    values = [getattr(arguments, name) for name in names]
    runs = []
    for repetition in range(arguments.repetitions):
        for key in itertools.product(*values):
            configuration = dict(zip(names, key, strict=True))
            runs += run_turn(benchmark, configuration, arguments)
            print(f"repetition {repetition + 1}: {key} done", file=sys.stderr)
    return runs


# The report.


def spread(values):
    return {
        "min": min(values),
        "median": round(statistics.median(values), 3),
        "max": max(values),
    }


def summarise(runs, names, machine):
    """One row a configuration, over its undisturbed runs if it has some."""
    groups = {}
    for record in runs:
        key = tuple(record[name] for name in names)
        groups.setdefault(key, []).append(record)
    table = []
    for key, records in groups.items():
        quiet = [record for record in records if record["undisturbed"]]
        used = quiet or records
        row = {
            **dict(zip(names, key, strict=True)),
            "parameters": used[0]["ours"]["parameters"],
            "runs": len(records),
            "undisturbed": len(quiet),
        }
        sides = [side for side in ("ours", "peer") if side in used[0]]
        for side in sides:
            for name in ("samples_per_s", "peak_rss_mib"):
                row[f"{side}_{name}"] = spread(
                    [record[side][name] for record in used]
                )
        if "peer" in sides:
            for name in RATIOS:
                row[name] = spread([record[name] for record in used])
        steps_per_s = row["ours_samples_per_s"]["median"] / row["batch_size"]
        least = floor.seconds(used[0]["ours"]["work"], machine)
        row["floor"] = round(steps_per_s * least, 3)
        table.append(row)
    return table


def print_table(table, names):
    """Markdown."""
    head = [
        *(name.replace("_", " ") for name in names),
        "parameters",
        "ours / peer: min",
        "median",
        "max",
        "per CPU second",
        "floor",
        "samples/s",
        "MiB, ours / peer",
    ]
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for row in table:
        ratio = row.get("ratio", dict.fromkeys(("min", "median", "max"), "–"))
        cpu_ratio = row.get("cpu_ratio", {"median": "–"})
        peaks = (
            f"{row[name]['median']:,.0f}" if name in row else "–"
            for name in ("ours_peak_rss_mib", "peer_peak_rss_mib")
        )
        cells = [
            *(row[name] for name in names),
            f"{row['parameters']:,}",
            *ratio.values(),
            cpu_ratio["median"],
            row["floor"],
            f"{row['ours_samples_per_s']['median']:,.0f}",
            " / ".join(peaks),
        ]
        print(f"| {' | '.join(map(str, cells))} |")


def take_facts(runs, threads):
    """What is the same in all runs, taken out of them."""
    versions = {"ours": runs[0]["ours"]["versions"]}
    if "peer" in runs[0]:
        versions["peer"] = runs[0]["peer"]["versions"]
    environment = runs[0]["ours"]["environment"]
    for record in runs:
        record["ours"].pop("versions")
        record["ours"].pop("environment")
        record.get("peer", {}).pop("versions", None)
    return {
        "machine": machine_facts(threads),
        "versions": versions,
        "environment": environment,
    }


def main(benchmark):
    """Run a benchmark, or one configuration of it, from the command line."""
    arguments = parse_arguments(benchmark)
    if arguments.worker:
        work(benchmark, arguments.worker, arguments)
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    start = time.perf_counter()
    command = [sys.executable, "-m", floor.__name__]
    measured = run_quietly(command, arguments)
    rates = {name: measured[name] for name in floor.RATES}
    runs = run_all(benchmark, arguments)
    names = [*benchmark.axes, "batch_size", "mode", "jit"]
    settings = ("steps", "epochs", "repetitions", "max_other_load")
    options = [name.replace("-", "_") for name in benchmark.options]
    facts = take_facts(runs, arguments.threads)
    facts["machine"] |= rates
    report = {
        "benchmark": benchmark.name,
        **facts,
        "settings": {
            name: getattr(arguments, name) for name in (*options, *settings)
        },
        "wall_s": round(time.perf_counter() - start),
        "table": summarise(runs, names, rates),
        "runs": runs,
    }
    print_table(report["table"], names)
    if arguments.out:
        text = json.dumps(report, indent=1) + "\n"
        arguments.out.write_text(text, encoding="utf-8")
