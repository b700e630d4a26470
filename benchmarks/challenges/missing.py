"""Examples of one modality alone: the cell `missing` of `challenges/`."""

import itertools
import pathlib
import tempfile

import keras
import numpy as np

import keras_xmodal as kx
from benchmarks.challenges.search import SHARES
from benchmarks.vae import quality, worker

MODALITIES = ("mnist", "fashion")
NUM_EXAMPLES = {"train": 6400, "test": 500}
VAE_BATCH_SIZE = 128
VAE_EPOCHS = 10  # of 6,400 rows each, whatever the share of pairs
OBJECTIVE = "MoPoE"
VAE_SETTINGS = {
    **quality.COMMON,
    **quality.SETTINGS["mnist_fashion"],
}


def read_pictures(data_dir):
    """Digits and clothes of one class, as `vae_quality` takes them."""
    arrays = {}
    for split, count in NUM_EXAMPLES.items():
        data = kx.datasets.load("mnist_fashion", split, data_dir=data_dir)
        # Spread over the whole split, of which no part is like the other.
        data = data.shard(len(data) // count, 0).take(count).batch(count)
        pictures, arrays[f"{split}_labels"] = next(data.as_numpy_iterator())
        for name, values in pictures.items():
            arrays[f"{split}_{name}"] = worker.resize(values, VAE_SETTINGS)
    return arrays


def draw_rows(is_pair, with_rest, random):
    """Rows of one epoch, and which modalities of them are there.

    Half of them are pairs, again and again, and half have one modality; or
    all are pairs.

    Returns:
        Rows, and bool `(rows, 2)`.
    """
    count = len(is_pair)
    paired = random.permutation(np.flatnonzero(is_pair))
    rest = random.permutation(np.flatnonzero(~is_pair))[: count // 2]
    if not with_rest:
        rest = rest[:0]
    rows = np.concatenate([np.resize(paired, count - len(rest)), rest])
    present = np.ones((count, 2), bool)
    # An example that has no pair has always the same modality.
    present[len(rows) - len(rest) :] = np.eye(2, dtype=bool)[rest % 2]
    return rows, present


def train_vae(x, is_pair, with_rest, seed, epochs=VAE_EPOCHS):
    """Train on pairs, and on the rest with one modality missing."""
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    shapes = {name: value.shape[1:] for name, value in x.items()}
    model = worker.build_model(OBJECTIVE, shapes, VAE_SETTINGS, seed)
    model.compile(
        keras.optimizers.Adam(VAE_SETTINGS["learning_rate"]),
        jit_compile=False,
    )
    for _ in range(epochs):
        rows, present = draw_rows(is_pair, with_rest, random)
        model.fit(
            **worker.with_missing(
                {name: value[rows] for name, value in x.items()}, present
            ),
            batch_size=VAE_BATCH_SIZE,
            verbose=0,
        )
    return model


def nearest_partners(x, is_pair, asked, source, target):
    """The trivial baseline: what belongs to the pair that is nearest."""
    known, asked = (
        kx.ops.l2_normalize(value.reshape(len(value), -1)).numpy()
        for value in (x[source][is_pair], asked[source])
    )
    return x[target][is_pair][(asked @ known.T).argmax(axis=1)]


def missing(seed, data_dir):
    """Pairs alone, and with examples of which one modality is missing."""
    arrays = read_pictures(data_dir)
    with tempfile.TemporaryDirectory() as folder:
        judges = worker.train_classifiers(
            pathlib.Path(folder), arrays, MODALITIES
        )
    x, test = (
        worker.floats(arrays, split, MODALITIES) for split in NUM_EXAMPLES
    )
    labels = arrays["test_labels"]
    order = np.random.default_rng(seed).permutation(NUM_EXAMPLES["train"])
    rows = []
    for share, with_rest in itertools.product(SHARES, (False, True)):
        if with_rest and share == 1:
            continue
        is_pair = order < share * len(order)
        model = train_vae(x, is_pair, with_rest, seed + 1)
        for source, target in (MODALITIES, MODALITIES[::-1]):
            made = model.translate(
                {source: test[source]},
                target,
                latent="sample",
                output="mode",
                seed=seed,
            )
            copied = nearest_partners(x, is_pair, test, source, target)
            name = "with the unpaired rest" if with_rest else "alone"
            rows.append(
                {
                    "direction": f"{source} to {target}",
                    "data": f"{share:.0%} of pairs, {name}",
                    "measure": "coherence",
                    "chance": float(np.bincount(labels).max() / len(labels)),
                    "baseline_name": "partner of the nearest pair",
                }
                | {
                    side: accuracy(judges[target], pictures, labels)
                    for side, pictures in (
                        ("model", made),
                        ("baseline", copied),
                        ("real", test[target]),
                    )
                }
            )
    return rows


def accuracy(judge, pictures, labels):
    """Share of the pictures that a judge finds of the right class."""
    scores = judge.predict(pictures, verbose=0)
    return float(np.mean(scores.argmax(axis=1) == labels))
