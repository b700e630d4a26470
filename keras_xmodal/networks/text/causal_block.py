"""A transformer block that looks back, at whole texts or token by token."""

import keras
from keras import ops


class CausalBlock(keras.layers.Layer):
    """Attention to what was before, and a feed-forward part."""

    def __init__(self, num_heads, dim, intermediate_dim, dropout, dtype, name):
        super().__init__(dtype=dtype, name=name)
        layers, policy = keras.layers, self.dtype_policy
        self.attention_norm = layers.LayerNormalization(dtype=policy)
        self.attention = layers.MultiHeadAttention(
            num_heads, dim // num_heads, dtype=policy
        )
        self.feed_forward_norm = layers.LayerNormalization(dtype=policy)
        self.feed_forward_1 = layers.Dense(
            intermediate_dim,
            activation=ops.gelu,  # tanh form, which LiteRT has
            dtype=policy,
        )
        self.feed_forward_2 = layers.Dense(dim, dtype=policy)
        self.dropout = layers.Dropout(dropout, dtype=policy)

    def build(self, x_shape, past_shape=None, position_shape=None):
        self.attention_norm.build(x_shape)
        self.attention.build(x_shape, x_shape)
        self.feed_forward_norm.build(x_shape)
        self.feed_forward_1.build(x_shape)
        self.feed_forward_2.build(
            self.feed_forward_1.compute_output_shape(x_shape)
        )
        self.dropout.build(x_shape)

    def call(self, x, past=None, position=None, training=False):
        """Read a whole text; or one token, at `position`, after the `past`.

        Returns the new states, and those that later tokens look back at.
        """
        y = self.attention_norm(x)
        if past is None:
            states = y
            y = self.attention(y, states, use_causal_mask=True)
        else:
            order = ops.arange(past.shape[1])
            here = ops.expand_dims(ops.equal(order, position), -1)
            states = ops.where(here, y, past)  # (batch, length, dim)
            seen = ops.reshape(order <= position, (1, 1, -1))
            y = self.attention(y, states, attention_mask=seen)
        x = x + self.dropout(y, training=training)
        y = self.feed_forward_1(self.feed_forward_norm(x))
        y = self.feed_forward_2(y)
        return x + self.dropout(y, training=training), states
