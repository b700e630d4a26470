"""Training speed of VAEModel beside MultiVae (PyTorch).

    python benchmarks/vae_speed.py --peer-python peers/bin/python

Both sides train the networks that `peers/bench_multivae.py` describes, with as
many parameters, in float32 with Adam, on the same number of pairs of 28 x 28
bits in memory; batch 128, 32 latents. Every run is a fresh process, and the
processes take turns (peer, ours, peer, ours, ...), because absolute figures
drift on a shared machine: what counts is the ratio of a run of ours to the run
of the peer just before it.

- `fit`: one whole `model.fit(x)` on a dict of arrays, with all that is in it
  (shuffling, progress bar), after an epoch that traces;
- `dataset`: the same on a `tf.data.Dataset`;
- `step`: the median of the bare train steps;
- the peer: its median epoch of a plain loop, without data pipeline or argument
  parsing, in all cases; the first epoch does not count.

TELBO is left out: MultiVae trains its bounds one after the other. `MMVAE-10` is
MMVAE with 10 samples and the DReG estimator. `ratio` compares samples per
second, `cpu_ratio` samples per second of CPU time, which is steadier where
other processes run, and `peak_rss_mib` is of whole processes, with all that
they import. With the defaults it takes half an hour on two idle cores.
"""

import argparse
import json
import math
import os
import pathlib
import platform
import resource
import statistics
import sys
import time

# What the two benchmarks of speed share.
from embedding_speed import (
    ENVIRONMENT,
    RATIOS,
    WARMUP_STEPS,
    machine_facts,
    positive,
    run,
    run_quietly,
    spread,
    without_autotuning,
)

HERE = pathlib.Path(__file__).resolve().parent
PEER_SCRIPT = HERE / "peers" / "bench_multivae.py"
PEER_README = HERE / "peers" / "README.md"
# Objective, number of samples, estimator (None: the objective's own).
CONFIGURATIONS = {
    "MVAE": ("MVAE", 1, None),
    "MMVAE": ("MMVAE", 1, "iwae"),
    "MMVAE-10": ("MMVAE", 10, "dreg"),
    "MoPoE": ("MoPoE", 1, None),
    "MVTCAE": ("MVTCAE", 1, None),
    "JMVAE": ("JMVAE", 1, None),
    "CVAE": ("CVAE", 1, None),
    "MMVAEPlus": ("MMVAEPlus", 1, "iwae"),
}
MODES = ("fit", "dataset", "step")
SHAPE = (28, 28, 1)
LATENT_DIM, PRIVATE_DIM = 32, 16
BATCH_SIZE = 128
KEY = ("configuration", "architecture", "mode", "jit")


# The worker: one configuration, one JSON line.


def mlp_networks(layers):
    """Layers of the encoder, and of the decoder."""
    encoder = [
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dense(512, activation="relu"),
    ]
    decoder = [
        layers.Dense(512, activation="relu"),
        layers.Dense(512, activation="relu"),
        layers.Dense(math.prod(SHAPE)),
        layers.Reshape(SHAPE),
    ]
    return encoder, decoder


def conv_networks(layers):
    """Layers of the encoder, and of the decoder."""
    options = {"strides": 2, "padding": "same"}
    encoder = [
        layers.Conv2D(32, 4, activation="relu", **options),
        layers.Conv2D(64, 4, activation="relu", **options),
        layers.Flatten(),
        layers.Dense(256, activation="relu"),
    ]
    decoder = [
        layers.Dense(256, activation="relu"),
        layers.Dense(64 * 7 * 7, activation="relu"),
        layers.Reshape((7, 7, 64)),
        layers.Conv2DTranspose(32, 4, activation="relu", **options),
        layers.Conv2DTranspose(1, 4, **options),
    ]
    return encoder, decoder


ARCHITECTURES = {"mlp": mlp_networks, "conv": conv_networks}


def build_model(configuration, architecture, jit_compile):
    import keras
    from keras import layers

    import keras_xmodal as kx

    name, num_samples, estimator = CONFIGURATIONS[configuration]
    options = {"num_samples": num_samples}
    if estimator:
        options["estimator"] = estimator
    if name == "CVAE":
        options["target"] = "a"
    if name == "MMVAEPlus":
        options["private_dim"] = PRIVATE_DIM
    objective = getattr(kx.objectives, name)(**options)
    encoders, decoders = {}, {}
    for modality in ("a", "b"):
        networks = ARCHITECTURES[architecture](layers)
        encoders[modality], decoders[modality] = map(keras.Sequential, networks)
    generated = objective.generated_modalities(("a", "b"))
    model = kx.VAEModel(
        encoding_dim=LATENT_DIM,
        encoders=encoders,
        decoders={modality: decoders[modality] for modality in generated},
        likelihoods=dict.fromkeys(generated, "bernoulli"),
        objective=objective,
        seed=0,
    )
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=jit_compile)
    return model


