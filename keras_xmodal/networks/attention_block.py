"""Attention over a sequence, as encoders of texts, speech and clips have it."""

import keras
from keras import ops


def attention_block(
    x, attention_mask, num_heads, intermediate_dim, dropout, dtype, name
):
    """Apply a pre-norm transformer block.

    Args:
        x: Symbolic tensor of shape `(batch, length, dim)`.
        attention_mask: Symbolic boolean tensor of shape `(batch, 1,
            length)`, False where there is nothing to attend to.
        num_heads: Positive integer, number of attention heads.
        intermediate_dim: Positive integer, width of the feed-forward part.
        dropout: Float in [0, 1), dropout of what each part adds.
        dtype: Dtype policy.
        name: Beginning of the names of the layers.

    Returns:
        Symbolic tensor of the shape of `x`.
    """
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
