"""Pictures as a KerasHub image converter makes them."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_xmodal import checks
from keras_xmodal.media.decode_each import decode_each
from keras_xmodal.media.image import MAX_PIXELS, decode_image
from keras_xmodal.networks.hub.from_keras_hub import import_keras_hub
from keras_xmodal.networks.image.image_preprocessor import (
    check_channels,
    check_range,
)
from keras_xmodal.networks.image.resize import over_white
from keras_xmodal.saving import register


@register
class KerasHubImagePreprocessor(keras.layers.Layer):
    """Resize, crop and scale pictures as a pretrained backbone expects them.

    It is KerasHub's image converter for the raw pictures that
    `ImagePreprocessor` takes: bytes of files, too, each picture of its own
    size, grey ones and such with opacity. For uint8 it gives what the
    converter gives when it is called (it rounds what it has resized to whole
    numbers), and the same in `tf.data.Dataset.map` and in an exported graph.

    Args:
        image_converter: `keras_hub.layers.ImageConverter` with an
            `image_size`, of channels last.
        max_pixels: Positive integer, height times width of the largest file
            that is decoded, which its header says.
        **kwargs: Further arguments of `keras.layers.Layer`.

    Call arguments:
        images: Tensor of shape `(batch, height, width, channels)` or
            `(height, width, channels)`, integers from 0 to 255 or floats in
            [0, 1], with 1, 3 or 4 channels; or a string tensor of shape
            `(batch,)` or `()`, the content of picture files.

    Returns:
        Float32 tensor of shape `(batch, *image_size, 3)`, or
        `(*image_size, 3)` for a single picture.

    Raises:
        ImportError: If KerasHub is not installed.
        TypeError: If `image_converter` is none, or the pictures are boolean
            or complex numbers.
        ValueError: If it has no size, or the pictures have another rank,
            number of channels or range.
        tf.errors.InvalidArgumentError: If a file is no picture or too large,
            or, inside a graph, pictures have another range.

    Example:
        ```python
        import keras_hub
        import keras_xmodal as kx
        import numpy as np

        preprocessor = kx.networks.KerasHubImagePreprocessor(
            keras_hub.layers.ImageConverter((32, 32), scale=1 / 127.5, offset=-1)
        )  # or `ImageConverter.from_preset(...)`
        images = np.random.default_rng(0).integers(0, 256, (4, 64, 48, 3))
        preprocessor(images.astype("uint8")).shape  # (4, 32, 32, 3)
        ```
    """  # noqa: E501

    def __init__(
        self, image_converter: Any, max_pixels: int = MAX_PIXELS, **kwargs
    ):
        super().__init__(autocast=False, **kwargs)
        keras_hub = import_keras_hub("KerasHubImagePreprocessor")
        if not isinstance(image_converter, keras_hub.layers.ImageConverter):
            raise TypeError(
                "`image_converter` must be a `keras_hub.layers.ImageConverter`."
                f" Received: {type(image_converter).__name__}"
            )
        if (
            image_converter.image_size is None
            or image_converter.data_format != "channels_last"
        ):
            raise ValueError(
                "`image_converter` must have an `image_size`, and its channels "
                "last. Received: image_size="
                f"{image_converter.image_size}, data_format="
                f"{image_converter.data_format!r}"
            )
        self.image_converter = image_converter
        self.max_pixels = checks.positive_integer("max_pixels", max_pixels)
        self._allow_non_tensor_positional_args = True
        self._convert_input_args = False
        self.built = True

    @property
    def image_size(self):
        """Height and width of the result."""
        return self.image_converter.image_size

    def call(self, images):
        images = ops.convert_to_tensor(checks.array("images", images))
        dtype = keras.backend.standardize_dtype(images.dtype)
        if dtype == "string":
            return self.decode(images)
        if not dtype.startswith(("int", "uint", "float", "bfloat")):
            raise TypeError(
                "`images` must be integers from 0 to 255, floats in [0, 1] or "
                f"strings holding encoded images. Received: dtype={dtype}"
            )
        whole = "int" in dtype
        images = tf.cast(check_range(images), "float32")
        if not whole:
            images = images * 255.0
        channels = check_channels(images)
        if channels == 4:
            images = over_white(images[..., :3], images[..., 3:] / 255.0, 255.0)
        elif channels == 1:
            images = ops.repeat(images, 3, axis=-1)
        return self._convert(images, whole and channels != 4)

    def decode(self, contents):
        """Decode pictures, each of its own size, and preprocess them.

        Args:
            contents: String tensor or list of bytes of shape `(batch,)`, or
                `()` for one picture, as for `ImagePreprocessor.decode`.

        Returns:
            Float32 tensor of shape `(batch, *image_size, 3)`, or
            `(*image_size, 3)`.

        Raises:
            TypeError: If `contents` does not hold strings.
            ValueError: If it has another rank.
            tf.errors.InvalidArgumentError: If one of them is no whole picture,
                or has more than `max_pixels`.
        """
        return decode_each(contents, self._decode_one, (*self.image_size, 3))

    def _decode_one(self, content, name="`contents`"):
        image = decode_image(content, 3, self.max_pixels, name)
        return self._convert(tf.cast(image, "float32"), whole=True)

    def _convert(self, images, whole):
        """Convert floats from 0 to 255."""
        if whole:
            # The converter does so with bytes, but not in a graph.
            images = tf.round(self.image_converter.resizing(images))
            images = tf.clip_by_value(images, 0.0, 255.0)
        images = tf.cast(self.image_converter(images), "float32")
        return tf.ensure_shape(
            images, (*images.shape[:-3], *self.image_size, 3)
        )

    def compute_output_shape(self, input_shape):
        single = len(input_shape) in (0, 3)
        batch_shape = () if single else tuple(input_shape[:1])
        return (*batch_shape, *self.image_size, 3)

    def compute_output_spec(self, images):
        shape = self.compute_output_shape(images.shape)
        return keras.KerasTensor(shape, "float32")
