"""Training speed of EmbeddingModel beside PyTorch with open_clip's losses.

    python benchmarks/embedding_speed.py --peer-python peers/bin/python

Both sides train the towers that `peers/bench_torch_embedding.py` describes,
in float32 with Adam, on data in memory. Every run is a fresh process, and the
processes take turns (peer, fit, step, peer, fit, step, ...), because absolute
figures drift on a shared machine: what counts is the ratio of a run of ours to
the run of the peer just before it.

- `fit`: one whole `model.fit(dataset)` with all that is in it (shuffling,
  progress bar), after a short one that traces; the dataset is
  `from_tensor_slices(...).shuffle(...).repeat().batch(...).prefetch(...)` over
  as many examples as the peer has;
- `step`: the median of the bare train steps;
- the peer: its median step, without data pipeline, in all cases.

`ratio` compares samples per second, `cpu_ratio` samples per second of CPU time,
which is steadier where other processes run. With the defaults, the whole takes
eight minutes on two idle cores.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PEER_SCRIPT = HERE / "peers" / "bench_torch_embedding.py"
PEER_README = HERE / "peers" / "README.md"
PEER_LOSSES = {"info_nce": "clip", "sigmoid_contrastive": "siglip"}
# What of the environment changes the speed of TensorFlow's kernels.
ENVIRONMENT = ("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "XLA_FLAGS")
RATIOS = {"ratio": "samples_per_s", "cpu_ratio": "samples_per_cpu_s"}
MODES = ("fit", "step")
WARMUP_STEPS = 10
NUM_BATCHES = 8  # In memory, as many as the peer has.


# The worker: one configuration, one JSON line.


def build_model(loss, jit_compile):
    import keras
    from keras import layers

    import keras_xmodal as kx

    image = keras.Sequential([keras.Input((32, 32, 3))])
    for filters in (32, 64, 128):
        image.add(
            layers.Conv2D(
                filters, 3, strides=2, padding="same", activation="relu"
            )
        )
    image.add(layers.GlobalAveragePooling2D())
    text = keras.Sequential(
        [
            keras.Input((16,), dtype="int32"),
            layers.Embedding(2000, 128),
            layers.GlobalAveragePooling1D(),
            layers.Dense(256, activation="relu"),
        ]
    )
    # The last dense layer of each tower is the model's own projection.
    model = kx.EmbeddingModel(
        encoders={"image": image, "text": text}, embedding_dim=128
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=loss,
        jit_compile=jit_compile,
    )
    return model


def make_data(num_examples):
    import numpy as np

    generator = np.random.default_rng(0)
    x = {
        "image": generator.random((num_examples, 32, 32, 3), dtype="float32"),
        "text": generator.integers(2000, size=(num_examples, 16)),
    }
    x["text"] = x["text"].astype("int32")
    return x, np.arange(num_examples)


def time_fit(model, arguments):
    """Return samples per second of a whole `fit`, of wall and CPU time."""
    import tensorflow as tf

    batch_size, steps = arguments.batch_size, arguments.steps
    x, ids = make_data(NUM_BATCHES * batch_size)
    data = tf.data.Dataset.from_tensor_slices((x, ids))
    data = data.shuffle(len(ids)).repeat().batch(batch_size)
    data = without_autotuning(data.prefetch(tf.data.AUTOTUNE))
    model.fit(data, steps_per_epoch=WARMUP_STEPS)
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(data, steps_per_epoch=steps, epochs=arguments.epochs)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    num_samples = arguments.epochs * steps * batch_size
    return num_samples / wall, num_samples / cpu


def without_autotuning(dataset):
    """Switch off what may hold up the end of an epoch: see README.md."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def time_step(model, arguments):
    """Return samples per second of the median step, and of CPU time."""
    import tensorflow as tf

    batch_size = arguments.batch_size
    x, ids = make_data(NUM_BATCHES * batch_size)
    dataset = tf.data.Dataset.from_tensor_slices((x, ids)).batch(batch_size)
    batches = list(dataset)
    model(batches[0][0])
    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step, jit_compile=arguments.jit_compile)
    times = []
    for number in range(WARMUP_STEPS + arguments.steps):
        if number == WARMUP_STEPS:
            cpu = time.process_time()
        start = time.perf_counter()
        float(step(batches[number % NUM_BATCHES])["loss"])
        times.append(time.perf_counter() - start)
    cpu = time.process_time() - cpu
    median = statistics.median(times[WARMUP_STEPS:])
    return batch_size / median, batch_size * arguments.steps / cpu


