"""Spoken words and their texts: cells of `directions/`.

`VAEModel` writes the 46 bundled words that it hears, letter by letter, from a
voice that it never heard, and speaks them; `GANModel` speaks them. They learn
from three recordings of each word. `directions/speech.py` has the cell of
`EmbeddingModel`, on whole sentences.
"""

import keras
import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from benchmarks.directions.three import (
    Judge,
    decoder,
    gradients,
    light_preprocessors,
    nearest_labels,
    read_all,
    speech_preprocessor,
    tower,
    train_model,
)
from keras_xmodal.recipes.training import make_optimizer

layers = keras.layers

COPIES = 9  # of each recording, all but the first augmented
BATCH_SIZE = 64
LATENT_DIM = 16
EPOCHS = {"text": 30, "speech": 40}
DECIBELS = 60  # that a spectrogram of 0 to 1 spans
DATA = "46 spoken words, unseen voice"
TO_TEXT, TO_SPEECH = "speech to text", "text to speech"
ERROR_RATES = (
    ("CER", kx.metrics.character_error_rate, "character_error_rate"),
    ("WER", kx.metrics.word_error_rate, "word_error_rate"),
)


def read():
    """Recordings, texts and numbers of the words: training and test."""
    for rows, labels in read_all():
        texts = np.array([text.decode() for text in rows["text"]])
        yield {"speech": rows["speech"], "text": texts, "label": labels}


def spell(texts):
    """A preprocessor of texts, letter by letter."""
    characters = kx.networks.TextPreprocessor(
        split="character",
        sequence_length=1 + max(map(len, texts)),
        end_token=True,
    )
    characters.adapt(texts)
    return characters


def copies(preprocess, rows):
    """Spectrograms, augmented but for the first of each, and the rows."""
    spectrograms = np.concatenate(
        [
            preprocess(rows["speech"], training=copy > 0)
            for copy in range(COPIES)
        ]
    )
    return spectrograms, np.tile(np.arange(len(rows["label"])), COPIES)


def read_letters(characters):
    """Tokens to features."""
    return keras.Sequential(
        [
            keras.Input((characters.sequence_length,), dtype="int32"),
            layers.Embedding(
                characters.vocabulary_size(),
                32,
                keras.initializers.RandomNormal(stddev=1.0),
            ),
            layers.Flatten(),
            layers.Dense(128, "silu"),
        ]
    )


