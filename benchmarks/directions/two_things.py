"""Pictures of two things of "mnist_fashion": data, networks and judges.

Two digits or garments stand side by side, and the caption names them ("seven
and coat"). No test picture is in the training, and a tenth of the pairs is not
either. "Both things named right" is R-precision among all 400 captions. Mean
things are the clearest, and get all of it; the distance tells that they are all
alike.

Captions are compared by chrF, too: `pip install sacrebleu`.
"""

import math
from itertools import zip_longest

import keras
import numpy as np
import sacrebleu

import keras_xmodal as kx

layers = keras.layers
TO_TEXT, TO_IMAGE = "image to text", "text to image"
NAMES = (
    *("zero", "one", "two", "three", "four"),
    *("five", "six", "seven", "eight", "nine"),
    *("top", "trousers", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "boot"),
)
NUM_NAMES = len(NAMES)
NUM_TRAIN, NUM_TEST = 60_000, 2_000
THING = (14, 14, 1)
SHAPE = (14, 28, 1)
SEEN, UNSEEN = (f"two of mnist_fashion, {x} pairs" for x in ("seen", "unseen"))
ALL_PAIRS = np.stack(np.divmod(np.arange(NUM_NAMES**2), NUM_NAMES), axis=1)
CHANCE = {"each thing": 1 / NUM_NAMES, "both things": 1 / NUM_NAMES**2}


def read_things(split, data_dir):
    """Digits and garments in [0, 1], and the numbers of their names."""
    data = kx.datasets.load("mnist_fashion", split, data_dir=data_dir)
    rows, classes = data.batch(len(data)).as_numpy_iterator().next()
    things = np.concatenate([rows["mnist"], rows["fashion"]])
    labels = np.concatenate([classes, classes + 10])
    # 14 x 14 pixels are enough here, and quick.
    things = things.reshape(-1, 14, 2, 14, 2, 1).mean((2, 4), "float32")
    return things / 255, labels


def pair_things(things, known_labels, unseen, count):
    """Pictures of two things, and their captions.

    A tenth of all pairs is unseen, with each thing on each side.

    Returns:
        Dict of `image` `(count, 14, 28, 1)`, `label`, the numbers of the left
        and the right name, `(count, 2)`, and `text`.
    """
    random = np.random.default_rng(0)
    pairs = ALL_PAIRS[(ALL_PAIRS.sum(axis=1) % 10 == 0) == unseen]
    labels = random.choice(pairs, count)
    rows = np.empty(labels.shape, int)
    for label in range(NUM_NAMES):
        places = labels == label
        candidates = np.flatnonzero(known_labels == label)
        rows[places] = random.choice(candidates, places.sum())
    return {
        "image": np.concatenate([things[i] for i in rows.T], axis=2),
        "label": labels,
        "text": captions_of(labels),
    }


def captions_of(labels):
    """Captions of pairs of labels."""
    return np.array([f"{NAMES[i]} and {NAMES[j]}" for i, j in labels])


def read_all(data_dir):
    """Training pictures, test pictures of seen and unseen pairs, words."""
    train = pair_things(*read_things("train", data_dir), False, NUM_TRAIN)
    things = read_things("test", data_dir)
    tests = {
        SEEN: pair_things(*things, False, NUM_TEST),
        UNSEEN: pair_things(*things, True, NUM_TEST),
    }
    words = kx.networks.TextPreprocessor(sequence_length=4, end_token=True)
    words.adapt(train["text"])
    return train, tests, words


def halves(images):
    """Left and right things: `(images, 2, 14, 14, 1)`."""
    return np.stack(np.split(np.asarray(images), 2, axis=2), axis=1)


def thing_network(features=128, activation="silu"):
    """A thing to features."""
    return keras.Sequential(
        [
            keras.Input(THING),
            layers.Conv2D(32, 5, 2, "same", activation=activation),
            layers.Conv2D(64, 3, 2, "same", activation=activation),
            layers.Flatten(),
            layers.Dense(features, activation),
        ]
    )


def image_network(network, **options):
    """A picture to the features of both things, seen by the same network."""
    images = keras.Input(SHAPE)
    sides = network(images[:, :, :14]), network(images[:, :, 14:])
    return keras.Model(images, layers.Concatenate()(sides), **options)


def image_encoder():
    """A picture to features."""
    return image_network(thing_network())


def image_decoder():
    """Features to a picture, each thing drawn by the same network."""
    return keras.Sequential(
        [
            layers.Dense(256, "silu"),
            layers.Reshape((2, 128)),
            layers.Dense(256, "silu"),
            layers.Dense(512, "silu"),
            layers.Dense(math.prod(THING), "sigmoid"),
            layers.Reshape((2, *THING)),
            layers.Permute((2, 1, 3, 4)),
            layers.Reshape(SHAPE),
        ]
    )


def text_encoder(num_words):
    """A caption to features of its words, each in its place."""
    return keras.Sequential(
        [
            layers.Embedding(
                num_words,
                64,
                # Words that start apart are learned sooner.
                keras.initializers.RandomNormal(stddev=1.0),
            ),
            layers.Flatten(),
            layers.Dense(128, "silu"),
        ]
    )


# Judges.

NUM_JUDGED = 60_000  # things that a judge learns from