def work(arguments):
    # First of all: it may set up TensorFlow, which must not be loaded yet.
    import keras_xmodal as kx

    environment = {
        name: os.environ[name] for name in ENVIRONMENT if name in os.environ
    }
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    model = build_model(arguments.loss, arguments.jit_compile)
    measure = time_step if arguments.worker == "step" else time_fit
    samples_per_s, samples_per_cpu_s = measure(model, arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    result = {
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "keras_xmodal": kx.__version__,
        },
        "environment": environment,
        "samples_per_s": round(samples_per_s, 1),
        "samples_per_cpu_s": round(samples_per_cpu_s, 1),
        "peak_rss_mib": peak,
    }
    print("\n" + json.dumps(result))


# The driver: starts the processes in turns.


def cpu_times():
    """Return (busy, all) CPU seconds of the machine, or None off Linux."""
    try:
        line = pathlib.Path("/proc/stat").read_text().splitlines()[0]
    except OSError:
        return None
    values = [int(value) for value in line.split()[1:9]]
    tick = os.sysconf("SC_CLK_TCK")
    return (sum(values) - values[3] - values[4]) / tick, sum(values) / tick


def wait_until_idle(limit, max_other_load):
    """Wait for a quiet second, at most `limit` seconds."""
    end = time.monotonic() + limit
    while (before := cpu_times()) and time.monotonic() < end:
        time.sleep(1)
        after = cpu_times()
        if after[0] - before[0] <= max_other_load * (after[1] - before[1]):
            return


def run(command):
    """Run a process; return its JSON line and what it and others used."""
    usage, machine = resource.getrusage(resource.RUSAGE_CHILDREN), cpu_times()
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    wall = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(
            f"`{' '.join(map(str, command))}` exited with "
            f"{done.returncode}:\n{done.stderr[-2000:]}"
        )
    result = json.loads(done.stdout.strip().splitlines()[-1])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    result["wall_s"] = round(wall, 1)
    if machine:
        busy, total = (b - a for a, b in zip(machine, cpu_times(), strict=True))
        result["other_load"] = round(max(0.0, busy - own) / total, 3)
    return result


def run_quietly(command, arguments):
    """Run a process when the machine is idle, again if it was disturbed."""
    for _ in range(arguments.attempts):
        wait_until_idle(arguments.wait, arguments.max_other_load)
        result = run(command)
        if result.get("other_load", 0.0) <= arguments.max_other_load:
            break
    return result


def peer_command(arguments, loss, batch_size, steps):
    return [
        arguments.peer_python,
        PEER_SCRIPT,
        f"--loss={PEER_LOSSES[loss]}",
        f"--batch-size={batch_size}",
        f"--steps={steps}",
        f"--threads={arguments.threads}",
    ]


def worker_command(arguments, mode, loss, jit, batch_size):
    return [
        sys.executable,
        pathlib.Path(__file__).resolve(),
        f"--worker={mode}",
        f"--loss={loss}",
        f"--batch-size={batch_size}",
        f"--steps={arguments.steps}",
        f"--epochs={arguments.epochs}",
        f"--threads={arguments.threads}",
        *(["--jit-compile"] if jit == "on" else []),
    ]


def run_all(arguments):
    runs = []
    for repetition in range(arguments.repetitions):
        for batch_size in arguments.batch_sizes:
            for loss in arguments.losses:
                for jit in arguments.jit:
                    runs += run_turn(arguments, loss, jit, batch_size)
        print(f"repetition {repetition + 1} done", file=sys.stderr)
    return runs


def run_turn(arguments, loss, jit, batch_size):
    """Run the peer once, then each mode of ours."""
    peer = None
    if not arguments.no_peer:
        command = peer_command(arguments, loss, batch_size, arguments.steps)
        peer = run_quietly(command, arguments)
    turn = []
    for mode in arguments.modes:
        command = worker_command(arguments, mode, loss, jit, batch_size)
        ours = run_quietly(command, arguments)
        record = {
            "loss": loss,
            "batch_size": batch_size,
            "mode": mode,
            "jit": jit,
            "ours": ours,
        }
        loads = [ours.get("other_load", 0.0)]
        if peer:
            record["peer"] = peer
            for name, key in RATIOS.items():
                record[name] = round(ours[key] / peer[key], 3)
            loads.append(peer.get("other_load", 0.0))
        record["undisturbed"] = max(loads) <= arguments.max_other_load
        turn.append(record)
    return turn


def spread(values):
    return {
        "min": min(values),
        "median": round(statistics.median(values), 3),
        "max": max(values),
    }


