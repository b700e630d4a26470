"""Training steps on a GPU, with XLA and without, against the same on the CPU.

    python -m benchmarks.speed.gpu --out results.json

Each model of the speed benchmarks trains for a few steps from the same weights
on the same batches with the same noise: on the CPU, on the GPU, and on the GPU
under XLA, all without TensorFloat-32. `difference` is the largest relative
difference of a loss from the CPU's. Then the median step is timed, with
TensorFlow's own default of TensorFloat-32. Every run is a fresh process.
Needs a GPU that TensorFlow sees.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import time

from benchmarks.settings import this_command
from benchmarks.speed import embedding, gan, vae

# Name: module with `make_data`, arguments of its `build_model`.
MODELS = {
    "EmbeddingModel": (embedding, ("info_nce",)),
    "VAEModel": (vae, ("MoPoE", "mlp")),
    "VAEModel, convolutions": (vae, ("MoPoE", "conv")),
    "GANModel": (gan, ("relativistic+r1+r2",)),
}
RUNS = {
    "CPU": ("/CPU:0", False),
    "GPU": ("/GPU:0", False),
    "GPU, XLA": ("/GPU:0", True),
}
COMPARED_STEPS, TIMED_STEPS, BATCHES = 20, 100, 8


def make_batches(module, batch_size, count=BATCHES):
    """Batches as `train_step` takes them, on the current device."""
    import tensorflow as tf

    data = module.make_data(count * batch_size)
    return [
        tf.nest.map_structure(
            lambda x, start=start: tf.constant(x[start : start + batch_size]),
            data,
        )
        for start in range(0, count * batch_size, batch_size)
    ]


def work(name, run, batch_size):
    """One model in one way: losses, and milliseconds of a step."""
    import keras
    import tensorflow as tf

    module, options = MODELS[name]
    device, jit_compile = RUNS[run]
    keras.utils.set_random_seed(0)
    with tf.device(device):
        model = module.build_model(*options, jit_compile)
        batches = make_batches(module, batch_size)

        def train(count, tensor_float_32):
            tf.config.experimental.enable_tensor_float_32_execution(
                tensor_float_32
            )
            step = tf.function(model.train_step, jit_compile=jit_compile)
            losses, times = [], []
            for number in range(count):
                start = time.perf_counter()
                logs = step(batches[number % BATCHES])
                losses.append(
                    [float(v) for k, v in logs.items() if "loss" in k]
                )
                times.append(time.perf_counter() - start)
            return losses, times

        losses, _ = train(COMPARED_STEPS, tensor_float_32=False)
        _, times = train(TIMED_STEPS, tensor_float_32=True)
    gpus = tf.config.list_physical_devices("GPU")
    result = {
        "losses": losses,
        "milliseconds": 1000 * statistics.median(times[TIMED_STEPS // 5 :]),
        "first_step_seconds": times[0],
        "gpu": [
            tf.config.experimental.get_device_details(gpu)["device_name"]
            for gpu in gpus
        ],
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    print("\n" + json.dumps(result))


def start(name, run, batch_size):
    """Run `work` in a process of its own."""
    command = [*this_command(), f"--batch-size={batch_size}"]
    done = subprocess.run(
        [*command, "--worker", name, run], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{name}, {run} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def difference(losses, reference):
    """Largest relative difference of a loss."""
    return max(
        abs(a - b) / max(abs(b), 1e-3)
        for row, other in zip(losses, reference, strict=True)
        for a, b in zip(row, other, strict=True)
    )


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=[*MODELS]
    )
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=[*RUNS])
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(*arguments.worker, arguments.batch_size)
        return
    results = []
    for name in arguments.models:
        reference = None
        for run in arguments.runs:
            result = start(name, run, arguments.batch_size)
            losses = result.pop("losses")
            reference = reference or losses
            result = {
                "model": name,
                "run": run,
                "batch_size": arguments.batch_size,
                "difference": difference(losses, reference),
                "last_losses": losses[-1],
                **result,
            }
            results.append(result)
            print(
                f"{name:22} {run:9} {result['milliseconds']:8.2f} ms "
                f"{result['difference']:.1e}",
                flush=True,
            )
            if arguments.out:
                text = json.dumps(results, indent=1) + "\n"
                arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
