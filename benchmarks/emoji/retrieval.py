"""Retrieval on emoji: losses, batch sizes, seeds; chance and baseline beside.

    python -m benchmarks.emoji --data bundled --out results.json
    python -c "import keras_xmodal as kx; kx.datasets.fetch('emoji_large')"
    python -m benchmarks.emoji --data larger

Every run is the demo's recipe (`keras_xmodal.demo.recipe`): both towers start
in closed form, then train for the demo's number of examples. `--data` is

- `bundled`: the demo's training split and its five questions;
- `reference`: all 831 Noto pictures, tested on all 831 Fluent ones;
- `larger`: Google and Twitter pictures of `"emoji_large"` at 64 px, tested on
  seen concepts in a new style (Fluent 3D), unseen concepts, and both.

The baseline is ridge regression from raw pixels to character n-grams of the
English names. Prints a table, and JSON with every run.
"""

import argparse
import json
import pathlib
import platform
import sys
import time

import keras
import numpy as np

from keras_xmodal import datasets
from keras_xmodal.demo import questions, recipe
from keras_xmodal.recipes.ridge_baseline import RidgeBaseline

KEYS = ("R@1", "R@5", "R@10", "MedR")


def read_bundled():
    return recipe.read_train(), questions.read_tests()


def read_reference():
    train = recipe.read_train("train+test_concept")
    test = questions.read_split("test_style+test_style_concept")
    return train, {"reference": test}


def read_larger(cache):
    def read(split, languages=("en",)):
        data = datasets.load(
            "emoji_large",
            split,
            columns=["style"],
            languages=languages,
            data_dir=cache,
        )
        examples, ids = next(data.batch(len(data)).as_numpy_iterator())
        examples["id"] = ids
        for field in ("text", "style"):
            texts = [text.decode() for text in examples[field]]
            examples[field] = np.array(texts)
        return examples

    count = len(recipe.LANGUAGES)
    train = read("train", recipe.LANGUAGES)  # a row for each name
    train = {
        "image": train["image"][::count],
        "id": train["id"][::count],
        "texts": train["text"].reshape(-1, count),
    }

    def test(split, *styles):
        examples = read(split)
        rows = np.isin(examples["style"], styles)
        return {
            "image": examples["image"][rows],
            "id": examples["id"][rows],
            "text": list(examples["text"][rows]),
        }

    return train, {
        "new style": test("test_style", "fluent3d"),
        "unseen concepts (google)": test("test_concept", "google"),
        "unseen concepts (twitter)": test("test_concept", "twitter"),
        "unseen concepts, new style": test("test_style_concept", "fluent3d"),
    }


def run(train, tests, baseline, loss, batch_size, seed, epochs):
    start = time.perf_counter()
    made = recipe.make(train, seed, quiet=True, loss=loss)
    made.fit(epochs, batch_size=batch_size)
    seconds = time.perf_counter() - start
    return {
        "loss": loss,
        "batch_size": batch_size,
        "seed": seed,
        "seconds": round(seconds, 1),
        "retrieval": {
            name: questions.evaluate(made.model, baseline, test)
            for name, test in tests.items()
        },
    }


def summarise(runs):
    """Mean and standard deviation over seeds, a row a question."""
    rows = []
    groups = dict.fromkeys((r["loss"], r["batch_size"]) for r in runs)
    for loss, batch_size in groups:
        group = [
            r["retrieval"]
            for r in runs
            if (r["loss"], r["batch_size"]) == (loss, batch_size)
        ]
        for split, directions in group[0].items():
            for direction, first in directions.items():
                values = np.array(
                    [[g[split][direction][k] for k in KEYS] for g in group]
                )
                rows.append(
                    {
                        "loss": loss,
                        "batch_size": batch_size,
                        "split": split,
                        "direction": direction,
                        "seeds": len(group),
                        "mean": dict(
                            zip(KEYS, values.mean(0).round(4), strict=True)
                        ),
                        "std": dict(
                            zip(KEYS, values.std(0).round(4), strict=True)
                        ),
                        "baseline": {
                            k: round(first[f"baseline_{k}"], 4) for k in KEYS
                        },
                        "chance_R@1": round(first["chance_R@1"], 4),
                        "num_queries": first["num_queries"],
                        "num_candidates": first["num_candidates"],
                    }
                )
    return rows


def format_row(row):
    cells = [
        " ".join(f"{row['mean'][k]:.3f}±{row['std'][k]:.3f}" for k in KEYS[:3]),
        "/".join(f"{row['baseline'][k]:.2f}" for k in KEYS[:3]),
    ]
    return (
        f"{row['loss']:<22} {row['batch_size']:>4} {row['split']:<27} "
        f"{row['direction']:<14} {cells[0]}  baseline {cells[1]}  "
        f"chance {row['chance_R@1']:.4f}"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--data", choices=["bundled", "reference", "larger"], default="bundled"
    )
    parser.add_argument(
        "--losses",
        nargs="+",
        default=["info_nce", "sigmoid_contrastive", "triplet_hard_negative"],
    )
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[64, 227])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=recipe.EPOCHS)
    parser.add_argument("--cache", default="~/.cache/keras_xmodal")
    parser.add_argument("--out", help="JSON file to write")
    arguments = parser.parse_args()

    if arguments.data == "larger":
        train, tests = read_larger(arguments.cache)
    else:
        train, tests = globals()[f"read_{arguments.data}"]()
    baseline = RidgeBaseline().fit(train["image"], list(train["texts"][:, 0]))
    runs = []
    for seed in arguments.seeds:
        for loss in arguments.losses:
            for batch_size in arguments.batch_sizes:
                runs.append(
                    run(
                        train,
                        tests,
                        baseline,
                        loss,
                        batch_size,
                        seed,
                        arguments.epochs,
                    )
                )
                if arguments.out:
                    write(arguments, runs)
                print(
                    f"seed {seed} {loss} batch {batch_size}: "
                    f"{runs[-1]['seconds']} s",
                    file=sys.stderr,
                )
    for row in summarise(runs):
        print(format_row(row))


def write(arguments, runs):
    """Write all runs so far, beside and renamed, so that none is lost."""
    report = {
        "data": arguments.data,
        "epochs": arguments.epochs,
        "machine": platform.machine(),
        "keras": keras.__version__,
        "summary": summarise(runs),
        "runs": runs,
    }
    path = pathlib.Path(arguments.out)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(report, indent=1))
    partial.replace(path)


if __name__ == "__main__":
    main()