def train_translator(target, x, speech_encoder, characters, seed):
    """A conditional VAE that makes one modality of the other."""
    keras.utils.set_random_seed(seed)
    size = characters.vocabulary_size()
    shape = x["speech"].shape[1:]
    decoders = {
        "text": kx.networks.TextDecoder(
            size,
            characters.sequence_length,
            hidden_dim=64,
            num_layers=1,
            end_id=characters.end_id,
        ),
        "speech": decoder(shape, LATENT_DIM + 128),
    }
    likelihoods = {
        "text": kx.likelihoods.TokenSequence(size),
        "speech": kx.likelihoods.Normal(0.3),
    }
    model = kx.VAEModel(
        latent_dim=LATENT_DIM,
        encoders={
            "speech": speech_encoder,
            "text": read_letters(characters),
        },
        decoders={target: decoders[target]},
        likelihoods={target: likelihoods[target]},
        objective=kx.objectives.CVAE(target),
        seed=seed,
    )
    epochs = EPOCHS[target]
    num_steps = epochs * -(-len(x["text"]) // BATCH_SIZE)
    model.compile(make_optimizer(2e-3, num_steps))
    model.fit(x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model


def vae_to_text(train, test, characters, seed):
    """Rows of the words that are written."""
    spectrograms, rows = copies(speech_preprocessor(seed), train)
    tokens = characters(train["text"]).numpy()
    search = train_model(*next(iter(read_all())), seed)
    anchors = np.asarray(search.encode(np.unique(train["text"]), "text"))
    model = train_translator(
        "text",
        {"speech": spectrograms, "text": tokens[rows]},
        tower(search, "speech", anchors),
        characters,
        seed,
    )
    asked = np.asarray(speech_preprocessor(seed)(test["speech"]))
    written = characters.detokenize(
        model.translate({"speech": asked}, "text", output="mode")
    )
    nearest = nearest_labels(
        spectrograms[: len(train["label"])], train["label"], asked
    )
    words = dict(zip(train["label"], train["text"], strict=True))
    answers = {
        "model": written,
        "baseline": np.array([words[label] for label in nearest]),
        "chance": np.random.default_rng(seed).permutation(test["text"]),
    }
    return [
        {
            "direction": TO_TEXT,
            "data": DATA,
            "measure": name,
            **{
                side: rate(test["text"], texts)[key]
                for side, texts in answers.items()
            },
            "baseline_name": "word of the nearest recording",
        }
        for name, rate, key in ERROR_RATES
    ]


class Listener:
    """What a judge hears in spectrograms, and how far they are from real ones.

    The judge learns from real training recordings alone.
    """

    def __init__(self, train, test, seed):
        preprocess = light_preprocessors(seed + 100)["speech"]
        spectrograms, rows = copies(preprocess, train)
        self.labels = train["label"]
        self.known = spectrograms[: len(self.labels)]
        self.test = test
        self.real = np.asarray(preprocess(test["speech"]))
        self.judge = Judge(spectrograms, self.labels[rows], 5)

    def rows(self, spoken):
        """Rows of spectrograms that are made of the test's texts."""
        labels = self.test["label"]
        means = np.stack(
            [self.known[self.labels == i].mean(axis=0) for i in labels]
        )
        one = np.stack(
            [self.known[np.argmax(self.labels == i)] for i in labels]
        )
        shuffled = np.random.default_rng(0).permutation(self.real)
        baseline = {"baseline_name": "mean recording of the word"}
        return [
            {
                "direction": TO_SPEECH,
                "data": DATA,
                "measure": "recognised by a judge",
                "model": self.judge.accuracy(spoken, labels),
                "chance": 1 / (labels.max() + 1),
                "baseline": self.judge.accuracy(means, labels),
                "real": self.judge.accuracy(self.real, labels),
                **baseline,
            },
            {
                "direction": TO_SPEECH,
                "data": DATA,
                "measure": "mel distance to the unseen voice, dB",
                "model": self.distance(spoken),
                "chance": self.distance(shuffled),
                "baseline": self.distance(means),
                "real": self.distance(one),
                **baseline,
            },
        ]

    def distance(self, spoken):
        """Mean absolute difference from the test's recordings, in decibels."""
        return float(DECIBELS * np.abs(spoken - self.real).mean())


def vae_to_speech(train, test, characters, seed):
    """Rows of the words that are spoken."""
    preprocess = light_preprocessors(seed)["speech"]
    spectrograms, rows = copies(preprocess, train)
    tokens = characters(train["text"]).numpy()
    model = train_translator(
        "speech",
        {"speech": spectrograms, "text": tokens[rows]},
        gradients(spectrograms.shape[1:], 5),
        characters,
        seed,
    )
    spoken = model.translate(
        {"text": characters(test["text"]).numpy()},
        "speech",
        latent="sample",
        seed=seed,
    )
    return Listener(train, test, seed).rows(np.clip(spoken, 0, 1))


def vae(seed, data_dir):
    """Words of recordings, and recordings of words."""
    train, test = read()
    characters = spell(train["text"])
    return [
        *vae_to_text(train, test, characters, seed),
        *vae_to_speech(train, test, characters, seed),
    ]


# Generation.

GAN_STEPS = 2000
NOISE_DIM = 32


def dense_network(x):
    """Two layers."""
    for _ in range(2):
        x = layers.LeakyReLU(0.2)(layers.Dense(256)(x))
    return x


def build_gan(num_words, shape, seed):
    """A GAN from the number of a word to its spectrogram.

    With three recordings of a word, dense networks see each band of each frame
    in its place; convolutions cost ten times as much.
    """
    keras.utils.set_random_seed(seed)
    noise, word = keras.Input((NOISE_DIM,)), keras.Input((num_words,))
    x = dense_network(layers.Concatenate()([noise, word]))
    x = layers.Dense(int(np.prod(shape)), "sigmoid")(x)
    generator = keras.Model([noise, word], layers.Reshape(shape)(x))
    spectrogram = keras.Input(shape)
    features = dense_network(layers.Flatten()(spectrogram))
    logit = kx.layers.ProjectionLogit()([features, word])
    return kx.GANModel(
        generator=generator,
        discriminator=keras.Model([spectrogram, word], logit),
        latent_dim=NOISE_DIM,
        condition="text",
        target="speech",
        condition_encoder=layers.CategoryEncoding(num_words, "one_hot"),
        ema_momentum=0.99,
        seed=seed,
    )


def gan(seed, data_dir):
    """Recordings of words."""
    train, test = read()
    spectrograms, rows = copies(light_preprocessors(seed)["speech"], train)
    model = build_gan(test["label"].max() + 1, spectrograms.shape[1:], seed)

    def optimizer():
        rate = keras.optimizers.schedules.CosineDecay(1e-3, GAN_STEPS, 0.1)
        return keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99)

    model.compile(
        optimizer(),
        optimizer(),
        penalties=[kx.adversarial.R1(10.0), kx.adversarial.R2(10.0)],
        # A word that is spoken well, but is another, is not right.
        mismatch_weight=0.5,
    )
    data = tf.data.Dataset.from_tensor_slices(
        {
            "text": train["label"][rows][:, None],
            "speech": spectrograms,
        }
    )
    data = data.shuffle(len(rows), seed).repeat().batch(BATCH_SIZE)
    model.fit(data, steps_per_epoch=GAN_STEPS, verbose=0)
    spoken = model.generate(test["label"][:, None], seed=seed)
    return [
        *Listener(train, test, seed).rows(np.asarray(spoken)),
        {
            "direction": TO_TEXT,
            "data": DATA,
            "measure": "error rates",
            "model": None,
            "why": "each recording has one right text: nothing to sample",
        },
    ]
