"""Queries of `keras-xmodal search RUN -`, one line after the other.

    keras-xmodal demo --output RUN
    python -m benchmarks.speed.search_stdin RUN --out results.json

Processes of the command are started one after the other. Each is asked texts
and pictures, of sizes that it has not seen, by turns: a line in, and the wait
for its answer. Reported are the seconds from the start of a process to its
first answer, and the median, the 99th percentile and the largest of the
milliseconds of all later queries, by kind.
"""

import argparse
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

from benchmarks.speed.processes import machine_facts

WORDS = ["red", "green", "tree", "dog", "house", "apple", "car", "moon"]
PROCESSES, QUERIES = 3, 100


def make_queries(folder, count):
    """Lines of texts and of pictures, by turns."""
    rng = np.random.default_rng(0)
    for number in range(count):
        words = rng.choice(WORDS, rng.integers(1, 6))
        yield "text", json.dumps(" ".join(words))
        size = (*rng.integers(16, 800, 2), 3)
        picture = Image.fromarray(rng.integers(0, 256, size, "uint8"))
        content = io.BytesIO()
        picture.save(content, "PNG" if number % 2 else "JPEG")
        path = folder / f"{number}.{'png' if number % 2 else 'jpg'}"
        path.write_bytes(content.getvalue())
        yield "image", json.dumps({"image": str(path)})


def measure(run, queries):
    """Seconds to the first answer, and of each later one by kind."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_xmodal_cli", "search", run, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    seconds: dict[str, list[float]] = {"start": [], "text": [], "image": []}
    for place, (kind, line) in enumerate(queries):
        if place:
            start = time.perf_counter()
        process.stdin.write(line + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if "hits" not in answer:
            raise RuntimeError(answer)
        name = kind if place else "start"
        seconds[name].append(time.perf_counter() - start)
    process.stdin.close()
    process.wait(60)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="run folder of pictures and texts")
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    load = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory() as folder:
        queries = list(make_queries(pathlib.Path(folder), QUERIES))
        measured = [measure(arguments.run, queries) for _ in range(PROCESSES)]
    results = {
        **machine_facts(threads=None),
        "processes": PROCESSES,
        "load_before": load,
        "seconds_to_first_answer": [round(m["start"][0], 2) for m in measured],
        "table": [],
    }
    for kind in ("text", "image"):
        times = 1000 * np.concatenate([m[kind] for m in measured])
        row = {
            "first_ms": 1000 * max(m[kind][0] for m in measured),
            "median_ms": np.median(times),
            "p99_ms": np.percentile(times, 99),
            "largest_ms": times.max(),
        }
        row = {name: round(float(value), 1) for name, value in row.items()}
        results["table"].append({"query": kind, "queries": len(times), **row})
    text = json.dumps(results, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