def make_data(num_examples):
    import numpy as np

    random = np.random.default_rng(0)
    return {
        name: random.integers(2, size=(num_examples, *SHAPE)).astype("float32")
        for name in ("a", "b")
    }


def time_fit(model, arguments):
    """Return samples per second of a whole `fit`, of wall and CPU time."""
    import tensorflow as tf

    num_examples = arguments.steps * BATCH_SIZE
    x, options = make_data(num_examples), {"batch_size": BATCH_SIZE}
    if arguments.worker == "dataset":
        data = tf.data.Dataset.from_tensor_slices(x).shuffle(num_examples)
        data = data.batch(BATCH_SIZE, drop_remainder=True)
        x, options = without_autotuning(data.prefetch(tf.data.AUTOTUNE)), {}
    model.fit(x, epochs=1, **options)
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(x, epochs=arguments.epochs, **options)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    num_samples = arguments.epochs * num_examples
    return num_samples / wall, num_samples / cpu


def time_step(model, arguments):
    """Return samples per second of the median step, and of CPU time."""
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((make_data(8 * BATCH_SIZE),))
    batches = list(dataset.batch(BATCH_SIZE))
    model(batches[0][0])
    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step, jit_compile=arguments.jit_compile)
    times = []
    for number in range(WARMUP_STEPS + arguments.steps):
        if number == WARMUP_STEPS:
            cpu = time.process_time()
        start = time.perf_counter()
        float(step(batches[number % len(batches)])["loss"])
        times.append(time.perf_counter() - start)
    cpu = time.process_time() - cpu
    median = statistics.median(times[WARMUP_STEPS:])
    return BATCH_SIZE / median, BATCH_SIZE * arguments.steps / cpu


def work(arguments):
    # First of all: it may set up TensorFlow, which must not be loaded yet.
    import keras_xmodal as kx

    environment = {
        name: os.environ[name] for name in ENVIRONMENT if name in os.environ
    }
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    model = build_model(
        arguments.configuration, arguments.architecture, arguments.jit_compile
    )
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
        "parameters": sum(
            math.prod(weight.shape) for weight in model.trainable_weights
        ),
        "samples_per_s": round(samples_per_s, 1),
        "samples_per_cpu_s": round(samples_per_cpu_s, 1),
        "peak_rss_mib": peak,
    }
    print("\n" + json.dumps(result))


# The driver: starts the processes in turns.


def peer_command(arguments, configuration, architecture):
    objective, num_samples, estimator = CONFIGURATIONS[configuration]
    return [
        arguments.peer_python,
        PEER_SCRIPT,
        f"--objective={objective}",
        f"--num-samples={num_samples}",
        f"--estimator={estimator or 'iwae'}",
        f"--architecture={architecture}",
        f"--batch-size={BATCH_SIZE}",
        f"--latent-dim={LATENT_DIM}",
        f"--private-dim={PRIVATE_DIM}",
        f"--num-examples={arguments.steps * BATCH_SIZE}",
        f"--epochs={arguments.epochs + 1}",
        f"--threads={arguments.threads}",
        f"--via={arguments.peer_via}",
    ]


def worker_command(arguments, configuration, architecture, mode, jit):
    return [
        sys.executable,
        pathlib.Path(__file__).resolve(),
        f"--worker={mode}",
        f"--configuration={configuration}",
        f"--architecture={architecture}",
        f"--steps={arguments.steps}",
        f"--epochs={arguments.epochs}",
        f"--threads={arguments.threads}",
        *(["--jit-compile"] if jit == "on" else []),
    ]


def run_turn(arguments, configuration, architecture):
    """Run the peer once, then each mode of ours."""
    peer = None
    if not arguments.no_peer:
        command = peer_command(arguments, configuration, architecture)
        peer = run_quietly(command, arguments)
    turn = []
    for jit in arguments.jit:
        for mode in arguments.modes:
            key = (configuration, architecture, mode, jit)
            command = worker_command(arguments, *key)
            ours = run_quietly(command, arguments)
            turn.append(compare(arguments, KEY, key, ours, peer))
    return turn


def compare(arguments, names, key, ours, peer):
    """The record of a run of ours, beside the peer's run before it if any."""
    record = {**dict(zip(names, key, strict=True)), "ours": ours}
    loads = [ours.get("other_load", 0.0)]
    if peer:
        record["peer"] = dict(peer)
        check_parameters(key, ours, peer)
        for name, rate in RATIOS.items():
            record[name] = round(ours[rate] / peer[rate], 3)
        loads.append(peer.get("other_load", 0.0))
    record["undisturbed"] = max(loads) <= arguments.max_other_load
    return record


