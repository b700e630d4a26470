"""Texts as bags of tokens."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.saving import register


@register
class TextEncoder(keras.Model):
    """Average the embeddings of a text's tokens.

    The order of the tokens does not count; with character n-grams as tokens
    much of it is in them already, and words that training never showed still
    share parts with words that it did. A strong and cheap start for short
    texts, names and keywords.

    Args:
        vocabulary_size: Integer above 1, number of token ids;
            `preprocessor.vocabulary_size()` of a `TextPreprocessor`.
        embedding_dim: Positive integer, size of the token embeddings.
        hidden_dims: Tuple of positive integers, the widths of hidden layers
            after the average; none by default.
        embedding_scale: Positive float, length of the token embeddings at the
            start, when they are nearly at right angles to each other. An
            optimizer such as Adam turns longer ones more slowly.
        trainable_embeddings: Whether training changes the token embeddings.
            Frozen ones, random or given to the layer `token_embedding` by
            `set_weights`, make a step much cheaper.
        token_dropout: Float in [0, 1), share of a text's tokens that training
            leaves out of the average.
        dropout: Float in [0, 1), dropout before each hidden layer.
        dtype: Dtype policy of the layers, `None` for the global one.
        **kwargs: `name` and `trainable`.

    Call arguments:
        inputs: Integer tensor of token ids of shape `(batch, sequence)`; 0 is
            padding, which changes nothing.

    Returns:
        Tensor of shape `(batch, dim)`, `dim` being the last of `hidden_dims`
        or else `embedding_dim`. A text that is all padding has the average
        zero.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        encoder = kx.networks.TextEncoder(1000, embedding_dim=64)
        encoder(np.array([[5, 7, 0, 0], [9, 2, 2, 4]])).shape  # (2, 64)
        ```

    Reference:
        - Joulin et al., 2017, https://arxiv.org/abs/1607.01759, section 2
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int = 256,
        hidden_dims: Sequence[int] = (),
        embedding_scale: float = 1.0,
        trainable_embeddings: bool = True,
        token_dropout: float = 0.0,
        dropout: float = 0.0,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        checks.keyword_arguments(self, kwargs)
        vocabulary_size = checks.integer(
            "vocabulary_size", vocabulary_size, least=2
        )
        embedding_dim = checks.positive_integer("embedding_dim", embedding_dim)
        hidden_dims = checks.positive_integers(
            "hidden_dims", hidden_dims, empty=True
        )
        embedding_scale = checks.positive("embedding_scale", embedding_scale)
        token_dropout = checks.in_range(
            "token_dropout", token_dropout, 0, 1, "[)"
        )
        dropout = checks.in_range("dropout", dropout, 0, 1, "[)")
        policy = keras.dtype_policies.get(dtype)

        # Layers
        embedding = keras.layers.Embedding(
            vocabulary_size,
            embedding_dim,
            embeddings_initializer=keras.initializers.RandomNormal(
                stddev=embedding_scale * embedding_dim**-0.5
            ),
            trainable=checks.boolean(
                "trainable_embeddings", trainable_embeddings
            ),
            dtype=policy,
            name="token_embedding",
        )
        # What a token weighs is float32 under every policy.
        drop_tokens = keras.layers.Dropout(
            token_dropout, dtype="float32", name="token_dropout"
        )

        # Functional graph
        tokens = keras.Input((None,), dtype="int32", name="tokens")
        is_token = ops.cast(ops.not_equal(tokens, 0), "float32")
        weights = drop_tokens(is_token)  # (batch, sequence)
        x = ops.cast(embedding(tokens), "float32")
        x = ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), x), 1)
        total = ops.sum(weights, axis=1, keepdims=True)  # (batch, 1)
        x = x / ops.where(total > 0, total, 1.0)
        for index, dim in enumerate(hidden_dims):
            x = keras.layers.LayerNormalization(
                dtype=policy, name=f"hidden_norm_{index}"
            )(x)
            if dropout:
                x = keras.layers.Dropout(
                    dropout, dtype=policy, name=f"hidden_dropout_{index}"
                )(x)
            x = keras.layers.Dense(
                dim,
                activation="silu",
                kernel_initializer="he_normal",
                dtype=policy,
                name=f"hidden_{index}",
            )(x)
        super().__init__(inputs=tokens, outputs=x, **kwargs)

        # Config
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.hidden_dims = hidden_dims
        self.embedding_scale = embedding_scale
        self.trainable_embeddings = trainable_embeddings
        self.token_dropout = token_dropout
        self.dropout = dropout
        self.dtype_policy = policy

    @property
    def input_range(self):
        """First and last token id."""
        return 0, self.vocabulary_size - 1
