"""The three challenges of cross-modal learning, measured.

    python -c "import keras_xmodal as kx; kx.datasets.fetch('mnist_fashion')"
    python benchmarks/challenges.py --work challenges --out results.json

- Too little data: `pairs` trains the demo's recipe on 1, 5, 20 and 100 % of its
  pairs, with and without augmentation, and with what has no pair; `missing`
  trains a VAE whose examples are mostly of one modality, the other missing.
- Heavy models: `towers` trains image towers of several sizes alike, and cuts
  the embeddings of the smallest to fewer dimensions.
- Generalisation: `unseen` asks the demo's model about concepts, styles,
  captions and a language that training never had, each among as many
  candidates; `voices` holds out each of four voices in turn, and beside that
  recordings of voices that training knows from other words.

Each figure stands with chance and a trivial baseline that learned from the same
examples. Cells are processes as in `directions.py`: each leaves a file in
`--work`, and the same command goes on where it was stopped.
"""

import argparse
import functools
import itertools
import pathlib
import tempfile
import time

import directions
import directions_three
import keras
import numpy as np
import vae_quality
import vae_quality_worker
from ai_edge_litert.interpreter import Interpreter

import keras_xmodal as kx
from keras_xmodal.cli import demo, recipe
from keras_xmodal.cli.ridge_baseline import RidgeBaseline

SHARES = (0.01, 0.05, 0.2, 1.0)


# Images and texts.


@functools.lru_cache(maxsize=1)
def read_emoji():
    """The training split, and the splits of the demo's five questions."""
    tests = {split: demo.read_split(split) for split in demo.QUESTIONS}
    return recipe.read_train(), tests


def choose(train, share, seed):
    """Choose some of the pairs at random."""
    count = len(train["id"])
    random = np.random.default_rng(seed)
    rows = random.permutation(count)[: round(share * count)]
    return {key: values[rows] for key, values in train.items()}


def recipe_tower():
    """The image tower of the demo: gradients and colours, nothing learned."""
    return kx.networks.ImageEncoder(filters=(), dropout=0.0)


def build_model(train, texts, encoder, augmentation):
    """The model of `recipe.build_model`, with parts that can be exchanged.

    Args:
        train: Pairs, as `recipe.read_train` returns them.
        texts: The same of what the tower of texts starts from.
        encoder: Image tower.
        augmentation: Layer, or None.
    """
    images = kx.networks.ImagePreprocessor((32, 32), augmentation=augmentation)
    text_preprocessor, text_encoder = recipe.build_text_tower(texts)
    embedding_dim = text_encoder.output_shape[-1]
    model = kx.EmbeddingModel(
        encoders={"image": encoder, "text": text_encoder},
        embedding_dim=embedding_dim,
        preprocessors={"image": images, "text": text_preprocessor},
        temperature=recipe.TEMPERATURE,
    )
    model.build({name: e.input_shape for name, e in model.encoders.items()})
    start_texts(model)
    targets = model.encode(train["texts"][:, 0], "text")
    # The pictures count twice as they are.
    copies = 2 * [images(train["image"])]
    if augmentation is not None:
        copies += [
            images(train["image"], training=True)
            for _ in range(recipe.AUGMENTED_COPIES)
        ]
    kx.models.ridge_warm_start(
        model,
        "image",
        np.concatenate(copies),
        np.tile(targets, (len(copies), 1)),
    )
    return model


def start_texts(model):
    """Hand the features of the texts on as they are."""
    model.projections["text"].set_weights(
        [np.eye(model.embedding_dim), np.zeros(model.embedding_dim)]
    )


def train_search(train, seed, texts=None, encoder=None, is_augmented=True):
    """Train as the demo does."""
    keras.utils.set_random_seed(seed)
    model = build_model(
        train,
        train if texts is None else texts,
        recipe_tower() if encoder is None else encoder,
        recipe.make_augmentation(seed) if is_augmented else None,
    )
    batch_size = min(recipe.BATCH_SIZE, len(train["id"]))
    recipe.fit(model, train, batch_size=batch_size, seed=seed, quiet=True)
    return model


def fit_ridge(train):
    """The trivial baseline, from the same pairs."""
    return RidgeBaseline().fit(train["image"], list(train["texts"][:, 0]))


