"""Of which kind data are."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_xmodal.media.gif import encode_gif
from keras_xmodal.media.kind import kind_of
from keras_xmodal.media.wav import encode_wav

STILL = encode_gif(np.zeros((1, 3, 2, 3), "uint8"))
CLIP = encode_gif(np.arange(36, dtype="uint8").reshape(2, 3, 2, 3))
WAV = encode_wav(np.ones(80) / 2, 8000)
MP4 = b"\0\0\0\x20ftypisom\0\0\2\0"


def picture(kind, **options):
    file = io.BytesIO()
    frames = [Image.new("RGB", (3, 2), c) for c in ("red", "blue")]
    if options:
        options |= {"append_images": frames[1:]}
    frames[0].save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a tree", "BM"], "text"),
        ([b"a tree", "grün".encode(), b"BM\n"], "text"),
        (np.array(["a tree"]), "text"),
        (tf.constant(["a tree"]), "text"),
        ([picture(kind) for kind in ("PNG", "JPEG", "BMP", "WEBP")], "image"),
        ([picture("PNG", save_all=True)], "image"),  # as `from_csv` says
        ([picture("WEBP", save_all=True)], "video"),
        (tf.constant([picture("PNG")]), "image"),
        ([picture("JPEG")[:9]], "image"),  # broken, but no text
        ([STILL, STILL], "image"),
        ([STILL, CLIP], "video"),
        ([CLIP, picture("PNG")], "image"),
        ([STILL, MP4], "video"),
        ([CLIP, MP4], "video"),
        ([b"RIFF\0\0\0\0AVI LIST"], "video"),
        ([b"\x1aE\xdf\xa3\0"], "video"),
        ([WAV], "speech"),
        ([b"ID3\4\0"], "speech"),
        ([b"\xff\xfb\x90\0", b"fLaC\0", b"OggS\0", WAV], "speech"),
        ([b"\0\0\0\x20ftypM4A \0"], "speech"),
        (np.zeros((2, 8, 8, 3), "uint8"), "image"),
        (np.zeros((2, 8, 8, 1), "float32"), "image"),
        ([np.zeros((8, 9, 3)), np.zeros((9, 8, 3))], "image"),
        (tf.zeros((2, 3, 8, 8, 3)), "video"),
        (np.zeros((2, 4000)), "speech"),
        (np.full((2, 4000), 1.1), "numbers"),
        (np.zeros((2, 3999)), "numbers"),
        ([np.zeros(100), np.zeros(5000)], "speech"),
        ([np.zeros(100), np.zeros(101)], "speech"),
        ([[1.0, 2.0], [3, 4]], "numbers"),
        ([1, 2], "numbers"),
        (np.arange(4), "numbers"),
        (np.eye(4) > 0, "numbers"),
    ],
)
def test_kinds(values, kind):
    assert kind_of(values) == kind


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([], "must not be empty"),
        (np.zeros((0, 3)), "must not be empty"),
        ([WAV, picture("PNG")], "speech, like .* and image, like"),
        ([WAV, STILL], "Received: speech, like .* and gif, like"),
        ([b"\0\1\2"], r"Received: no such, like b'\\x00"),
        ([None], "no such, like None"),
        (["a tree", 3.0], "text, like a tree and numbers, like 3.0"),
        (np.zeros((2, 8, 8)), r"no such, like arrays of shape \(8, 8\)"),
        (np.zeros((2, 3), "complex64"), "no such"),
    ],
)
def test_no_kind(values, match):
    with pytest.raises(ValueError, match=match):
        kind_of(values)
