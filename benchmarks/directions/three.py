"""Image, text and speech in one model: the cell of `directions/`.

Of the bundled sample, 46 seen concepts are drawn, written and spoken. One
`EmbeddingModel` learns images with texts, and speech with texts; images and
speech are never compared in training. Then recordings of a voice that training
never had search pictures in a style that it never had.
"""

import itertools

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from sklearn.linear_model import RidgeClassifier

import keras_xmodal as kx
from keras_xmodal.demo import recipe
from keras_xmodal.recipes.training import make_optimizer

layers = keras.layers

VOICE = b"slt"  # held out
DURATION = 1.0  # seconds
MODALITIES = ("image", "text", "speech")
DIRECTIONS = (
    ("speech", "text"),
    ("text", "speech"),
    ("speech", "image"),
    ("image", "speech"),
)
DATA = "emoji, unseen voice and style"


def read(split, is_voice_held_out):
    """Pictures, names and recordings of the concepts that have all three.

    Returns:
        Dict of the modalities, and numbers of the concepts, in the order of
        their names.
    """
    data = kx.datasets.load("emoji", split, MODALITIES, columns=["voice"])
    rows = [
        row
        for row, _ in data.as_numpy_iterator()
        if (row["voice"] == VOICE) == is_voice_held_out
    ]
    x = {key: np.array([row[key] for row in rows]) for key in MODALITIES}
    return x, np.unique(x["text"], return_inverse=True)[1]


def read_all():
    """The training and the test, of other voices and another style."""
    return read("train", False), read("test_style", True)


EPOCHS = 40
BATCH_SIZE = 46
COPIES = 8  # of each recording, in the warm start


def gradients(size, cell_size):
    """Pictures or spectrograms as oriented gradients, a flat vector each."""
    inputs = keras.Input(size)
    x = inputs
    if len(size) == 2:
        x = ops.repeat(x[..., None], 3, axis=-1)
    x = kx.layers.OrientedGradients(cell_size=cell_size)(x)
    return keras.Model(inputs, layers.Flatten()(x))


def speech_preprocessor(seed):
    """Recordings to spectrograms, in training at all kinds of speed."""
    return kx.networks.SpeechPreprocessor(
        duration=DURATION,
        augmentation=kx.layers.SpeechAugmentation(speed=0.3, seed=seed),
    )


def build_model(train, seed):
    """The demo's towers in their closed-form start, and one for speech."""
    start = recipe.make(recipe.read_train(), seed, quiet=True).model
    speech = speech_preprocessor(seed)
    model = kx.EmbeddingModel(
        encoders={
            **start.encoders,
            "speech": gradients((speech.num_frames, speech.num_mel_bins), 5),
        },
        embedding_dim=start.embedding_dim,
        preprocessors={**start.preprocessors, "speech": speech},
        pairs=[("image", "text"), ("speech", "text")],
        temperature=start.temperature,
    )
    model.build({name: e.input_shape for name, e in model.encoders.items()})
    for name, projection in start.projections.items():
        model.projections[name].set_weights(projection.get_weights())
    spectrograms = [speech(train["speech"])] + [
        speech(train["speech"], training=True) for _ in range(COPIES)
    ]
    kx.models.ridge_warm_start(
        model,
        kx.models.Preprocessed(speech=np.concatenate(spectrograms)),
        np.tile(model.encode(train["text"], "text"), (1 + COPIES, 1)),
    )
    return model


def train_model(train, labels, seed):
    """Train with AdamW and a cosine schedule."""
    keras.utils.set_random_seed(seed)
    model = build_model(train, seed)
    raw = tf.data.Dataset.from_tensor_slices((train, labels))
    raw = raw.shuffle(len(labels), seed=seed).batch(BATCH_SIZE)
    model.compile(
        make_optimizer(1e-3, EPOCHS * len(raw)),
        loss=kx.losses.InfoNCE(),
    )
    model.fit(model.preprocess(raw, training=True), epochs=EPOCHS, verbose=0)
    return model


