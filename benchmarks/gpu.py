"""Training steps of all families on a GPU, up to the end of its memory.

    python -m benchmarks.gpu --peer-python torch/bin/python --out results.json
    python -m benchmarks.gpu --dry-run

Each model of the speed benchmarks trains with XLA and without, in float32 (with
TensorFloat-32, as TensorFlow has it) and bfloat16, at batch sizes that grow
until the memory ends; `EmbeddingModel` also by micro-batches. A run is a fresh
process, and the same command goes on with those that `--work` lacks. It says
what a step takes from end to end and in the kernels of the GPU alone, its peak
of memory, the share of the rates of one large matrix product and of a copy that
its products and convolutions come to (`speed/floor.py`), and its largest
kernels. `--peer-python` names an interpreter with PyTorch, which trains the
same networks, eager and compiled. `--dry-run` is one tiny run of each family on
whatever device there is.
"""

import argparse
import collections
import glob
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from benchmarks.settings import PEERS
from benchmarks.speed import embedding, floor, gan, vae
from benchmarks.speed.gpu import make_batches

# Name: module with `make_data`, and arguments of its `build_model`.
MODELS = {
    "EmbeddingModel": (embedding, ("info_nce",)),
    "VAEModel": (vae, ("MoPoE", "mlp")),
    "VAEModel, convolutions": (vae, ("MoPoE", "conv")),
    "GANModel": (gan, ("relativistic+r1+r2",)),
}
PEER_SCRIPTS = {
    "EmbeddingModel": "bench_torch_embedding.py",
    "GANModel": "bench_torch_gan.py",
}
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
BATCH_SIZES = (256, 2048, 16384, 131072)
MICRO_BATCH_SIZE = 256
WARMUP, STEPS, PROFILED, BATCHES = 5, 50, 10, 2
NUM_KERNELS = 5
OUT_OF_MEMORY = ("ResourceExhausted", "OUT_OF_MEMORY", "OutOfMemoryError")


class Run(NamedTuple):
    """One model in one way, at growing batch sizes."""

    model: str
    precision: str
    jit: bool
    by_micro_batches: bool = False

    def __str__(self):
        ways = ["jit"] * self.jit + ["micro-batches"] * self.by_micro_batches
        return ", ".join([self.model, self.precision, *ways])


def work(run, batch_sizes, steps):
    """Measure one run in this process: a result for each batch size."""
    import keras

    keras.mixed_precision.set_global_policy(POLICIES[run.precision])
    rates = floor.rates(run.precision)
    results = []
    for batch_size in batch_sizes:
        try:
            results.append(measure(run, batch_size, steps, rates))
        except Exception as error:
            if not any(name in repr(error) for name in OUT_OF_MEMORY):
                raise
            results.append({"batch_size": batch_size, "out_of_memory": True})
            break
        print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    return {"rates": rates, **device_facts(), "results": results}


def measure(run, batch_size, steps, rates):
    """Milliseconds, memory and kernels of a step."""
    import keras
    import tensorflow as tf

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    module, options = MODELS[run.model]
    model = module.build_model(*options, run.jit)
    if run.by_micro_batches:
        model.compile(
            model.optimizer,
            model.loss,
            jit_compile=run.jit,
            micro_batch_size=min(MICRO_BATCH_SIZE, batch_size),
        )
    batches = make_batches(module, batch_size, BATCHES)
    step = tf.function(model.train_step, jit_compile=run.jit)
    device = (tf.config.list_logical_devices("GPU") or [None])[0]

    def train(count):
        start = time.perf_counter()
        for number in range(count):
            logs = step(batches[number % len(batches)])
        float(next(iter(logs.values())))  # Waits for the end of the last step.
        return (time.perf_counter() - start) / count

    first = train(1)
    train(WARMUP)
    if device:
        tf.config.experimental.reset_memory_stats(device.name[-5:])
    seconds = train(steps)
    result = {
        "batch_size": batch_size,
        "milliseconds": 1000 * seconds,
        "samples_per_s": batch_size / seconds,
        "first_step_s": first,
        "floor": floor.seconds(floor.work_of(model, batches[0]), rates)
        / seconds,
    }
    if device:
        memory = tf.config.experimental.get_memory_info(device.name[-5:])
        result["peak_mib"] = memory["peak"] / 2**20
    return result | kernels(lambda: train(PROFILED))


