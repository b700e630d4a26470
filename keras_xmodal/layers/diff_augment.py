"""Random changes of images that a discriminator's gradient passes through."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.ops.noise import Noise
from keras_xmodal.saving import register

_POLICIES = ("color", "translation", "cutout")


@register
class DiffAugment(keras.layers.Layer):
    """Change images at random before a discriminator sees them.

    With little data a discriminator learns it by heart. Changing real and
    generated images alike, and letting the gradient pass through the change,
    keeps it from that and does not teach the generator to make changed images.

    - `"color"`: brightness moves by up to a quarter of the range of values;
      saturation is multiplied by 0 to 2, contrast by 0.5 to 1.5.
    - `"translation"`: whole pixels, up or down and left or right.
    - `"cutout"`: a rectangle is erased, anywhere, also across the border.

    What moves in from outside and what is cut out has the middle of the range
    of values, as in the paper, where it is 0. Every change is linear in the
    image, but for the product of contrast and mean, and has derivatives of any
    order, as gradient penalties need.

    The changes are a function of the seeds alone, the same under XLA and
    without, and the same in resumed training. An example's change does not
    depend on the others of its batch. All frames of a clip change alike.

    Args:
        policy: Tuple of different names of changes, in the order in which they
            are applied.
        translation_ratio: Float in [0, 1], the largest translation as a
            fraction of height and of width.
        cutout_ratio: Float in [0, 1], height and width of the rectangle as
            fractions of those of the image.
        value_range: Pair of the smallest and the largest value that a pixel
            can have: `(-1, 1)` where the generator ends in tanh, `(0, 1)`
            where it ends in a sigmoid.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        x: Float tensor of shape `(batch, height, width, channels)`, or of
            clips, `(batch, frames, height, width, channels)`.
        seed: Integer tensor of shape `(batch,)`, one for each example. None,
            the default, changes nothing.

    Returns:
        Tensor of the shape and dtype of `x`.

    Raises:
        ValueError: If an argument is out of range, the input has another
            rank, or there is not one seed for each example.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        layer = kx.layers.DiffAugment(("translation",), value_range=(0, 1))
        images = np.random.default_rng(0).random((4, 32, 32, 3), "float32")
        layer(images, seed=np.arange(4)).shape  # (4, 32, 32, 3)
        ```

    Reference:
        - Zhao et al., 2020, https://arxiv.org/abs/2006.10738, section 3.3
    """

    def __init__(
        self,
        policy: Sequence[str] = _POLICIES,
        translation_ratio: float = 0.125,
        cutout_ratio: float = 0.5,
        value_range: tuple[float, float] = (-1.0, 1.0),
        **kwargs,
    ):
        # Changes in bfloat16 would be coarser than the pixels.
        super().__init__(autocast=False, **kwargs)
        self.policy = checks.some_of("policy", policy, _POLICIES, empty=True)
        self.translation_ratio = checks.in_range(
            "translation_ratio", translation_ratio, 0, 1
        )
        self.cutout_ratio = checks.in_range("cutout_ratio", cutout_ratio, 0, 1)
        self.value_range = checks.increasing_pair("value_range", value_range)

    def build(self, input_shape):
        checks.shape(
            "x",
            input_shape,
            ("batch", "height", "width", "channels"),
            ("batch", "frames", "height", "width", "channels"),
            known=("height", "width", "channels"),
        )
        self.built = True

    def call(self, x, seed=None):
        if seed is None:
            return x
        checks.floats("x", x, "floats in `value_range`")
        seed = checks.tensor("seed", seed, (x.shape[0],), dtype=None)
        shape = ops.shape(x)
        dtype = keras.backend.result_type(x.dtype, "float32")
        draws = Noise(seed).uniform((shape[0], 7))
        draws = ops.unstack(ops.cast(draws, dtype), 7, axis=1)
        applied = ops.unstack(ops.cast(self._applied(seed), dtype), 5, axis=1)
        middle = sum(self.value_range) / 2
        y = ops.cast(x, dtype) - middle
        y = ops.reshape(y, (shape[0], -1, *shape[-3:]))  # frames: 1 of an image
        for name in self.policy:
            if name == "color":
                y = self._color(y, draws[:3], applied[:3])
            elif name == "translation":
                y = self._translate(y, draws[3:5], applied[3])
            else:
                y = self._cut_out(y, draws[5:], applied[4])
        return ops.cast(ops.reshape(y, shape) + middle, x.dtype)

    def _applied(self, seed):
        """Of shape `(batch, 5)`: 1 where a change applies, and 0.

        The changes are brightness, saturation, contrast, translation, cutout.
        """
        return ops.ones((ops.shape(seed)[0], 5))

    def _color(self, x, draws, applied):
        def factor(index, low, high):
            value = low + (high - low) * draws[index]
            value = 1 + applied[index] * (value - 1)
            return value[:, None, None, None, None]

        low, high = self.value_range
        shift = (high - low) / 2 * (draws[0] - 0.5) * applied[0]
        x = x + shift[:, None, None, None, None]
        gray = ops.mean(x, axis=-1, keepdims=True)
        x = gray + factor(1, 0.0, 2.0) * (x - gray)
        mean = ops.mean(x, axis=(1, 2, 3, 4), keepdims=True)
        return mean + factor(2, 0.5, 1.5) * (x - mean)

    def _translate(self, x, draws, applied):
        def matrix(size, draw):
            """One-hot rows, of zeros where they come from outside."""
            limit = int(size * self.translation_ratio + 0.5)
            shift = _integer(draw, 2 * limit + 1) - limit
            shift = shift * ops.cast(applied, "int32")
            index = ops.arange(size, dtype="int32")
            source = index[None, :, None] - shift[:, None, None]
            return ops.cast(ops.equal(source, index), x.dtype)

        # Products of matrices: resampling has no right second derivative.
        height, width = x.shape[2:4]
        x = ops.einsum("bij,bfjwc->bfiwc", matrix(height, draws[0]), x)
        return ops.einsum("bij,bfhjc->bfhic", matrix(width, draws[1]), x)

    def _cut_out(self, x, draws, applied):
        def inside(size, draw):
            length = int(size * self.cutout_ratio + 0.5)
            # The middle is anywhere, also on the border.
            middle = _integer(draw, size + 1 - length % 2)
            start = (middle - length // 2)[:, None]
            index = ops.arange(size, dtype="int32")
            return ops.logical_and(index >= start, index < start + length)

        height, width = x.shape[2:4]
        rows, columns = inside(height, draws[0]), inside(width, draws[1])
        cut = ops.logical_and(rows[:, :, None], columns[:, None, :])
        cut = ops.cast(cut, x.dtype) * applied[:, None, None]
        return x * (1 - cut)[:, None, :, :, None]

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def compute_output_spec(self, x, seed=None):
        return keras.KerasTensor(x.shape, x.dtype)


def _integer(draw, count):
    """A number of 0 to `count - 1` of one in (0, 1)."""
    # The product may be rounded up to `count`.
    return ops.minimum(ops.cast(ops.floor(draw * count), "int32"), count - 1)
