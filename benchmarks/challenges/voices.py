"""Voices that training never had: the cell `voices` of `challenges/`."""

import keras
import numpy as np

import keras_xmodal as kx
from benchmarks.challenges.search import (
    mean_rows,
    read_emoji,
    recall_row,
    start_texts,
)
from benchmarks.directions import three
from keras_xmodal.recipes.towers import text_tower
from keras_xmodal.recipes.training import make_optimizer

VOICE_COPIES = 8  # of each recording, at all kinds of speed
VOICE_EPOCHS = 5  # about as many steps as `directions_three`


def read_voices():
    """Recordings of 46 concepts by each of the voices.

    Returns:
        Dict of `speech`, `text` and `voice`, and the numbers of the concepts.
    """
    data = kx.datasets.load(
        "emoji", "train", ("text", "speech"), columns=["voice"]
    )
    rows = [row for row, _ in data.as_numpy_iterator()]
    x = {
        key: np.array([row[key] for row in rows])
        for key in ("speech", "text", "voice")
    }
    return x, np.unique(x["text"], return_inverse=True)[1]


def train_listener(spectrograms, texts, labels, seed):
    """Speech and text in one space, each recording given in several copies.

    Args:
        spectrograms: Array `(copies, recordings, frames, 40)`.
        texts: Names that were spoken, `(recordings,)`.
        labels: Their numbers.
        seed: Integer.
    """
    keras.utils.set_random_seed(seed)
    known = read_emoji()[0]
    # A concept drawn in several styles has its names once.
    names = known["texts"][np.unique(known["id"], return_index=True)[1]]
    preprocessor, encoder, _ = text_tower(names.astype(str), with_words=True)
    gradients = three.gradients(spectrograms.shape[2:], 5)
    model = kx.EmbeddingModel(
        encoders={"speech": gradients, "text": encoder},
        embedding_dim=encoder.output_shape[-1],
        temperature=0.1,
    )
    model.build({name: e.input_shape for name, e in model.encoders.items()})
    start_texts(model)
    tokens = np.asarray(preprocessor(texts))
    copies = len(spectrograms)
    x = {
        "speech": np.concatenate(spectrograms),
        "text": np.tile(tokens, (copies, 1)),
    }
    targets = np.tile(model.encode(tokens, "text"), (copies, 1))
    kx.models.ridge_warm_start(
        model, kx.models.Preprocessed(speech=x["speech"]), targets
    )
    batch_size = three.BATCH_SIZE
    num_steps = VOICE_EPOCHS * -(-len(targets) // batch_size)
    model.compile(make_optimizer(1e-3, num_steps), loss=kx.losses.InfoNCE())
    model.fit(
        x,
        np.tile(labels, copies),
        batch_size=batch_size,
        epochs=VOICE_EPOCHS,
        verbose=0,
    )
    return model, tokens


def voices(seed, data_dir):
    """Each voice held out in turn, and recordings of voices that are known.

    A known voice is one that training heard say other words, and its words
    others: of each concept one recording is held out, of another voice each
    time. So both learn from 138 recordings and are tested on 46.
    """
    x, labels = read_voices()
    names, voice_of = np.unique(x["voice"], return_inverse=True)
    preprocess = three.speech_preprocessor(seed)
    keras.utils.set_random_seed(seed)
    copies = np.stack(
        [preprocess(x["speech"])]
        + [preprocess(x["speech"], training=True) for _ in range(VOICE_COPIES)]
    )
    held_out = {
        f"unseen voice {name.decode()}": voice_of == i
        for i, name in enumerate(names)
    }
    is_turn = voice_of == (labels + seed) % len(names)
    turns = {"seen voice, unseen recording": is_turn, **held_out}
    results = {
        data: listen(x, labels, copies, is_test, data, seed)
        for data, is_test in turns.items()
    }
    mean = "unseen voice, mean of four"
    results[mean] = [
        row | {"data": mean}
        for row in mean_rows([results[data] for data in held_out])
    ]
    return [row for rows in results.values() for row in rows]


def listen(x, labels, copies, is_test, data, seed):
    """Learn from some of the recordings, and ask about the others."""
    model, tokens = train_listener(
        copies[:, ~is_test], x["text"][~is_test], labels[~is_test], seed
    )
    test = labels[is_test]
    sounds = model.encode(copies[0, is_test], "speech")
    texts = model.encode(tokens[np.unique(labels[~is_test], True)[1]], "text")
    nearest = three.nearest_recordings(
        x["speech"][~is_test], labels[~is_test], x["speech"][is_test]
    )
    concepts = np.arange(len(texts))
    reports = {
        "speech to text": [
            kx.metrics.retrieval_report(queries, candidates, test, concepts)
            for queries, candidates in (
                (sounds, texts),
                # Rows of similarities, whose candidates are one-hot.
                (nearest, np.eye(len(concepts))),
            )
        ],
        "text to speech": [
            kx.metrics.retrieval_report(queries, candidates, concepts, test)
            for queries, candidates in (
                (texts, sounds),
                (nearest.T, np.eye(len(test))),
            )
        ],
    }
    return [
        recall_row(direction, data, *both, "the recording that sounds alike")
        for direction, both in reports.items()
    ]