def check_parameters(key, ours, peer):
    if ours["parameters"] != peer["parameters"]:
        raise RuntimeError(
            f"{key} must have as many parameters on both sides. Received: "
            f"{ours['parameters']} and {peer['parameters']}"
        )


def run_all(arguments):
    runs = []
    for repetition in range(arguments.repetitions):
        for architecture in arguments.architectures:
            for configuration in arguments.configurations:
                runs += run_turn(arguments, configuration, architecture)
                print(
                    f"repetition {repetition + 1}: {configuration} "
                    f"{architecture} done",
                    file=sys.stderr,
                )
    return runs


def summarise(runs, names=KEY):
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
        table.append(row)
    return table


def print_table(table):
    """Markdown."""
    print(
        "| objective | networks | parameters | mode | jit | ours / peer: min | "
        "median | max | per CPU second | samples/s | MiB, ours / peer |"
    )
    print("|---" * 11 + "|")
    for row in table:
        ratio = row.get("ratio", dict.fromkeys(("min", "median", "max"), "–"))
        cpu_ratio = row.get("cpu_ratio", {"median": "–"})
        peer_peak = row.get("peer_peak_rss_mib", {"median": "–"})
        cells = [
            row["configuration"],
            row["architecture"],
            f"{row['parameters']:,}",
            row["mode"],
            row["jit"],
            *ratio.values(),
            cpu_ratio["median"],
            f"{row['ours_samples_per_s']['median']:,.0f}",
            f"{row['ours_peak_rss_mib']['median']} / {peer_peak['median']}",
        ]
        print(f"| {' | '.join(map(str, cells))} |")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    names = [*CONFIGURATIONS]
    add("--peer-python", help="interpreter that has torch and multivae")
    add("--no-peer", action="store_true", help="run ours alone, no ratios")
    add(
        "--peer-via",
        choices=["loop", "trainer"],
        default="loop",
        help="a plain loop, or MultiVae's own trainer",
    )
    add("--configurations", nargs="+", choices=names, default=names)
    add("--architectures", nargs="+", choices=ARCHITECTURES, default=["mlp"])
    add("--modes", nargs="+", choices=MODES, default=["fit", "step"])
    add("--jit", nargs="+", choices=["off", "on"], default=["off", "on"])
    add("--repetitions", type=positive, default=3)
    add("--steps", type=positive, default=100, help="timed, and per epoch")
    add("--epochs", type=positive, default=3, help="timed")
    add("--threads", type=positive, default=os.cpu_count())
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
    add("--out", type=pathlib.Path, help="file for the JSON")
    for name, options in {
        "--worker": {"choices": MODES},
        "--configuration": {"choices": names},
        "--architecture": {"choices": ARCHITECTURES},
        "--jit-compile": {"action": "store_true"},
    }.items():
        add(name, help=argparse.SUPPRESS, **options)
    arguments = parser.parse_args()
    if not arguments.worker:
        check(parser, arguments)
    return arguments


def check(parser, arguments):
    """Fail before the first run, with the way out."""
    out = arguments.out
    if out and (out.is_dir() or not out.resolve().parent.is_dir()):
        parser.error(f"--out must be a file in a folder. Received: {out}")
    if arguments.no_peer == bool(arguments.peer_python):
        parser.error(
            "give either --peer-python, an interpreter with torch and "
            f"multivae (recipe: {PEER_README}), or --no-peer. Received: "
            f"--peer-python={arguments.peer_python}, "
            f"--no-peer={arguments.no_peer}"
        )
    if arguments.no_peer:
        return
    try:
        run([arguments.peer_python, PEER_SCRIPT, "--num-examples=128"])
    except (OSError, RuntimeError, ValueError) as error:
        parser.error(
            "--peer-python must be an interpreter with torch and multivae "
            f"(recipe: {PEER_README}). Received: {arguments.peer_python}, "
            f"which fails: {error}"
        )


def take_facts(arguments, runs):
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
        "machine": machine_facts(arguments.threads),
        "versions": versions,
        "environment": environment,
    }


def main():
    arguments = parse_arguments()
    if arguments.worker:
        work(arguments)
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    start = time.perf_counter()
    runs = run_all(arguments)
    facts = take_facts(arguments, runs)
    table = summarise(runs)
    report = {
        "benchmark": "vae_speed",
        **facts,
        "settings": {
            "batch_size": BATCH_SIZE,
            "latent_dim": LATENT_DIM,
            "peer_via": arguments.peer_via,
            "steps": arguments.steps,
            "epochs": arguments.epochs,
            "repetitions": arguments.repetitions,
            "max_other_load": arguments.max_other_load,
        },
        "wall_s": round(time.perf_counter() - start),
        "table": table,
        "runs": runs,
    }
    print_table(table)
    if arguments.out:
        text = json.dumps(report, indent=1) + "\n"
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