def recall_row(direction, data, report, floor, baseline_name):
    """A row of the results, of a model's report and a baseline's."""
    return {
        "direction": direction,
        "data": data,
        "measure": "R@1",
        "model": report["R@1"],
        "chance": report["chance_R@1"],
        "baseline": floor["R@1"],
        "baseline_name": baseline_name,
    }


def search_rows(model, ridge, test, data):
    """R@1 both ways."""
    return [
        recall_row(
            direction.replace("_", " "),
            data,
            report,
            {"R@1": report["baseline_R@1"]},
            "ridge from raw pixels, the same pairs",
        )
        for direction, report in demo.evaluate(model, ridge, test).items()
    ]


# Too little data.

QUESTIONS_OF_PAIRS = {
    "test_style": "unseen style",
    "test_language": "Italian names",
}


def pairs(seed, data_dir):
    """The demo's recipe with few pairs, and with what has no pair."""
    train, tests = read_emoji()
    rows = []
    for share in SHARES:
        some = choose(train, share, seed)
        ridge = fit_ridge(some)
        english = some | {"texts": some["texts"][:, [0, 0]]}
        runs = {
            "augmented": (some, {}),
            "not augmented": (some, {"is_augmented": False}),
        }
        if share == 0.2:
            runs |= {
                "English names alone": (english, {}),
                "all texts, most without a picture": (some, {"texts": train}),
            }
        for name, (learned, options) in runs.items():
            model = train_search(learned, seed, **options)
            for split, question in QUESTIONS_OF_PAIRS.items():
                rows += [
                    row | {"direction": f"{question}, {row['direction']}"}
                    for row in search_rows(
                        model,
                        ridge,
                        tests[split],
                        f"{share:.0%} of pairs, {name}",
                    )
                ]
    return rows


# Generalisation.

NUM_CANDIDATES = 150  # as many concepts as are held out


def split_test(test, num_concepts):
    """Parts of a test with that many concepts each, of which none is twice."""
    concepts = np.random.default_rng(0).permutation(np.unique(test["id"]))
    for start in range(0, len(concepts) - num_concepts + 1, num_concepts):
        is_in = np.isin(test["id"], concepts[start : start + num_concepts])
        yield {
            key: [v for v, there in zip(values, is_in, strict=True) if there]
            if isinstance(values, list)
            else values[is_in]
            for key, values in test.items()
        }


def mean_rows(parts):
    """Average rows that differ in the part of a test alone."""
    return [
        same[0]
        | {
            side: float(np.mean([row[side] for row in same]))
            for side in ("model", "chance", "baseline")
        }
        for same in zip(*parts, strict=True)
    ]


def unseen(seed, data_dir):
    """The demo's model on what it learned from, and on what is new."""
    train, tests = read_emoji()
    model, ridge = train_search(train, seed), fit_ridge(train)
    known = {"the training itself": demo.read_split("train")}
    tests = {demo.QUESTIONS[split]: test for split, test in tests.items()}
    rows = []
    for data, test in (known | tests).items():
        parts = split_test(test, NUM_CANDIDATES)
        rows += mean_rows(
            [search_rows(model, ridge, part, data) for part in parts]
        )
    return rows


VOICE_COPIES = 8  # of each recording, at all kinds of speed
VOICE_EPOCHS = 5  # about as many steps as `directions_three`


def read_voices():
    """Recordings of 46 concepts by each of the voices.

    Returns:
        Dict of `speech`, `text` and `voice`, and the numbers of the concepts.
    """
    data = kx.datasets.load("emoji", "train", ("text", "speech"))
    rows = list(data.as_numpy_iterator())
    x = {
        key: np.array([row[key] for row in rows])
        for key in ("speech", "text", "voice")
    }
    return x, np.unique(x["text"], return_inverse=True)[1]


