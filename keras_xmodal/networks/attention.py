"""Attention over a sequence, as encoders of texts, speech and clips have it."""

import keras
from keras import ops

from keras_xmodal import checks


def check_heads(hidden_dim, num_heads):
    """Check sizes of attention, and return both as integers."""
    hidden_dim = checks.positive_integer("hidden_dim", hidden_dim)
    num_heads = checks.positive_integer("num_heads", num_heads)
    if hidden_dim % num_heads:
        raise ValueError(
            "`hidden_dim` must be a multiple of `num_heads`. Received: "
            f"hidden_dim={hidden_dim}, num_heads={num_heads}"
        )
    return hidden_dim, num_heads


def add_positions(x, is_step, dtype):
    """Add a learned vector of each position."""
    positions = ops.cumsum(ops.ones_like(is_step), axis=1) - 1
    return x + keras.layers.Embedding(
        *x.shape[1:],
        embeddings_initializer=keras.initializers.RandomNormal(stddev=0.5),
        dtype=dtype,
        name="position_embedding",
    )(ops.cast(positions, "int32"))


def attend(x, is_step, num_layers, num_heads, intermediate_dim, dropout, dtype):
    """Apply pre-norm transformer blocks, and the last normalization."""
    x = keras.layers.Dropout(dropout, dtype=dtype)(x)
    for index in range(num_layers):
        x = _block(
            x,
            ops.expand_dims(is_step, 1),
            num_heads,
            intermediate_dim,
            dropout,
            dtype,
            name=f"block_{index}",
        )
    return keras.layers.LayerNormalization(dtype=dtype, name="norm")(x)


def masked_mean(x, is_step):
    """Average the steps of each example, zeros where there are none."""
    weights = ops.cast(is_step, "float32")
    x = ops.matmul(ops.expand_dims(weights, 1), ops.cast(x, "float32"))
    count = ops.sum(weights, axis=1, keepdims=True)  # (batch, 1)
    return ops.squeeze(x, 1) / ops.maximum(count, 1.0)


def _block(
    x, attention_mask, num_heads, intermediate_dim, dropout, dtype, name
):
    dim = x.shape[-1]
    y = keras.layers.LayerNormalization(dtype=dtype, name=f"{name}_norm_1")(x)
    y = keras.layers.MultiHeadAttention(
        num_heads, dim // num_heads, dtype=dtype, name=f"{name}_attention"
    )(y, y, attention_mask=attention_mask)
    x = x + keras.layers.Dropout(dropout, dtype=dtype)(y)
    y = keras.layers.LayerNormalization(dtype=dtype, name=f"{name}_norm_2")(x)
    y = keras.layers.Dense(
        intermediate_dim,
        activation=ops.gelu,  # tanh form, which LiteRT has
        dtype=dtype,
        name=f"{name}_dense_1",
    )(y)
    y = keras.layers.Dense(dim, dtype=dtype, name=f"{name}_dense_2")(y)
    return x + keras.layers.Dropout(dropout, dtype=dtype)(y)
