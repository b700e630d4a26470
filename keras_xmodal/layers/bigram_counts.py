"""Texts as counts of pairs of neighbouring tokens."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.ops.bigrams import bigram_counts
from keras_xmodal.saving import register


@register
class BigramCounts(keras.layers.Layer):
    """Count the pairs of neighbouring tokens in texts.

    With characters as tokens, these counts say much of how a text is spelt, in
    a vector of one size. `CTCBigramCounts` has the same counts of what is
    heard, and the cosine of the two finds the recording of a text.

    Args:
        vocabulary_size: Integer above 1, number of token ids, padding included;
            `preprocessor.vocabulary_size()` of a `TextPreprocessor`.
        **kwargs: Arguments of `keras.layers.Layer`. The counts are float32
            under every `dtype` policy.

    Call arguments:
        tokens: Integer tensor of shape `(batch, length)`, padded with 0 at the
            end. In a graph of your own, ids beyond the vocabulary count for
            nothing; elsewhere they are an error.

    Returns:
        Float32 tensor of shape `(batch, vocabulary_size ** 2)`; the count of
        `a` before `b` is at `a * vocabulary_size + b`, and 0 stands for the
        start and the end of a text.

    Raises:
        ValueError: If `vocabulary_size` or a token is out of range, or the
            tokens have another rank.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        texts = kx.networks.TextPreprocessor(split="character")
        texts.adapt(["red", "green"])
        layer = kx.layers.BigramCounts(texts.vocabulary_size())
        layer(texts(np.array(["red", "green"]))).shape  # (2, 49)
        ```

    Reference:
        - Shannon, 1948, https://doi.org/10.1002/j.1538-7305.1948.tb01338.x,
          section 3 (digrams)
    """

    def __init__(self, vocabulary_size: int, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = checks.integer(
            "vocabulary_size", vocabulary_size, least=2
        )
        # What models check before their data goes into a graph.
        self.input_range = (0, self.vocabulary_size - 1)

    def call(self, tokens):
        checks.shape("tokens", tokens.shape, ("batch", "length"))
        checks.known_values("tokens", tokens, *self.input_range)
        counts = bigram_counts(tokens, self.vocabulary_size)
        return ops.reshape(counts, (-1, self.vocabulary_size**2))

    def compute_output_spec(self, tokens):
        shape = (tokens.shape[0], self.vocabulary_size**2)
        return keras.KerasTensor(shape, "float32")
