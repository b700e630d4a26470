"""Training speed of GANModel beside plain PyTorch.

    python benchmarks/gan_speed.py --peer-python peers/bin/python

Both sides train the networks that `peers/bench_torch_gan.py` describes, with as
many parameters, in float32: one update of each network on a batch of 64
pictures, Adam, the penalties, the moving average. Every run is a fresh process,
and the processes take turns (peer, ours, peer, ours, ...), because absolute
figures drift on a shared machine: what counts is the ratio of a run of ours to
the run of the peer just before it.

- `fit`: one whole `model.fit` on arrays, with all that is in it (shuffling,
  progress bar), after an epoch that traces;
- `step`: the median of the bare train steps;
- the peer: the median of its bare steps, in both cases.

`ratio` compares samples (real pictures) per second, `cpu_ratio` samples per
second of CPU time, which is steadier where other processes run, and
`peak_rss_mib` is of whole processes, with all that they import.
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

# What the benchmarks of speed share.
from embedding_speed import (
    ENVIRONMENT,
    WARMUP_STEPS,
    positive,
    run,
    run_quietly,
)
from vae_speed import compare, summarise, take_facts

HERE = pathlib.Path(__file__).resolve().parent
PEER_SCRIPT = HERE / "peers" / "bench_torch_gan.py"
PEER_README = HERE / "peers" / "README.md"
CONFIGURATIONS = {
    "relativistic": ("relativistic", ()),
    "relativistic+r1+r2": ("relativistic", ("r1", "r2")),
    "non_saturating": ("non_saturating", ()),
    "non_saturating+r1": ("non_saturating", ("r1",)),
    "wasserstein+gradient_penalty": ("wasserstein", ("gradient_penalty",)),
}
MODES = ("fit", "step")
SHAPE, CLASSES, LATENT_DIM = (28, 28, 1), 10, 64
KEY = ("configuration", "mode", "jit")


# The worker: one configuration, one JSON line.


def build_generator(keras):
    layers = keras.layers
    z = keras.Input((LATENT_DIM,))
    condition = keras.Input((CLASSES,))
    x = layers.Concatenate()([z, condition])
    x = layers.Dense(128 * 7 * 7, activation="relu")(x)
    x = layers.Reshape((7, 7, 128))(x)
    options = {"strides": 2, "padding": "same"}
    x = layers.Conv2DTranspose(64, 4, activation="relu", **options)(x)
    x = layers.Conv2DTranspose(1, 4, activation="tanh", **options)(x)
    return keras.Model([z, condition], x)


def build_discriminator(keras):
    import keras_xmodal as kx

    layers = keras.layers
    target = keras.Input(SHAPE)
    condition = keras.Input((CLASSES,))
    x = target
    for filters in (64, 128):
        x = layers.Conv2D(filters, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    logit = kx.layers.ProjectionLogit()([x, condition])
    return keras.Model([target, condition], logit)


def build_model(configuration, jit_compile):
    import keras

    import keras_xmodal as kx

    loss, penalties = CONFIGURATIONS[configuration]
    model = kx.GANModel(
        generator=build_generator(keras),
        discriminator=build_discriminator(keras),
        latent_dim=LATENT_DIM,
        seed=0,
    )
    model.compile(loss=loss, penalties=penalties, jit_compile=jit_compile)
    model.build((None, CLASSES))
    return model


def make_data(num_examples):
    import numpy as np

    random = np.random.default_rng(0)
    pictures = random.uniform(-1, 1, size=(num_examples, *SHAPE))
    labels = random.integers(CLASSES, size=num_examples)
    return np.eye(CLASSES, dtype="float32")[labels], pictures.astype("float32")


def time_fit(model, arguments):
    """Return samples per second of a whole `fit`, of wall and CPU time."""
    num_examples = arguments.steps * arguments.batch_size
    x, y = make_data(num_examples)
    model.fit(x, y, batch_size=arguments.batch_size)
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(x, y, batch_size=arguments.batch_size, epochs=arguments.epochs)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    num_samples = arguments.epochs * num_examples
    return num_samples / wall, num_samples / cpu


def time_step(model, arguments):
    """Return samples per second of the median step, and of CPU time."""
    import tensorflow as tf

    batch_size = arguments.batch_size
    dataset = tf.data.Dataset.from_tensor_slices(make_data(8 * batch_size))
    batches = list(dataset.batch(batch_size))
    step = tf.function(model.train_step, jit_compile=arguments.jit_compile)
    times = []
    for number in range(WARMUP_STEPS + arguments.steps):
        if number == WARMUP_STEPS:
            cpu = time.process_time()
        start = time.perf_counter()
        float(step(batches[number % len(batches)])["generator_loss"])
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
    model = build_model(arguments.configuration, arguments.jit_compile)
    measure = time_step if arguments.worker == "step" else time_fit
    samples_per_s, samples_per_cpu_s = measure(model, arguments)
    result = {
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "keras_xmodal": kx.__version__,
        },
        "environment": environment,
        "parameters": sum(
            math.prod(weight.shape)
            for network in (model.generator, model.discriminator)
            for weight in network.trainable_weights
        ),
        "samples_per_s": round(samples_per_s, 1),
        "samples_per_cpu_s": round(samples_per_cpu_s, 1),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        // 1024,
    }
    print("\n" + json.dumps(result))


# The driver: starts the processes in turns.


def peer_command(arguments, configuration):
    loss, penalties = CONFIGURATIONS[configuration]
    return [
        arguments.peer_python,
        PEER_SCRIPT,
        f"--loss={loss}",
        f"--batch-size={arguments.batch_size}",
        f"--steps={arguments.steps}",
        f"--threads={arguments.threads}",
        "--penalties",
        *penalties,
    ]


def worker_command(arguments, configuration, mode, jit):
    return [
        sys.executable,
        pathlib.Path(__file__).resolve(),
        f"--worker={mode}",
        f"--configuration={configuration}",
        f"--batch-size={arguments.batch_size}",
        f"--steps={arguments.steps}",
        f"--epochs={arguments.epochs}",
        f"--threads={arguments.threads}",
        *(["--jit-compile"] if jit == "on" else []),
    ]


def run_turn(arguments, configuration):
    """Run the peer once, then each mode of ours."""
    peer = None
    if not arguments.no_peer:
        peer = run_quietly(peer_command(arguments, configuration), arguments)
    turn = []
    for jit in arguments.jit:
        for mode in arguments.modes:
            key = (configuration, mode, jit)
            ours = run_quietly(worker_command(arguments, *key), arguments)
            turn.append(compare(arguments, KEY, key, ours, peer))
    return turn


def run_all(arguments):
    runs = []
    for repetition in range(arguments.repetitions):
        for configuration in arguments.configurations:
            runs += run_turn(arguments, configuration)
            print(
                f"repetition {repetition + 1}: {configuration} done",
                file=sys.stderr,
            )
    return runs


def print_table(table):
    """Markdown."""
    print(
        "| loss | mode | jit | ours / peer: min | median | max | per CPU s "
        "| samples/s | MiB, ours / peer |"
    )
    print("|---" * 9 + "|")
    for row in table:
        ratio = row.get("ratio", dict.fromkeys(("min", "median", "max"), "–"))
        cpu_ratio = row.get("cpu_ratio", {"median": "–"})
        peer_peak = row.get("peer_peak_rss_mib", {"median": "–"})
        cells = [
            row["configuration"],
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
    add("--peer-python", help="interpreter that has torch")
    add("--no-peer", action="store_true", help="run ours alone, no ratios")
    add("--configurations", nargs="+", choices=names, default=names)
    add("--modes", nargs="+", choices=MODES, default=[*MODES])
    add("--jit", nargs="+", choices=["off", "on"], default=["off"])
    add("--batch-size", type=positive, default=64)
    add("--repetitions", type=positive, default=3)
    add("--steps", type=positive, default=40, help="timed, and per epoch")
    add("--epochs", type=positive, default=3, help="timed")
    add("--threads", type=positive, default=os.cpu_count())
    add("--wait", type=float, default=0.0, help="seconds, for an idle machine")
    add("--attempts", type=positive, default=1, help="of a disturbed run")
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
            "give either --peer-python, an interpreter with torch (recipe: "
            f"{PEER_README}), or --no-peer. Received: "
            f"--peer-python={arguments.peer_python}, "
            f"--no-peer={arguments.no_peer}"
        )
    if arguments.no_peer:
        return
    try:
        run([arguments.peer_python, PEER_SCRIPT, "--steps=1", "--warmup=0"])
    except (OSError, RuntimeError, ValueError) as error:
        parser.error(
            "--peer-python must be an interpreter with torch (recipe: "
            f"{PEER_README}). Received: {arguments.peer_python}, which fails: "
            f"{error}"
        )


def main():
    arguments = parse_arguments()
    if arguments.worker:
        work(arguments)
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    start = time.perf_counter()
    runs = run_all(arguments)
    facts = take_facts(arguments, runs)
    table = summarise(runs, KEY)
    report = {
        "benchmark": "gan_speed",
        **facts,
        "settings": {
            "batch_size": arguments.batch_size,
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