def build_classifier(features=None):
    """A compiled classifier of things."""
    model = keras.Sequential(
        [
            features or thing_network(64, "relu"),
            layers.Dropout(0.3),
            layers.Dense(NUM_NAMES),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    return model


def things_of(rows):
    """All things of pictures, and their labels."""
    return halves(rows["image"]).reshape(-1, *THING), rows["label"].ravel()


class Judge:
    """Names the things in a picture; learns from real pictures alone.

    Args:
        train: Dict of real pictures with their labels.
        seed: Integer, another than that of the model that is judged.
    """

    def __init__(self, train, seed):
        keras.utils.set_random_seed(seed)
        features = thing_network(64, "relu")
        self.classifier = build_classifier(features)
        things, labels = (x[:NUM_JUDGED] for x in things_of(train))
        self.classifier.fit(things, labels, 128, epochs=3, verbose=0)
        self.extractor = image_network(features, name="judge")

    def accuracies(self, images, labels):
        """Shares of things, and of pictures, that show what they should."""
        things = halves(images).reshape(-1, *THING)
        named = self.classifier.predict(things, verbose=0).argmax(axis=1)
        right = named.reshape(-1, 2) == labels
        return {
            "each thing": float(right.mean()),
            "both things": float(right.all(axis=1).mean()),
        }


def mean_pictures(train, labels):
    """For each pair of labels, their mean training things."""
    things, known = things_of(train)
    means = np.stack(
        [things[known == label].mean(axis=0) for label in range(NUM_NAMES)]
    )
    return np.concatenate([means[i] for i in labels.T], axis=2)


def rows_of_pictures(images, train, test, seed):
    """Rows of what a judge sees in pictures made of the test captions."""
    judge = Judge(train, seed + 100)
    sides = {"model": images, "baseline": mean_pictures(train, test["label"])}
    common = {
        "direction": TO_IMAGE,
        "data": UNSEEN,
        "baseline_name": "mean things, side by side",
    }
    named = {
        side: judge.accuracies(x, test["label"])
        for side, x in {**sides, "real": test["image"]}.items()
    }
    half = len(images) // 2
    reports = {
        side: kx.metrics.generation_report(
            test["image"][:half],
            x[:half],
            judge.extractor,
            reference=test["image"][half:],
        )
        for side, x in sides.items()
    }
    distances = {
        side: report["frechet_distance"] for side, report in reports.items()
    }
    floor = reports["model"]["floor"]["frechet_distance"]
    return [
        *(
            {
                **common,
                "measure": f"{part} named right by a judge",
                "chance": chance,
                **{side: values[part] for side, values in named.items()},
            }
            for part, chance in CHANCE.items()
        ),
        {
            **common,
            "measure": "Frechet distance, judge's features",
            "chance": None,
            **distances,
            "real": floor,
        },
    ]


def nearest_captions(train, images, count=5000):
    """Captions of the nearest training things, by pixels, on each side."""
    sides = []
    for side in range(2):
        known, asked = (
            halves(x)[:, side].reshape(len(x), -1)
            for x in (train["image"][:count], images)
        )
        distances = (known**2).sum(axis=1) - 2 * asked @ known.T
        sides.append(train["label"][distances.argmin(axis=1), side])
    return captions_of(np.stack(sides, axis=1))


def caption_scores(written, right):
    """How well captions fit, from 0 to 1."""
    words = [
        [a == b for a, b in zip_longest(text.split(), truth.split())]
        for text, truth in zip(written, right, strict=True)
    ]
    return {
        "exact match": float(np.mean([all(row) for row in words])),
        "tokens right": float(np.mean(np.concatenate(words))),
        "chrF": sacrebleu.corpus_chrf(written, [list(right)]).score / 100,
    }


def rows_of_captions(written, train, test, data, baseline, baseline_name):
    """Rows of captions that were written of the test pictures."""
    truth = test["text"]
    shuffled = np.random.default_rng(0).choice(train["text"], len(truth))
    model, chance, baseline = (
        caption_scores([str(text) for text in texts], truth)
        for texts in (written, shuffled, baseline)
    )
    return [
        {
            "direction": TO_TEXT,
            "data": data,
            "measure": f"captions: {measure}",
            "model": value,
            "chance": chance[measure],
            "baseline": baseline[measure],
            "baseline_name": baseline_name,
        }
        for measure, value in model.items()
    ]


def row_of_learning(images, train, test, seed):
    """Row of what a classifier learns from pictures of training captions."""
    count = len(images)
    labels = train["label"][:count].ravel()

    def score(x):
        keras.utils.set_random_seed(seed + 200)
        return kx.metrics.classification_accuracy_score(
            build_classifier,
            halves(x).reshape(-1, *THING),
            labels,
            halves(train["image"][:count]).reshape(-1, *THING),
            labels,
            halves(test["image"]).reshape(-1, *THING),
            test["label"].ravel(),
            epochs=3,
        )

    model = score(images)
    baseline = score(mean_pictures(train, train["label"][:count]))
    return {
        "direction": TO_IMAGE,
        "data": UNSEEN,
        "measure": "accuracy of a classifier that learns from it",
        "model": model["accuracy"],
        "chance": 1 / NUM_NAMES,
        "baseline": baseline["accuracy"],
        "baseline_name": "mean things, side by side",
        "real": model["ceiling"],
    }
