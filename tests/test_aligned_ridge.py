"""The baseline of real speech finds sentences by rhythm and spectrum alone."""

import numpy as np

from benchmarks.directions.aligned_ridge import AlignedRidge

LETTERS = "abcdefgh"


def say(text, rng):
    """A band for each letter, twelve frames long, in silence."""
    frames = np.zeros((400, len(LETTERS)), "float32")
    start = rng.integers(0, 60)
    for place, letter in enumerate(text):
        first = start + 12 * place
        frames[first : first + 12, LETTERS.index(letter)] = 1
    return frames + 0.01 * rng.random(frames.shape, "float32")


def test_unseen_sentences_are_found():
    rng = np.random.default_rng(0)
    texts = [
        "".join(rng.choice([*LETTERS], rng.integers(6, 24))) for _ in range(300)
    ]
    spoken = np.stack([say(text, rng) for text in texts])
    ridge = AlignedRidge().fit(spoken[:260], texts[:260])
    heard, read = ridge.encode(spoken[260:]), ridge.encode_texts(texts[260:])
    np.testing.assert_allclose(np.linalg.norm(heard, axis=1), 1, atol=1e-6)
    for scores in (heard @ read.T, read @ heard.T):
        assert (
            np.mean(scores.argmax(axis=1) == np.arange(40)) > 0.7
        )  # of chance .025
