"""Texts as sequences of tokens."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.networks.attention import attend, check_heads, masked_mean
from keras_xmodal.saving import register


@register
class TransformerTextEncoder(keras.Model):
    """Read a text with a small transformer and average its last states.

    Pre-norm blocks of self-attention over the tokens that are no padding, and
    learned positions. Unlike `TextEncoder` it sees the order of the tokens,
    and it needs more texts to learn from.

    Args:
        vocabulary_size: Integer above 1, number of token ids;
            `preprocessor.vocabulary_size()` of a `TextPreprocessor`.
        sequence_length: Positive integer, the longest text in tokens; what
            goes beyond is cut off.
        hidden_dim: Positive integer, size of the states; a multiple of
            `num_heads`.
        num_layers: Positive integer, number of blocks.
        num_heads: Positive integer, number of attention heads.
        intermediate_dim: Positive integer, width inside the feed-forward
            part, `None` for four times `hidden_dim`.
        dropout: Float in [0, 1), dropout of the embeddings and of what each
            block adds.
        dtype: Dtype policy of the layers, `None` for the global one.
        **kwargs: `name` and `trainable`.

    Call arguments:
        inputs: Integer tensor of token ids of shape `(batch, sequence)`; 0 is
            padding, which changes nothing when it is on the right.

    Returns:
        Tensor of shape `(batch, hidden_dim)`, zeros for a text that is all
        padding.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        encoder = kx.networks.TransformerTextEncoder(1000, 16, hidden_dim=64)
        encoder(np.array([[5, 7, 0, 0], [9, 2, 2, 4]])).shape  # (2, 64)
        ```

    Reference:
        - Xiong et al., 2020, https://arxiv.org/abs/2002.04745, section 3.1
    """

    def __init__(
        self,
        vocabulary_size: int,
        sequence_length: int = 64,
        hidden_dim: int = 128,
        num_layers: int = 2,
        num_heads: int = 4,
        intermediate_dim: int | None = None,
        dropout: float = 0.1,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        checks.keyword_arguments(self, kwargs)
        vocabulary_size = checks.integer(
            "vocabulary_size", vocabulary_size, least=2
        )
        sequence_length = checks.positive_integer(
            "sequence_length", sequence_length
        )
        hidden_dim, num_heads = check_heads(hidden_dim, num_heads)
        num_layers = checks.positive_integer("num_layers", num_layers)
        intermediate_dim = checks.positive_integer(
            "intermediate_dim", intermediate_dim, optional=True
        )
        dropout = checks.in_range("dropout", dropout, 0, 1, "[)")
        policy = keras.dtype_policies.get(dtype)

        # Layers
        initializer = keras.initializers.RandomNormal(stddev=0.02)
        token_embedding = keras.layers.Embedding(
            vocabulary_size,
            hidden_dim,
            embeddings_initializer=initializer,
            dtype=policy,
            name="token_embedding",
        )
        position_embedding = keras.layers.Embedding(
            sequence_length,
            hidden_dim,
            embeddings_initializer=initializer.clone(),
            dtype=policy,
            name="position_embedding",
        )

        # Functional graph
        inputs = keras.Input((None,), dtype="int32", name="tokens")
        # 0, 1, 2, ... of a length that only a batch tells.
        positions = ops.cumsum(ops.ones_like(inputs), axis=1) - 1
        tokens = ops.where(positions < sequence_length, inputs, 0)
        positions = ops.minimum(positions, sequence_length - 1)
        is_token = ops.not_equal(tokens, 0)  # (batch, sequence)
        x = token_embedding(tokens) + position_embedding(positions)
        x = attend(
            x,
            is_token,
            num_layers,
            num_heads,
            intermediate_dim or 4 * hidden_dim,
            dropout,
            policy,
        )
        x = masked_mean(x, is_token)
        super().__init__(inputs=inputs, outputs=x, **kwargs)

        # Config
        self.vocabulary_size = vocabulary_size
        self.sequence_length = sequence_length
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.dtype_policy = policy

    @property
    def input_range(self):
        """First and last token id."""
        return 0, self.vocabulary_size - 1
