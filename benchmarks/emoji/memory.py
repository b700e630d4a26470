"""A memory of earlier batches beside larger batches, on the bundled emoji.

    python -m benchmarks.emoji.memory --out results.json

The towers of the README's script (oriented gradients with a dense network, and
n-grams of characters) train from nothing on the demo's 681 pictures with their
names in six languages, `InfoNCE`, Adam, `--epochs` times all 4,086 pairs: so a
batch size has the steps that it has. Each with `memory_size` 0 and more, used
once it is full, and from the end of an epoch on. Tested on the same concepts in
another style, and on concepts that no side has seen; R@1, the mean of both
directions and its standard deviation over seeds, with ridge regression from raw
pixels to n-grams and chance beside it.
"""

import argparse
import itertools
import json
import pathlib

import keras
import numpy as np

import keras_xmodal as kx
from keras_xmodal.demo import questions, recipe
from keras_xmodal.recipes.ridge_baseline import RidgeBaseline

QUESTIONS = ("test_style", "test_concept")
CELL = ("loss", "batch_size", "memory_size", "warm_up")
LEARNING_RATE = 1e-3


def train(x, ids, text, seed, epochs, loss, batch_size, memory_size, warm_up):
    """A trained model."""
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
        keras.optimizers.Adam(LEARNING_RATE),
        loss,
        memory_size=memory_size,
        memory_warm_up=warm_up * len(ids) or None,
    )
    model.fit(model.preprocess(x), ids, batch_size, epochs, verbose=0)
    return model


def cells(arguments):
    """Arguments of `train`."""
    memories = [
        (0, 0),
        *itertools.product(arguments.memory_sizes, arguments.warm_ups),
    ]
    sizes = [
        *itertools.product(arguments.batch_sizes, memories),
        *((size, (0, 0)) for size in arguments.larger_batch_sizes),
    ]
    for loss in arguments.losses:
        for batch_size, memory in sizes:
            yield dict(zip(CELL, (loss, batch_size, *memory), strict=True))


def summarise(runs):
    """A row for each cell, in order."""
    groups = {}
    for run in runs:
        groups.setdefault(tuple(run[name] for name in CELL), []).append(run)
    return [
        {
            **dict(zip(CELL, cell, strict=True)),
            **{
                question: [
                    round(float(f([run[question] for run in group])), 4)
                    for f in (np.mean, np.std)
                ]
                for question in QUESTIONS
            },
        }
        for cell, group in groups.items()
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
    add("--memory-sizes", nargs="+", type=int, default=[256, 1024])
    add(
        "--warm-ups",
        nargs="+",
        type=int,
        default=[0, 3],
        help="epochs before the memory is used; 0: until it is full",
    )
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
            model = train(x, ids, text, seed, arguments.epochs, **cell)
            run = {**cell, "seed": seed}
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