def kernels(train):
    """Milliseconds of a step in kernels of the GPU, and the largest of them."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            train()
        space = xplane_pb2.XSpace()
        for path in glob.glob(f"{folder}/**/*.xplane.pb", recursive=True):
            space.MergeFromString(pathlib.Path(path).read_bytes())
    picoseconds = collections.Counter()
    for plane in space.planes:
        if not plane.name.startswith("/device:GPU"):
            continue
        for line in plane.lines:
            if not line.name.startswith("Stream"):
                continue
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                picoseconds[name] += event.duration_ps
    total = picoseconds.total()
    return {
        "device_milliseconds": total / 1e9 / PROFILED if total else None,
        "kernels": [
            {"name": name[:120], "share": round(count / total, 3)}
            for name, count in picoseconds.most_common(NUM_KERNELS)
        ],
    }


def device_facts():
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return {
        "gpu": [
            tf.config.experimental.get_device_details(gpu)["device_name"]
            for gpu in gpus
        ],
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def runs_of(models):
    """All ways of some models."""
    ways = itertools.product(models, POLICIES, (False, True))
    runs = [Run(*way) for way in ways]
    return runs + [
        run._replace(by_micro_batches=True)
        for run in runs
        if run.model == "EmbeddingModel"
    ]


def start(run, arguments, sizes):
    """Measure a run in a process of its own."""
    command = [sys.executable, "-m", __spec__.name]
    command += [f"--worker={json.dumps(run)}", f"--steps={arguments.steps}"]
    result = finish([*command, "--batch-sizes", *map(str, sizes)])
    if "error" in result:
        raise SystemExit(f"{run} failed: {result['error']}")
    return result


def ask_peer(python, model, precision, is_compiled, sizes):
    """The peer's figures at each batch size, until its memory ends."""
    results = []
    for size in sizes:
        command = [python, PEERS / PEER_SCRIPTS[model], "--device=cuda"]
        command += [f"--batch-size={size}", f"--precision={precision}"]
        result = finish(command + ["--compile"] * is_compiled)
        results.append({"batch_size": size, **result})
        if "error" in result:
            break
    return results


def finish(command):
    """The line of JSON of a process, or why there is none."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no output"]
        return {"error": lines[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def main(arguments=None):
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--models", nargs="+", choices=MODELS, default=[*MODELS])
    add("--batch-sizes", nargs="+", type=int, default=BATCH_SIZES)
    add("--steps", type=int, default=STEPS)
    add("--peer-python", help="interpreter with torch and open_clip, for CUDA")
    add("--work", type=pathlib.Path, help="folder of what was run")
    add("--out", type=pathlib.Path, help="file for the results")
    add("--dry-run", action="store_true", help="a tiny run of each family")
    add("--worker", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args(arguments)
    if arguments.worker:
        run = Run(*arguments.worker)
        print(json.dumps(work(run, arguments.batch_sizes, arguments.steps)))
        return
    runs, sizes = runs_of(arguments.models), arguments.batch_sizes
    if arguments.dry_run:
        runs = [Run(model, "bfloat16", False) for model in arguments.models]
        sizes, arguments.steps = (4, 8), 2
    folder = arguments.work or pathlib.Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    tasks = {
        str(run): lambda run=run: start(run, arguments, sizes) for run in runs
    }
    if arguments.peer_python and not arguments.dry_run:
        models = [name for name in arguments.models if name in PEER_SCRIPTS]
        for way in itertools.product(models, POLICIES, (False, True)):
            name = f"PyTorch, {', '.join(way[:2])}{', compiled' * way[2]}"
            tasks[name] = lambda way=way: {
                "results": ask_peer(arguments.peer_python, *way, sizes)
            }
    results = []
    for name, task in tasks.items():
        path = folder / f"{name.replace(', ', '_').replace(' ', '_')}.json"
        if not path.exists():
            beside = path.with_suffix(".partial")
            beside.write_text(json.dumps(task()), encoding="utf-8")
            beside.replace(path)
        results.append({"run": name, **json.loads(path.read_text("utf-8"))})
        print(json.dumps(results[-1]), flush=True)
    if arguments.out:
        text = json.dumps({"runs": results}, indent=1) + "\n"
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
