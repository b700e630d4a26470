"""InfoNCE forward and backward: in chunks, as a matrix, and in PyTorch.

    python -m benchmarks.speed.contrastive --peer-python peers/bin/python

Of unit vectors of 128 dims with ids of their own: `InfoNCE(chunk_size="auto")`
and `chunk_size=None` by `from_embeddings` in a `tf.function`, and in PyTorch
what open_clip's `ClipLoss` computes on one device: logits of both directions,
and the cross-entropy of each. Gradients are those of embeddings and scale.
`--losses` adds the other losses of this package, without a peer.

Each cell is a process of its own; those of a batch size take turns, as often as
`--repetitions` says. `ms` is the median of steps, `peak_mib` the highest
resident memory above that before the first step, with all that tracing and
compiling takes, and `ratio` the peer's `ms` over ours in the same turn, the
median over turns. Only torch is optional. Linux alone, for its accounts of
memory.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

from benchmarks.speed.processes import machine_facts, run_quietly

DIM = 128
LOSSES = (
    "InfoNCE",
    "SigmoidContrastive",
    "TripletAllNegatives",
    "TripletHardNegative",
    "TripletSemiHardNegative",
)
LARGEST_WHOLE = 16_384  # Above, a matrix and its gradients take 30 GiB.
PEER = r"""
import json, re, statistics, sys, time
import torch
import torch.nn.functional as F
batch, scale, steps, threads = int(sys.argv[1]), float(sys.argv[2]), *map(int, sys.argv[3:])
torch.set_num_threads(threads)
torch.manual_seed(0)
a, b = (F.normalize(torch.randn(batch, 128), dim=-1).requires_grad_() for _ in range(2))
scale = torch.tensor(scale, requires_grad=True)
def memory(name):
    return int(re.search(name + r":\s+(\d+)", open("/proc/self/status").read())[1]) / 1024
def step():
    a.grad = b.grad = scale.grad = None
    logits_of_a = scale * a @ b.T
    logits_of_b = scale * b @ a.T
    labels = torch.arange(batch)
    loss = (F.cross_entropy(logits_of_a, labels) + F.cross_entropy(logits_of_b, labels)) / 2
    loss.backward()
    return loss.item()
open("/proc/self/clear_refs", "w").write("5")
start = memory("VmRSS")
value = step()
times = []
for _ in range(steps):
    before = time.perf_counter()
    step()
    times.append(1000 * (time.perf_counter() - before))
print(json.dumps({"ms": statistics.median(times), "peak_mib": memory("VmHWM") - start, "loss": value}))
"""  # noqa: E501


def memory(name):
    """MiB of this process: `VmRSS` now, `VmHWM` the most."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(name)


def measure(loss, chunk_size, batch, scale, steps, threads, jit):
    """Time and memory of steps in this process."""
    import numpy as np
    import tensorflow as tf

    import keras_xmodal as kx

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    loss = getattr(kx.losses, loss)(chunk_size=chunk_size)
    rng = np.random.default_rng(0)
    anchors, candidates = (
        tf.math.l2_normalize(
            tf.constant(rng.standard_normal((batch, DIM), "float32")), axis=1
        )
        for _ in range(2)
    )
    inputs = anchors, candidates, tf.constant(scale)
    ids = tf.range(batch)

    @tf.function(jit_compile=jit)
    def step(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = loss.from_embeddings(ids, *inputs)
        return value, tape.gradient(value, inputs)

    pathlib.Path("/proc/self/clear_refs").write_text("5")  # Forgets the most.
    start = memory("VmRSS")
    value = float(step(*inputs)[0])
    times = []
    for _ in range(steps):
        before = time.perf_counter()
        step(*inputs)[0].numpy()
        times.append(1000 * (time.perf_counter() - before))
    return {
        "ms": statistics.median(times),
        "peak_mib": memory("VmHWM") - start,
        "loss": value,
    }


def cells(arguments):
    """Batch size, scale, loss and the ways to compute it."""
    ways = [way for way in arguments.ways if way != "torch"]
    for batch in arguments.batch_sizes:
        for scale in arguments.scales:
            for loss in arguments.losses:
                found = [*ways]
                if arguments.peer_python and loss == "InfoNCE":
                    found.append("torch")
                if batch > LARGEST_WHOLE:
                    found = ["chunked"]
                yield batch, scale, loss, found


def command(way, batch, scale, loss, arguments):
    numbers = (batch, scale, arguments.steps, arguments.threads)
    if way == "torch":
        return [arguments.peer_python, "-c", PEER, *map(str, numbers)]
    worker = {
        "loss": loss,
        "chunk_size": "auto" if way == "chunked" else None,
        "batch": batch,
        "scale": scale,
        "steps": arguments.steps,
        "threads": arguments.threads,
        "jit": arguments.jit,
    }
    return [
        *(sys.executable, "-m", "benchmarks.speed.contrastive"),
        f"--worker={json.dumps(worker)}",
    ]


def compare(batch, scale, loss, ways, arguments):
    """One row of the table, from turns of all ways."""
    turns = [
        {
            way: run_quietly(
                command(way, batch, scale, loss, arguments), arguments
            )
            for way in ways
        }
        for _ in range(arguments.repetitions)
    ]
    row = {"batch": batch, "scale": round(scale, 3), "loss": loss}
    for way in ways:
        facts = [turn[way] for turn in turns]
        row[way] = {
            "ms": round(statistics.median(f["ms"] for f in facts), 1),
            "peak_mib": round(max(f["peak_mib"] for f in facts)),
            "loss": facts[0]["loss"],
            "other_load": max(f.get("other_load", 0.0) for f in facts),
        }
        if way != "chunked" and "chunked" in ways:
            row[way]["ratio"] = round(
                statistics.median(
                    turn[way]["ms"] / turn["chunked"]["ms"] for turn in turns
                ),
                2,
            )
    return row


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--peer-python", help="interpreter with torch")
    add(
        "--batch-sizes",
        type=int,
        nargs="+",
        default=[1024, 2048, 4096, 8192, 16_384, 32_768],
    )
    add("--scales", type=float, nargs="+", default=[1 / 0.07, 100.0])
    add("--losses", nargs="+", choices=LOSSES, default=["InfoNCE"])
    ways = ["chunked", "whole"]
    add("--ways", nargs="+", choices=ways, default=ways)
    add("--steps", type=int, default=5)
    add("--repetitions", type=int, default=3)
    add("--threads", type=int, default=2)
    add("--jit", action="store_true", help="compile ours by XLA")
    add("--wait", type=float, default=0.0, help="seconds, for a quiet machine")
    add("--attempts", type=int, default=1, help="of each run if disturbed")
    add("--max-other-load", type=float, default=0.1)
    add("--out", type=pathlib.Path, help="file for the JSON")
    add("--worker", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(measure(**arguments.worker)))
        return
    results = {
        **machine_facts(arguments.threads),
        "dim": DIM,
        "steps": arguments.steps,
        "repetitions": arguments.repetitions,
        "jit": arguments.jit,
        "table": [],
    }
    for cell in cells(arguments):
        row = compare(*cell, arguments)
        results["table"].append(row)
        print(json.dumps(row), flush=True)
        if arguments.out:  # After each row, for it takes long.
            text = json.dumps(results, indent=1) + "\n"
            arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
