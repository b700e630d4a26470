"""Vectors as texts, written token by token by a small transformer."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.layers.saved_seed_generator import SavedSeedGenerator
from keras_xmodal.networks.attention import check_heads
from keras_xmodal.networks.text.causal_block import CausalBlock
from keras_xmodal.ops.noise import fold_in, stateless_uniform
from keras_xmodal.saving import register

IMPOSSIBLE = -1e9  # log-probability


@register
class TextDecoder(SavedSeedGenerator, keras.Model):
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
        vocabulary_size: int,
        sequence_length: int,
        hidden_dim: int = 128,
        num_layers: int = 2,
        num_heads: int = 4,
        intermediate_dim: int | None = None,
        dropout: float = 0.1,
        token_dropout: float = 0.0,
        start_id: int = 0,
        end_id: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
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
        token_dropout = checks.in_range(
            "token_dropout", token_dropout, 0, 1, "[)"
        )
        last_id = vocabulary_size - 1
        start_id = checks.integer("start_id", start_id, 0, last_id)
        end_id = checks.integer("end_id", end_id, 0, last_id, optional=True)
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
            CausalBlock(
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
        checks.shape("z", z_shape, ("batch", "dim"), known=("dim",))
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
        checks.shape("tokens", tokens.shape, ("batch", self.sequence_length))
        checks.known_values("tokens", tokens, 0, self.vocabulary_size - 1)
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

    def generate(self, z, temperature=None, seed=None, num_beams=1):
        """Write a text for each vector.

        Args:
            z: Float tensor of shape `(batch, dim)`.
            temperature: `None` to take the most probable token each time; or
                a positive float, to draw from the probabilities, sharpened
                below 1 and flattened above.
            seed: Integer, or integer tensor of shape `()` or `(batch,)`, one
                seed for each text, whose draw does not depend on the others
                in the batch. `None` for the global seed.
            num_beams: Positive integer, beginnings of texts that are kept at
                each token. Above 1, beam search mostly finds a more probable
                text than the most probable token each time does, at that many
                times the cost. Without a `temperature` only.

        Returns:
            Int32 tensor of token ids of shape `(batch, sequence_length)`,
            with 0 behind the end token.

        Raises:
            ValueError: If `temperature` or `num_beams` is not positive, or
                there is a `temperature` and more than one beam.
        """
        num_beams = checks.positive_integer("num_beams", num_beams)
        if num_beams > 1 and temperature is not None:
            raise ValueError(
                "Beam search takes no `temperature`. Received: "
                f"temperature={temperature}, num_beams={num_beams}"
            )
        z = ops.convert_to_tensor(z)
        if num_beams > 1:
            return self._search(z, num_beams)
        if temperature is None:
            return self._write(z, _most_probable)
        temperature = checks.positive("temperature", temperature)
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
        return keras.KerasTensor(self.compute_output_shape(z.shape), "float32")

    def _embed(self, z, tokens, positions, training=False):
        x = (
            self.token_embedding(tokens)
            + self.position_embedding(positions)
            + ops.expand_dims(self.latent_projection(z), 1)
        )  # (batch, length, hidden_dim)
        return self.embedding_dropout(x, training=training)

    def _write(self, z, choose):
        """Choose a token for each position, one position after another."""

        def write_one(position, state):
            token, ended, past, text = state
            logits, past = self._next(z, token, past, position)
            token = ops.where(ended, 0, choose(logits, position))
            ended, text = self._append(token, ended, text, position)
            return token, ended, past, text

        state = self._start(ops.shape(z)[0])
        return ops.fori_loop(0, self.sequence_length, write_one, state)[-1]

    def _search(self, z, num_beams):
        """Keep the most probable beginnings, one position after another."""
        batch_size = ops.shape(z)[0]
        z = ops.repeat(z, num_beams, axis=0)  # (batch * beams, dim)
        first = ops.arange(batch_size, dtype="int32")[:, None] * num_beams
        padding = ops.equal(ops.arange(self.vocabulary_size), 0)

        def write_one(position, state):
            scores, token, ended, past, text = state
            logits, past = self._next(z, token, past, position)
            log_probs = ops.where(
                ended[:, None],
                ops.where(padding, 0.0, IMPOSSIBLE),
                ops.log_softmax(logits),
            )
            # Of all tokens after all beginnings of a text, the best.
            scores = ops.reshape(scores, (-1, 1)) + log_probs
            scores = ops.reshape(scores, (batch_size, -1))
            scores, best = ops.top_k(scores, num_beams)  # (batch, beams)
            best = ops.cast(best, "int32")
            token = ops.reshape(best % self.vocabulary_size, (-1,))
            kept = ops.reshape(first + best // self.vocabulary_size, (-1,))
            ended, text, *past = (
                ops.take(x, kept, axis=0) for x in (ended, text, *past)
            )
            ended, text = self._append(token, ended, text, position)
            return scores, token, ended, past, text

        # At first all beams are alike: one of them counts.
        alike = ops.where(ops.equal(ops.arange(num_beams), 0), 0.0, IMPOSSIBLE)
        scores = ops.broadcast_to(alike, (batch_size, num_beams))
        state = (scores, *self._start(batch_size * num_beams))
        text = ops.fori_loop(0, self.sequence_length, write_one, state)[-1]
        return ops.take(text, first[:, 0], axis=0)

    def _start(self, count):
        """Nothing written: token, whether it ends, states, and texts."""
        states = (count, self.sequence_length, self.hidden_dim)
        return (
            ops.full((count,), self.start_id, "int32"),
            ops.zeros((count,), "bool"),
            [ops.zeros(states, self.compute_dtype) for _ in self.blocks],
            ops.zeros(states[:2], "int32"),
        )

    def _next(self, z, token, past, position):
        """Logits of the next token, `(batch, vocabulary)`, and the states."""
        x = self._embed(z, token[:, None], ops.reshape(position, (1,)))
        past = list(past)
        for index, block in enumerate(self.blocks):
            x, past[index] = block(x, past[index], position=position)
        return self.output_layer(self.norm(x))[:, 0], past

    def _append(self, token, ended, text, position):
        """Whether the texts end with the token, and the texts with it."""
        here = ops.equal(ops.arange(self.sequence_length), position)
        if self.end_id is not None:
            ended = ops.logical_or(ended, ops.equal(token, self.end_id))
        return ended, ops.where(here, token[:, None], text)


def _most_probable(logits, position):
    # `ops.argmax` takes operators that LiteRT lacks.
    return ops.squeeze(ops.top_k(logits, 1)[1], -1)
