"""The model that the demo trains, and how: small data, short training.

With 681 pictures there is too little to learn a picture or a language from.
So both towers start in closed form: pictures as oriented gradients, names as
the latent semantic analysis of their character n-grams beside English word
vectors, and a ridge regression from one to the other. A short contrastive
training then makes it sharp.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import datasets, progress, recipes
from keras_xmodal.layers import ImageAugmentation
from keras_xmodal.losses import InfoNCE
from keras_xmodal.models import (
    EmbeddingModel,
    Preprocessed,
    ridge_warm_start,
)
from keras_xmodal.networks import (
    ImageEncoder,
    ImagePreprocessor,
    TextEncoder,
    TextPreprocessor,
    lsa_embeddings,
    word_vectors,
)
from keras_xmodal.ops import l2_normalize
from keras_xmodal.recipes.training import make_optimizer

EPOCHS = 40
BATCH_SIZE = 227
NGRAM_DIM = 512
NGRAMS_PER_TEXT = 112
WORDS_PER_TEXT = 8
TEMPERATURE = 0.1
# Italian is left out for a test.
LANGUAGES = ("en", "de", "es", "fr", "ru", "zh")
ENGLISH_SHARE = 0.5  # of the captions in training
AUGMENTED_COPIES = 6  # of each picture, in the warm start


def read_train(split: str = "train") -> dict:
    """Read pictures and their names in all languages of the training.

    Args:
        split: Split whose captions are names.

    Returns:
        Dict of `id`, `image` (uint8, `(pictures, 32, 32, 3)`) and `texts`,
        an array of strings `(pictures, languages)`.
    """
    texts = []
    for language in LANGUAGES:
        data = datasets.load("emoji", split, languages=(language,))
        x, ids = data.batch(len(data)).as_numpy_iterator().next()
        texts.append([text.decode() for text in x["text"]])
    return {"id": ids, "image": x["image"], "texts": np.array(texts).T}


def build_model(train: dict, seed: int = 0) -> EmbeddingModel:
    """Build the model and start it in closed form.

    Args:
        train: Dict as `read_train` returns it; pictures of any one size.
        seed: Integer, seed of the augmentation.

    Returns:
        Model of `"image"` and `"text"` with its preprocessors.
    """
    image_size = train["image"].shape[1:3]
    image_preprocessor = ImagePreprocessor(
        image_size, augmentation=make_augmentation(seed)
    )
    text_preprocessor, text_encoder = build_text_tower(train)
    embedding_dim = text_encoder.output_shape[-1]
    model = EmbeddingModel(
        encoders={
            "image": ImageEncoder(
                image_size,
                filters=(),
                cell_size=image_size[0] // 8,
                dropout=0.0,
            ),
            "text": text_encoder,
        },
        embedding_dim=embedding_dim,
        preprocessors={
            "image": image_preprocessor,
            "text": text_preprocessor,
        },
        temperature=TEMPERATURE,
    )
    names = train["texts"][:, 0]
    model.encode({"image": train["image"][:1], "text": names[:1]})
    model.projections["text"].set_weights(
        [np.eye(embedding_dim), np.zeros(embedding_dim)]
    )
    targets = model.encode(names, "text")
    copies = [image_preprocessor(train["image"])] + [
        image_preprocessor(train["image"], training=True)
        for _ in range(AUGMENTED_COPIES)
    ]
    weight = np.ones((1 + AUGMENTED_COPIES, len(targets)))
    weight[0] = 2.0  # the pictures as they are
    ridge_warm_start(
        model,
        Preprocessed(image=np.concatenate(copies)),
        np.tile(targets, (1 + AUGMENTED_COPIES, 1)),
        sample_weight=weight.ravel(),
    )
    return model


def make(
    train: dict, seed: int = 0, quiet: bool = False
) -> recipes.EmbeddingRecipe:
    """The recipe of the demo: all data, and augmentation for another style.

    Nothing is held out to stop by: the questions are about other pictures of
    the concepts that it learns, and concepts that are left out tell too little
    of that.

    Args:
        train: Dict as `read_train` returns it.
        seed: Integer, seed of everything random.
        quiet: Whether to leave progress bars out.

    Returns:
        Recipe to `fit`.
    """
    languages = train["texts"].shape[1]
    x = {
        "image": np.repeat(train["image"], languages, axis=0),
        "text": train["texts"].ravel(),
    }
    return recipes.embedding(
        (x, np.repeat(train["id"], languages)),
        validation=None,
        augmentation={"image": make_augmentation(seed)},
        network=False,
        seed=seed,
        verbose=not quiet,
    )


def make_augmentation(seed: int) -> ImageAugmentation:
    """Changes that leave a drawing what it is, in another style."""
    return ImageAugmentation(
        rotation=0.05,
        translation=0.1,
        zoom=0.2,
        stretch=0.1,
        shear=0.15,
        hue=0.12,
        saturation=0.7,
        contrast=0.3,
        color_mixing=0.12,
        gamma=0.4,
        blur=0.7,
        grayscale=0.1,
        seed=seed,
    )


def build_text_tower(train: dict) -> tuple[keras.Model, keras.Model]:
    """Names as character n-grams and as English words, in frozen tables.

    Args:
        train: Dict as `read_train` returns it.

    Returns:
        The preprocessor of texts, and the encoder of its tokens: `NGRAM_DIM`
        numbers of the n-grams, then those of the words, each of length 1.
    """
    ngrams = TextPreprocessor(
        split="character",
        ngrams=(2, 3, 4),
        sequence_length=NGRAMS_PER_TEXT,
        name="ngrams",
    )
    ngrams.adapt(train["texts"].ravel())
    vocabulary, vectors = word_vectors()
    words = TextPreprocessor(
        vocabulary=vocabulary, sequence_length=WORDS_PER_TEXT, name="words"
    )
    texts = keras.Input((), dtype="string", name="texts")
    tokens = keras.ops.concatenate([ngrams(texts), words(texts)], axis=1)
    preprocessor = keras.Model(texts, tokens)

    # A concept drawn in several styles has its names once.
    _, first = np.unique(train["id"], return_index=True)
    names, *translations = (ngrams(x).numpy() for x in train["texts"][first].T)
    ngram_table = lsa_embeddings(
        names, ngrams.vocabulary_size(), NGRAM_DIM, translations
    )
    word_table = np.pad(vectors, [(2, 0), (0, 0)])  # padding, unknown words
    tokens = keras.Input(tokens.shape[1:], dtype="int32", name="tokens")
    parts = [
        _average(ngram_table, tokens[:, :NGRAMS_PER_TEXT]),
        _average(word_table, tokens[:, NGRAMS_PER_TEXT:]),
    ]
    encoder = keras.Model(tokens, keras.ops.concatenate(parts, axis=1))
    return preprocessor, encoder


def _average(table, tokens):
    """Average of a frozen table's rows, to unit length."""
    encoder = TextEncoder(*table.shape, trainable_embeddings=False)
    encoder.get_layer("token_embedding").set_weights([table])
    return l2_normalize(encoder(tokens))


