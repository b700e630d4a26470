"""Clips of "moving_mnist" and their captions: data, networks and judges.

The networks are small and know two things about clips: that what is in one is
seen in a frame, and how it moves over all frames from afar (two streams); and
that a clip is a picture and the places where it is.
"""

import math

import keras
import numpy as np
from keras import ops

import keras_xmodal as kx
from benchmarks.settings import BATCH_SIZE, falling_rate

layers = keras.layers
TO_TEXT, TO_VIDEO = "video to text", "text to video"
NUM_TRAIN, NUM_TEST = 30_000, 2_000
SHAPE = (8, 32, 32, 1)
DIGIT = 16  # pixels


def read(name, split, count=None, data_dir=None):
    """A data set, or the first examples of it, as one dict of arrays."""
    options = {"columns": ["motion"]}
    if name == "moving_mnist":
        options = {"columns": ["label", "motion"], "data_dir": data_dir}
    data = kx.datasets.load(name, split, **options).take(count or -1)
    rows, ids = data.batch(len(data)).as_numpy_iterator().next()
    rows["id"] = ids
    rows["text"] = np.array([text.decode() for text in rows["text"]])
    return rows


def read_digits(data_dir):
    """Training and test clips in [0, 1], with captions."""
    splits = ("train", NUM_TRAIN), ("test", NUM_TEST)
    for split, count in splits:
        rows = read("moving_mnist", split, count, data_dir)
        rows["video"] = rows["video"].astype("float32") / 255
        yield rows


def frame_network(activation):
    """A frame to what is in it, wherever it is."""
    return keras.Sequential(
        [
            layers.Conv2D(16, 5, 2, "same", activation=activation),
            layers.Conv2D(32, 3, 1, "same", activation=activation),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, 1, "same", activation=activation),
            layers.GlobalMaxPooling2D(),
        ]
    )


def motion_network(activation):
    """A clip to how it moves, seen from afar."""
    return keras.Sequential(
        [
            layers.AveragePooling3D((1, 4, 4)),
            layers.Flatten(),
            layers.Dense(128, activation),
        ]
    )


def clip_encoder(activation="silu"):
    """A clip to features, in two streams: its first frame, and its motion.

    Reference: Simonyan and Zisserman, 2014, https://arxiv.org/abs/1406.2199
    """
    clips = keras.Input(SHAPE)
    streams = (
        frame_network(activation)(clips[:, 0]),
        motion_network(activation)(clips),
    )
    x = layers.Dense(256, activation)(layers.Concatenate()(streams))
    return keras.Model(clips, x)


@keras.saving.register_keras_serializable("moving_digits")
class MovingPicture(layers.Layer):
    """Draw a picture at the place of each frame.

    Call arguments:
        inputs: Picture `(batch, size, size)`, and for each frame how likely it
            is at each row and column, two of `(batch, frames, places)`.

    Returns:
        Clips `(batch, frames, height, width, 1)`, with `size + places - 1`
        pixels on each side.

    Reference: Gregor et al., 2015, https://arxiv.org/abs/1502.04623 (attention
    to where to write), of which Sync-DRAW makes videos of captions.
    """

    def call(self, inputs):
        picture, rows, columns = inputs
        size, places = picture.shape[1], rows.shape[2]
        place, pixel, source = np.ogrid[:places, : size + places - 1, :size]
        moves = (pixel == source + place).astype("float32")
        down = ops.einsum("btp,pih->btih", rows, moves)
        right = ops.einsum("btp,pjw->btjw", columns, moves)
        clips = ops.einsum("btih,bhw->btiw", down, picture)
        return ops.einsum("btiw,btjw->btij", clips, right)[..., None]


def clip_decoder(*sizes):
    """Vectors, joined, to a clip: a picture, and where it is in each frame."""
    inputs = [keras.Input((size,)) for size in sizes]
    x = layers.Concatenate()(inputs) if len(inputs) > 1 else inputs[0]
    x = layers.Dense(256, "silu")(x)
    picture = layers.Dense(256, "silu")(x)
    picture = layers.Dense(DIGIT * DIGIT, "sigmoid")(picture)
    path = layers.Dense(256, "silu")(x)
    places = (SHAPE[0], SHAPE[1] - DIGIT + 1)
    rows, columns = (
        layers.Softmax()(
            layers.Reshape(places)(layers.Dense(math.prod(places))(path))
        )
        for _ in range(2)
    )
    clips = MovingPicture()(
        [layers.Reshape((DIGIT, DIGIT))(picture), rows, columns]
    )
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], clips)


# Judges.