def nearest_recordings(train, labels, queries):
    """The trivial baseline: the concept of the recording that sounds alike.

    Returns:
        Cosines of the queries' log-mel spectrograms with the nearest training
        recording of each concept, `(queries, concepts)`.
    """
    preprocess = kx.networks.SpeechPreprocessor(duration=DURATION)
    sounds, asked = (
        np.reshape(preprocess(x), (len(x), -1)) for x in (train, queries)
    )
    mean = sounds.mean(axis=0)
    sounds, asked = (
        (x - mean) / np.linalg.norm(x - mean, axis=1, keepdims=True)
        for x in (sounds, asked)
    )
    cosines = asked @ sounds.T
    return np.stack(
        [
            cosines[:, labels == concept].max(axis=1)
            for concept in range(labels.max() + 1)
        ],
        axis=1,
    )


def embedding(seed, data_dir):
    (train, train_labels), (test, labels) = read_all()
    model = train_model(train, train_labels, seed)
    embeddings = model.encode(test)
    anchors = model.encode(np.unique(train["text"]), "text")
    relative = {
        name: kx.ops.relative_representation(x, anchors).numpy()
        for name, x in embeddings.items()
    }
    nearest = nearest_recordings(train["speech"], train_labels, test["speech"])
    nearest = nearest[:, labels]
    rows = []
    for query, candidate in DIRECTIONS:
        # Rows of similarities are embeddings whose candidates are one-hot.
        floor = kx.metrics.retrieval_report(
            nearest if query == "speech" else nearest.T, np.eye(len(labels))
        )
        ways = {"": embeddings}
        if "image" in (query, candidate):
            ways = {
                ", never trained on": embeddings,
                ", never trained on, through the texts": relative,
            }
        for way, sides in ways.items():
            report = kx.metrics.retrieval_report(sides[query], sides[candidate])
            rows += [
                {
                    "direction": f"{query} to {candidate}",
                    "data": DATA,
                    "measure": measure + way,
                    "model": report[measure],
                    "chance": report[f"chance_{measure}"],
                    "baseline": floor[measure],
                    "baseline_name": "the recording that sounds alike",
                }
                for measure in ("R@1", "R@5", "R@10")
            ]
    return rows


# Translation.

LATENT_DIM = 32
VAE_EPOCHS = 60
# Of each example; augmented lightly, for a VAE draws the mean of what it saw.
VAE_COPIES = 12
VAE_BATCH_SIZE = 64
# A text is one of 46 names, a picture 3,072 numbers: not to be drowned.
MODALITY_WEIGHTS = {"image": 0.1, "text": 20.0, "speech": 0.05}


def light_preprocessors(seed):
    """Pictures and recordings as they are drawn and spoken, or nearly so."""
    picture = kx.layers.ImageAugmentation(
        rotation=0.02,
        translation=0.03,
        zoom=0.05,
        stretch=0.0,
        shear=0.0,
        horizontal_flip=False,
        hue=0.02,
        saturation=0.1,
        contrast=0.1,
        gamma=0.0,
        grayscale=0.0,
        seed=seed,
    )
    recording = kx.layers.SpeechAugmentation(
        time_shift=0.0, speed=0.1, noise=0.0, seed=seed
    )
    return {
        "image": kx.networks.ImagePreprocessor((32, 32), augmentation=picture),
        "speech": kx.networks.SpeechPreprocessor(
            duration=DURATION, augmentation=recording
        ),
    }


def prepare(preprocessors, rows, labels, num_copies=1):
    """Pictures, spectrograms, and texts as numbers of concepts.

    All copies but the first are augmented.
    """
    x = {
        name: np.concatenate(
            [
                preprocess(rows[name], training=copy > 0)
                for copy in range(num_copies)
            ]
        )
        for name, preprocess in preprocessors.items()
    }
    return {**x, "text": np.tile(labels, num_copies)}


def tower(model, name, anchors):
    """A frozen tower, to the texts that its embedding may stand for."""
    encoder = model.encoders[name]
    inputs = keras.Input(encoder.input_shape[1:])
    x = model.projections[name](encoder(inputs))
    frozen = keras.Model(inputs, kx.ops.relative_representation(x, anchors))
    frozen.trainable = False
    return frozen


