"""What each kind of data starts from, and what it may learn beside it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import scipy
from keras import layers, ops

from keras_xmodal.layers import (
    ImageAugmentation,
    OrientedGradients,
    SpecAugment,
    SpeechAugmentation,
)
from keras_xmodal.networks import (
    ImageEncoder,
    ImagePreprocessor,
    SpeechEncoder,
    SpeechPreprocessor,
    TextEncoder,
    TextPreprocessor,
    VideoEncoder,
    VideoPreprocessor,
    lsa_embeddings,
    word_vectors,
)
from keras_xmodal.ops import l2_normalize

NETWORK_DIM = 128
NUMBERS_DIM = 256
NGRAM_DIM = 512
MAX_NGRAMS, MAX_ITEMS = 20_000, 1000
LSA_TEXTS = 6000  # at most: the solution grows with their third power
MEL_BINS = 40

_STILL = {
    "rotation": 0.05,
    "translation": 0.1,
    "zoom": 0.2,
    "shear": 0.15,
    "horizontal_flip": False,
    "hue": 0.0,
    "saturation": 0.0,
    "contrast": 0.0,
    "gamma": 0.0,
    "grayscale": 0.0,
}
_COLORS = {
    "hue": 0.12,
    "saturation": 0.7,
    "contrast": 0.3,
    "color_mixing": 0.12,
    "gamma": 0.4,
    "blur": 0.7,
    "grayscale": 0.1,
}
# What leaves a picture what it is, is for the data to say.
IMAGE_AUGMENTATIONS: dict[str, dict | None] = {
    "none": None,
    "moved and bent": _STILL,
    "moved, bent and mirrored": _STILL | {"horizontal_flip": True},
    "moved, bent, mirrored and recolored": _STILL
    | {"horizontal_flip": True}
    | _COLORS,
}
SPEECH_AUGMENTATIONS: dict[str, dict | None] = {
    "none": None,
    "faster, slower and later": {"speed": 0.2},
}


class Tower(NamedTuple):
    """A preprocessor, features that nothing trains, a network beside them."""

    preprocessor: keras.layers.Layer | None
    features: keras.Model
    network: Callable[[], keras.Model] | None = None

    @property
    def augments(self) -> bool:
        """Whether the preprocessor draws anew in training."""
        return getattr(self.preprocessor, "augmentation", None) is not None

    def restart(self, seed: int) -> None:
        """Let the augmentation draw what this seed says."""
        restart(self.preprocessor, seed)

    def encoder(self, with_network: bool) -> keras.Model:
        """The features, perhaps with the network's beside them.

        Those are zeros before training.
        """
        if not with_network or self.network is None:
            return self.features
        inputs = self.features.inputs[0]
        x = keras.Input(inputs.shape[1:], dtype=inputs.dtype)
        learned = layers.Dense(
            NETWORK_DIM, kernel_initializer="zeros", name="learned"
        )
        parts = [self.features(x), learned(self.network()(x))]
        return keras.Model(x, layers.Concatenate()(parts))


def restart(preprocessor: keras.layers.Layer | None, seed: int) -> None:
    """Let the augmentation of a preprocessor draw what this seed says."""
    layer = getattr(preprocessor, "augmentation", None)
    generator = getattr(layer, "seed_generator", None)
    generator = generator or getattr(layer, "generator", None)  # of Keras'
    if generator is not None:
        generator.state.assign(np.array([seed, 0], "uint32"))


def image_tower(
    image_size: int, augmentation: keras.layers.Layer | None, features: str
) -> Tower:
    """Pictures as oriented gradients and colours, or as pixels."""
    shape = (image_size, image_size)

    def network():
        return ImageEncoder(
            shape,
            (32, 64, 96, 128) if image_size > 32 else (48, 64, 96),
            num_orientations=0,
            linear_path=False,
            pooling="average",
            name="convolutions",
        )

    preprocessor = ImagePreprocessor(shape, augmentation=augmentation)
    return Tower(preprocessor, _frame_features(image_size, features), network)


def _frame_features(image_size, features):
    if features == "pixels":
        x = keras.Input((image_size, image_size, 3))
        small = layers.AveragePooling2D(max(1, image_size // 32))(x)
        return keras.Model(x, layers.Flatten()(small), name="pixels")
    return ImageEncoder(
        (image_size, image_size),
        filters=(),
        cell_size=image_size // 8,
        dropout=0.0,
        name="gradients",
    )


def speech_tower(
    duration: float,
    sampling_rate: int,
    augmentation: keras.layers.Layer | None,
    features: str,
    seed: int,
) -> Tower:
    """Recordings as oriented gradients of spectrograms, or as spectra."""
    preprocessor = SpeechPreprocessor(
        sampling_rate, duration, MEL_BINS, augmentation=augmentation
    )
    num_frames = preprocessor.num_frames
    x = keras.Input((num_frames, MEL_BINS))
    if features == "spectra":
        y = layers.AveragePooling1D(max(1, num_frames // 8))(x)
    else:
        y = ops.repeat(ops.expand_dims(x, -1), 3, axis=-1)
        y = OrientedGradients(cell_size=5)(y)
        y = layers.AveragePooling2D((max(1, y.shape[1] // 20), 1))(y)
    fixed = keras.Model(x, layers.Flatten()(y), name=features)

    def network():
        return SpeechEncoder(
            num_frames,
            MEL_BINS,
            augmentation=SpecAugment(seed=seed),
            name="convolutions",
        )

    return Tower(preprocessor, fixed, network)


def video_tower(num_frames: int, image_size: int, features: str) -> Tower:
    """Clips as what each of their frames is, one after the other."""
    x = keras.Input((num_frames, image_size, image_size, 3))
    frames = layers.TimeDistributed(_frame_features(image_size, features))(x)
    fixed = keras.Model(x, layers.Flatten()(frames), name="frames")

    def network():
        return VideoEncoder(
            num_frames, (image_size, image_size), name="convolutions"
        )

    preprocessor = VideoPreprocessor(num_frames, (image_size, image_size))
    return Tower(preprocessor, fixed, network)


def numbers_tower(values: np.ndarray, features: str, seed: int) -> Tower:
    """Numbers, standardised, perhaps through a layer of random weights.

    A constant beside them keeps apart what differs in length alone. After
    random weights, cosines are a kernel of how near the numbers are.

    Reference:
        - Cho and Saul, 2009 (arc-cosine kernels), Kernel methods for deep
          learning
    """
    x = keras.Input(values.shape[1:])
    size = values.shape[1]
    variance = np.maximum(values.var(axis=0), 1e-12)
    y = layers.Normalization(mean=values.mean(axis=0), variance=variance)(x)
    if features == "random layer":
        y = layers.Dense(
            NUMBERS_DIM,
            "relu",
            kernel_initializer=keras.initializers.RandomNormal(
                stddev=size**-0.5, seed=seed
            ),
            bias_initializer=keras.initializers.RandomUniform(-1.0, 1.0, seed),
            name="random",
        )(y)
    else:
        constant = ops.ones_like(y[:, :1]) * size**0.5
        y = layers.Concatenate()([y, constant])
    return Tower(None, keras.Model(x, y, name="numbers"))


def text_tower(captions: np.ndarray, with_words: bool) -> Tower:
    """Texts as character n-grams, and as English words, in frozen tables.

    Args:
        captions: Array of strings `(items, texts)`: row by row, what says the
            same thing.
        with_words: Whether to add the English word vectors.
    """
    texts = np.unique(captions)
    ngrams = _ngram_preprocessor(texts)
    some = captions[: max(2, LSA_TEXTS // captions.shape[1])]
    first, *others = (np.asarray(ngrams(column)) for column in some.T)
    readers = [ngrams]
    tables = [
        lsa_embeddings(
            first,
            ngrams.vocabulary_size(),
            min(NGRAM_DIM, max(8, len(some))),
            others,
        )
    ]
    if with_words:
        vocabulary, vectors = word_vectors()
        length = max(len(text.split()) for text in texts)
        readers.append(
            TextPreprocessor(
                vocabulary=vocabulary,
                sequence_length=min(max(8, length), 64),
                name="words",
            )
        )
        tables.append(np.pad(vectors, [(2, 0), (0, 0)]))  # padding, unknown
    strings = keras.Input((), dtype="string", name="texts")
    tokens = [reader(strings) for reader in readers]
    preprocessor = keras.Model(strings, _joined(tokens))
    x = keras.Input(preprocessor.output_shape[1:], dtype="int32", name="tokens")
    parts, start = [], 0
    for table, part in zip(tables, tokens, strict=True):
        end = start + part.shape[1]
        parts.append(_average(table, x[:, start:end]))
        start = end
    return Tower(preprocessor, keras.Model(x, _joined(parts), name="texts"))


def ngram_tower(captions: np.ndarray) -> Tower:
    """Texts as tf-idf vectors of character n-grams, none of them lost.

    Their cosines with all that is a sum of such vectors of the items, as a
    linear regression gives it, are those of the whole vectors, in a space of
    as many dimensions as there are items, and one for what is in none.

    Args:
        captions: Array of strings `(items, texts)`.
    """
    texts, places = np.unique(captions, return_inverse=True)
    preprocessor = _ngram_preprocessor(texts, MAX_NGRAMS)
    size = preprocessor.vocabulary_size()
    tokens = np.asarray(preprocessor(texts))
    row, place = np.nonzero(tokens > 1)  # no padding, nothing unknown
    counts = _table(row, tokens[row, place], (len(texts), size))
    documents = (counts > 0).sum(axis=0)
    idf = np.log((1 + len(texts)) / (1 + documents)) + 1
    vectors = counts @ scipy.sparse.diags_array(idf)
    norms = np.maximum(scipy.sparse.linalg.norm(vectors, axis=1), 1e-9)
    vectors = scipy.sparse.diags_array(1 / norms) @ vectors
    places = places.reshape(captions.shape)
    places = places[:: -(-len(places) // (2 * MAX_ITEMS))]
    items = np.repeat(np.arange(len(places)), places.shape[1])
    shape = len(places), len(texts)
    mean = _table(items, places.ravel(), shape) @ vectors
    values, left = np.linalg.eigh((mean @ mean.T).toarray())
    is_kept = values > 1e-6 * values[-1]
    is_kept[:-MAX_ITEMS] = False
    axes = mean.T @ (left[:, is_kept] / np.sqrt(values[is_kept]))

    x = keras.Input(tokens.shape[1:], dtype="int32", name="tokens")
    y = layers.CategoryEncoding(size, "count")(x)
    scale = np.where(np.arange(size) > 1, 1 / idf**2, 1e12)
    y = layers.Normalization(mean=np.zeros(size), variance=scale)(y)
    y = layers.UnitNormalization()(y)
    inside = layers.Dense(axes.shape[1], use_bias=False, name="axes")
    z = inside(y)
    inside.set_weights([axes])
    rest = 1.0 - ops.sum(z**2, axis=1, keepdims=True)
    z = layers.Concatenate()([z, ops.sqrt(ops.maximum(rest, 0.0))])
    return Tower(preprocessor, keras.Model(x, z, name="texts"))


def _ngram_preprocessor(texts, most=None):
    """Texts to character n-grams, of a length that suits nearly all."""
    length = int(np.quantile(np.char.str_len(texts), 0.99))
    ngrams = TextPreprocessor(
        most,
        split="character",
        ngrams=(2, 3, 4),
        sequence_length=min(max(16, 3 * length), 512),
        name="ngrams",
    )
    ngrams.adapt(texts)
    return ngrams


def _table(rows, columns, shape):
    """How often each column is in a row."""
    ones = np.ones(len(rows), "float32")
    return scipy.sparse.csr_array((ones, (rows, columns)), shape=shape)


def _joined(tensors):
    return ops.concatenate(tensors, axis=1) if len(tensors) > 1 else tensors[0]


def _average(table, tokens):
    """Average of a frozen table's rows, to unit length."""
    encoder = TextEncoder(*table.shape, trainable_embeddings=False)
    encoder.get_layer("token_embedding").set_weights([table])
    return l2_normalize(encoder(tokens))


def share_of_english(captions: np.ndarray) -> float:
    """Share of the items with a text most of whose words are English.

    Args:
        captions: Array of strings `(items, texts)`.
    """
    known = set(word_vectors()[0])

    def is_english(text):
        words = [word.strip(".,;:!?()\"'") for word in text.lower().split()]
        return sum(word in known for word in words) > len(words) / 2

    english = [any(map(is_english, map(str, texts))) for texts in captions]
    return float(np.mean(english))


def make_augmentation(
    kind: str, amounts: Mapping[str, Any] | None, seed: int
) -> keras.layers.Layer | None:
    """The augmentation of a kind of data, by its amounts."""
    if amounts is None:
        return None
    if kind == "speech":
        return SpeechAugmentation(**amounts, seed=seed)
    return ImageAugmentation(**amounts, seed=seed)
