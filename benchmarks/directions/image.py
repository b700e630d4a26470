"""Image and text: the cells of `directions/`.

`EmbeddingModel` searches "emoji_large" with the demo's recipe, as
`emoji/retrieval.py` does: pictures by names and names by pictures, in a new
style, of unseen concepts, and both. With pretrained towers:
`emoji/pretrained.py`.

`VAEModel` and `GANModel` write captions of pictures of two things side by side,
those of `directions/two_things.py`, and draw such pictures of captions. But for
the GAN that draws, the same network sees, or makes, each of the two things. A
model can learn which pairs there are, and so writes better captions of seen
pairs than of unseen ones; the nearest neighbours, its baseline, look at each
thing alone.

The GAN that writes gets the embedding of the picture, beside which stands the
nearest caption in the same space; its words end in a `GumbelSoftmax`.
"""

import keras
import numpy as np

import keras_xmodal as kx
from benchmarks.directions.two_things import (
    ALL_PAIRS,
    NUM_NAMES,
    NUM_TRAIN,
    SHAPE,
    UNSEEN,
    captions_of,
    image_decoder,
    image_encoder,
    nearest_captions,
    read_all,
    row_of_learning,
    rows_of_captions,
    rows_of_pictures,
    text_encoder,
)
from benchmarks.emoji.retrieval import KEYS, read_larger, run
from benchmarks.gan.quality import compile_gan, slices
from benchmarks.gan.quality import train as train_gan
from benchmarks.settings import BATCH_SIZE, falling_rate
from keras_xmodal.recipes.ridge_baseline import RidgeBaseline

layers = keras.layers


# Search.

# Those of the table of the larger sets in the README beside this file.
SEARCH_EPOCHS, SEARCH_BATCH_SIZE = 15, 227


def embedding(seed, data_dir):
    """Search in both directions."""
    train, tests = read_larger(data_dir)
    baseline = RidgeBaseline().fit(train["image"], list(train["texts"][:, 0]))
    result = run(
        train,
        tests,
        baseline,
        "info_nce",
        SEARCH_BATCH_SIZE,
        seed,
        SEARCH_EPOCHS,
    )
    return [
        {
            "direction": direction.replace("_", " "),
            "data": f"emoji_large, {question}",
            "measure": measure,
            "model": report[measure],
            "chance": report.get(
                f"chance_{measure}", report["num_candidates"] / 2
            ),
            "baseline": report[f"baseline_{measure}"],
            "baseline_name": "ridge on pixels",
        }
        for question, directions in result["retrieval"].items()
        for direction, report in directions.items()
        for measure in KEYS
    ]


# Translation.

LATENT_DIM = 32
VAE_EPOCHS = {"image": 3, "text": 4}


