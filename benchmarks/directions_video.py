"""Video and text: the cells of `directions.py`.

`EmbeddingModel` searches "emoji_motion": clips of things in motion by captions
and captions by clips, of pairs of thing and motion that training never showed.
`VAEModel` and `GANModel` write captions of "moving_mnist" clips and make clips
of captions. Their networks are small and know two things about clips: that
what is in one is seen in a frame, and how it moves over all frames from afar
(two streams); and that a clip is a picture and the places where it is.
"""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import keras_xmodal as kx
from keras_xmodal.datasets.emoji_motion import MOTIONS

layers = keras.layers
BATCH_SIZE = 64
TO_TEXT, TO_VIDEO = "video to text", "text to video"


def read(name, split, count=None, data_dir=None):
    """A data set, or the first examples of it, as one dict of arrays."""
    options = {"data_dir": data_dir} if name == "moving_mnist" else {}
    data = kx.datasets.load(name, split, **options).take(count or -1)
    rows = data.batch(len(data)).as_numpy_iterator().next()
    rows["text"] = np.array([text.decode() for text in rows["text"]])
    return rows


def falling_rate(peak, examples, epochs, batch_size=BATCH_SIZE):
    """A learning rate that rises shortly and falls to 0 by a cosine."""
    num_steps = epochs * -(-examples // batch_size)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        num_steps - num_steps // 20,
        warmup_target=peak,
        warmup_steps=num_steps // 20,
    )


# Search.

# Of the eight frames: enough to see each motion, for half of the time.
NUM_FRAMES = 4
SEARCH_BATCH_SIZE = 128
HITS = (1, 5, 10)


def train_search(video, rows, epochs, seed, start=None):
    """Clips and captions in one space.

    Args:
        video: Clips `(examples, frames, height, width, 3)`, of as many frames
            as the model is to see: one makes it a model of images.
        rows: Dict of the captions and ids.
        epochs: Integer.
        seed: Integer.
        start: A model that saw another number of frames, to begin with.

    Reference: Carreira and Zisserman, 2017, https://arxiv.org/abs/1705.07750
    (models of videos that start as models of images)
    """
    keras.utils.set_random_seed(seed)
    words = kx.networks.TextPreprocessor(sequence_length=12)
    words.adapt(rows["text"])
    num_frames = video.shape[1]
    model = kx.EmbeddingModel(
        encoders={
            "video": kx.networks.VideoEncoder(
                num_frames, filters=(8, 32, 64), num_layers=1
            ),
            "text": kx.networks.TextEncoder(words.vocabulary_size(), 128),
        },
        preprocessors={
            "video": kx.networks.VideoPreprocessor(num_frames),
            "text": words,
        },
    )
    rate = falling_rate(2e-3, len(video), epochs, SEARCH_BATCH_SIZE)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.02, global_clipnorm=1.0),
        loss="info_nce",
    )
    # Bytes become floats batch by batch.
    x = {"video": video, "text": rows["text"]}
    data = tf.data.Dataset.from_tensor_slices((x, rows["id"]))
    data = data.shuffle(len(video), seed).batch(SEARCH_BATCH_SIZE)
    data = model.preprocess(data)
    if start is not None:
        model(next(iter(data))[0])  # makes the weights
        for weight, known in zip(model.weights, start.weights, strict=True):
            if weight.shape == known.shape:  # not the positions in time
                weight.assign(known)
    model.fit(data, epochs=epochs, verbose=0)
    return model


def score_search(model, video, rows):
    """Figures in both directions: dict `{(direction, measure): value}`."""
    clips = model.encode({"video": video})["video"]
    captions = model.encode({"text": rows["text"]})["text"]
    words = [motion.singular for motion in MOTIONS]
    classifier = kx.retrieval.ZeroShotClassifier(model, words)
    zero_shot = classifier.evaluate(clips, rows["motion"])["accuracy"]
    found = rows["motion"][(clips @ captions.T).argmax(axis=1)]
    figures = {}
    for direction, queries, candidates in (
        (TO_TEXT, clips, captions),
        (TO_VIDEO, captions, clips),
    ):
        report = kx.metrics.retrieval_report(queries, candidates, ks=HITS)
        for measure in (*(f"R@{k}" for k in HITS), "MedR"):
            figures[direction, measure] = report[measure]
    figures[TO_TEXT, "motion, zero-shot"] = zero_shot
    figures[TO_TEXT, "motion of the caption found"] = float(
        np.mean(found == rows["motion"])
    )
    return figures


