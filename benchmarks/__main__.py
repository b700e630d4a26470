"""Runs all benchmarks, or the named ones, and writes the READMEs' tables.

    python -m benchmarks --list
    python -m benchmarks --work bench
    python -m benchmarks --work bench embedding_speed own_data

Each leaves its results in `results/`, with the commit, the machine and the load
they were measured at. What `--work` holds is not run again: the same command
goes on where it was stopped, those of several hours also within themselves.
What measures speed runs alone: it waits for an idle machine, and is left out
where that does not come. What lacks something, such as a GPU, says so.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time

from benchmarks import needs
from benchmarks.catalogue import BENCHMARKS
from benchmarks.settings import RESULTS, ROOT
from benchmarks.speed.processes import load_of, machine_facts
from benchmarks.tables import readmes
from benchmarks.tables.results import facts_of

MAX_LOAD = 0.3  # cores in use by others
# What a run itself changes.
OF_RESULTS = (":!benchmarks/results", ":!benchmarks/README.md", ":!README.md")
ENVIRONMENT = {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}


def main(arguments=None):
    """Run from the command line; return how many are left."""
    named = {benchmark.name: benchmark for benchmark in BENCHMARKS}
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__.splitlines()[0],
        epilog="\n".join(__doc__.splitlines()[2:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="those of --list; else all")
    add("--list", action="store_true", help="what there is, and its state")
    add("--work", type=pathlib.Path, help="folder of what was run")
    add(
        "--wait",
        type=float,
        default=60,
        help="seconds to wait for an idle machine (default: 60)",
    )
    arguments = parser.parse_args(arguments)
    unknown = [name for name in arguments.names if name not in named]
    if unknown:
        parser.error(f"names must be of --list. Received: {', '.join(unknown)}")
    chosen = [named[name] for name in arguments.names or named]
    if arguments.list:
        print(listing(chosen))
        return 0
    if arguments.work is None:
        parser.error("--work must name a folder. Received: none")
    folder = arguments.work.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    left = {}
    for benchmark in chosen:
        if (folder / f"{benchmark.name}.json").exists():
            continue
        print(f"{benchmark.name} ...", file=sys.stderr, flush=True)
        try:
            run(benchmark, folder, arguments.wait)
        except (needs.MissingError, RuntimeError) as error:
            left[benchmark.name] = error
            print(f"{benchmark.name}: {error}", file=sys.stderr, flush=True)
    readmes.write()
    for name, error in left.items():
        print(f"left: {name}: {error}")
    return len(left)


def run(benchmark, folder, wait):
    """Run one benchmark, and put its results in their place."""
    for need in benchmark.needs:
        needs.prepare(need, folder)
    load = quiet_load(wait) if benchmark.timed else load_of(1)
    command = [sys.executable, *benchmark.arguments(folder)]
    start = time.monotonic()
    with (folder / f"{benchmark.name}.log").open("w") as log:
        done = subprocess.run(
            command,
            cwd=ROOT.parent,
            env=ENVIRONMENT | os.environ,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        text = pathlib.Path(log.name).read_text(errors="replace")
        last = (text.strip().splitlines() or ["no output"])[-1]
        raise RuntimeError(
            f"it exited with {done.returncode}, see {log.name}: {last}"
        )
    partial = folder / f"{benchmark.name}.partial"
    try:
        results = json.loads(partial.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RuntimeError(
            f"it left no results, see {log.name}: {error}"
        ) from error
    results["run"] = {
        "command": f"python -m benchmarks.{benchmark.command}",
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "minutes": round((time.monotonic() - start) / 60, 1),
        "load_before": load,
        **machine_facts(threads=None),
    }
    text = json.dumps(results, indent=1) + "\n"
    for path in (RESULTS / f"{benchmark.name}.json", partial):
        beside = path.with_suffix(".new")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    partial.rename(folder / f"{benchmark.name}.json")


def quiet_load(wait):
    """Cores that others use, once it is few enough to measure beside."""
    end = time.monotonic() + wait
    while (load := load_of(3)) is not None and load > MAX_LOAD:
        if time.monotonic() > end:
            raise RuntimeError(
                f"the machine must be idle, with at most {MAX_LOAD} cores in "
                f"use, to measure speed. Received: {load} cores in use"
            )
    return load


def commit():
    """The commit of the code, and whether it has changes, results aside."""
    git = ["git", "-C", ROOT.parent]
    changes = [*git, "diff", "--quiet", "HEAD", "--", ".", *OF_RESULTS]
    done = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    )
    if done.returncode:
        return None  # It is no clone.
    is_changed = subprocess.run(changes).returncode
    return done.stdout.strip() + ", changed" * bool(is_changed)


def listing(chosen):
    """A line for each: what it needs, when it was run last."""
    lines = []
    for benchmark in chosen:
        facts = facts_of(benchmark.name)
        last = f"{facts['date']} at {facts['commit']}" if facts else "unknown"
        kind = "speed" if benchmark.timed else "quality"
        lines.append(
            f"{benchmark.name:27} {kind:7} {benchmark.minutes:4g} min  "
            f"{last:32} {', '.join(benchmark.needs)}".rstrip()
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
