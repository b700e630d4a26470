"""Spectrograms as vectors, by convolutions and attention over time."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.networks.attention import (
    add_positions,
    attend,
    check_heads,
    masked_mean,
)
from keras_xmodal.saving import register


@register
class SpeechEncoder(keras.Model):
    """A small network for words and short sentences.

    Convolutions over time, of all mel bins at once, make a state of every few
    frames; a transformer with learned positions compares them. The features
    are the mean of its last states, or all of them, one after the other, which
    is what a loss such as `keras.losses.CTC` reads a text from.

    Frames at the end that are all zero are padding, as `SpeechPreprocessor`
    makes it: nothing attends to them, and they are not in the mean. A sequence
    has states for them as well, which know that nothing is there. All of it is
    normalised within a step, not over time, so that the amount of padding does
    not change the states before it.

    Args:
        num_frames: Positive integer, frames of a spectrogram:
            `preprocessor.num_frames` of a `SpeechPreprocessor`.
        num_mel_bins: Positive integer.
        filters: Tuple of positive integers, the channels of each stage of
            convolutions; each halves the number of frames, rounded up.
        kernel_size: Positive integer, width of the convolutions in frames.
        hidden_dim: Positive integer, size of the states; a multiple of
            `num_heads`.
        num_layers: Positive integer, number of transformer blocks.
        num_heads: Positive integer, number of attention heads.
        intermediate_dim: Positive integer, width inside the feed-forward
            part, `None` for twice `hidden_dim`.
        output_dim: Positive integer, size of a last affine map, `None` for
            none: an `EmbeddingModel` with an `embedding_dim` adds its own.
        return_sequences: Whether to return the states of all steps instead of
            their mean.
        augmentation: Keras layer on spectrograms, such as
            `keras_xmodal.layers.SpecAugment`, for training only, or `None`.
            What it hides does not become padding.
        dropout: Float in [0, 1), dropout of the states and of what each block
            adds.
        dtype: Dtype policy of the layers, `None` for the global one.
        **kwargs: `name` and `trainable`.

    Call arguments:
        inputs: Float tensor of shape `(batch, num_frames, num_mel_bins)` in
            [0, 1], as `SpeechPreprocessor` makes it.

    Returns:
        Tensor of shape `(batch, dim)`, or `(batch, steps, dim)` with
        `return_sequences`; `dim` is `output_dim` or else `hidden_dim`. The
        mean of a spectrogram of zeros is zeros, before the last affine map. No
        mask is attached: `keras.losses.CTC` would multiply its values with it.

    Raises:
        TypeError: If `augmentation` is no Keras layer.
        ValueError: If an argument is out of range.

    Example:
        ```python
        import keras
        import keras_xmodal as kx
        import numpy as np

        encoder = kx.networks.SpeechEncoder(50, 40, filters=(32, 64))
        spectrograms = np.random.default_rng(0).random((2, 50, 40), "float32")
        encoder(spectrograms).shape  # (2, 128)

        # From speech to text. Id 0 of a `TextPreprocessor`, padding, is the
        # blank of `keras.losses.CTC`, so there is no class to add for it. A
        # text must not have more letters than there are steps, and one more
        # for each letter that is the same as the one before it.
        texts = kx.networks.TextPreprocessor(split="character", end_token=True)
        texts.adapt(["red", "green"])
        encoder = kx.networks.SpeechEncoder(
            50, 40, filters=(32, 64), return_sequences=True
        )
        logits = keras.layers.Dense(texts.vocabulary_size(), dtype="float32")
        model = keras.Sequential([encoder, logits])
        model.compile("adam", loss=keras.losses.CTC())
        ids = texts(np.array(["red", "green"]))
        model.fit(spectrograms, ids, verbose=0)

        # What is heard, with -1 behind it. This does not compile with XLA.
        logits = model.predict(spectrograms, verbose=0)  # (2, 13, 9)
        steps = np.full(len(logits), logits.shape[1])
        ids = keras.ops.ctc_decode(logits, steps)[0][0]  # (2, 13)
        texts.detokenize(keras.ops.maximum(ids, 0))  # two texts
        ```

    Reference:
        - Radford et al., 2022, https://arxiv.org/abs/2212.04356, section 2.2
          (convolutions with a stride, then a transformer)
        - Graves et al., 2006, https://doi.org/10.1145/1143844.1143891 (CTC)
        - Park et al., 2019, https://arxiv.org/abs/1904.08779 (augmentation)
        - Xiong et al., 2020, https://arxiv.org/abs/2002.04745, section 3.1
          (transformer blocks)
    """

    input_range = (0, 1)

    def __init__(
        self,
        num_frames: int = 100,
        num_mel_bins: int = 40,
        filters: Sequence[int] = (64, 128),
        kernel_size: int = 5,
        hidden_dim: int = 128,
        num_layers: int = 2,
        num_heads: int = 4,
        intermediate_dim: int | None = None,
        output_dim: int | None = None,
        return_sequences: bool = False,
        augmentation: keras.layers.Layer | None = None,
        dropout: float = 0.1,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        checks.keyword_arguments(self, kwargs)
        num_frames = checks.positive_integer("num_frames", num_frames)
        num_mel_bins = checks.positive_integer("num_mel_bins", num_mel_bins)
        filters = checks.positive_integers("filters", filters)
        kernel_size = checks.positive_integer("kernel_size", kernel_size)
        return_sequences = checks.boolean("return_sequences", return_sequences)
        hidden_dim, num_heads = check_heads(hidden_dim, num_heads)
        num_layers = checks.positive_integer("num_layers", num_layers)
        intermediate_dim = checks.positive_integer(
            "intermediate_dim", intermediate_dim, optional=True
        )
        output_dim = checks.positive_integer(
            "output_dim", output_dim, optional=True
        )
        checks.keras_layer("augmentation", augmentation, optional=True)
        dropout = checks.in_range("dropout", dropout, 0, 1, "[)")
        policy = keras.dtype_policies.get(dtype)

        # Functional graph
        spectrograms = keras.Input(
            (num_frames, num_mel_bins), dtype="float32", name="spectrograms"
        )
        length = _length(spectrograms)
        x = spectrograms
        if augmentation is not None:
            x = augmentation(x)
            x = x * ops.expand_dims(_is_step(x, length), -1)
        for stage, channels in enumerate(filters):
            name = f"stage_{stage}"
            x = _convolution(x, channels, kernel_size, policy, name)
            length = (length + 1) // 2
            is_step = _is_step(x, length)  # (batch, steps)
            # What convolutions see beyond the end is zero, as at the start.
            x = x * ops.cast(ops.expand_dims(is_step, -1), x.dtype)
        x = keras.layers.Dense(hidden_dim, dtype=policy, name="step")(x)
        x = attend(
            add_positions(x, is_step, policy),
            is_step > 0,
            num_layers,
            num_heads,
            intermediate_dim or 2 * hidden_dim,
            dropout,
            policy,
        )
        # Zeros for the steps of padding would leave them to the bias of what
        # follows, which is slow to learn that they are blank.
        x = (
            ops.cast(x, "float32")
            if return_sequences
            else masked_mean(x, is_step)
        )
        if output_dim is not None:
            x = keras.layers.Dense(output_dim, dtype=policy, name="output")(x)
        super().__init__(inputs=spectrograms, outputs=x, **kwargs)

        # Config
        self.num_frames = num_frames
        self.num_mel_bins = num_mel_bins
        self.filters = filters
        self.kernel_size = kernel_size
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.output_dim = output_dim
        self.return_sequences = return_sequences
        self.augmentation = augmentation
        self.dropout = dropout
        self.dtype_policy = policy


def _length(spectrograms):
    """Frames up to the last one that is not all zero: float32 (batch, 1)."""
    sounds = ops.cast(ops.any(spectrograms != 0, axis=-1), "float32")
    numbers = ops.cumsum(ops.ones_like(sounds), axis=1)  # 1, 2, 3, ...
    return ops.max(sounds * numbers, axis=1, keepdims=True)


def _is_step(x, length):
    """Which of the steps are no padding: float32 (batch, steps)."""
    ones = ops.cast(ops.ones_like(x[:, :, 0]), "float32")
    return ops.cast(ops.cumsum(ones, axis=1) <= length, "float32")


def _convolution(x, channels, kernel_size, dtype, name):
    x = keras.layers.Conv1D(
        channels,
        kernel_size,
        strides=2,
        padding="same",
        data_format="channels_last",
        use_bias=False,  # a normalisation follows
        kernel_initializer="he_normal",
        dtype=dtype,
        name=f"{name}_convolution",
    )(x)
    x = keras.layers.LayerNormalization(dtype=dtype, name=f"{name}_norm")(x)
    return keras.layers.Activation(
        "silu", dtype=dtype, name=f"{name}_activation"
    )(x)
