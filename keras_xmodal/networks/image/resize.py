"""Pictures at another size, in little memory."""

import functools

import tensorflow as tf

_STRIP = 2**20  # pixels with opacity that become floats at once


def resize(images, size):
    """Resize pictures with bilinear interpolation and antialiasing.

    Bytes stay bytes: nothing else is as large as the pictures. The axis that
    shrinks more comes first where that saves memory.

    Args:
        images: Tensor of shape `(batch, height, width, channels)` or `(height,
            width, channels)`, of real numbers.
        size: Pair of integers, height and width.

    Returns:
        Float32 tensor of the new size, in the units of `images`.
    """
    if tuple(images.shape[-3:-1]) == tuple(size):
        return tf.cast(images, tf.float32)
    if images.dtype != tf.uint8:
        images = tf.cast(images, tf.float32)
    single = images.shape.rank == 3
    images = images[tf.newaxis] if single else images
    images = _with_less_memory(images, size, _resize)
    return images[0] if single else images


def resize_over_white(image, size):
    """Lay a picture with opacity over white, and resize it.

    Args:
        image: uint8 tensor of shape `(height, width, channels)`, the last of
            two or four channels being opacity.
        size: Pair of integers, height and width.

    Returns:
        Float32 tensor of shape `(*size, channels - 1)`, from 0 to 255.
    """
    return _traced_strips(tuple(size))(image)


@functools.cache
def _traced_strips(size):
    """One operation, which is seldom needed."""
    return tf.function(
        lambda image: _with_less_memory(
            image[tf.newaxis], size, _resize_strips
        )[0],
        input_signature=[tf.TensorSpec((None, None, None), tf.uint8)],
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


def over_white(colors, opacity, white=1.0):
    """Blend colours with white; opacity is from 0 to 1."""
    return colors * opacity + white * (1.0 - opacity)


def _with_less_memory(images, size, resize):
    """Resize upright or turned, whichever is smaller after its first step."""
    shape = tf.shape(images, tf.int64)
    height, width = shape[1], shape[2]
    turned = (size[0] * width > size[1] * height) & (4 * size[0] > height)
    order = tf.where(turned, [0, 2, 1, 3], [0, 1, 2, 3])
    images = tf.transpose(images, order)  # no copy, if it is the same
    channels = images.shape[-1]
    resized = resize(images, tf.where(turned, size[::-1], size))
    resized = tf.transpose(resized, order)
    return tf.ensure_shape(resized, (None, *size, channels))


def _resize(images, size):
    """TensorFlow resizes the height first."""
    shape = tf.shape(images)[1:3]
    return tf.raw_ops.ScaleAndTranslate(
        images=images,
        size=tf.cast(size, tf.int32),
        scale=tf.cast(size, tf.float32) / tf.cast(shape, tf.float32),
        translation=tf.zeros(2),
        kernel_type="triangle",
        antialias=True,
    )


def _resize_strips(images, size):
    """Resize the height of a strip after the other, then the width."""
    height, width = tf.unstack(tf.shape(images)[1:3])
    step = tf.maximum(_STRIP // tf.maximum(height, 1), 1)
    num_strips = (width + step - 1) // step

    def compute(strip, resized):
        part = tf.cast(
            images[:, :, strip * step : (strip + 1) * step], "float32"
        )
        part = over_white(part[..., :-1], part[..., -1:] / 255.0, 255.0)
        part = _resize(part, tf.stack([size[0], tf.shape(part)[2]]))
        # Strips are joined along the first axis.
        return strip + 1, resized.write(strip, tf.transpose(part[0], (1, 0, 2)))

    _, resized = tf.while_loop(
        lambda strip, resized: strip < num_strips,
        compute,
        (0, tf.TensorArray(tf.float32, num_strips, infer_shape=False)),
        parallel_iterations=1,
    )
    resized = tf.transpose(resized.concat(), (1, 0, 2))
    return _resize(resized[tf.newaxis], size)