def train_translator(target, train, words, seed):
    """A conditional VAE that makes one modality of the other."""
    keras.utils.set_random_seed(seed)
    num_words = words.vocabulary_size()
    decoders = {
        "image": image_decoder(),
        "text": kx.networks.TextDecoder(
            num_words,
            words.sequence_length,
            hidden_dim=128,
            num_layers=1,
            dropout=0.0,
            # No word tells the next one: anything may be beside another.
            token_dropout=0.9,
            end_id=words.end_id,
        ),
    }
    likelihoods = {
        "image": kx.likelihoods.Normal(0.2),
        "text": kx.likelihoods.TokenSequence(num_words),
    }
    model = kx.VAEModel(
        latent_dim=LATENT_DIM,
        encoders={"image": image_encoder(), "text": text_encoder(num_words)},
        decoders={target: decoders[target]},
        likelihoods={target: likelihoods[target]},
        objective=kx.objectives.CVAE(target),
        preprocessors={"text": words},
        seed=seed,
    )
    epochs = VAE_EPOCHS[target]
    model.compile(keras.optimizers.Adam(falling_rate(1e-3, NUM_TRAIN, epochs)))
    x = {"image": train["image"], "text": train["text"]}
    model.fit(x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model


def vae(seed, data_dir):
    """Captions of pictures, and pictures of captions."""
    train, tests, words = read_all(data_dir)
    writer = train_translator("text", train, words, seed)
    rows = []
    for data, test in tests.items():
        tokens = writer.translate(
            {"image": test["image"]}, "text", output="mode"
        )
        rows += rows_of_captions(
            words.detokenize(tokens),
            train,
            test,
            data,
            nearest_captions(train, test["image"]),
            "nearest of 5,000 things on each side",
        )
    artist = train_translator("image", train, words, seed)
    images = artist.translate(
        {"text": tests[UNSEEN]["text"]}, "image", latent="sample", seed=seed
    )
    return rows + rows_of_pictures(images, train, tests[UNSEEN], seed)


# Generation.

GAN_SETTINGS = {
    "steps": 1000,
    "batch_size": 64,
    "rate": 2e-3,
    "gamma": 0.5,
    "mismatch_weight": 0.5,
}
SPACE_EPOCHS = 2
NUM_LEARNED = 10_000  # pictures that a classifier learns from


def train_artist(train, words, seed):
    """A GAN from captions, as one-hot words, to pictures."""
    keras.utils.set_random_seed(seed)
    one_hot = layers.CategoryEncoding(words.vocabulary_size(), "one_hot")
    model = kx.GANModel(
        generator=kx.networks.ConvGenerator(SHAPE, (64, 32)),
        discriminator=kx.networks.ConvDiscriminator((32, 64)),
        condition_encoder=keras.Sequential([one_hot, layers.Flatten()]),
        ema_momentum=0.995,
        seed=seed,
    )
    compile_gan(model, "relativistic", GAN_SETTINGS)
    data = slices(words(train["text"]).numpy(), 2 * train["image"] - 1)
    train_gan(model, data, GAN_SETTINGS)
    return model


def draw(model, words, texts, seed):
    """Pictures in [0, 1] of captions."""
    return (model.generate(words(texts).numpy(), seed=seed) + 1) / 2


def train_space(train, words, seed):
    """Pictures and captions in one space."""
    keras.utils.set_random_seed(seed)
    model = kx.EmbeddingModel(
        encoders={
            "image": image_encoder(),
            "text": text_encoder(words.vocabulary_size()),
        },
        embedding_dim=64,
        preprocessors={"text": words},
    )
    rate = falling_rate(1e-3, NUM_TRAIN, SPACE_EPOCHS)
    model.compile(keras.optimizers.Adam(rate), loss="info_nce")
    x = {"image": train["image"], "text": train["text"]}
    pairs = train["label"] @ [NUM_NAMES, 1]
    model.fit(x, pairs, batch_size=BATCH_SIZE, epochs=SPACE_EPOCHS, verbose=0)
    return model


def train_writer(embeddings, tokens, num_words, seed):
    """A GAN from embeddings of pictures to captions, as one-hot words."""
    keras.utils.set_random_seed(seed)
    noise, condition = keras.Input((16,)), keras.Input(embeddings.shape[1:])
    shape = (tokens.shape[1], num_words)
    logits = kx.networks.ConvGenerator(shape, (128, 64), activation=None)(
        [noise, condition]
    )
    model = kx.GANModel(
        generator=keras.Model(
            [noise, condition], kx.layers.GumbelSoftmax(seed=seed)(logits)
        ),
        discriminator=kx.networks.ConvDiscriminator((64, 128)),
        latent_dim=16,
        ema_momentum=0.995,
        seed=seed,
    )
    compile_gan(model, "relativistic", GAN_SETTINGS)
    targets = np.eye(num_words, dtype="float32")[tokens]
    train_gan(model, slices(embeddings, targets), GAN_SETTINGS)
    return model


def gan(seed, data_dir):
    """Pictures of captions, and captions of embeddings of pictures."""
    train, tests, words = read_all(data_dir)
    artist = train_artist(train, words, seed)
    test = tests[UNSEEN]
    images = draw(artist, words, test["text"], seed)
    shown = draw(artist, words, train["text"][:NUM_LEARNED], seed)
    rows = [
        *rows_of_pictures(images, train, test, seed),
        row_of_learning(shown, train, test, seed),
    ]
    space = train_space(train, words, seed)
    writer = train_writer(
        space.encode(train["image"], "image"),
        words(train["text"]).numpy(),
        words.vocabulary_size(),
        seed,
    )
    known = captions_of(ALL_PAIRS)
    candidates = space.encode(known, "text")
    for data, test in tests.items():
        asked = space.encode(test["image"], "image")
        tokens = writer.generate(asked, seed=seed).argmax(axis=-1)
        rows += rows_of_captions(
            words.detokenize(tokens),
            train,
            test,
            data,
            known[(asked @ candidates.T).argmax(axis=1)],
            "nearest of all captions in the embedding space",
        )
    return rows


CELLS = {"EmbeddingModel": embedding, "VAEModel": vae, "GANModel": gan}
