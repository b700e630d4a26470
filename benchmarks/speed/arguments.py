"""The command line of the benchmarks of speed."""

import argparse
import json
import os
import pathlib

from benchmarks.settings import PEERS
from benchmarks.speed.processes import run


def positive(text):
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(
            f"must be a positive integer. Received: {text}"
        )
    return value


def parse_arguments(benchmark):
    cores = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count()
    )
    parser = argparse.ArgumentParser(
        description=benchmark.description.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--peer-python",
        help=f"interpreter that has {benchmark.peer_packages}",
    )
    add("--no-peer", action="store_true", help="run ours alone, no ratios")
    for name, values in benchmark.axes.items():
        plural = f"--{name}es" if name.endswith("s") else f"--{name}s"
        add(plural, dest=name, nargs="+", choices=values, default=[*values])
    for name, values in benchmark.options.items():
        add(f"--{name}", choices=values, default=values[0])
    add(
        "--batch-sizes",
        dest="batch_size",
        nargs="+",
        type=positive,
        default=[benchmark.batch_size],
    )
    modes = benchmark.modes
    add("--modes", nargs="+", choices=modes, default=["fit", "step"])
    add("--jit", nargs="+", choices=["off", "on"], default=["off"])
    add("--repetitions", type=positive, default=3)
    add("--steps", type=positive, default=100, help="timed, and per epoch")
    add("--epochs", type=positive, default=3, help="of the timed `fit`")
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
    add("--out", type=pathlib.Path, help="file for the JSON")
    add("--worker", type=json.loads, help=argparse.SUPPRESS)
    parser.set_defaults(**benchmark.defaults)
    arguments = parser.parse_args()
    if not arguments.worker:
        check(parser, benchmark, arguments)
    return arguments


def check(parser, benchmark, arguments):
    """Fail before the first run, with the way out."""
    out = arguments.out
    if out and (out.is_dir() or not out.resolve().parent.is_dir()):
        parser.error(f"--out must be a file in a folder. Received: {out}")
    rule = (
        f"an interpreter with {benchmark.peer_packages} (recipe: "
        f"{PEERS / 'README.md'})"
    )
    if arguments.no_peer == bool(arguments.peer_python):
        parser.error(
            f"give either --peer-python, {rule}, or --no-peer. Received: "
            f"--peer-python={arguments.peer_python}, "
            f"--no-peer={arguments.no_peer}"
        )
    if arguments.no_peer:
        return
    peer = PEERS / benchmark.peer
    try:
        run([arguments.peer_python, peer, *benchmark.peer_check])
    except (OSError, RuntimeError, ValueError) as error:
        parser.error(
            f"--peer-python must be {rule}. Received: "
            f"{arguments.peer_python}, which fails: {error}"
        )