class Judge:
    """Reads digit and motion of clips; learns from real clips alone.

    The digit is that of the mean probabilities over the frames.

    Args:
        train: Dict of real clips with their labels and motions.
        seed: Integer, another than that of the model that is judged.
    """

    def __init__(self, train, seed):
        keras.utils.set_random_seed(seed)
        count = len(train["id"])
        frame = np.random.default_rng(seed).integers(SHAPE[0], size=count)
        frame_features = keras.Sequential(
            [
                keras.Input(SHAPE[1:]),
                frame_network("relu"),
                layers.Dense(64, "relu"),
            ]
        )
        digit = keras.Sequential([frame_features, layers.Dense(10, "softmax")])
        motion_features = keras.Sequential(
            [keras.Input(SHAPE), motion_network("relu")]
        )
        motion = keras.Sequential([motion_features, layers.Dense(2, "softmax")])
        for reader, x, y, epochs in (
            (digit, train["video"][np.arange(count), frame], "label", 4),
            (motion, train["video"], "motion", 2),
        ):
            rate = falling_rate(2e-3, count, epochs)
            reader.compile(
                keras.optimizers.Adam(rate), "sparse_categorical_crossentropy"
            )
            reader.fit(
                x, train[y], batch_size=BATCH_SIZE, epochs=epochs, verbose=0
            )
        clips = keras.Input(SHAPE)

        def of_frames(network):
            values = network(ops.reshape(clips, (-1, *SHAPE[1:])))
            return ops.mean(
                ops.reshape(values, (-1, SHAPE[0], values.shape[-1])), axis=1
            )

        self.reader = keras.Model(clips, [of_frames(digit), motion(clips)])
        self.extractor = keras.Model(
            clips,
            layers.Concatenate()(
                [of_frames(frame_features), motion_features(clips)]
            ),
            name="judge",
        )

    def accuracies(self, clips, rows):
        """Shares of clips that show what their captions say."""
        digit, motion = self.reader.predict(clips, batch_size=250, verbose=0)
        digit = digit.argmax(axis=1) == rows["label"]
        motion = motion.argmax(axis=1) == rows["motion"]
        return {
            "digit": digit.mean(),
            "motion": motion.mean(),
            "both": (digit & motion).mean(),
        }


CHANCE = {"digit": 0.1, "motion": 0.5, "both": 0.05}


def mean_clips(train, ids):
    """For each id, the mean of all training clips of it."""
    means = [train["video"][train["id"] == i].mean(axis=0) for i in range(20)]
    return np.stack(means)[ids]


def rows_of_accuracy(direction, measure, model, baseline, name, real=None):
    """A row for digit, motion and both."""
    return [
        {
            "direction": direction,
            "data": "moving_mnist",
            "measure": f"{measure}, {part}",
            "model": float(model[part]),
            "chance": CHANCE[part],
            "baseline": float(baseline[part]),
            "baseline_name": name,
            **({"real": float(real[part])} if real else {}),
        }
        for part in CHANCE
    ]


def rows_of_clips(clips, train, test, seed):
    """Rows of what a judge sees in clips generated from the test captions."""
    judge = Judge(train, seed + 100)
    means = mean_clips(train, test["id"])
    mean = "mean clip of the caption"
    rows = rows_of_accuracy(
        TO_VIDEO,
        "accuracy of the clip",
        judge.accuracies(clips, test),
        judge.accuracies(means, test),
        mean,
        judge.accuracies(test["video"], test),
    )
    reports = [
        kx.metrics.generation_report(
            test["video"],
            generated,
            judge.extractor,
            reference=train["video"][: len(clips)],
        )
        for generated in (clips, means)
    ]
    distance = {
        "direction": TO_VIDEO,
        "data": "moving_mnist",
        "measure": "Frechet distance, judge's features",
        "model": reports[0]["frechet_distance"],
        "chance": None,
        "baseline": reports[1]["frechet_distance"],
        "baseline_name": mean,
        "real": reports[0]["floor"]["frechet_distance"],
    }
    return [*rows, distance]


def caption_accuracies(texts, rows):
    """Shares of captions with the right digit, motion, and all words."""
    pairs = [
        (text.split(), right.split())
        for text, right in zip(texts, rows["text"], strict=True)
    ]
    return {
        "digit": np.mean([text[2:3] == right[2:3] for text, right in pairs]),
        "motion": np.mean([text[4:] == right[4:] for text, right in pairs]),
        "both": np.mean([text == right for text, right in pairs]),
    }


def nearest_captions(train, clips, count=5000):
    """The captions of the training clips that are nearest, by their pixels."""
    known = train["video"][:count].reshape(count, -1)
    queries = clips.reshape(len(clips), -1)
    distances = (known**2).sum(axis=1) - 2 * queries @ known.T
    return train["text"][distances.argmin(axis=1)]