def embedding(seed, data_dir):
    """Search in both directions, and what one frame cannot tell."""
    train, test = read("emoji_motion", "train"), read("emoji_motion", "test")
    # A model of single frames learns from all of them.
    frames = train["video"].reshape(-1, 1, *train["video"].shape[2:])
    of_frames = {name: np.repeat(train[name], 8) for name in ("text", "id")}
    frame_model = train_search(frames, of_frames, epochs=6, seed=seed)
    by_frame = [
        score_search(frame_model, test["video"][:, [i]], test) for i in range(8)
    ]
    # It is where the model of clips starts.
    video = train["video"][:, 1 :: 8 // NUM_FRAMES]
    model = train_search(video, train, 12, seed, start=frame_model)
    figures = score_search(model, test["video"], test)
    count = len(test["id"])
    chance = {f"R@{k}": k / count for k in HITS} | {"MedR": count / 2}
    return [
        {
            "direction": direction,
            "data": "emoji_motion, unseen combinations",
            "measure": measure,
            "model": value,
            "chance": chance.get(measure, 1 / len(MOTIONS)),
            "baseline": (min if measure == "MedR" else max)(
                figures[direction, measure] for figures in by_frame
            ),
            "baseline_name": "best single frame",
        }
        for (direction, measure), value in figures.items()
    ]


# Clips of moving digits: networks.

NUM_TRAIN, NUM_TEST = 30_000, 2_000
SHAPE = (8, 32, 32, 1)
DIGIT = 16  # pixels


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


@keras.saving.register_keras_serializable("directions_video")
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


# Clips of moving digits: the judge.


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


# Clips of moving digits: translation.

LATENT_DIM = 16
EPOCHS = {"video": 5, "text": 3}


def train_translator(target, train, words, seed):
    """A conditional VAE that makes one modality of the other."""
    keras.utils.set_random_seed(seed)
    num_words = words.vocabulary_size()
    text_features = 128
    decoders = {
        # Of the latent, and of the caption's features.
        "video": clip_decoder(LATENT_DIM + text_features),
        "text": kx.networks.TextDecoder(
            num_words,
            words.sequence_length,
            hidden_dim=64,
            num_layers=1,
            dropout=0.0,
            end_id=words.end_id,
        ),
    }
    likelihoods = {
        "video": kx.likelihoods.Normal(0.3),
        "text": kx.likelihoods.TokenSequence(num_words),
    }
    model = kx.VAEModel(
        encoding_dim=LATENT_DIM,
        encoders={
            "video": clip_encoder(),
            "text": keras.Sequential(
                [
                    layers.Embedding(
                        num_words,
                        64,
                        # Words that start apart are learned sooner.
                        keras.initializers.RandomNormal(stddev=1.0),
                    ),
                    layers.Flatten(),
                    layers.Dense(text_features, "silu"),
                ]
            ),
        },
        decoders={target: decoders[target]},
        likelihoods={target: likelihoods[target]},
        objective=kx.objectives.CVAE(target),
        preprocessors={"text": words},
        seed=seed,
    )
    epochs = EPOCHS[target]
    model.compile(
        keras.optimizers.Adam(falling_rate(2e-3, len(train["id"]), epochs))
    )
    x = {"video": train["video"], "text": words(train["text"]).numpy()}
    model.fit(x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model


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


def vae(seed, data_dir):
    """Captions of clips, and clips of captions."""
    train, test = read_digits(data_dir)
    words = kx.networks.TextPreprocessor(sequence_length=8, end_token=True)
    words.adapt(train["text"])

    writer = train_translator("text", train, words, seed)
    tokens = writer.translate({"video": test["video"]}, "text", output="mode")
    rows = rows_of_accuracy(
        TO_TEXT,
        "accuracy of the caption",
        caption_accuracies(words.detokenize(tokens), test),
        caption_accuracies(nearest_captions(train, test["video"]), test),
        "nearest of 5,000 training clips",
    )

    artist = train_translator("video", train, words, seed)
    clips = artist.translate(
        {"text": test["text"]}, "video", latent="sample", seed=seed
    )
    return rows + rows_of_clips(clips, train, test, seed)


# Clips of moving digits: generation.

GAN_STEPS = 1000
NOISE_DIM = 64


def build_gan(words, seed):
    """A GAN from captions, as bags of words, to clips."""
    keras.utils.set_random_seed(seed)
    num_words = words.vocabulary_size()
    clips, bag = keras.Input(SHAPE), keras.Input((num_words,))
    features = clip_encoder("leaky_relu")(clips)
    return kx.GANModel(
        generator=clip_decoder(NOISE_DIM, num_words),
        discriminator=keras.Model(
            [clips, bag], kx.layers.ProjectionLogit()([features, bag])
        ),
        latent_dim=NOISE_DIM,
        condition="text",
        target="video",
        condition_encoder=layers.CategoryEncoding(num_words, "multi_hot"),
        preprocessors={"text": words},
        ema_momentum=0.995,
        seed=seed,
    )


def gan(seed, data_dir):
    """Clips of captions."""
    train, test = read_digits(data_dir)
    words = kx.networks.TextPreprocessor(sequence_length=8)
    words.adapt(train["text"])
    model = build_gan(words, seed)

    def optimizer():
        rate = keras.optimizers.schedules.CosineDecay(2e-3, GAN_STEPS, 0.05)
        return keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99)

    model.compile(
        optimizer(),
        optimizer(),
        penalties=[kx.penalties.R1(0.02), kx.penalties.R2(0.02)],
        # A good clip of another caption is no good clip.
        mismatch_weight=0.5,
    )
    video = tf.constant(train["video"])
    data = tf.data.Dataset.from_tensor_slices(
        (words(train["text"]), np.arange(NUM_TRAIN))
    )
    data = data.shuffle(NUM_TRAIN, seed).repeat().batch(BATCH_SIZE)
    data = data.map(
        lambda text, rows: {"text": text, "video": tf.gather(video, rows)}
    )
    model.fit(data, steps_per_epoch=GAN_STEPS, verbose=0)

    clips = model.generate(test["text"], seed=seed)
    return [
        *rows_of_clips(clips, train, test, seed),
        {
            "direction": TO_TEXT,
            "data": "moving_mnist",
            "measure": "accuracy of the caption",
            "model": None,
            "why": "each clip has one right caption: nothing to sample",
        },
    ]


CELLS = {"EmbeddingModel": embedding, "VAEModel": vae, "GANModel": gan}
