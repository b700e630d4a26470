"""Random changes of pictures that leave their meaning alone."""

import math

import keras
import numpy as np
from keras import ops

from keras_xmodal import checks
from keras_xmodal.layers.saved_seed_generator import SavedSeedGenerator
from keras_xmodal.saving import register

# How much of each, between 0 (none) and the largest value that makes sense.
_LIMITS = {
    "rotation": 0.5,
    "translation": 1.0,
    "zoom": 3.0,
    "stretch": 3.0,
    "shear": 1.0,
    "hue": 0.5,
    "saturation": 1.0,
    "contrast": 1.0,
    "color_mixing": 1.0,
    "gamma": 3.0,
    "blur": 1.0,
    "grayscale": 1.0,
    "erasing": 1.0,
}


@register
class ImageAugmentation(SavedSeedGenerator, keras.layers.Layer):
    """Move, bend and recolour pictures at random, each in its own way.

    All geometric changes are one affine map, so that a picture is sampled
    once, and all linear colour changes are one 3 x 3 matrix: several times
    cheaper than a chain of one layer for each. The colour of the background,
    `fill_value`, stays as it is, and so does the meaning of a small picture on
    a plain background. Keras's own random layers can be combined with it in a
    `keras.layers.Pipeline`.

    Every amount is the largest; each picture draws its own uniformly from
    minus to plus that much (factors: from one over `1 + amount` to
    `1 + amount`, evenly in the logarithm). 0 turns a change off.

    Args:
        rotation: Float, as a fraction of a full turn.
        translation: Float, as a fraction of height and of width.
        zoom: Float, factor of the size.
        stretch: Float, factor of the width over the height.
        shear: Float, slant of the vertical edges.
        horizontal_flip: Whether half of the pictures are mirrored.
        hue: Float, as a fraction of a full turn of the colour circle.
        saturation: Float, factor of the distance from grey.
        contrast: Float, factor of the distance from the background.
        color_mixing: Float, random linear mixing of red, green and blue.
        gamma: Float, factor of the exponent of the intensities, which
            brightens or darkens all but black and white.
        blur: Float, weight of a 3 x 3 blur; a negative weight sharpens.
        grayscale: Float, probability of losing all colour.
        erasing: Float, probability of losing a rectangle of a quarter to half
            of height and width.
        fill_value: Float in [0, 1], the background: 1 is white.
        seed: Integer, or `None` for another start each time. Calls draw from
            it one after the other, so results repeat in a sequential
            `tf.data.Dataset.map`; parallel calls race for their turns.
        **kwargs: Further arguments of `keras.layers.Layer`.

    Call arguments:
        images: Float tensor of shape `(batch, height, width, 3)` or
            `(height, width, 3)`, in [0, 1].
        training: Boolean; with `False`, the default, the pictures pass
            unchanged.

    Returns:
        Tensor of the shape of `images`, in [0, 1].

    Raises:
        ValueError: If an amount is negative or too large, or pictures to
            change have another range.
        tf.errors.InvalidArgumentError: If they have it inside a graph.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        augmentation = kx.layers.ImageAugmentation(rotation=0.1, seed=1)
        images = np.random.default_rng(0).random((4, 32, 32, 3), "float32")
        augmentation(images, training=True).shape  # (4, 32, 32, 3)
        kx.networks.ImagePreprocessor((32, 32), augmentation=augmentation)
        ```
    """

    def __init__(
        self,
        rotation: float = 0.03,
        translation: float = 0.08,
        zoom: float = 0.15,
        stretch: float = 0.1,
        shear: float = 0.1,
        horizontal_flip: bool = True,
        hue: float = 0.1,
        saturation: float = 0.5,
        contrast: float = 0.3,
        color_mixing: float = 0.0,
        gamma: float = 0.3,
        blur: float = 0.0,
        grayscale: float = 0.1,
        erasing: float = 0.0,
        fill_value: float = 1.0,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.rotation = rotation
        self.translation = translation
        self.zoom = zoom
        self.stretch = stretch
        self.shear = shear
        self.horizontal_flip = checks.boolean(
            "horizontal_flip", horizontal_flip
        )
        self.hue = hue
        self.saturation = saturation
        self.contrast = contrast
        self.color_mixing = color_mixing
        self.gamma = gamma
        self.blur = blur
        self.grayscale = grayscale
        self.erasing = erasing
        self.fill_value = checks.in_range("fill_value", fill_value, 0, 1)
        self.seed = checks.seed(seed, optional=True)
        for name, limit in _LIMITS.items():
            value = checks.in_range(name, getattr(self, name), 0, limit)
            setattr(self, name, value)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_jit = False

    def build(self, input_shape):
        picture = ("height", "width", 3)
        checks.shape("images", input_shape, ("batch", *picture), picture)
        self.built = True

    def call(self, images, training=False):
        if not training:
            return images
        dtype, single = images.dtype, len(images.shape) == 3
        images = checks.values("images", images, 0, 1, tolerance=0.01)
        images = ops.cast(images, "float32")
        if single:
            images = ops.expand_dims(images, 0)
        # Everything random in one draw: each call takes one turn of the seed.
        draws = keras.random.uniform(
            (ops.shape(images)[0], 27),
            -1.0,
            1.0,
            dtype="float32",
            seed=self.seed_generator,
        )
        images = ops.cast(self._change(images, draws), dtype)
        return ops.squeeze(images, 0) if single else images

    def _change(self, images, draws):
        images = self._move(images, draws[:, :7])
        images = self._recolor(images, draws[:, 7:21])
        images = self._blur(images, draws[:, 21])
        images = self._erase(images, draws[:, 22:])
        return ops.clip(images, 0.0, 1.0)

    def _move(self, images, draws):
        turn, right, down, zoom, stretch, shear, flip = ops.unstack(
            draws, 7, axis=1
        )
        height, width = images.shape[1:3]
        cosine = ops.cos(2 * math.pi * self.rotation * turn)
        sine = ops.sin(2 * math.pi * self.rotation * turn)
        slant = self.shear * shear
        zoom = ops.power(1.0 + self.zoom, zoom)
        stretch = ops.power(1.0 + self.stretch, stretch / 2)
        x_scale, y_scale = zoom * stretch, zoom / stretch
        if self.horizontal_flip:
            x_scale = x_scale * ops.sign(flip)
        # The map from a pixel of the result to its source, about the centre.
        a = cosine * x_scale
        b = (cosine * slant - sine) * y_scale
        c = sine * x_scale
        d = (sine * slant + cosine) * y_scale
        x, y = (width - 1) / 2, (height - 1) / 2
        x_shift = x - a * x - b * y + self.translation * width * right
        y_shift = y - c * x - d * y + self.translation * height * down
        zeros = ops.zeros_like(a)
        transform = ops.stack(
            [a, b, x_shift, c, d, y_shift, zeros, zeros], axis=1
        )
        return ops.image.affine_transform(
            images,
            transform,
            fill_mode="constant",
            fill_value=self.fill_value,
            data_format="channels_last",
        )

    def _recolor(self, images, draws):
        hue, saturation, contrast, gamma, gray = ops.unstack(
            draws[:, :5, None, None], 5, axis=1
        )  # (batch, 1, 1)
        mixing = ops.reshape(draws[:, 5:], (-1, 3, 3))
        # A turn about the grey axis, Rodrigues' formula.
        angle = 2 * math.pi * self.hue * hue
        mean = np.full((3, 3), 1 / 3, "float32")
        cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], "float32")
        matrix = ops.cos(angle) * (np.eye(3, dtype="float32") - mean) + ops.sin(
            angle
        ) * cross / math.sqrt(3)  # of what differs from grey
        factor = ops.power(1.0 + self.saturation, saturation)
        factor = ops.where((gray + 1) / 2 < self.grayscale, 0.0, factor)
        matrix = mean + factor * matrix
        matrix = ops.power(1.0 + self.contrast, contrast) * matrix
        matrix = matrix + self.color_mixing * mixing
        # x -> fill + matrix (x - fill)
        offset = self.fill_value * (
            1.0 - ops.sum(matrix, axis=2, keepdims=True)
        )
        height, width = images.shape[1:3]
        pixels = ops.reshape(images, (-1, height * width, 3))
        pixels = ops.matmul(pixels, ops.transpose(matrix, (0, 2, 1)))
        pixels = pixels + ops.transpose(offset, (0, 2, 1))
        if self.gamma:
            exponent = ops.power(1.0 + self.gamma, gamma)
            pixels = ops.log(ops.clip(pixels, 1e-4, 1.0))
            pixels = ops.exp(exponent * pixels)
        return ops.reshape(pixels, (-1, height, width, 3))

    def _blur(self, images, draws):
        if not self.blur:
            return images
        height, width = images.shape[1:3]
        blurred = ops.pad(
            images,
            [[0, 0], [1, 1], [1, 1], [0, 0]],
            constant_values=self.fill_value,
        )
        # A row as one axis: three values on is the next pixel's same colour.
        blurred = ops.reshape(blurred, (-1, height + 2, 3 * width + 6))
        blurred = blurred[:, :-2] + 2 * blurred[:, 1:-1] + blurred[:, 2:]
        blurred = (
            blurred[..., :-6] + 2 * blurred[..., 3:-3] + blurred[..., 6:]
        ) / 16
        blurred = ops.reshape(blurred, (-1, height, width, 3))
        weight = self.blur * draws[:, None, None, None]
        return images + weight * (blurred - images)

    def _erase(self, images, draws):
        if not self.erasing:
            return images
        height, width = images.shape[1:3]
        chosen, y, x, tall, wide = ops.unstack(
            (draws[:, :, None] + 1) / 2, 5, axis=1
        )  # (batch, 1), in [0, 1]
        # Half a side: an eighth to a quarter of height or width.
        rows = ops.abs(ops.arange(height, dtype="float32") - y * height)
        rows = rows < (tall + 1) * height / 8
        columns = ops.abs(ops.arange(width, dtype="float32") - x * width)
        columns = columns < (wide + 1) * width / 8
        rows = ops.logical_and(rows, chosen < self.erasing)
        inside = ops.logical_and(rows[:, :, None], columns[:, None, :])
        return ops.where(inside[..., None], self.fill_value, images)

    def compute_output_shape(self, input_shape):
        return input_shape
