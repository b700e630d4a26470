"""Clips as vectors, by convolutions over each frame and attention over time."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.networks import blocks
from keras_xmodal.networks.attention import (
    add_positions,
    attend,
    check_heads,
    masked_mean,
)
from keras_xmodal.saving import register


@register
class VideoEncoder(keras.Model):
    """A small network for short videos, which sees the order of the frames.

    The same convolutions read every frame, and how it differs from the frame
    before; an affine map makes a vector of each, which knows what is where. A
    transformer over the frames, with learned positions in time, compares
    them; the features are the mean of its last states.

    Args:
        num_frames: Positive integer, frames of a clip.
        image_size: Pair of positive integers, height and width in pixels.
        filters: Tuple of positive integers, the channels of each stage of
            convolutions; each halves height and width.
        num_blocks: Non-negative integer, residual blocks in each stage.
        hidden_dim: Positive integer, size of the vector of each frame; a
            multiple of `num_heads`.
        num_layers: Positive integer, number of transformer blocks.
        num_heads: Positive integer, number of attention heads.
        intermediate_dim: Positive integer, width inside the feed-forward
            part, `None` for twice `hidden_dim`.
        output_dim: Positive integer, size of a last affine map, `None` for
            none: an `EmbeddingModel` with an `embedding_dim` adds its own.
        dropout: Float in [0, 1), dropout of the frames' vectors and of what
            each block adds.
        dtype: Dtype policy of the layers, `None` for the global one.
        **kwargs: `name` and `trainable`.

    Call arguments:
        inputs: Float tensor of shape `(batch, num_frames, *image_size, 3)` in
            [0, 1], as `VideoPreprocessor` makes it.
        mask: Boolean tensor of shape `(batch, num_frames)`, False at frames
            that are padding and may hold anything; None for no padding.
            Frames keep their place in time. The features of a clip that is
            all padding are zeros, before the last affine map.

    Returns:
        Tensor of shape `(batch, hidden_dim)`, or `(batch, output_dim)`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        encoder = kx.networks.VideoEncoder(4, (32, 32), filters=(16, 32))
        videos = np.random.default_rng(0).random((2, 4, 32, 32, 3), "float32")
        encoder(videos).shape  # (2, 128)
        mask = np.array([[True] * 4, [True, True, False, False]])
        encoder(videos, mask=mask).shape  # (2, 128)
        ```

    Reference:
        - Arnab et al., 2021, https://arxiv.org/abs/2103.15691, section 3.3,
          model 2 (space within each frame, then time)
        - Wang et al., 2016, https://arxiv.org/abs/1608.00859, section 3.1
          (differences of frames)
        - Xiong et al., 2020, https://arxiv.org/abs/2002.04745, section 3.1
          (transformer blocks)
    """

    input_range = (0, 1)

    def __init__(
        self,
        num_frames: int = 8,
        image_size: Sequence[int] = (32, 32),
        filters: Sequence[int] = (32, 64, 64),
        num_blocks: int = 0,
        hidden_dim: int = 128,
        num_layers: int = 2,
        num_heads: int = 4,
        intermediate_dim: int | None = None,
        output_dim: int | None = None,
        dropout: float = 0.1,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        checks.keyword_arguments(self, kwargs)
        num_frames = checks.positive_integer("num_frames", num_frames)
        image_size = checks.image_size("image_size", image_size)
        filters = checks.positive_integers("filters", filters)
        num_blocks = checks.integer("num_blocks", num_blocks, least=0)
        hidden_dim, num_heads = check_heads(hidden_dim, num_heads)
        num_layers = checks.positive_integer("num_layers", num_layers)
        intermediate_dim = checks.positive_integer(
            "intermediate_dim", intermediate_dim, optional=True
        )
        output_dim = checks.positive_integer(
            "output_dim", output_dim, optional=True
        )
        dropout = checks.in_range("dropout", dropout, 0, 1, "[)")
        policy = keras.dtype_policies.get(dtype)

        # Functional graph
        videos = keras.Input(
            (num_frames, *image_size, 3), dtype="float32", name="videos"
        )
        is_frame = _FrameMask(dtype="float32", name="mask")(videos)
        x = _with_changes(videos, is_frame)
        x = ops.reshape(x, (-1, *image_size, 6))  # (batch * num_frames, ...)
        for stage, channels in enumerate(filters):
            name = f"stage_{stage}"
            x = blocks.convolution(x, channels, 2, policy, name)
            x = blocks.normalize(x, policy, name)
            for block in range(num_blocks):
                x = blocks.residual_block(x, policy, f"{name}_block_{block}")
        x = keras.layers.Flatten(data_format="channels_last", dtype=policy)(x)
        x = keras.layers.Dense(hidden_dim, dtype=policy, name="frame")(x)
        x = ops.reshape(x, (-1, num_frames, hidden_dim))
        x = attend(
            add_positions(x, is_frame, policy),
            is_frame > 0,
            num_layers,
            num_heads,
            intermediate_dim or 2 * hidden_dim,
            dropout,
            policy,
        )
        x = masked_mean(x, is_frame)
        if output_dim is not None:
            x = keras.layers.Dense(output_dim, dtype=policy, name="output")(x)
        super().__init__(inputs=videos, outputs=x, **kwargs)

        # Config
        self.supports_masking = True
        self.num_frames = num_frames
        self.image_size = image_size
        self.filters = filters
        self.num_blocks = num_blocks
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.output_dim = output_dim
        self.dropout = dropout
        self.dtype_policy = policy

    def call(self, inputs, training=None, mask=None):
        if mask is not None:
            # Keras attaches the mask to the tensor, which is the caller's.
            inputs = ops.copy(inputs)
            mask = ops.cast(mask, "bool")
        return super().call(inputs, training=training, mask=mask)

    def compute_mask(self, inputs, previous_mask):
        return None  # no axis of frames is left


class _FrameMask(keras.layers.Layer):
    """The mask that came with videos as float32, 1 where there is none."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, videos, mask=None):
        if mask is None:
            return ops.ones_like(videos[:, :, 0, 0, 0])
        return ops.cast(mask, "float32")

    def compute_mask(self, videos, previous_mask):
        return None

    def compute_output_spec(self, videos, mask=None):
        return keras.KerasTensor(videos.shape[:2], "float32")


def _with_changes(videos, is_frame):
    """Frames in [-1, 1], and beside them how they differ from those before."""
    is_frame = ops.reshape(is_frame, (-1, videos.shape[1], 1, 1, 1))
    videos = ops.where(is_frame > 0, videos, 0.0)
    changes = videos[:, 1:] - videos[:, :-1]
    changes = changes * is_frame[:, 1:] * is_frame[:, :-1]
    changes = ops.pad(changes, [[0, 0], [1, 0], [0, 0], [0, 0], [0, 0]])
    return ops.concatenate([2.0 * videos - 1.0, changes], axis=-1)
