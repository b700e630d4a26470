"""Quality of VAEModel beside MultiVae: coherence and likelihood.

    python -m benchmarks.vae --peer-python peers/bin/python \\
        --work vae_quality --jobs 2

Every objective is trained on pictures of a digit or garment in several
modalities, of whose cells a fraction is missing at random (each modality of
each example for itself, at least one stays). Both sides train the same networks
(two hidden dense layers each way), on the same examples with the same missing
cells, for the same number of steps of Adam; `--seeds` decide first weights,
order and noise. No warm-up, no early stopping, beta is 1.

- `conditional` coherence: how often a classifier finds the right class in a
  modality that was generated from 1, 2, ... others, by a sample of the
  posterior; `joint`: how often all modalities that were generated from the
  prior together are of one class (`coherence_report`), beside which stands
  the chance of it, which is high for a model of few classes. The Bernoulli
  likelihood's more probable bit is what the classifier reads, the Laplace
  likelihood's mean. Both sides are read by the same Keras classifiers, trained
  on real pictures; their accuracy is the limit.
- `log_likelihood`: of all modalities of complete test examples, in nats, by
  importance sampling, the same estimator on both sides.

Beside stand what needs no generative model: `class copy` reads the class of
what is given and copies a random training picture of that class, and its joint
coherence is that of independent modalities; `class means` is the likelihood of
a mixture of ten, the mean picture of each class.

JMVAE, TELBO and CVAE of MultiVae do not train with missing cells: "no". CVAE
generates the first modality from the others, and its likelihood is that of the
first given the others. Seconds of training stand in the results, but say
nothing when several jobs run: `speed/vae.py` compares speed.

Each run leaves a file in the folder `--work`, and the same command goes on
where it was stopped. With the defaults it all takes some 80 minutes of one
core; `--jobs 2` takes two, and `--quick` is a trial of some minutes.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

from benchmarks.settings import PEERS

WORKER = [sys.executable, "-m", "benchmarks.vae.worker"]
PEER_SCRIPT = PEERS / "train_multivae.py"
PEER_README = PEERS / "README.md"
OBJECTIVES = (
    "MVAE",
    "MMVAE",
    "MoPoE",
    "MVTCAE",
    "MMVAEPlus",
    "JMVAE",
    "TELBO",
    "CVAE",
)
# Those that the peer does not train with missing cells.
COMPLETE_ONLY = ("JMVAE", "TELBO", "CVAE")
SETTINGS = {
    "mnist_fashion": {
        "modalities": ["mnist", "fashion"],
        "likelihood": "bernoulli",
        "scale": None,
        "pooling": 1,  # 28 x 28 bits.
        "num_train": 12800,
        "batch_size": 128,
        "epochs": 5,
    },
    "poly_mnist": {
        "modalities": ["m0", "m1", "m3"],  # Stripes, checks and blobs.
        "likelihood": "laplace",
        "scale": 0.1,
        "pooling": 2,  # 14 x 14 pixels.
        "num_train": 10240,
        "batch_size": 32,
        "epochs": 5,
    },
}
COMMON = {
    "units": 256,
    "latent_dim": 32,
    "private_dim": 16,
    "learning_rate": 1e-3,
    "num_test": 500,
    "num_generated": 1000,
    "num_likelihoods": 200,
    "num_samples": 240,
}
QUICK = {
    "num_train": 1280,
    "epochs": 2,
    "num_test": 100,
    "num_generated": 100,
    "num_likelihoods": 20,
    "num_samples": 31,
}
# Of MultiVae's, CVAE takes all conditions, and TELBO encodes one or all.
TWO_MODALITIES_ONLY = ("TELBO", "CVAE")


def settings_of(arguments, dataset):
    settings = {**COMMON, **SETTINGS[dataset]}
    if arguments.quick:
        settings |= QUICK
    return settings | arguments.changed


def prepare(arguments, dataset):
    """Prepare a data set, or check that it is what is asked for."""
    folder, wanted = arguments.work / dataset, settings_of(arguments, dataset)
    asked = {
        "settings": wanted,
        "fractions": arguments.fractions,
        "seeds": arguments.seeds,
    }
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "prepared.json"
    if not record.exists():
        run_process(
            [
                *WORKER,
                "prepare",
                f"--folder={folder}",
                f"--settings={json.dumps(wanted)}",
                f"--cache={arguments.cache}",
                "--fractions",
                *map(str, arguments.fractions),
                "--seeds",
                *map(str, arguments.seeds),
            ]
        )
        record.write_text(json.dumps(asked), encoding="utf-8")
    prepared = json.loads(record.read_text("utf-8"))
    if prepared["settings"] != wanted or any(
        not set(asked[name]) <= set(prepared[name])
        for name in ("fractions", "seeds")
    ):
        raise SystemExit(
            "--work must be a new folder, or one of the same settings. "
            f"Received: {folder}, prepared for {prepared}, not {asked}"
        )


def tasks_of(arguments):
    """Configurations with seeds that are left."""
    tasks = []
    for dataset in arguments.datasets:
        for fraction in arguments.fractions:
            for objective in objectives_of(arguments, dataset):
                for side in arguments.sides:
                    task = Task(arguments.work, dataset, objective, fraction)
                    seeds = task.seeds_left(side, arguments.seeds)
                    refuses = fraction and objective in COMPLETE_ONLY
                    if seeds and not (side == "peer" and refuses):
                        tasks.append((task, side, seeds))
    return tasks


class Task(NamedTuple):
    work: pathlib.Path
    dataset: str
    objective: str
    fraction: float

    @property
    def folder(self):
        return self.work / self.dataset

    def result(self, side, seed, suffix=".json"):
        name = f"{side}_{self.objective}_{self.fraction}_{seed}{suffix}"
        return self.folder / name

    def seeds_left(self, side, seeds):
        return [s for s in seeds if not self.result(side, s).exists()]


def objectives_of(arguments, dataset):
    return [
        objective
        for objective in arguments.objectives
        if dataset == "mnist_fashion" or objective not in TWO_MODALITIES_ONLY
    ]


def run_task(arguments, task, side, seeds):
    options = [
        f"--objective={task.objective}",
        f"--fraction={task.fraction}",
        "--seeds",
        *map(str, seeds),
    ]

    def run_worker(work):
        folder = f"--folder={task.folder}"
        run_process([*WORKER, work, folder, *options])

    if side == "ours":
        run_worker("ours")
        return
    run_process(
        [
            arguments.peer_python,
            PEER_SCRIPT,
            f"--data={task.folder / 'data.npz'}",
            f"--out={task.folder}",
            *options,
        ]
    )
    if not arguments.train_only:
        run_worker("score")
        for seed in seeds:
            task.result("peer", seed, ".npz").unlink()


def run_process(command):
    """Run a process on one thread."""
    environment = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
    }
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise RuntimeError(
            f"`{' '.join(map(str, command))}` exited with "
            f"{done.returncode}:\n{done.stderr[-1000:]}"
        )


def run_tasks(arguments, tasks):
    """Run them, some at a time; return the names of those that failed."""
    failed, start = [], time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        futures = {
            pool.submit(run_task, arguments, *task): task for task in tasks
        }
        done = concurrent.futures.as_completed(futures)
        for number, future in enumerate(done, start=1):
            task, side, _ = futures[future]
            name = f"{side} {task.dataset} {task.objective} {task.fraction}"
            if future.exception():
                failed.append(name)
                name += f" failed: {future.exception()}"
            seconds = round(time.perf_counter() - start)
            print(
                f"{number} of {len(tasks)}, {seconds} s: {name}",
                file=sys.stderr,
            )
    return failed


def read_results(arguments):
    results = []
    for dataset in arguments.datasets:
        for path in sorted((arguments.work / dataset).glob("*_*_*_*.json")):
            result = json.loads(path.read_text("utf-8"))
            if (
                result["fraction"] in arguments.fractions
                and result["seed"] in arguments.seeds
                and result["objective"] in arguments.objectives
            ):
                results.append(result)
    return results


def flatten(result):
    """The measures of a run, `{name: number}`."""
    measures = {
        f"conditional_{size}": value
        for size, value in result["conditional"].items()
    }
    for name in ("joint", "chance_joint", "log_likelihood"):
        if name in result:
            measures[name] = result[name]
    return measures


def summarise(results):
    """Mean and standard deviation over the seeds, a row a configuration."""
    groups = {}
    for result in results:
        key = tuple(
            result[k] for k in ("dataset", "fraction", "objective", "side")
        )
        groups.setdefault(key, []).append(result)
    rows = []
    for (dataset, fraction, objective, side), group in groups.items():
        row = {
            "dataset": dataset,
            "fraction": fraction,
            "objective": objective,
            "side": side,
            "seeds": len(group),
            "parameters": group[0]["parameters"],
        }
        for name in flatten(group[0]):
            values = [flatten(result)[name] for result in group]
            row[name] = round(statistics.fmean(values), 4)
            row[f"{name}_std"] = round(statistics.pstdev(values), 4)
        rows.append(row)
    return rows


def print_tables(arguments, rows, baselines):
    """Markdown, ours and the peer's side by side."""
    cells = {
        (row["dataset"], row["fraction"], row["objective"], row["side"]): row
        for row in rows
    }
    for dataset in arguments.datasets:
        copy = baselines[dataset]["class_copy"]
        sizes = list(copy["conditional"])
        names = [f"conditional_{size}" for size in sizes]
        names += ["joint", "chance_joint", "log_likelihood"]
        titles = [f"{size} given" for size in sizes]
        titles += ["from the prior", "its chance", "log-likelihood"]
        print(f"\n### {dataset}: ours / MultiVae\n")
        print(f"| missing | objective | {' | '.join(titles)} |")
        print("|---" * (len(titles) + 2) + "|")
        for fraction in arguments.fractions:
            for objective in objectives_of(arguments, dataset):
                sides = [
                    cells.get((dataset, fraction, objective, side))
                    for side in ("ours", "peer")
                ]
                text = [
                    " / ".join(format_cell(row, name) for row in sides)
                    for name in names
                ]
                if fraction and objective in COMPLETE_ONLY:
                    text = [cell.removesuffix("–") + "no" for cell in text]
                print(f"| {fraction} | {objective} | {' | '.join(text)} |")
        text = [f"{copy['conditional'][size]:.2f}" for size in sizes]
        text += [f"{copy[name]:.2f}" for name in ("joint", "chance_joint")]
        means = baselines[dataset]["class_means_log_likelihood"]
        text.append(f"{means:.1f}")
        print(f"| | class copy, class means | {' | '.join(text)} |")


