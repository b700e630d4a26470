"""The strongest baseline for read sentences that we know of, without a network.

A sentence takes as long as it has letters, and what is written early in it is
heard early. So both sides are described in relative time: a recording by its
log-mel spectrum in equal parts from its first to its last sound, a text by its
n-grams in quarters, and each by its length. A kernel ridge regression maps
recordings to texts. On the English prompts of "spoken_prompts" this finds twice
as much as a regression from the spectrum in absolute time to n-grams alone.
"""

import collections
import itertools

import numpy as np

PARTS = (4, 8, 16)  # of a recording, all of them
QUARTERS = 4  # of a text
NGRAMS = (1, 2, 3)
LENGTH = 0.6  # the weight of a text's length beside its n-grams
PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3)
FOLDS = 5
FRAMES_PER_SECOND = 100


class AlignedRidge:
    """Kernel ridge regression from spectrograms to texts, in relative time.

    The penalty is that which finds the texts of left-out recordings best.
    """

    def fit(self, spectrograms, texts):
        """Learn from pairs.

        Args:
            spectrograms: Log-mel spectrograms from 0, silence at the end, of
                shape `(examples, frames, bands)`.
            texts: List of strings.
        """
        self._texts = _Texts(texts)
        targets = self.encode_texts(texts)
        blocks = _blocks(spectrograms)
        self._scales = [_scale(block) for block in blocks]
        self._x = self._standardise(blocks)
        distances = _distances(self._x, self._x)
        self._width = np.median(distances)
        kernel = np.exp(-distances / self._width)
        self._mean = targets.mean(axis=0)
        penalty = max(
            PENALTIES, key=lambda penalty: _held_out(kernel, targets, penalty)
        )
        self._weights = _solve(kernel, targets - self._mean, penalty)
        return self

    def encode(self, spectrograms):
        """Unit vectors of recordings, of shape `(examples, dim)`."""
        x = self._standardise(_blocks(spectrograms))
        kernel = np.exp(-_distances(x, self._x) / self._width)
        return _unit(kernel @ self._weights + self._mean)

    def encode_texts(self, texts):
        """Unit vectors of texts, of shape `(examples, dim)`."""
        return self._texts(texts)

    def _standardise(self, blocks):
        parts = [
            (block - mean) / scale
            for block, (mean, scale) in zip(blocks, self._scales, strict=True)
        ]
        return np.concatenate(parts, axis=1)


class _Texts:
    """N-grams by the part of the text they are in, and its length."""

    def __init__(self, texts):
        counts = collections.Counter(
            gram for text in texts for gram in {g for g, _ in _places(text)}
        )
        known = sorted(gram for gram, count in counts.items() if count > 1)
        self._column = {gram: place for place, gram in enumerate(known)}
        frequency = np.array([counts[gram] for gram in known])
        self._idf = np.log((1 + len(texts)) / (1 + frequency)) + 1
        self._length = np.log(np.mean([len(text) for text in texts]))

    def __call__(self, texts):
        grams = np.zeros((len(texts), len(self._column), QUARTERS), "float32")
        for row, text in zip(grams, texts, strict=True):
            for gram, place in _places(text):
                if gram in self._column:
                    row[self._column[gram]] += _bumps(
                        place, np.arange(0.5, QUARTERS) / QUARTERS, 0.15
                    )
        grams = (grams * self._idf[:, None]).reshape(len(texts), -1)
        lengths = 2 * (np.log([len(t) for t in texts]) - self._length)
        lengths = _bumps(lengths[:, None], np.linspace(-2, 2, 9), 0.35)
        parts = [_unit(grams), LENGTH * _unit(lengths)]
        return _unit(np.concatenate(parts, axis=1))


def _places(text):
    """All n-grams of a text, and where their middle is, from 0 to 1."""
    text = text.lower()
    return [
        (text[start : start + n], (start + n / 2) / len(text))
        for n in NGRAMS
        for start in range(len(text) - n + 1)
    ]


def _blocks(spectrograms):
    """Spectra of the parts of recordings, and their seconds."""
    parts = {num_parts: [] for num_parts in PARTS}
    seconds = []
    for frames in spectrograms:
        loudness = frames.mean(axis=1)
        sounds = np.flatnonzero(loudness > 0.02 * loudness.max())
        sound = frames[sounds[0] : sounds[-1] + 1] if len(sounds) else frames
        seconds.append(len(sound) / FRAMES_PER_SECOND)
        for num_parts, rows in parts.items():
            edges = np.linspace(0, len(sound), num_parts + 1)
            rows.append(
                [
                    sound[int(a) : max(int(np.ceil(b)), int(a) + 1)].mean(0)
                    for a, b in itertools.pairwise(edges)
                ]
            )
    longest = len(spectrograms[0]) / FRAMES_PER_SECOND
    lengths = np.linspace(0, longest, round(3 * longest))
    return [
        *(np.array(rows).reshape(len(rows), -1) for rows in parts.values()),
        _bumps(np.array(seconds)[:, None], lengths, 0.35),
    ]


def _bumps(values, centres, width):
    """How near values are to some centres."""
    return np.exp(-0.5 * ((values - centres) / width) ** 2)


def _scale(block):
    """Mean and scale that make a block of mean square 1, whatever its size."""
    mean, deviation = block.mean(axis=0), block.std(axis=0)
    deviation = deviation + 0.1 * block.std()
    squares = (((block - mean) / deviation) ** 2).sum(axis=1)
    return mean, deviation * np.sqrt(squares.mean())


def _distances(a, b):
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.maximum(squares, 0)


def _solve(kernel, targets, penalty):
    return np.linalg.solve(kernel + penalty * np.eye(len(kernel)), targets)


def _held_out(kernel, targets, penalty):
    """Mean reciprocal rank of the texts of recordings that are left out."""
    order = np.random.default_rng(0).permutation(len(kernel))
    ranks = []
    for fold in range(FOLDS):
        asked, known = order[fold::FOLDS], np.delete(order, np.s_[fold::FOLDS])
        mean = targets[known].mean(axis=0)
        weights = _solve(
            kernel[np.ix_(known, known)], targets[known] - mean, penalty
        )
        found = _unit(kernel[np.ix_(asked, known)] @ weights + mean)
        scores = found @ targets[asked].T
        right = scores.diagonal()[:, None]
        ranks.append((scores >= right).sum(axis=1))
    return np.mean(1 / np.concatenate(ranks))


def _unit(rows):
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-9)
