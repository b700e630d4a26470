"""A feature map that looks at a sequence."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.saving import register


@register
class TokenAttention(keras.layers.Layer):
    """Let each position of a feature map attend to the tokens of a sequence.

    `x + gate * attention(norm(x), tokens)`, where the gate, one number for each
    channel, starts at zero: at first the layer passes `x` on. Words of a
    caption reach the parts of a picture that they describe.

    Args:
        num_heads: Positive integer, attention heads.
        key_dim: Positive integer, size of the queries and keys of each head.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        x: Tensor of shape `(batch, ..., channels)`: vectors, images or clips.
        tokens: Tensor of shape `(batch, length, dim)`.
        tokens_mask: Boolean tensor of shape `(batch, length)`, False at
            padding, which may hold anything; None for no padding. A mask that
            Keras has attached to the tokens is taken. Where all is padding, `x`
            is passed on.

    Returns:
        Tensor of the shape of `x`.

    Raises:
        ValueError: If a size is not positive, or an input has another rank.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        x, tokens = np.ones((2, 8, 8, 16)), np.ones((2, 5, 32))
        mask = np.array([[True] * 5, [True, True, False, False, False]])
        layer = kx.layers.TokenAttention(num_heads=2, key_dim=8)
        layer(x, tokens, tokens_mask=mask).shape  # (2, 8, 8, 16)
        ```

    Reference:
        - Vaswani et al., 2017, https://arxiv.org/abs/1706.03762, section 3.2
        - Zhang et al., 2019, https://arxiv.org/abs/1805.08318, eq. 3 (gate)
    """

    def __init__(self, num_heads: int = 4, key_dim: int = 16, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = checks.positive_integer("num_heads", num_heads)
        self.key_dim = checks.positive_integer("key_dim", key_dim)
        self.norm = keras.layers.LayerNormalization(
            dtype=self.dtype_policy, name="norm"
        )
        self.attention = keras.layers.MultiHeadAttention(
            self.num_heads,
            self.key_dim,
            dtype=self.dtype_policy,
            name="attention",
        )

    def build(self, x_shape, tokens_shape):
        checks.shape("x", x_shape, ("batch", ..., "channels"))
        checks.shape("tokens", tokens_shape, ("batch", "length", "dim"))
        channels = x_shape[-1]
        self.norm.build(tuple(x_shape))
        self.attention.build((None, None, channels), tuple(tokens_shape))
        self.gate = self.add_weight(
            shape=(channels,), initializer="zeros", name="gate"
        )
        self.built = True

    def call(self, x, tokens, tokens_mask=None):
        shape = ops.shape(x)
        queries = ops.reshape(self.norm(x), (shape[0], -1, shape[-1]))
        attention_mask = None
        if tokens_mask is not None:
            tokens_mask = ops.cast(tokens_mask, "bool")
            tokens = ops.where(
                tokens_mask[..., None], tokens, ops.zeros_like(tokens)
            )
            attention_mask = tokens_mask[:, None, :]
        found = self.attention(queries, tokens, attention_mask=attention_mask)
        if tokens_mask is not None:
            some = ops.any(tokens_mask, axis=1)[:, None, None]
            found = ops.where(some, found, ops.zeros_like(found))
        return x + self.gate * ops.reshape(found, shape)

    def compute_output_shape(self, x_shape, tokens_shape):
        return tuple(x_shape)
