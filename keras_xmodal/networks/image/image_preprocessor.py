"""Pictures as they come, made into what an image encoder takes."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops

from keras_xmodal import checks
from keras_xmodal.media.decode_each import decode_each
from keras_xmodal.media.image import MAX_PIXELS, decode_image
from keras_xmodal.media.plain_images import are_plain, decode_plain
from keras_xmodal.networks.image.resize import (
    over_white,
    resize,
    resize_over_white,
)
from keras_xmodal.saving import register


@register
class ImagePreprocessor(keras.layers.Layer):
    """Resize and scale pictures, and augment them in training.

    The same layer works eagerly, in `tf.data.Dataset.map` and inside an
    exported graph. Integers are from 0 to 255 and divided by 255, floats are in
    [0, 1] already; others are an error, in a graph as well. One channel is
    repeated to RGB; a fourth is opacity, and the picture is laid over white. A
    picture of another size is resized with bilinear interpolation and
    antialiasing (its sides are scaled apart: the whole picture stays in view);
    one that has the size already is left alone.

    Encoded pictures (JPEG, PNG, GIF, BMP, WebP) are accepted as a string
    tensor or a list of bytes, see `decode`.

    Args:
        image_size: Pair of positive integers, height and width in pixels.
        augmentation: Keras layer on float pictures `(batch, height, width, 3)`
            in [0, 1], called after resizing and only with `training=True`,
            or `None`. What it returns is clipped to [0, 1].
        max_pixels: Positive integer, height times width of the largest file
            that is decoded, which its header says. Decoding and resizing take
            less than 12 bytes of memory a pixel.
        **kwargs: Further arguments of `keras.layers.Layer`. The result is
            float32 under every `dtype` policy; an encoder casts it itself.

    Call arguments:
        images: Tensor of shape `(batch, height, width, channels)` or
            `(height, width, channels)`, integer or float, with 1, 3 or 4
            channels; or a string tensor of shape `(batch,)` or `()`.
        training: Boolean, whether to augment.

    Returns:
        Float32 tensor of shape `(batch, *image_size, 3)`, or
        `(*image_size, 3)` for a single picture, in [0, 1].

    Raises:
        TypeError: If `augmentation` is no Keras layer, or the pictures are
            boolean or complex numbers.
        ValueError: If `image_size` is no pair of positive integers, or the
            pictures have another rank, number of channels or range.
        tf.errors.InvalidArgumentError: If a file is no picture or too large,
            or, inside a graph, pictures have another range.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        preprocessor = kx.networks.ImagePreprocessor((32, 32))
        images = np.random.default_rng(0).integers(0, 256, (4, 64, 48, 3))
        preprocessor(images.astype("uint8")).shape  # (4, 32, 32, 3)
        ```
    """

    def __init__(
        self,
        image_size: Sequence[int] = (32, 32),
        augmentation: keras.layers.Layer | None = None,
        max_pixels: int = MAX_PIXELS,
        **kwargs,
    ):
        # Half precision would spoil what is meant as float32.
        super().__init__(autocast=False, **kwargs)
        self.image_size = checks.image_size("image_size", image_size)
        self.augmentation = checks.keras_layer(
            "augmentation", augmentation, optional=True
        )
        self.max_pixels = checks.positive_integer("max_pixels", max_pixels)
        self._allow_non_tensor_positional_args = True
        self._convert_input_args = False
        self.built = True  # a layer in `augmentation` builds itself

    def call(self, images, training=False):
        images = ops.convert_to_tensor(checks.array("images", images))
        dtype = keras.backend.standardize_dtype(images.dtype)
        if dtype == "string":
            images = self._decode(images)
        elif dtype.startswith(("int", "uint")):
            images = self._standardize(check_range(images), 255.0)
        elif dtype.startswith(("float", "bfloat")):
            images = self._standardize(check_range(images))
        else:
            raise TypeError(
                "`images` must be integers from 0 to 255, floats in [0, 1] or "
                f"strings holding encoded images. Received: dtype={dtype}"
            )
        if not training or self.augmentation is None:
            return images
        single = len(images.shape) == 3
        if single:
            images = ops.expand_dims(images, 0)
        images = self.augmentation(images, training=True)
        images = ops.clip(ops.cast(images, "float32"), 0.0, 1.0)
        return ops.squeeze(images, 0) if single else images

    def decode(self, contents):
        """Decode pictures, each of its own size, and preprocess them.

        All of it is TensorFlow graph operations, so that an exported model
        takes the bytes of picture files. They stand upright, as their EXIF
        tag of orientation says, and what is clear is white.

        Args:
            contents: String tensor or list of bytes of shape `(batch,)`, or
                `()` for one picture: the content of JPEG, PNG, GIF, BMP or
                still WebP files. Of a GIF the first frame is taken, of an
                animated PNG the picture that stands for it.

        Returns:
            Float32 tensor of shape `(batch, *image_size, 3)`, or
            `(*image_size, 3)` for one picture, in [0, 1].

        Raises:
            TypeError: If `contents` does not hold strings.
            ValueError: If it has another rank.
            tf.errors.InvalidArgumentError: If one of them is no whole picture,
                or has more than `max_pixels`.
        """
        return self._decode(contents)

    def _decode(self, contents):
        shape = (*self.image_size, 3)
        contents = checks.string_array("contents", contents)
        contents = tf.convert_to_tensor(contents, tf.string)

        def decode(contents):
            return decode_each(contents, self.decode_one, shape)

        if tf.executing_eagerly() or contents.shape.rank != 1:
            return decode(contents)
        # One operation, else all of its own would be skipped one by one.
        decode = tf.function(
            decode,
            autograph=False,
            experimental_attributes={"_noinline": True},
        )
        return tf.cond(
            are_plain(contents, self.max_pixels),
            lambda: self._resize_plain(decode_plain(contents)),
            lambda: decode(contents),
        )

    def _resize_plain(self, images):
        images = tf.cond(
            tf.reduce_all(tf.shape(images)[1:3] == self.image_size),
            lambda: tf.cast(images, tf.float32),
            lambda: resize(images, self.image_size),
        )
        return tf.ensure_shape(images / 255.0, (None, *self.image_size, 3))

    def decode_one(self, content, name="`contents`", animated_png=True):
        """Decode one picture; `name` is how errors call it."""
        image = decode_image(content, 0, self.max_pixels, name, animated_png)
        return self.resize_one(image)

    def resize_one(self, image):
        """Preprocess the pixels of one file, uint8, of any channels."""
        # Grey, grey and opacity, RGB, or RGB and opacity: known only now.
        image = tf.cond(
            tf.shape(image)[-1] % 2 == 0,
            lambda: resize_over_white(image, self.image_size),
            lambda: resize(image, self.image_size),
        )
        image = tf.broadcast_to(image / 255.0, (*self.image_size, 3))
        return tf.ensure_shape(image, (*self.image_size, 3))

    def _standardize(self, images, white=1.0):
        channels = check_channels(images)
        if channels == 4:
            images = tf.cast(images, tf.float32)
            images = over_white(images[..., :3], images[..., 3:] / white, white)
        images = resize(images, self.image_size) / white
        if channels == 1:
            images = ops.repeat(images, 3, axis=-1)
        return images

    def compute_output_spec(self, images, training=False):
        if keras.backend.standardize_dtype(images.dtype) != "string":
            return super().compute_output_spec(images, training=training)
        shape = self.compute_output_shape(images.shape)
        return keras.KerasTensor(shape, dtype="float32")

    def compute_output_shape(self, input_shape):
        single = len(input_shape) in (0, 3)
        batch_shape = () if single else tuple(input_shape[:1])
        return (*batch_shape, *self.image_size, 3)


def check_channels(images):
    """Check the shape of pictures; return their number of channels."""
    sizes = ("height", "width", "channels")
    checks.shape("images", images.shape, ("batch", *sizes), sizes)
    if 0 in images.shape[-3:]:
        raise ValueError(
            "`images` must have a pixel at least. "
            f"Received: shape={images.shape}"
        )
    channels = images.shape[-1]
    if channels not in (1, 3, 4):
        raise ValueError(
            "`images` must have 1 (grey), 3 (RGB) or 4 (RGB and opacity) "
            f"channels on the last axis. Received: shape={images.shape}"
        )
    return channels


def check_range(images):
    """Integers from 0 to 255 or floats in [0, 1], checked in a graph too."""
    rule = (
        "integers from 0 to 255 or floats in [0, 1]. A `keras.Sequential` "
        "makes floats of integers, unless it begins with `keras.Input(shape, "
        "dtype='uint8')`, and `keras.utils.image_dataset_from_directory` makes "
        "floats up to 255, which are to be divided by 255"
    )
    if "int" in keras.backend.standardize_dtype(images.dtype):
        return checks.values("images", images, 0, 255, rule)
    # What interpolation leaves beyond the ends is no mistake.
    images = checks.values("images", images, 0, 1, rule, tolerance=0.01)
    return tf.clip_by_value(tf.cast(images, tf.float32), 0.0, 1.0)
