"""Random masks on spectrograms."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.layers.random_layer import RandomLayer
from keras_xmodal.ops.noise import Noise
from keras_xmodal.saving import register

_SIZES = (
    "num_frequency_masks",
    "max_frequency_mask",
    "num_time_masks",
    "max_time_mask",
)


@register
class SpecAugment(RandomLayer):
    """Hide bands of frequencies and stretches of time, in training.

    The width of each mask is uniform in 0 to its maximum, its place uniform in
    the spectrogram. Spectrograms are not warped, which gains little in the
    paper. What is not hidden passes as it is, and so does its gradient.

    The masks are a function of the seed, of how many batches the layer has been
    trained on, which is saved, and of the row: the same under XLA and without,
    and the same in resumed training.

    Args:
        num_frequency_masks: Non-negative integer.
        max_frequency_mask: Non-negative integer, in bins.
        num_time_masks: Non-negative integer.
        max_time_mask: Non-negative integer, in frames.
        max_time_ratio: Float in [0, 1], the longest time mask as a fraction of
            the spectrogram's frames, if that is shorter.
        mask_value: Float, what is hidden becomes: 0 is silence in the
            spectrograms of `SpeechPreprocessor`, and the mean in normalised
            ones.
        seed: Integer. Defaults to a random one.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        step: Scalar variable, the number of batches in training.

    Call arguments:
        x: Tensor of shape `(batch, frames, bins)`, or `(batch, frames, bins,
            channels)`, whose channels are masked alike.
        seed: Integer tensor of shape `(batch,)`, one for each example: masks
            of these seeds, in training or not, and no step. None for the
            layer's own, in training.
        training: Boolean, whether there are masks.

    Returns:
        Tensor of the shape and dtype of `x`.

    Raises:
        ValueError: If an argument is out of range, the input has another rank,
            or it has fewer bins than `max_frequency_mask`.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        layer = kx.layers.SpecAugment(max_frequency_mask=8, seed=1)
        spectrograms = np.ones((4, 100, 40), "float32")
        layer(spectrograms, training=True).shape  # (4, 100, 40)
        ```

    Reference:
        - Park et al., 2019, https://arxiv.org/abs/1904.08779, section 2
        - Park et al., 2020, https://arxiv.org/abs/1912.05533 (masks that
          depend on the length)
    """

    def __init__(
        self,
        num_frequency_masks: int = 2,
        max_frequency_mask: int = 8,
        num_time_masks: int = 2,
        max_time_mask: int = 20,
        max_time_ratio: float = 0.2,
        mask_value: float = 0.0,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(seed, **kwargs)
        self.num_frequency_masks = num_frequency_masks
        self.max_frequency_mask = max_frequency_mask
        self.num_time_masks = num_time_masks
        self.max_time_mask = max_time_mask
        for name in _SIZES:
            size = checks.integer(name, getattr(self, name), least=0)
            setattr(self, name, size)
        self.max_time_ratio = checks.in_range(
            "max_time_ratio", max_time_ratio, 0, 1
        )
        self.mask_value = checks.number("mask_value", mask_value)

    def build(self, input_shape):
        sizes = ("batch", "frames", "bins")
        checks.shape("x", input_shape, sizes, (*sizes, "channels"))
        bins = input_shape[2]
        if bins is not None and bins < self.max_frequency_mask:
            raise ValueError(
                "`max_frequency_mask` must not exceed the number of bins. "
                f"Received: max_frequency_mask={self.max_frequency_mask}, "
                f"x.shape={tuple(input_shape)}"
            )
        self.built = True

    def call(self, x, seed=None, training=False):
        if seed is None and not training:
            return x
        if seed is not None:
            seed = checks.tensor("seed", seed, (x.shape[0],), dtype=None)
        batch_size, frames, bins = ops.shape(x)[:3]
        noise = self.noise_of_rows(batch_size) if seed is None else Noise(seed)
        count = self.num_frequency_masks + self.num_time_masks
        draws = noise.uniform((batch_size, 2, count))
        draws = draws[..., None]  # (batch, 2, masks, 1)
        split = self.num_frequency_masks
        longest = ops.cast(
            ops.cast(frames, "float32") * self.max_time_ratio, "int32"
        )
        longest = ops.minimum(self.max_time_mask, longest)
        hidden = ops.logical_or(
            _hidden(frames, longest, draws[:, :, split:])[:, :, None],
            _hidden(bins, self.max_frequency_mask, draws[:, :, :split])[
                :, None
            ],
        )  # (batch, frames, bins)
        if len(x.shape) == 4:
            hidden = hidden[..., None]
        return ops.where(hidden, ops.cast(self.mask_value, x.dtype), x)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def compute_output_spec(self, x, seed=None, training=False):
        return keras.KerasTensor(x.shape, x.dtype)


def _hidden(size, largest, draws):
    """Of draws `(batch, 2, masks, 1)`, whether each place is in a mask."""
    width = _integer(draws[:, 0], largest)
    start = _integer(draws[:, 1], size - width)
    place = ops.arange(size, dtype="int32")
    inside = ops.logical_and(place >= start, place < start + width)
    return ops.any(inside, axis=1)  # (batch, size)


def _integer(draw, largest):
    """A number of 0 to `largest` of one in (0, 1)."""
    largest = ops.cast(largest, "int32")
    count = ops.cast(largest + 1, "float32")
    # The product may be rounded up to `count`.
    return ops.minimum(ops.cast(ops.floor(draw * count), "int32"), largest)