def train_listener(spectrograms, texts, labels, seed):
    """Speech and text in one space, each recording given in several copies.

    Args:
        spectrograms: Array `(copies, recordings, frames, 40)`.
        texts: Names that were spoken, `(recordings,)`.
        labels: Their numbers.
        seed: Integer.
    """
    keras.utils.set_random_seed(seed)
    preprocessor, encoder = recipe.build_text_tower(read_emoji()[0])
    gradients = directions_three.gradients(spectrograms.shape[2:], 5)
    model = kx.EmbeddingModel(
        encoders={"speech": gradients, "text": encoder},
        embedding_dim=encoder.output_shape[-1],
        temperature=recipe.TEMPERATURE,
    )
    model.build({name: e.input_shape for name, e in model.encoders.items()})
    start_texts(model)
    tokens = np.asarray(preprocessor(texts))
    copies = len(spectrograms)
    x = {
        "speech": np.concatenate(spectrograms),
        "text": np.tile(tokens, (copies, 1)),
    }
    targets = np.tile(model.encode(tokens, "text"), (copies, 1))
    kx.models.ridge_warm_start(model, "speech", x["speech"], targets)
    batch_size = directions_three.BATCH_SIZE
    num_steps = VOICE_EPOCHS * -(-len(targets) // batch_size)
    model.compile(
        recipe.make_optimizer(1e-3, num_steps), loss=kx.losses.InfoNCE()
    )
    model.fit(
        x,
        np.tile(labels, copies),
        batch_size=batch_size,
        epochs=VOICE_EPOCHS,
        verbose=0,
    )
    return model, tokens


def voices(seed, data_dir):
    """Each voice held out in turn, and recordings of voices that are known.

    A known voice is one that training heard say other words, and its words
    others: of each concept one recording is held out, of another voice each
    time. So both learn from 138 recordings and are tested on 46.
    """
    x, labels = read_voices()
    names, voice_of = np.unique(x["voice"], return_inverse=True)
    preprocess = directions_three.speech_preprocessor(seed)
    keras.utils.set_random_seed(seed)
    copies = np.stack(
        [preprocess(x["speech"])]
        + [preprocess(x["speech"], training=True) for _ in range(VOICE_COPIES)]
    )
    held_out = {
        f"unseen voice {name.decode()}": voice_of == i
        for i, name in enumerate(names)
    }
    is_turn = voice_of == (labels + seed) % len(names)
    turns = {"seen voice, unseen recording": is_turn, **held_out}
    results = {
        data: listen(x, labels, copies, is_test, data, seed)
        for data, is_test in turns.items()
    }
    mean = "unseen voice, mean of four"
    results[mean] = [
        row | {"data": mean}
        for row in mean_rows([results[data] for data in held_out])
    ]
    return [row for rows in results.values() for row in rows]


def listen(x, labels, copies, is_test, data, seed):
    """Learn from some of the recordings, and ask about the others."""
    model, tokens = train_listener(
        copies[:, ~is_test], x["text"][~is_test], labels[~is_test], seed
    )
    test = labels[is_test]
    sounds = model.encode(copies[0, is_test], "speech")
    texts = model.encode(tokens[np.unique(labels[~is_test], True)[1]], "text")
    nearest = directions_three.nearest_recordings(
        x["speech"][~is_test], labels[~is_test], x["speech"][is_test]
    )
    concepts = np.arange(len(texts))
    reports = {
        "speech to text": [
            kx.metrics.retrieval_report(queries, candidates, test, concepts)
            for queries, candidates in (
                (sounds, texts),
                # Rows of similarities, whose candidates are one-hot.
                (nearest, np.eye(len(concepts))),
            )
        ],
        "text to speech": [
            kx.metrics.retrieval_report(queries, candidates, concepts, test)
            for queries, candidates in (
                (texts, sounds),
                (nearest.T, np.eye(len(test))),
            )
        ],
    }
    return [
        recall_row(direction, data, *both, "the recording that sounds alike")
        for direction, both in reports.items()
    ]


# Too little data, for a VAE.

MODALITIES = ("mnist", "fashion")
NUM_EXAMPLES = {"train": 6400, "test": 500}
VAE_BATCH_SIZE = 128
VAE_EPOCHS = 10  # of 6,400 rows each, whatever the share of pairs
OBJECTIVE = "MoPoE"
VAE_SETTINGS = {
    **vae_quality.COMMON,
    **vae_quality.SETTINGS["mnist_fashion"],
}


def read_pictures(data_dir):
    """Digits and clothes of one class, as `vae_quality` takes them."""
    arrays = {}
    for split, count in NUM_EXAMPLES.items():
        data = kx.datasets.load(
            "mnist_fashion", split, as_supervised=True, data_dir=data_dir
        )
        # Spread over the whole split, of which no part is like the other.
        data = data.shard(len(data) // count, 0).take(count).batch(count)
        pictures, arrays[f"{split}_labels"] = next(data.as_numpy_iterator())
        for name, values in pictures.items():
            arrays[f"{split}_{name}"] = vae_quality_worker.resize(
                values, VAE_SETTINGS
            )
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
    model = vae_quality_worker.build_model(
        OBJECTIVE, shapes, VAE_SETTINGS, seed
    )
    model.compile(
        keras.optimizers.Adam(VAE_SETTINGS["learning_rate"]),
        jit_compile=False,
    )
    for _ in range(epochs):
        rows, present = draw_rows(is_pair, with_rest, random)
        model.fit(
            **vae_quality_worker.with_missing(
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
        judges = vae_quality_worker.train_classifiers(
            pathlib.Path(folder), arrays, MODALITIES
        )
    x, test = (
        vae_quality_worker.floats(arrays, split, MODALITIES)
        for split in NUM_EXAMPLES
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


# Heavy models.

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
DIMS = (8, 32, 128)
NUM_ROUNDS, NUM_CALLS = 30, 20


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
        for query, candidate in demo.DIRECTIONS.values():
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
    rows, files = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, options) in enumerate(TOWERS.items()):
            encoder = kx.networks.ImageEncoder(**options)
            model = train_search(train, seed, encoder=encoder)
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


# Cell: the family of its models, and its function.
CELLS = {
    "pairs": ("EmbeddingModel", pairs),
    "missing": ("VAEModel", missing),
    "towers": ("EmbeddingModel", towers),
    "unseen": ("EmbeddingModel", unseen),
    "voices": ("EmbeddingModel", voices),
}


# The command.


def table(rows):
    """Write rows of one cell as a table of Markdown: value / baseline."""
    columns, lines = {}, {}
    for row in rows:
        column = row["measure"]
        if "chance" in row:
            column = f"{row['direction']}, {column}"
        limits = [
            f"{name} {row[key]:.2g}"
            for key, name in (("chance", "chance"), ("real", "real data"))
            if key in row
        ]
        columns.setdefault(column, limits)
        lines.setdefault(row["data"], {})[column] = write_cell(row)
    titles = [
        f"{name} ({', '.join(limits)})" if limits else name
        for name, limits in columns.items()
    ]
    text = [f"| | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for name, cells in lines.items():
        values = [cells.get(column, "") for column in columns]
        text.append(f"| {name} | {' | '.join(values)} |")
    baselines = dict.fromkeys(row["baseline_name"] for row in rows)
    names = "; ".join(name for name in baselines if name)
    return "\n".join([*text, "", f"Each value / baseline: {names}."])


def write_cell(row):
    """Mean and standard deviation, and the baseline."""
    value = row["model"]
    if value > 1000:
        return f"{value:,.0f}"
    text = f"{value:.3f}"
    if "deviation" in row:  # of several seeds
        text += f" ± {row['deviation']:.3f}"
    if "baseline" in row:
        text += f" / {row['baseline']:.2f}"
    return text


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    choices = tuple(CELLS)
    parser.add_argument("--cells", nargs="+", choices=choices, default=choices)
    arguments = directions.parse_arguments(parser)
    if arguments.cell:
        cell, _, seed = arguments.cell
        path = arguments.work / f"{cell}_{seed}.json"
        function = CELLS[cell][1]
        directions.run_cell(function, int(seed), arguments.data_dir, path)
        return
    start = time.perf_counter()
    cells = {
        arguments.work / f"{cell}_{seed}.json": (cell, CELLS[cell][0], seed)
        for cell in arguments.cells
        for seed in arguments.seeds
    }
    directions.run_cells(arguments, cells)
    all_rows = []
    for cell in arguments.cells:
        rows = directions.summarise(
            {path: value for path, value in cells.items() if value[0] == cell}
        )
        print(f"\n## {cell}\n\n{table(rows)}")
        all_rows += [{"cell": cell, **row} for row in rows]
    if arguments.out:
        directions.write_results(arguments, cells, all_rows, start)


if __name__ == "__main__":
    main()
