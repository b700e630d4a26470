"""The trivial baseline: a linear map from raw data to character n-grams."""

import collections

import numpy as np

from keras_xmodal.recipes.retrieval import to_unit

MAX_NGRAMS = 20_000


class RidgeBaseline:
    """Ridge regression from raw vectors to character n-grams of the caption.

    Texts are L2-normalised tf-idf vectors of their character 2- to 4-grams;
    pixels or other numbers are mapped to that space by the regression `W =
    argmin |X W - Y|^2 + alpha |W|^2`, solved in closed form, and compared by
    cosine. Nothing in it knows what a picture is, so that a network has to
    beat it.

    Args:
        alpha: Float > 0, the penalty, for numbers in [0, 1], as bytes become.
    """

    def __init__(self, alpha=300.0):
        self.alpha = float(alpha)

    def fit(self, vectors, texts):
        """Solve for the weights.

        Args:
            vectors: Array of shape `(examples, ...)`: uint8, such as pictures,
                or floats.
            texts: List of strings, one per example.

        Returns:
            The baseline itself.
        """
        self._texts = NgramVectors().fit(texts)
        x, y = _numbers(vectors), self.encode_texts(texts)
        self._x_mean, self._y_mean = x.mean(axis=0), y.mean(axis=0)
        x = x - self._x_mean
        # The dual form: there are fewer examples than numbers.
        dual = np.linalg.solve(
            x @ x.T + self.alpha * np.eye(len(x), dtype="float32"),
            y - self._y_mean,
        )
        self._weights = x.T @ dual
        return self

    def encode(self, vectors):
        """Map raw vectors to n-gram space.

        Args:
            vectors: Array of shape `(examples, ...)`, as for `fit`.

        Returns:
            Float32 array of shape `(examples, n-grams)`, L2-normalised.
        """
        x = _numbers(vectors) - self._x_mean
        return to_unit(x @ self._weights + self._y_mean)

    def encode_texts(self, texts):
        """Tf-idf vectors of texts; n-grams that are not known count nothing.

        Args:
            texts: List of strings.

        Returns:
            Float32 array of shape `(examples, n-grams)`, L2-normalised.
        """
        return self._texts.encode(texts)


class NgramVectors:
    """Texts as L2-normalised tf-idf vectors of character 2- to 4-grams."""

    def fit(self, texts):
        """Learn the n-grams, and how many texts hold them."""
        counts = [_ngrams(text) for text in texts]
        documents = collections.Counter(g for c in counts for g in c)
        kept = dict(documents.most_common(MAX_NGRAMS))
        self._column = {g: i for i, g in enumerate(sorted(kept))}
        frequency = np.array([kept[g] for g in self._column])
        self._idf = np.log((1 + len(texts)) / (1 + frequency)) + 1
        return self

    def encode(self, texts):
        """Float32 array of shape `(texts, n-grams)`."""
        vectors = np.zeros((len(texts), len(self._column)), "float32")
        for row, text in zip(vectors, texts, strict=True):
            for ngram, count in _ngrams(text).items():
                if ngram in self._column:
                    row[self._column[ngram]] = count
        return to_unit(vectors * self._idf)


def _ngrams(text):
    text = text.lower()
    return collections.Counter(
        text[i : i + n] for n in (2, 3, 4) for i in range(len(text) - n + 1)
    )


def _numbers(x):
    scale = 255 if x.dtype == np.uint8 else 1
    return x.reshape(len(x), -1).astype("float32") / scale
