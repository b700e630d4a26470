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
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

from benchmarks.speed.processes import machine_facts

WORDS = ["red", "green", "tree", "dog", "house", "apple", "car", "moon"]
PROCESSES, QUERIES = 3, 200


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
    with tempfile.TemporaryDirectory() as folder:
        queries = list(make_queries(pathlib.Path(folder), QUERIES))
        measured = [measure(arguments.run, queries) for _ in range(PROCESSES)]
    results = {
        **machine_facts(threads=None),
        "processes": PROCESSES,
        "seconds_to_first_answer": [round(m["start"][0], 2) for m in measured],
    }
    for kind in ("text", "image"):
        times = 1000 * np.concatenate([m[kind] for m in measured])
        results[kind] = {
            "queries": len(times),
            "first_ms": round(1000 * max(m[kind][0] for m in measured), 1),
            "median_ms": round(float(np.median(times)), 1),
            "p99_ms": round(float(np.percentile(times, 99)), 1),
            "largest_ms": round(float(times.max()), 1),
        }
    text = json.dumps(results, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