def summarise(runs):
    """One row a configuration, over its undisturbed runs if it has some."""
    groups = {}
    for record in runs:
        key = tuple(record[k] for k in ("loss", "batch_size", "mode", "jit"))
        groups.setdefault(key, []).append(record)
    table = []
    for (loss, batch_size, mode, jit), records in groups.items():
        quiet = [record for record in records if record["undisturbed"]]
        used = quiet or records
        row = {
            "loss": loss,
            "batch_size": batch_size,
            "mode": mode,
            "jit": jit,
            "runs": len(records),
            "undisturbed": len(quiet),
            "ours_samples_per_s": spread(
                [record["ours"]["samples_per_s"] for record in used]
            ),
        }
        if "peer" in used[0]:
            row["peer_samples_per_s"] = spread(
                [record["peer"]["samples_per_s"] for record in used]
            )
            for name in RATIOS:
                row[name] = spread([record[name] for record in used])
        table.append(row)
    return table


def machine_facts(threads):
    model = platform.processor()
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": threads,
        "system": platform.system(),
        "machine": platform.machine(),
    }


def parse_arguments():
    cores = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count()
    )
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--peer-python", help="interpreter that has torch and open_clip")
    add("--no-peer", action="store_true", help="run ours alone, no ratios")
    add("--losses", nargs="+", choices=PEER_LOSSES, default=[*PEER_LOSSES])
    add("--modes", nargs="+", choices=MODES, default=[*MODES])
    add("--jit", nargs="+", choices=["off", "on"], default=["off", "on"])
    add("--batch-sizes", nargs="+", type=positive, default=[256])
    add("--repetitions", type=positive, default=3)
    add("--steps", type=positive, default=100, help="timed, and per epoch")
    add("--epochs", type=positive, default=1, help="of the timed `fit`")
    add("--threads", type=positive, default=cores)
    add(
        "--wait",
        type=float,
        default=0.0,
        help="seconds to wait, at most, for an idle machine before each run",
    )
    add(
        "--attempts",
        type=positive,
        default=1,
        help="of each run, if other processes disturb it",
    )
    add(
        "--max-other-load",
        type=float,
        default=0.1,
        help="share of the machine that others may use in an undisturbed run",
    )
    add("--out", type=pathlib.Path, help="file for the JSON as well")
    for name, options in {
        "--worker": {"choices": MODES},
        "--loss": {"choices": PEER_LOSSES, "default": "info_nce"},
        "--batch-size": {"type": positive, "default": 256},
        "--jit-compile": {"action": "store_true"},
    }.items():
        add(name, help=argparse.SUPPRESS, **options)
    arguments = parser.parse_args()
    if not arguments.worker:
        check(parser, arguments)
    return arguments


def positive(text):
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(
            f"must be a positive integer. Received: {text}"
        )
    return value


def check(parser, arguments):
    """Fail before the first run, with the way out."""
    out = arguments.out
    if out and (out.is_dir() or not out.resolve().parent.is_dir()):
        parser.error(f"--out must be a file in a folder. Received: {out}")
    if arguments.no_peer == bool(arguments.peer_python):
        parser.error(
            "give either --peer-python, an interpreter with torch and "
            f"open_clip (recipe: {PEER_README}), or --no-peer. Received: "
            f"--peer-python={arguments.peer_python}, "
            f"--no-peer={arguments.no_peer}"
        )
    if arguments.no_peer:
        return
    try:
        run(peer_command(arguments, "info_nce", batch_size=2, steps=1))
    except (OSError, RuntimeError, ValueError) as error:
        parser.error(
            "--peer-python must be an interpreter with torch and open_clip "
            f"(recipe: {PEER_README}). Received: {arguments.peer_python}, "
            f"which fails: {error}"
        )


def main():
    arguments = parse_arguments()
    if arguments.worker:
        work(arguments)
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    start = time.perf_counter()
    runs = run_all(arguments)
    versions = {"ours": runs[0]["ours"]["versions"]}
    if not arguments.no_peer:
        versions["peer"] = runs[0]["peer"]["versions"]
    environment = runs[0]["ours"]["environment"]
    for record in runs:
        record["ours"].pop("versions")
        record["ours"].pop("environment")
        record.get("peer", {}).pop("versions", None)
    report = {
        "benchmark": "embedding_speed",
        "machine": machine_facts(arguments.threads),
        "versions": versions,
        "environment": environment,
        "settings": {
            "steps": arguments.steps,
            "epochs": arguments.epochs,
            "repetitions": arguments.repetitions,
            "max_other_load": arguments.max_other_load,
        },
        "wall_s": round(time.perf_counter() - start),
        "table": summarise(runs),
        "runs": runs,
    }
    text = json.dumps(report, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
