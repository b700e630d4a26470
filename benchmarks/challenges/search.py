"""Search among the demo's emoji: the cells `pairs` and `unseen`.

Other cells of `challenges/` train, and ask, with the same functions.
"""

import functools

import keras
import numpy as np

import keras_xmodal as kx
from keras_xmodal.demo import questions, recipe
from keras_xmodal.recipes.ridge_baseline import RidgeBaseline

SHARES = (0.01, 0.05, 0.2, 1.0)


@functools.lru_cache(maxsize=1)
def read_emoji():
    """The training split, and the splits of the demo's five questions."""
    return recipe.read_train(), questions.read_tests()


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
        kx.models.Preprocessed(image=np.concatenate(copies)),
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
        for direction, report in questions.evaluate(model, ridge, test).items()
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
    known = {"the training itself": questions.read_split("train")}
    tests = {questions.QUESTIONS[split]: test for split, test in tests.items()}
    rows = []
    for data, test in (known | tests).items():
        parts = split_test(test, NUM_CANDIDATES)
        rows += mean_rows(
            [search_rows(model, ridge, part, data) for part in parts]
        )
    return rows
