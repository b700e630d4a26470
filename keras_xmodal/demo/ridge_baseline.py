"""The trivial baseline of the demo: a linear map from pixels to n-grams."""

import collections

import numpy as np


class RidgeBaseline:
    """Ridge regression from raw pixels to character n-grams of the caption.

    Texts are L2-normalised tf-idf vectors of their character 2- to 4-grams;
    pictures are mapped to that space by the regression `W = argmin |X W - Y|^2
    + alpha |W|^2`, solved in closed form, and compared by cosine. Nothing in
    it knows what a picture is, so that a network has to beat it.

    Args:
        alpha: Float > 0, the penalty, for pixels in [0, 1].
    """

    def __init__(self, alpha=300.0):
        self.alpha = float(alpha)

    def fit(self, images, texts):
        """Solve for the weights.

        Args:
            images: Array of shape `(examples, height, width, 3)`, uint8.
            texts: List of strings, one per example.

        Returns:
            The baseline itself.
        """
        counts = [_ngrams(text) for text in texts]
        document_count = collections.Counter(g for c in counts for g in c)
        self._column = {g: i for i, g in enumerate(sorted(document_count))}
        frequency = np.array([document_count[g] for g in self._column])
        self._idf = np.log((1 + len(texts)) / (1 + frequency)) + 1
        x, y = _pixels(images), self.encode_texts(texts)
        self._x_mean, self._y_mean = x.mean(axis=0), y.mean(axis=0)
        x = x - self._x_mean
        # The dual form: there are fewer examples than pixels.
        dual = np.linalg.solve(
            x @ x.T + self.alpha * np.eye(len(x), dtype="float32"),
            y - self._y_mean,
        )
        self._weights = x.T @ dual
        return self

    def encode_images(self, images):
        """Map pictures to n-gram space.

        Args:
            images: Array of shape `(examples, height, width, 3)`, uint8.

        Returns:
            Float32 array of shape `(examples, n-grams)`, L2-normalised.
        """
        x = _pixels(images) - self._x_mean
        return _normalize(x @ self._weights + self._y_mean)

    def encode_texts(self, texts):
        """Tf-idf vectors of texts; n-grams that are not known count nothing.

        Args:
            texts: List of strings.

        Returns:
            Float32 array of shape `(examples, n-grams)`, L2-normalised.
        """
        vectors = np.zeros((len(texts), len(self._column)), "float32")
        for row, text in zip(vectors, texts, strict=True):
            for ngram, count in _ngrams(text).items():
                if ngram in self._column:
                    row[self._column[ngram]] = count
        return _normalize(vectors * self._idf)


def _ngrams(text):
    text = text.lower()
    return collections.Counter(
        text[i : i + n] for n in (2, 3, 4) for i in range(len(text) - n + 1)
    )


def _pixels(images):
    return images.reshape(len(images), -1).astype("float32") / 255


def _normalize(x):
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return (x / np.maximum(norm, 1e-9)).astype("float32")