def training_data(
    model: EmbeddingModel, train: dict, batch_size: int, seed: int
) -> tf.data.Dataset:
    """Augmented pictures, each with its name in a language drawn at random.

    Args:
        model: Model with preprocessors.
        train: Dict as `read_train` returns it.
        batch_size: Integer.
        seed: Integer, seed of order and languages.

    Returns:
        `tf.data.Dataset` of preprocessed batches `(x, ids)`, one epoch long.
    """
    others = train["texts"].shape[1] - 1
    shares = [ENGLISH_SHARE] + [(1 - ENGLISH_SHARE) / others] * others

    def draw(image, texts, item):
        language = tf.random.categorical([tf.math.log(shares)], 1)[0, 0]
        return {"image": image, "text": texts[language]}, item

    raw = (
        tf.data.Dataset.from_tensor_slices(
            (train["image"], train["texts"], train["id"])
        )
        .shuffle(len(train["id"]), seed=seed)
        .map(draw)
        .batch(batch_size, drop_remainder=True)
    )
    return model.preprocess(raw, training=True)


def fit(
    model: EmbeddingModel,
    train: dict,
    epochs: int = EPOCHS,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
    loss=None,
    callbacks: tuple = (),
    quiet: bool = False,
) -> dict:
    """Train with AdamW, a cosine schedule and a progress bar.

    Args:
        model: Model of `build_model`.
        train: Dict as `read_train` returns it.
        epochs: Integer, passes over the pictures.
        batch_size: Integer, at most the number of pictures.
        seed: Integer, seed of the data.
        loss: A `ContrastiveLoss` or its name. Defaults to `InfoNCE()`.
        callbacks: Keras callbacks.
        quiet: Whether to leave the progress bar out.

    Returns:
        Dict of the values of each epoch.
    """
    data = training_data(model, train, batch_size, seed)
    steps = epochs * int(data.cardinality())
    model.compile(
        make_optimizer(1e-3, steps),
        loss=InfoNCE() if loss is None else loss,
    )
    bar = [] if quiet else [_ProgressBar(epochs)]
    history = model.fit(
        data,
        epochs=epochs,
        verbose=0,
        callbacks=[*callbacks, *bar],
    )
    return history.history


class _ProgressBar(keras.callbacks.Callback):
    """One bar for the whole training, where Keras draws one an epoch."""

    def __init__(self, epochs):
        super().__init__()
        self.bar = progress.bar(total=epochs, desc="training", unit="epoch")

    def on_epoch_end(self, epoch, logs=None):
        self.bar.update()
        self.bar.set_postfix(loss=f"{logs['loss']:.2f}")

    def on_train_end(self, logs=None):
        self.bar.close()
