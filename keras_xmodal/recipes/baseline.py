"""The baseline of a recipe: ridge regression on raw data."""

from collections.abc import Sequence

import numpy as np

from keras_xmodal.models.embedding.ridge import Ridge
from keras_xmodal.recipes.pairs import Pairs
from keras_xmodal.recipes.retrieval import reports, score, to_unit
from keras_xmodal.recipes.ridge_baseline import NgramVectors
from keras_xmodal.recipes.start import Start

PENALTIES = (0.1, 1.0, 10.0, 100.0)
_MAX_ROWS = 4000


class Baseline:
    """Raw data to n-grams of the texts, or to other raw data, linearly.

    Its penalties are those that are best on the validation items: a strong
    baseline.
    """

    def __init__(self, start: Start):
        self._start, self._anchor = start, start.anchor
        self._kinds = start.train.kinds
        there = start.train.there[self._anchor]
        values = start.train.x[self._anchor][there]
        if self._kinds[self._anchor] == "text":
            self._texts = NgramVectors().fit(values.ravel().tolist())
        others = [name for name in start.train.x if name != self._anchor]
        self._maps = {name: self._fit(name) for name in others}

    def _fit(self, name):
        train, asked = self._start.train, self._start.asked
        rows = np.flatnonzero(train.there[name] & train.there[self._anchor])
        rows = rows[:: -(-len(rows) // _MAX_ROWS)]
        x = self._start.plain(name, train.x[name][rows])
        anchors = train.x[self._anchor][rows]
        if self._kinds[self._anchor] == "text":
            anchors = anchors[:, 0]
        y = self._anchors(anchors)
        ridge = Ridge(x, y, np.ones(len(rows)))
        unseen = self._start.plain(name, asked[name][0])
        targets = self._anchors(asked[self._anchor][0])
        best: tuple = (-1.0, None)
        for penalty in PENALTIES:
            kernel, bias = ridge.solve(penalty)
            embedded = {
                name: (to_unit(unseen @ kernel + bias), asked[name][1]),
                self._anchor: (targets, asked[self._anchor][1]),
            }
            value = score(embedded, [(name, self._anchor)])
            if value > best[0]:
                best = value, (kernel, bias)
        return best[1]

    def _anchors(self, values):
        if self._kinds[self._anchor] == "text":
            return self._texts.encode([str(text) for text in values])
        return to_unit(self._start.plain(self._anchor, values))

    def evaluate(
        self, pairs: Pairs, asked: Sequence[tuple[str, str]]
    ) -> dict[str, dict]:
        """Retrieval reports by direction, of data that the start has shrunk."""
        embedded = {}
        for name in pairs.x:
            values, ids = pairs.distinct(name)
            if name == self._anchor:
                embedded[name] = self._anchors(values), ids
            else:
                kernel, bias = self._maps[name]
                x = self._start.plain(name, values)
                embedded[name] = to_unit(x @ kernel + bias), ids
        return reports(embedded, asked)
