"""What counts as a broken file."""

import io

import numpy as np
import pytest
from PIL import Image

import keras_xmodal as kx
from keras_xmodal.datasets.file_reader import check_content
from keras_xmodal.media.gif import encode_gif


def encode(picture, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


def picture(seed, size=(6, 5)):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (*size, 3)).astype(np.uint8)


def wav(code=1, size=None, length=None, samples=b"\1\0\0\0", extra=b""):
    size = len(samples) if size is None else size
    chunks = b"WAVE" + extra + b"fmt \x10\0\0\0" + bytes([code, 0, 1, 0])
    chunks += b"\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0"
    chunks += b"data" + size.to_bytes(4, "little") + samples
    length = len(chunks) if length is None else length
    return b"RIFF" + length.to_bytes(4, "little") + chunks


@pytest.mark.parametrize(
    ("content", "sound"),
    [
        (wav(), True),
        (wav(extra=b"LIST\3\0\0\0abc\0"), True),
        (wav(size=2**32 - 1, length=2**32 - 1), True),  # a stream
        (wav(size=0, length=0), True),
        (wav(size=6), False),
        (wav(samples=b""), False),
        (wav(code=2), False),
        (wav()[:30], False),
        (b"ID3" + wav(), False),
        (b"", False),
    ],
)
def test_wav_files_are_checked_as_they_are_decoded(content, sound):
    for check in (kx.datasets.decode_wav, lambda c: check_content(c, "a.WAV")):
        if sound:
            check(content)
        else:
            with pytest.raises(ValueError, match="Received"):
                check(content)


def test_pictures_and_other_files_are_checked():
    frames = [Image.fromarray(picture(i)) for i in (1, 2)]
    animation = encode(picture(0), "WEBP", save_all=True, append_images=frames)
    still = encode(picture(0), "WEBP")
    check_content(still, "a.webp")
    check_content(encode(picture(0), "JPEG"), "a.JPG")
    check_content(b"\0", "a.npy")
    for content, path in (
        (animation, "a.webp"),
        (still[: len(still) // 2], "a.webp"),
        (b"", "a.jpeg"),
        (b"", "a.npy"),
    ):
        with pytest.raises(ValueError, match=f"must be.*'{path}'"):
            check_content(content, path)


def test_a_truncated_animation_is_broken():
    frames = np.random.default_rng(0).integers(0, 256, (3, 6, 8, 3))
    content = encode_gif(frames.astype("uint8"))
    check_content(content, "clip.gif")
    for size in range(20, len(content), 97):
        with pytest.raises(ValueError, match="must be a whole JPEG"):
            check_content(content[:size], "clip.gif")
