"""A memory of earlier batches beside larger batches, on the bundled emoji.

    python -m benchmarks.emoji.memory --out results.json

The towers of the README's script (oriented gradients with a dense network, and
n-grams of characters) train from nothing on the demo's 681 pictures with their
names in six languages, `InfoNCE`, Adam, `--epochs` times all 4,086 pairs: so a
batch size has the steps that it has. Each with `memory_size` 0 and more,
`memory_warm_up` as `compile` has it. Tested on the same concepts in another
style, and on concepts that no side has seen; R@1, the mean of both directions
and its standard deviation over seeds, with ridge regression from raw pixels to
n-grams and chance beside it.
"""

import argparse
import itertools
import json
import pathlib
import statistics
import time

import keras
import numpy as np

import keras_xmodal as kx
from keras_xmodal.demo import questions, recipe
from keras_xmodal.recipes.ridge_baseline import RidgeBaseline

QUESTIONS = ("test_style", "test_concept")
LEARNING_RATE = 1e-3


def train(x, ids, text, seed, epochs, loss, batch_size, memory_size):
    """A trained model, with the seconds that the training took."""
    keras.utils.set_random_seed(seed)
    model = kx.EmbeddingModel(
        encoders={
            "image": kx.networks.ImageEncoder((32, 32), filters=()),
            "text": kx.networks.TextEncoder(text.vocabulary_size()),
        },
        preprocessors={
            "image": kx.networks.ImagePreprocessor((32, 32)),
            "text": text,
        },
    )
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE), loss, memory_size=memory_size
    )
    start = time.perf_counter()
    model.fit(model.preprocess(x), ids, batch_size, epochs, verbose=0)
    return model, time.perf_counter() - start


def cells(arguments):
    """Arguments of `train`."""
    sizes = [
        *itertools.product(arguments.batch_sizes, arguments.memory_sizes),
        *((size, 0) for size in arguments.larger_batch_sizes),
    ]
    for loss in arguments.losses:
        for batch_size, memory_size in sizes:
            yield {
                "loss": loss,
                "batch_size": batch_size,
                "memory_size": memory_size,
            }


def summarise(runs):
    """A row for each cell, in order."""
    groups = {}
    for run in runs:
        cell = run["loss"], run["batch_size"], run["memory_size"]
        groups.setdefault(cell, []).append(run)
    return [
        {
            "loss": loss,
            "batch_size": batch_size,
            "memory_size": memory_size,
            "seconds": round(statistics.mean(run["seconds"] for run in group)),
            **{
                question: [
                    round(float(f([run[question] for run in group])), 4)
                    for f in (np.mean, np.std)
                ]
                for question in QUESTIONS
            },
        }
        for (loss, batch_size, memory_size), group in groups.items()
    ]


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--losses", nargs="+", default=["info_nce"])
    add("--batch-sizes", nargs="+", type=int, default=[16, 64])
    add("--memory-sizes", nargs="+", type=int, default=[0, 256, 1024])
    add("--larger-batch-sizes", nargs="*", type=int, default=[256])
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--epochs", type=int, default=5)
    add("--out", type=pathlib.Path, help="file for the results")
    arguments = parser.parse_args()

    pictures = recipe.read_train()
    x, ids = recipe.as_pairs(pictures)
    text = kx.networks.TextPreprocessor(split="character", ngrams=(2, 3, 4))
    text.adapt(list(x["text"]))
    baseline = RidgeBaseline().fit(
        pictures["image"], list(pictures["texts"][:, 0])
    )
    tests = {name: questions.read_split(name) for name in QUESTIONS}
    results = {"epochs": arguments.epochs, "runs": []}
    for seed in arguments.seeds:
        for cell in cells(arguments):
            model, seconds = train(x, ids, text, seed, arguments.epochs, **cell)
            run = {**cell, "seed": seed, "seconds": round(seconds, 1)}
            for name, test in tests.items():
                both = questions.evaluate(model, baseline, test).values()
                run[name] = np.mean([row["R@1"] for row in both])
                results[name] = {
                    "baseline": np.mean([row["baseline_R@1"] for row in both]),
                    "chance": np.mean([row["chance_R@1"] for row in both]),
                }
            results["runs"].append(run)
            results["summary"] = summarise(results["runs"])
            print(json.dumps(run), flush=True)
            if arguments.out:
                lines = json.dumps(results, indent=1) + "\n"
                arguments.out.write_text(lines, encoding="utf-8")
    for row in results["summary"]:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
