"""Smaller towers in the place of large ones: size, latency, memory, recall.

    python -m benchmarks.heavy_models --work heavy --out results.json
    python -m benchmarks.heavy_models --work heavy --out results.json \
        --only latency

The first command trains, which leaves the LiteRT files of all towers and what
they recall in `--work`, and goes on where it was stopped; then it measures
latency and memory of the files of the first seed. The second one only does the
latter, on a machine that has nothing else to do.

`teacher` is the tower as it is trained without this; `distilled` a small one
that learned from it by `kx.losses.SimilarityDistillation`; `distilled by
cosine` the same by the cosine of both embeddings; `without a teacher` the same
small tower, trained by pairs.
"""

import argparse
import importlib
import json
import statistics
import time

from benchmarks.directions import runner
from benchmarks.heavy_models import latency

# Cell, a function of the same name, and its module. The last one needs others.
CELLS = {
    "texts": "emoji",
    "pictures": "emoji",
    "speech": "speech",
    "both": "emoji",
}


def summarise(arguments):
    """Mean and standard deviation over seeds of each tower."""
    found = {}
    for cell in arguments.cells:
        for seed in arguments.seeds:
            path = arguments.work / f"{cell}_{seed}.json"
            if path.exists():  # Each is, unless they are to be trained later.
                for row in json.loads(path.read_text("utf-8"))["rows"]:
                    key = cell, row["tower"], row["model"]
                    found.setdefault(key, []).append(row)
    table = []
    for (cell, tower, model), rows in found.items():
        facts = {
            name: round(statistics.mean(row[name] for row in rows))
            for name in ("parameters", "bytes")
            if name in rows[0]
        }
        recall = {
            split: {
                direction: {
                    key: spread(
                        [row["recall"][split][direction][key] for row in rows]
                    )
                    for key in keys
                }
                for direction, keys in directions.items()
            }
            for split, directions in rows[0]["recall"].items()
        }
        table.append(
            {"cell": cell, "tower": tower, "model": model}
            | {"seeds": len(rows), **facts, "recall": recall}
        )
    return table


def spread(values):
    """Mean and standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return [round(statistics.mean(values), 4), round(deviation, 4)]


def measure(arguments):
    """Latency and memory of the files of the first seed."""
    files = {}
    for cell in arguments.cells:
        path = arguments.work / f"{cell}_{arguments.seeds[0]}.json"
        for row in json.loads(path.read_text("utf-8"))["rows"]:
            if "file" in row:
                place = arguments.work / f"{cell}_{arguments.seeds[0]}"
                key = f"{cell}, {row['tower']}, {row['model']}"
                files[key] = place / row["file"]
    return latency.measure(files)


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cells", nargs="+", choices=tuple(CELLS), default=tuple(CELLS)
    )
    parser.add_argument("--only", choices=("train", "latency"))
    arguments = runner.parse_arguments(parser)
    if arguments.cell:
        cell, _, seed = arguments.cell
        module = importlib.import_module(
            f"benchmarks.heavy_models.{CELLS[cell]}"
        )
        folder = arguments.work / f"{cell}_{seed}"
        runner.run_cell(
            lambda seed, _: getattr(module, cell)(seed, folder),
            int(seed),
            arguments.data_dir,
            arguments.work / f"{cell}_{seed}.json",
        )
        return
    start = time.perf_counter()
    if arguments.only != "latency":
        for cell in arguments.cells:
            runner.run_cells(
                arguments,
                {
                    arguments.work / f"{cell}_{seed}.json": (cell, "", seed)
                    for seed in arguments.seeds
                },
            )
    result = {"table": summarise(arguments)}
    if arguments.only != "train":
        result["latency"] = measure(arguments)
    result["wall_seconds"] = round(time.perf_counter() - start)
    for row in result["table"]:
        print(json.dumps(row))
    print(json.dumps(result.get("latency"), indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
