"""Image, text and speech in one model: the cell of `directions.py`.

Of the bundled sample, 46 seen concepts are drawn, written and spoken. One
`EmbeddingModel` learns images with texts, and speech with texts; images and
speech are never compared in training. Then recordings of a voice that training
never had search pictures in a style that it never had.
"""

import keras
import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.cli import recipe

VOICE = b"slt"  # held out
DURATION = 1.0  # seconds
EPOCHS = 180
BATCH_SIZE = 46
MODALITIES = ("image", "text", "speech")
DIRECTIONS = (
    ("speech", "text"),
    ("text", "speech"),
    ("speech", "image"),
    ("image", "speech"),
)


def read(split, is_voice_held_out):
    """Pictures, names and recordings of the concepts that have all three."""
    data = kx.datasets.load("emoji", split, MODALITIES)
    rows = [
        row
        for row in data.as_numpy_iterator()
        if (row["voice"] == VOICE) == is_voice_held_out
    ]
    x = {key: np.array([row[key] for row in rows]) for key in MODALITIES}
    return x, np.array([row["id"] for row in rows])


def build_model(seed):
    """The demo's towers in their closed-form start, and one for speech."""
    start = recipe.build_model(recipe.read_train(), seed)
    speech = kx.networks.SpeechPreprocessor(
        duration=DURATION, augmentation=kx.layers.SpeechAugmentation(seed=seed)
    )
    encoder = kx.networks.SpeechEncoder(
        speech.num_frames,
        augmentation=kx.layers.SpecAugment(
            max_frequency_mask=8, max_time_mask=10, seed=seed
        ),
    )
    model = kx.EmbeddingModel(
        encoders={**start.encoders, "speech": encoder},
        embedding_dim=start.embedding_dim,
        preprocessors={**start.preprocessors, "speech": speech},
        pairs=[("image", "text"), ("speech", "text")],
        temperature=recipe.TEMPERATURE,
    )
    model.build({name: e.input_shape for name, e in model.encoders.items()})
    for name, projection in start.projections.items():
        model.projections[name].set_weights(projection.get_weights())
    return model


def fit(model, x, ids, seed):
    """Train with AdamW and a cosine schedule."""
    raw = tf.data.Dataset.from_tensor_slices((x, ids))
    raw = raw.shuffle(len(ids), seed=seed).batch(BATCH_SIZE)
    model.compile(
        recipe.make_optimizer(1e-3, EPOCHS * len(raw)),
        loss=kx.losses.InfoNCE(),
    )
    model.fit(model.preprocess(raw, training=True), epochs=EPOCHS, verbose=0)


def nearest_recordings(train, train_ids, queries, ids):
    """The trivial baseline: the concept of the recording that sounds alike.

    Returns:
        Cosines of the queries' log-mel spectrograms with the nearest training
        recording of each concept of `ids`, `(queries, concepts)`.
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
        [cosines[:, train_ids == concept].max(axis=1) for concept in ids], 1
    )


def embedding(seed, data_dir):
    keras.utils.set_random_seed(seed)
    train, train_ids = read("train", is_voice_held_out=False)
    test, ids = read("test_style", is_voice_held_out=True)
    model = build_model(seed)
    fit(model, train, train_ids, seed)
    embeddings = model.encode(test)
    nearest = nearest_recordings(
        train["speech"], train_ids, test["speech"], ids
    )
    rows = []
    for query, candidate in DIRECTIONS:
        report = kx.metrics.retrieval_report(
            embeddings[query], embeddings[candidate]
        )
        # Rows of similarities are embeddings whose candidates are one-hot.
        floor = kx.metrics.retrieval_report(
            nearest if query == "speech" else nearest.T, np.eye(len(ids))
        )
        never = "never trained on, " if "image" in (query, candidate) else ""
        rows += [
            {
                "direction": f"{query} to {candidate}",
                "data": f"emoji, {never}unseen voice and style",
                "measure": measure,
                "model": report[measure],
                "chance": report[f"chance_{measure}"],
                "baseline": floor[measure],
                "baseline_name": "the recording that sounds alike",
            }
            for measure in ("R@1", "R@5", "R@10")
        ]
    return rows


CELLS = {"EmbeddingModel": embedding}
