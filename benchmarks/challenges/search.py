"""Search among the demo's emoji: the cells `pairs` and `unseen`.

Other cells of `challenges/` train, and ask, with the same functions.
"""

import functools

import numpy as np

from keras_xmodal.demo import questions, recipe
from keras_xmodal.recipes.ridge_baseline import RidgeBaseline

SHARES = (0.01, 0.05, 0.2, 1.0)


@functools.lru_cache(maxsize=1)
def read_emoji():
    """The training split, and the splits of the demo's five questions."""
    return recipe.read_train(), questions.read_tests()


def choose(train, share, seed):
    """Choose some of the pairs at random: their rows."""
    count = len(train["id"])
    random = np.random.default_rng((seed, 1))  # not as the recipe holds out
    return random.permutation(count)[: round(share * count)]


def train_search(train, seed, **options):
    """Train as the demo does."""
    made = recipe.make(train, seed, quiet=True, **options)
    made.fit(recipe.EPOCHS)
    return made.model


def start_texts(model):
    """Hand the features of the texts on as they are."""
    model.projections["text"].set_weights(
        [np.eye(model.embedding_dim), np.zeros(model.embedding_dim)]
    )


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
        chosen = choose(train, share, seed)
        some = {key: values[chosen] for key, values in train.items()}
        ridge = fit_ridge(some)
        runs = {
            "augmented": (some, {}),
            "not augmented": (some, {"augmentation": {"image": None}}),
        }
        if share == 0.2:
            english = some | {"texts": some["texts"][:, :1]}
            is_seen = np.isin(np.arange(len(train["id"])), chosen)
            runs |= {
                "English names alone": (english, {}),
                "all texts, most without a picture": (
                    train,
                    {"is_seen": is_seen},
                ),
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