def format_cell(row, name):
    if row is None or name not in row:
        return "–"
    digits = 1 if name == "log_likelihood" else 2
    mean, std = row[name], row[f"{name}_std"]
    return f"{mean:.{digits}f} ± {std:.{digits}f}"


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--peer-python", help="interpreter that has torch and multivae")
    add("--work", type=pathlib.Path, required=True, help="folder of the runs")
    add("--cache", default="~/.cache/keras_xmodal", help="folder of raw data")
    add(
        "--sides", nargs="+", choices=["ours", "peer"], default=["ours", "peer"]
    )
    add("--datasets", nargs="+", choices=SETTINGS, default=[*SETTINGS])
    add("--objectives", nargs="+", choices=OBJECTIVES, default=[*OBJECTIVES])
    add("--fractions", nargs="+", type=float, default=[0.0, 0.2, 0.5])
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    changeable = ("epochs", "num_train", "units", "latent_dim")
    for name in changeable:
        option = f"--{name.replace('_', '-')}"
        add(option, type=int, help="instead of the data set's own")
    add("--jobs", type=int, default=1, help="processes at once, each a thread")
    add("--quick", action="store_true", help="few examples: a trial")
    add(
        "--train-only",
        action="store_true",
        help="keep what the peer generates, to be scored the next time",
    )
    add("--out", type=pathlib.Path, help="file for the results, as JSON")
    arguments = parser.parse_args()
    values = {name: getattr(arguments, name) for name in changeable}
    arguments.changed = {name: v for name, v in values.items() if v}
    if "peer" in arguments.sides and not arguments.peer_python:
        parser.error(
            "give either --peer-python, an interpreter with torch and "
            f"multivae (recipe: {PEER_README}), or `--sides ours`. "
            f"Received: --sides {' '.join(arguments.sides)}"
        )
    return arguments


def main():
    arguments = parse_arguments()
    for dataset in arguments.datasets:
        prepare(arguments, dataset)
    failed = run_tasks(arguments, tasks_of(arguments))
    results = read_results(arguments)
    baselines = {
        dataset: json.loads(
            (arguments.work / dataset / "baselines.json").read_text("utf-8")
        )
        for dataset in arguments.datasets
    }
    rows = summarise(results)
    print_tables(arguments, rows, baselines)
    if arguments.out:
        report = {
            "benchmark": "vae_quality",
            "settings": {
                dataset: settings_of(arguments, dataset)
                for dataset in arguments.datasets
            },
            "versions": {
                result["side"]: result["versions"] for result in results
            },
            "baselines": baselines,
            "table": rows,
            "runs": [
                {
                    name: value
                    for name, value in result.items()
                    if name not in ("pairs", "versions")
                }
                for result in results
            ],
        }
        text = json.dumps(report, indent=1) + "\n"
        arguments.out.write_text(text, encoding="utf-8")
    if failed:
        raise SystemExit(f"{len(failed)} failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
