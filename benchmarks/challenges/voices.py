"""Voices that training never had: the cell `voices` of `challenges/`."""

import numpy as np

import keras_xmodal as kx
from benchmarks.challenges.search import mean_rows, recall_row
from benchmarks.directions import three


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


def voices(seed, data_dir):
    """Each voice held out in turn, and recordings of voices that are known.

    A known voice is one that training heard say other words, and its words
    others: of each concept one recording is held out, of another voice each
    time. So both learn from 138 recordings and are tested on 46.
    """
    x, labels = read_voices()
    names, voice_of = np.unique(x["voice"], return_inverse=True)
    held_out = {
        f"unseen voice {name.decode()}": voice_of == i
        for i, name in enumerate(names)
    }
    is_turn = voice_of == (labels + seed) % len(names)
    turns = {"seen voice, unseen recording": is_turn, **held_out}
    results = {
        data: listen(x, labels, is_test, data, seed)
        for data, is_test in turns.items()
    }
    mean = "unseen voice, mean of four"
    results[mean] = [
        row | {"data": mean}
        for row in mean_rows([results[data] for data in held_out])
    ]
    return [row for rows in results.values() for row in rows]


def listen(x, labels, is_test, data, seed):
    """Learn from some of the recordings, and ask about the others."""
    # Of each word, the recipe stops by one recording that it does not hear.
    voice_of = np.unique(x["voice"], return_inverse=True)[1]
    order = np.lexsort(((voice_of + labels) % 4, is_test, labels))
    is_held_out = np.zeros(len(labels), bool)
    is_held_out[order[np.unique(labels[order], return_index=True)[1]]] = True

    def take(rows):
        names = ("speech", "text")
        return {name: x[name][rows] for name in names}, labels[rows]

    recipe = kx.recipes.embedding(
        take(~is_test & ~is_held_out), take(is_held_out), seed=seed, verbose=0
    )
    recipe.fit()
    test = labels[is_test]
    sounds = recipe.model.encode(x["speech"][is_test], "speech")
    names = np.unique(x["text"]).astype(str)
    texts = recipe.model.encode(names, "text")
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