def decoder(shape, input_dim):
    """A vector to a tensor of that shape, through dense layers."""
    return keras.Sequential(
        [
            keras.Input((input_dim,)),
            layers.Dense(256, "silu"),
            layers.Dense(256, "silu"),
            layers.Dense(int(np.prod(shape))),
            layers.Reshape(shape),
        ]
    )


def train_translator(search, x, anchors, seed):
    """Train a VAE of three modalities, with the towers of a search model."""
    keras.utils.set_random_seed(seed)
    num_names = len(anchors)
    names = [layers.Embedding(num_names, num_names), layers.Flatten()]
    model = kx.VAEModel(
        latent_dim=LATENT_DIM,
        encoders={
            "image": tower(search, "image", anchors),
            "text": keras.Sequential([keras.Input((), dtype="int32"), *names]),
            "speech": tower(search, "speech", anchors),
        },
        decoders={
            "image": decoder(x["image"].shape[1:], LATENT_DIM),
            "text": decoder((num_names,), LATENT_DIM),
            "speech": decoder(x["speech"].shape[1:], LATENT_DIM),
        },
        likelihoods={
            "image": kx.likelihoods.Normal(0.3),
            "text": kx.likelihoods.Categorical(num_names),
            "speech": kx.likelihoods.Normal(0.3),
        },
        objective=kx.objectives.MMVAE(),
        modality_weights=MODALITY_WEIGHTS,
        seed=seed,
    )
    num_steps = VAE_EPOCHS * -(-len(x["text"]) // VAE_BATCH_SIZE)
    model.compile(make_optimizer(2e-3, num_steps))
    model.fit(x, batch_size=VAE_BATCH_SIZE, epochs=VAE_EPOCHS, verbose=0)
    return model


class Judge:
    """Names pictures or spectrograms; learns from real training data alone."""

    def __init__(self, x, labels, cell_size):
        self.features = gradients(x.shape[1:], cell_size)
        self.classifier = RidgeClassifier(1.0)
        self.classifier.fit(self.features.predict(x, verbose=0), labels)

    def accuracy(self, x, labels):
        """Share of the examples that are named right."""
        features = self.features.predict(x, verbose=0)
        return float(self.classifier.score(features, labels))


def nearest_labels(train, labels, queries):
    """The names of the training examples that are nearest, by their numbers."""
    known, asked = (
        kx.ops.l2_normalize(x.reshape(len(x), -1)).numpy()
        for x in (train, queries)
    )
    return labels[(asked @ known.T).argmax(axis=1)]


def vae(seed, data_dir):
    """Each modality made of each other one."""
    (train, train_labels), (test, labels) = read_all()
    search = train_model(train, train_labels, seed)
    anchors = np.asarray(search.encode(np.unique(train["text"]), "text"))
    preprocessors = light_preprocessors(seed)
    x = prepare(preprocessors, train, train_labels, VAE_COPIES)
    model = train_translator(search, x, anchors, seed)
    known = {name: values[: len(train_labels)] for name, values in x.items()}
    asked = prepare(preprocessors, test, labels)
    judges = {
        name: Judge(x[name], x["text"], cell_size)
        for name, cell_size in (("image", 4), ("speech", 5))
    }
    rows = []
    for source, target in itertools.permutations(MODALITIES, 2):
        made = model.translate({source: asked[source]}, target)
        guess = labels
        if source != "text":
            guess = nearest_labels(known[source], train_labels, asked[source])
        row = {
            "direction": f"{source} to {target}",
            "data": DATA,
            "chance": 1 / (train_labels.max() + 1),
            "baseline_name": "training example of the "
            + ("name" if source == "text" else f"nearest {source}"),
        }
        if target == "text":
            row |= {
                "measure": "names right",
                "model": float(np.mean(made.argmax(axis=-1) == labels)),
                "baseline": float(np.mean(guess == labels)),
            }
        else:
            judge = judges[target]
            example = np.array([np.argmax(train_labels == i) for i in guess])
            row |= {
                "measure": "named right by a judge",
                "model": judge.accuracy(made, labels),
                "baseline": judge.accuracy(known[target][example], labels),
                "real": judge.accuracy(asked[target], labels),
            }
        rows.append(row)
    return rows


CELLS = {"EmbeddingModel": embedding, "VAEModel": vae}
