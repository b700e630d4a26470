"""A model of an image and a text, whose outputs a test knows."""

import numpy as np


class FakeGenerator:
    """Images are of one gray, by the seed or the source; texts are ids."""

    modalities = generated = ("image", "text")

    def __init__(self):
        self.calls = []

    def generate(self, num_examples, output, seed):
        self.calls.append((num_examples, output, seed))
        gray = np.random.default_rng(seed).random(num_examples)
        return self._decode(gray, output)

    def translate(self, x, to, output):
        self.calls.append((tuple(x), to, output))
        gray = 1 - next(iter(x.values())).reshape(
            len(next(iter(x.values()))), -1
        )
        return self._decode(gray[:, 0], output)[to]

    def _decode(self, gray, output):
        ids = np.floor(gray * 10).astype("int32")
        return {
            "image": np.ones((len(gray), 4, 4, 1)) * gray[:, None, None, None],
            "text": ids[:, None]
            if output == "mode"
            else np.eye(10)[ids][:, None],
        }


def to_text(ids):
    """`3` is written as "word 3"."""
    return [f"word {row[0]}" for row in ids]
