"""Vectors as texts, written token by token by a small transformer."""

import keras
from keras import ops

from keras_xmodal.ops.noise import fold_in, stateless_uniform
from keras_xmodal.saving import register


@register
class TextDecoder(keras.Model):
    """Write a text of which a vector says what it is about, token by token.

    A causal transformer: pre-norm blocks over the tokens so far, learned
    positions, and the vector, by an affine map, added at every position. The
    logits at position `t` are those of `p(tokens[t] | z, tokens[<t])`, so
    `keras_xmodal.likelihoods.TokenSequence` sums them to the log-probability
    of the text, the end token included.

    So strong a decoder can model texts without the vector, and a variational
    autoencoder then tends to ignore its latent. `token_dropout` takes away a
    part of the tokens that it sees in training, which the latent has to make
    up for.

    Args:
        vocabulary_size: Integer above 1, number of token ids;
            `preprocessor.vocabulary_size()` of a `TextPreprocessor`.
        sequence_length: Positive integer, the length of the texts in tokens,
            the end token included, as the preprocessor pads or cuts them.
        hidden_dim: Positive integer, size of the states; a multiple of
            `num_heads`.
        num_layers: Positive integer, number of blocks.
        num_heads: Positive integer, number of attention heads.
        intermediate_dim: Positive integer, width inside the feed-forward
            part, `None` for four times `hidden_dim`.
        dropout: Float in [0, 1), dropout of the embeddings and of what each
            block adds.
        token_dropout: Float in [0, 1), the part of the tokens before a
            position that training replaces by the start token.
        start_id: Integer, the token before the first. Defaults to padding,
            which no text begins with.
        end_id: Integer, the token that ends a text, `preprocessor.end_id` of
            a `TextPreprocessor(end_token=True)`. `generate` puts padding, 0,
            behind it. `None` if texts fill the whole length.
        dtype: Dtype policy of the layers, `None` for the global one. Logits
            are float32 under each.
        **kwargs: `name` and `trainable`.

    Call arguments:
        z: Float tensor of shape `(batch, dim)`.
        tokens: Integer tensor of shape `(batch, sequence_length)`, the text
            to be scored; what stands at a position and after it does not
            change the logits there. Without it, the decoder goes on with
            its own most probable tokens: `decoder(z)` equals
            `decoder(z, decoder.generate(z))`.
        training: Boolean.

    Returns:
        Float32 tensor of logits of shape
        `(batch, sequence_length, vocabulary_size)`.

    Raises:
        ValueError: If an argument is out of range, or an input has another
            shape.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        texts = ["red apple", "green pear"]
        preprocessor = kx.networks.TextPreprocessor(
            sequence_length=4, end_token=True
        )
        preprocessor.adapt(texts)
        decoder = kx.networks.TextDecoder(
            preprocessor.vocabulary_size(), 4, end_id=preprocessor.end_id
        )
        z = np.random.default_rng(0).standard_normal((2, 16))
        decoder(z, preprocessor(texts)).shape  # (2, 4, 7)
        ids = decoder.generate(z, temperature=0.7, seed=1)
        preprocessor.detokenize(ids)  # two texts
        ```

    Reference:
        - Bowman et al., 2016, https://arxiv.org/abs/1511.06349, sections 3.1
          and 4 (token dropout)
        - Li et al., 2020, https://arxiv.org/abs/2004.04092, section 3.2 (the
          vector added to the embeddings)
        - Xiong et al., 2020, https://arxiv.org/abs/2002.04745, section 3.1
    """

    def __init__(
        self,
        vocabulary_size,
        sequence_length,
        hidden_dim=128,
        num_layers=2,
        num_heads=4,
        intermediate_dim=None,
        dropout=0.1,
        token_dropout=0.0,
        start_id=0,
        end_id=None,
        dtype=None,
        **kwargs,
    ):
        _validate_sizes(
            vocabulary_size=vocabulary_size,
            sequence_length=sequence_length,
            hidden_dim=hidden_dim,
            num_layers=num_layers,
            num_heads=num_heads,
            intermediate_dim=intermediate_dim,
        )
        _validate_rates(dropout=dropout, token_dropout=token_dropout)
        _validate_ids(vocabulary_size, start_id=start_id, end_id=end_id)
        super().__init__(dtype=dtype, **kwargs)
        policy = self.dtype_policy

        # Layers
        self.latent_projection = keras.layers.Dense(hidden_dim, dtype=policy)
        self.token_embedding = keras.layers.Embedding(
            vocabulary_size, hidden_dim, dtype=policy
        )
        self.position_embedding = keras.layers.Embedding(
            sequence_length, hidden_dim, dtype=policy
        )
        self.embedding_dropout = keras.layers.Dropout(dropout, dtype=policy)
        self.blocks = [
            _Block(
                num_heads,
                hidden_dim,
                intermediate_dim or 4 * hidden_dim,
                dropout,
                dtype=policy,
                name=f"block_{index}",
            )
            for index in range(num_layers)
        ]
        self.norm = keras.layers.LayerNormalization(dtype=policy)
        self.output_layer = keras.layers.Dense(vocabulary_size, dtype="float32")
        self.seed_generator = keras.random.SeedGenerator()

        # Config
        self.vocabulary_size = vocabulary_size
        self.sequence_length = sequence_length
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.token_dropout = token_dropout
        self.start_id = start_id
        self.end_id = end_id

    def build(self, z_shape, tokens_shape=None):
        if len(z_shape) != 2 or z_shape[1] is None:
            raise ValueError(
                "`z` must have shape (batch, dim). Received: "
                f"z.shape={tuple(z_shape)}"
            )
        states = (None, self.sequence_length, self.hidden_dim)
        self.latent_projection.build(z_shape)
        self.token_embedding.build(states[:2])
        self.position_embedding.build(states[1:2])
        self.embedding_dropout.build(states)
        for layer in (*self.blocks, self.norm, self.output_layer):
            layer.build(states)

    def call(self, z, tokens=None, training=False):
        if tokens is None:
            tokens = self.generate(z)
        if tuple(tokens.shape[1:]) != (self.sequence_length,):
            raise ValueError(
                "`tokens` must have shape (batch, sequence_length). Received: "
                f"tokens.shape={tuple(tokens.shape)}, "
                f"sequence_length={self.sequence_length}"
            )
        tokens = ops.cast(tokens, "int32")
        before = ops.concatenate(
            [ops.full_like(tokens[:, :1], self.start_id), tokens[:, :-1]], 1
        )
        if training and self.token_dropout:
            noise = keras.random.uniform(
                ops.shape(before), dtype="float32", seed=self.seed_generator
            )
            before = ops.where(
                noise < self.token_dropout, self.start_id, before
            )
        x = self._embed(z, before, ops.arange(self.sequence_length), training)
        for block in self.blocks:
            x, _ = block(x, training=training)
        return self.output_layer(self.norm(x))

    def generate(self, z, temperature=None, seed=None):
        """Write a text for each vector.

        Args:
            z: Float tensor of shape `(batch, dim)`.
            temperature: `None` to take the most probable token each time; or
                a positive float, to draw from the probabilities, sharpened
                below 1 and flattened above.
            seed: Integer, or integer tensor of shape `()` or `(batch,)`, one
                seed for each text, whose draw does not depend on the others
                in the batch. `None` for the global seed.

        Returns:
            Int32 tensor of token ids of shape `(batch, sequence_length)`,
            with 0 behind the end token.

        Raises:
            ValueError: If `temperature` is not positive.
        """
        if temperature is None:
            return self._write(z, _most_probable)
        if temperature <= 0:
            raise ValueError(
                "`temperature` must be positive or None. Received: "
                f"temperature={temperature}"
            )
        if seed is None:
            seed = keras.random.randint((), 0, 2**31 - 1, "int32")

        def draw(logits, position):
            noise = stateless_uniform(
                ops.shape(logits), fold_in(seed, position)
            )
            # The largest of logits with Gumbel noise has their probabilities.
            gumbel = -ops.log(-ops.log(noise))
            return _most_probable(logits / temperature + gumbel, position)

        return self._write(z, draw)

    def compute_output_shape(self, z_shape, tokens_shape=None):
        return (z_shape[0], self.sequence_length, self.vocabulary_size)

    def compute_output_spec(self, z, tokens=None, training=False):
        shape = self.compute_output_shape(z.shape)
        return keras.KerasTensor(shape, "float32")

    def get_config(self):
        return {
            "vocabulary_size": self.vocabulary_size,
            "sequence_length": self.sequence_length,
            "hidden_dim": self.hidden_dim,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "token_dropout": self.token_dropout,
            "start_id": self.start_id,
            "end_id": self.end_id,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "name": self.name,
            "trainable": self.trainable,
        }

    def _embed(self, z, tokens, positions, training=False):
        x = (
            self.token_embedding(tokens)
            + self.position_embedding(positions)
            + ops.expand_dims(self.latent_projection(z), 1)
        )  # (batch, length, hidden_dim)
        return self.embedding_dropout(x, training=training)

    def _write(self, z, choose):
        """Choose a token for each position, one position after another."""
        z = ops.convert_to_tensor(z)
        batch_size, length = ops.shape(z)[0], self.sequence_length
        start = ops.full((batch_size, 1), self.start_id, "int32")
        ended = ops.zeros((batch_size, 1), "bool")
        states = (batch_size, length, self.hidden_dim)
        past = [ops.zeros(states, self.compute_dtype) for _ in self.blocks]
        text = ops.zeros((batch_size, length), "int32")

        def write_one(position, state):
            token, ended, past, text = state
            x = self._embed(z, token, ops.reshape(position, (1,)))
            past = list(past)
            for index, block in enumerate(self.blocks):
                x, past[index] = block(x, past[index], position=position)
            logits = self.output_layer(self.norm(x))  # (batch, 1, vocabulary)
            token = ops.expand_dims(choose(logits[:, 0], position), 1)
            token = ops.where(ended, 0, token)
            if self.end_id is not None:
                ended = ops.logical_or(ended, ops.equal(token, self.end_id))
            here = ops.equal(ops.arange(length), position)
            return token, ended, past, ops.where(here, token, text)

        state = ops.fori_loop(0, length, write_one, (start, ended, past, text))
        return state[-1]


