"""Directions by families of models: one table of figures.

    pip install sacrebleu
    python -c "import keras_xmodal as kx; kx.datasets.fetch('emoji_large')"
    python -c "import keras_xmodal as kx; kx.datasets.fetch('mnist_fashion')"
    python -c "import keras_xmodal as kx; kx.datasets.fetch('spoken_prompts')"
    python -c "import keras_xmodal as kx; kx.datasets.fetch('moving_mnist')"
    python -m benchmarks.directions --work directions --out results.json

A cell is a pair of modalities and a family of models, `EmbeddingModel`
(retrieval), `VAEModel` (translation) or `GANModel` (generation), in
`directions/image.py`, `directions/speech.py` and `directions/video.py`;
`directions/three.py` has image, text and speech in one model. Each trains on
the training split, is asked about the test split, and returns a row for each
measure with chance and a trivial baseline beside the model, and what real data
has where a judge looks at generated data. Where a family does not suit a
direction, the row says why.

Cells are processes of one thread each, `--jobs` of them at a time. Each leaves
a file in `--work`, and the same command goes on where it was stopped.
"""

import argparse
import concurrent.futures
import importlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

from benchmarks.settings import this_command

FAMILIES = ("EmbeddingModel", "VAEModel", "GANModel")
# Pair: families that have a cell, a function in `directions_<pair>.CELLS`.
CELLS = {
    "image": FAMILIES,
    "speech": FAMILIES,
    "video": FAMILIES,
    "three": ("EmbeddingModel", "VAEModel"),
}
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def cells_of(arguments):
    """Name the files that the asked cells leave: dict from path to cell."""
    return {
        arguments.work / f"{pair}_{family}_{seed}.json": (pair, family, seed)
        for pair in arguments.pairs
        for family in arguments.families
        for seed in arguments.seeds
        if family in CELLS[pair]
    }


def run_cell(function, seed, data_dir, path):
    """Train and test one cell, in this process."""
    start = time.perf_counter(), time.process_time()
    rows = function(seed, data_dir)
    result = {
        "rows": rows,
        "seconds": time.perf_counter() - start[0],
        "cpu_seconds": time.process_time() - start[1],
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=1), encoding="utf-8")
    partial.replace(path)


def start_cell(arguments, path, cell):
    """Run one cell by the same command, in a process of its own."""
    command = [*this_command(), *sys.argv[1:], "--cell", *map(str, cell)]
    log = path.with_suffix(".log")
    with log.open("w") as file:
        subprocess.run(
            command,
            env=os.environ | ONE_THREAD,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    if not path.exists():
        lines = log.read_text(errors="replace").splitlines()[-5:]
        raise SystemExit(f"{cell} failed, see {log}:\n" + "\n".join(lines))
    seconds = json.loads(path.read_text())["seconds"]
    print(*cell, f"{seconds:.0f} s", file=sys.stderr, flush=True)


def run_cells(arguments, cells):
    """Run the cells that are left, some at a time."""
    left = {path: cell for path, cell in cells.items() if not path.exists()}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        started = [
            pool.submit(start_cell, arguments, *item) for item in left.items()
        ]
        for future in concurrent.futures.as_completed(started):
            future.result()


def write_results(arguments, cells, rows, start):
    """Write the rows, and how long the cells took."""
    result = {
        "rows": rows,
        "seconds": {
            path.stem: json.loads(path.read_text())["seconds"] for path in cells
        },
        "wall_seconds": time.perf_counter() - start,
        "cpus": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
    }
    partial = arguments.out.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    partial.replace(arguments.out)


def summarise(cells):
    """Join the rows of all seeds: mean and standard deviation of each."""
    grouped = {}
    for path, (_, family, seed) in cells.items():
        for row in json.loads(path.read_text("utf-8"))["rows"]:
            key = row["direction"], family, row["data"], row["measure"]
            grouped.setdefault(key, {})[seed] = row
    rows = []
    for (direction, family, data, measure), of_seed in grouped.items():
        first = next(iter(of_seed.values()))
        row = {
            "direction": direction,
            "family": family,
            "data": data,
            "measure": measure,
            **{
                key: first[key]
                for key in ("baseline_name", "why")
                if key in first
            },
        }
        for side in ("model", "chance", "baseline", "real"):
            values = [
                r[side] for r in of_seed.values() if r.get(side) is not None
            ]
            if values:
                row[side] = statistics.mean(values)
        values = [
            r["model"] for r in of_seed.values() if r["model"] is not None
        ]
        row["values"] = values
        if len(values) > 1:
            row["deviation"] = statistics.stdev(values)
        rows.append(row)
    return rows


def table(rows):
    """Write rows as a table of Markdown."""
    lines = [
        "| direction | model | data | measure | value | baseline | chance "
        "| real data |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        value = row.get("why", "")
        if "model" in row:
            value = f"{row['model']:.3g}"
            if "deviation" in row:
                value += f" ± {row['deviation']:.2g}"
        baseline = ""
        if "baseline" in row:
            baseline = f"{row['baseline']:.3g} ({row['baseline_name']})"
        chance, real = (
            f"{row[key]:.2g}" if key in row else ""
            for key in ("chance", "real")
        )
        texts = [row[key] for key in ("direction", "family", "data", "measure")]
        lines.append(
            "| " + " | ".join([*texts, value, baseline, chance, real]) + " |"
        )
    return "\n".join(lines)


def parse_arguments(parser):
    """Parse the options of a script, with those that cells need."""
    add = parser.add_argument
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--jobs", type=int, default=2, help="processes at a time")
    add("--data-dir", type=pathlib.Path, help="where `fetch` put the data")
    add("--work", type=pathlib.Path, required=True)
    add("--out", type=pathlib.Path, help="file for the results")
    add("--cell", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.work = arguments.work.absolute()
    arguments.work.mkdir(parents=True, exist_ok=True)
    return arguments


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--pairs", nargs="+", choices=tuple(CELLS), default=tuple(CELLS))
    add("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    arguments = parse_arguments(parser)
    if arguments.cell:
        pair, family, seed = arguments.cell
        path = arguments.work / f"{pair}_{family}_{seed}.json"
        function = importlib.import_module(
            f"benchmarks.directions.{pair}"
        ).CELLS[family]
        run_cell(function, int(seed), arguments.data_dir, path)
        return
    start = time.perf_counter()
    cells = cells_of(arguments)
    run_cells(arguments, cells)
    rows = summarise(cells)
    print(table(rows))
    if arguments.out:
        write_results(arguments, cells, rows, start)


if __name__ == "__main__":
    main()
