"""Tests of decoding picture files."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_xmodal.media.image import decode_image, is_whole_image


def write(kind, num_frames=1):
    frames = [
        Image.fromarray(np.full((6, 8, 3), 40 * i, "uint8"))
        for i in range(num_frames)
    ]
    file = io.BytesIO()
    options = {"save_all": True, "append_images": frames[1:]}
    frames[0].save(file, kind, **(options if num_frames > 1 else {}))
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_still_pictures(kind):
    assert decode_image(write(kind), 3).shape == (6, 8, 3)


def test_still_webp_with_opacity_is_no_animation():
    picture = Image.new("RGBA", (8, 6), (200, 100, 50, 120))
    file = io.BytesIO()
    picture.save(file, "WEBP")
    content = file.getvalue()
    assert content[8:16] == b"WEBPVP8X"
    assert decode_image(content).shape == (6, 8, 4)


def test_first_frame_of_a_gif():
    assert np.max(decode_image(write("GIF", 3), 3)) < 40


def test_animated_webp_is_an_error_and_not_the_end_of_the_process():
    """`tf.io.decode_image` writes past its memory."""
    content = write("WEBP", 3)
    error = pytest.raises(
        tf.errors.InvalidArgumentError, match="Received: an animated WebP"
    )
    with error:
        decode_image(content)
    with error:
        tf.function(decode_image)(tf.constant(content))


@pytest.mark.parametrize("content", [b"", b"RIFF", b"nothing"])
def test_no_picture(content):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(content)
    assert not is_whole_image(content)


def test_whole_pictures():
    for content in (write("JPEG"), write("WEBP"), write("PNG")):
        assert is_whole_image(content)
        assert not is_whole_image(content[: len(content) // 2])
    assert not is_whole_image(write("WEBP", 3))
