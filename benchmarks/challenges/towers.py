"""Image towers of several sizes: the cell `towers` of `challenges/`."""

import pathlib
import tempfile
import time

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter

import keras_xmodal as kx
from benchmarks.challenges.search import (
    fit_ridge,
    read_emoji,
    recall_row,
    search_rows,
)
from keras_xmodal.demo import questions, recipe
from keras_xmodal.recipes.training import make_optimizer

TOWERS = {
    "gradients alone": {"filters": (), "dropout": 0.0},
    "gradients, 16": {"filters": (16,)},
    "gradients, 32-64": {"filters": (32, 64)},
    "gradients, 128-256": {"filters": (128, 256)},
    "pixels, 32-64-128": {
        "filters": (32, 64, 128),
        "num_orientations": 0,
        "linear_path": False,
    },
}
COPIES = 6  # augmented ones of each picture, in the warm start
# Of all names of a picture: about as many examples as the demo has.
EPOCHS, BATCH_SIZE = 7, 227
DIMS = (8, 32, 128)
NUM_ROUNDS, NUM_CALLS = 30, 20


def train_tower(start, train, encoder, seed):
    """Train an image tower beside the texts of the demo's start."""
    keras.utils.set_random_seed(seed)
    model = kx.EmbeddingModel(
        encoders={"image": encoder, "text": start.encoders["text"]},
        embedding_dim=start.embedding_dim,
        preprocessors=start.preprocessors,
        temperature=start.temperature,
    )
    model.build({name: e.input_shape for name, e in model.encoders.items()})
    weights = start.projections["text"].get_weights()
    model.projections["text"].set_weights(weights)
    x, ids = recipe.as_pairs(train)
    raw = {"image": train["image"]}
    # The pictures count twice as they are.
    copies = 2 * [model.preprocess(raw)["image"]]
    copies += [
        model.preprocess(raw, training=True)["image"] for _ in range(COPIES)
    ]
    kx.models.ridge_warm_start(
        model,
        kx.models.Preprocessed(image=np.concatenate(copies)),
        np.tile(start.encode(train["texts"][:, 0], "text"), (len(copies), 1)),
    )
    steps = EPOCHS * -(-len(ids) // BATCH_SIZE)
    model.compile(make_optimizer(1e-3, steps), kx.losses.InfoNCE())
    model.fit(x, ids, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=0)
    return model


def export_tower(model, folder):
    """Write the LiteRT file of the image tower alone."""
    alone = kx.EmbeddingModel(
        encoders={"image": model.encoders["image"]},
        embedding_dim=model.embedding_dim,
    )
    alone.build({"image": model.encoders["image"].input_shape})
    alone.projections["image"].set_weights(
        model.projections["image"].get_weights()
    )
    kx.export.litert(alone, folder)
    return folder / "image.tflite"


def time_towers(files):
    """CPU time of one picture through each file, relative to the first.

    The files take turns, so that what else the machine does meets all alike.
    """
    picture = np.random.default_rng(0).random((1, 32, 32, 3), "float32")
    runners = [
        Interpreter(str(file), num_threads=1).get_signature_runner(
            "embed_image"
        )
        for file in files
    ]
    times = np.zeros((NUM_ROUNDS, len(runners)))
    for turn in times:
        for i, runner in enumerate(runners):
            start = time.process_time()
            for _ in range(NUM_CALLS):
                runner(image=picture)
            turn[i] = time.process_time() - start
    medians = np.median(times, axis=0)
    return medians / medians[0]


def cut_rows(model, train, test):
    """R@1 with fewer dimensions: the first principal ones, or random ones."""
    known = [
        model.encode(train["image"], "image"),
        model.encode(train["texts"][:, 0], "text"),
    ]
    components = np.linalg.svd(np.concatenate(known), full_matrices=False)[2]
    random = np.random.default_rng(0).normal(size=components.shape)
    sides = {
        name: np.asarray(model.encode(test[name], name))
        for name in ("image", "text")
    }
    rows = []
    for dim in DIMS:
        for query, candidate in questions.DIRECTIONS.values():
            report, floor = (
                kx.metrics.retrieval_report(
                    sides[query] @ axes[:dim].T, sides[candidate] @ axes[:dim].T
                )
                for axes in (components, random)
            )
            rows.append(
                recall_row(
                    f"{query} to {candidate}",
                    f"gradients alone, {dim} of {known[0].shape[1]} dimensions",
                    report,
                    floor,
                    "random directions",
                )
            )
    return rows


def towers(seed, data_dir):
    """Image towers of several sizes, trained alike."""
    train, tests = read_emoji()
    test, ridge = tests["test_style"], fit_ridge(train)
    start = recipe.make(train, seed, quiet=True).model
    rows, files = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, options) in enumerate(TOWERS.items()):
            encoder = kx.networks.ImageEncoder(**options)
            model = train_tower(start, train, encoder, seed)
            rows += search_rows(model, ridge, test, name)
            files.append(export_tower(model, pathlib.Path(folder) / str(i)))
            if not options["filters"]:
                rows += cut_rows(model, train, test)
            projection = model.projections["image"]
            num_weights = encoder.count_params() + projection.count_params()
            facts = {
                "parameters": num_weights,
                "LiteRT bytes": files[-1].stat().st_size,
            }
            rows += [cost_row(name, *fact) for fact in facts.items()]
        for name, ratio in zip(TOWERS, time_towers(files), strict=True):
            rows.append(cost_row(name, "CPU time, relative", float(ratio)))
    return rows


def cost_row(data, measure, value):
    """A row of the results that has neither chance nor baseline."""
    return {
        "direction": "image tower",
        "data": data,
        "measure": measure,
        "model": value,
        "chance": None,
        "baseline": None,
        "baseline_name": "",
    }