class _Block(keras.layers.Layer):
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


def _most_probable(logits, position):
    # `ops.argmax` takes operators that LiteRT lacks.
    return ops.squeeze(ops.top_k(logits, 1)[1], -1)


def _validate_sizes(hidden_dim, num_heads, **sizes):
    sizes.update(hidden_dim=hidden_dim, num_heads=num_heads)
    for name, value in sizes.items():
        if name == "intermediate_dim" and value is None:
            continue
        least = 2 if name == "vocabulary_size" else 1
        if not isinstance(value, int) or value < least:
            raise ValueError(
                f"`{name}` must be an integer of at least {least}. Received: "
                f"{name}={value}"
            )
    if hidden_dim % num_heads:
        raise ValueError(
            "`hidden_dim` must be a multiple of `num_heads`. Received: "
            f"hidden_dim={hidden_dim}, num_heads={num_heads}"
        )


def _validate_rates(**rates):
    for name, value in rates.items():
        if not 0 <= value < 1:
            raise ValueError(
                f"`{name}` must be in [0, 1). Received: {name}={value}"
            )


def _validate_ids(vocabulary_size, **ids):
    for name, value in ids.items():
        if value is None and name == "end_id":
            continue
        if value not in range(vocabulary_size):
            raise ValueError(
                f"`{name}` must be an id of the vocabulary. Received: "
                f"{name}={value}, vocabulary_size={vocabulary_size}"
            )
