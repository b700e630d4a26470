"""Texts as sequences of token ids."""

import tensorflow as tf

from keras_xmodal import checks, saving
from keras_xmodal.likelihoods.categorical import Categorical


@saving.register
class TokenSequence(Categorical):
    """Token ids of shape `(length,)`, padding not counted.

    The log-probability of a sequence is the sum over its tokens, given the
    logits `(length, vocabulary_size)` of the decoder. Whether these depend on
    the tokens before (an autoregressive decoder) or on the latent alone is
    the decoder's business. `sample` and `mode` treat positions on their own:
    they suit decoders that are not autoregressive.

    The sum is that of a sequence of known length. To have the length
    modelled too, let the texts end with a token of their own.

    Args:
        vocabulary_size: Integer > 0; ids are from 0 to `vocabulary_size - 1`.
        padding_id: Integer id of the positions that do not count, or None
            where all do.

    Raises:
        ValueError: If `vocabulary_size` is not a positive integer, or
            `padding_id` is not one of its ids.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        likelihood = kx.likelihoods.TokenSequence(vocabulary_size=100)
        print(likelihood.parameter_shape((16,)))  # (16, 100)
        ids = np.array([[7, 8, 9, 0]])
        logits = np.zeros((1, 4, 100), "float32")
        print(likelihood.log_prob(ids, logits))  # -3 log(100) = -13.8
        ```

    Reference:
        - Bowman et al., 2016, https://arxiv.org/abs/1511.06349
    """

    def __init__(self, vocabulary_size: int, padding_id: int | None = 0):
        size = checks.positive_integer("vocabulary_size", vocabulary_size)
        super().__init__(num_classes=size)
        self.padding_id = checks.integer(
            "padding_id", padding_id, 0, size - 1, optional=True
        )

    @property
    def vocabulary_size(self):
        return self.num_classes

    def element_log_prob(self, x, parameters):
        log_probs = super().element_log_prob(x, parameters)
        if self.padding_id is None:
            return log_probs
        return tf.where(x == self.padding_id, 0.0, log_probs)
