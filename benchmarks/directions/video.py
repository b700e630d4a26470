"""Video and text: the cells of `directions/`.

`EmbeddingModel` searches "emoji_motion": clips of things in motion by captions
and captions by clips, of pairs of thing and motion that training never showed.
`VAEModel` and `GANModel` write captions of "moving_mnist" clips and make clips
of captions, with the networks of `directions/moving_digits.py`.
"""

import keras
import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from benchmarks.directions.moving_digits import (
    NUM_TRAIN,
    SHAPE,
    TO_TEXT,
    TO_VIDEO,
    caption_accuracies,
    clip_decoder,
    clip_encoder,
    nearest_captions,
    read,
    read_digits,
    rows_of_accuracy,
    rows_of_clips,
)
from benchmarks.settings import BATCH_SIZE, falling_rate
from keras_xmodal.datasets.collection.emoji_motion import MOTIONS

layers = keras.layers


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


# Translation.

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
        latent_dim=LATENT_DIM,
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
    x = {"video": train["video"], "text": train["text"]}
    model.fit(x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model


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


# Generation.

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
        penalties=[kx.adversarial.R1(0.02), kx.adversarial.R2(0.02)],
        # A good clip of another caption is no good clip.
        mismatch_weight=0.5,
    )
    video = tf.constant(train["video"])
    data = tf.data.Dataset.from_tensor_slices(
        (train["text"], np.arange(NUM_TRAIN))
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
