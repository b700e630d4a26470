"""Clips from files."""

import functools
import io
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.media.gif_frames import decode_gif
from keras_xmodal.media.header import KINDS, read_header
from keras_xmodal.media.image import MAX_PIXELS, decode_image
from keras_xmodal.ops.sample_frames import sample_frames


def read_video(
    source: str | os.PathLike | bytes,
    num_frames: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Read the frames of a clip.

    GIF, WebP, PNG and other picture files, animated or not, are laid over
    white where they are clear. All other formats, such as MP4 and WebM, are
    read by PyAV, which `pip install keras-xmodal[video]` installs; their sound
    is left alone. All stand upright, as phones say. Frames count alike, however
    long each is shown.

    Args:
        source: Path of a file, or its content.
        num_frames: Positive integer, how many frames to take, those in the
            middle of equal parts as `VideoPreprocessor` does; `None` for all,
            which takes memory for all.
        max_pixels: Positive integer, height times width of the largest frame
            that is decoded.

    Returns:
        uint8 array of shape `(time, height, width, 3)`.

    Raises:
        TypeError: If `source` is neither a path nor bytes.
        ValueError: If `num_frames` or `max_pixels` is not positive, or the file
            holds no whole clip, or larger frames.
        ImportError: If the file needs PyAV and it is not installed.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        frames = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3))
        kx.datasets.write_gif("noise.gif", frames.astype("uint8"))
        kx.datasets.read_video("noise.gif", num_frames=3).shape
        # (3, 16, 16, 3)
        ```
    """
    if not isinstance(source, (str, os.PathLike, bytes)):
        raise TypeError(
            "`source` must be a path or bytes. Received: source of type "
            f"{type(source).__name__}"
        )
    num_frames = checks.positive_integer(
        "num_frames", num_frames, optional=True
    )
    max_pixels = checks.positive_integer("max_pixels", max_pixels)
    if isinstance(source, bytes):
        content = source
    else:
        content = pathlib.Path(source).read_bytes()
    choose = tf.range
    if num_frames is not None:
        choose = functools.partial(sample_frames, num_frames=num_frames)
    if content.startswith(b"GIF8"):
        try:
            return decode_gif(
                tf.constant(content),
                max_pixels,
                "`source`",
                choose,
                tf.identity,
            ).numpy()
        except tf.errors.InvalidArgumentError as error:
            raise _no_clip(content, error.message) from error
    wanted = None
    if num_frames is not None:
        length = sum(1 for _ in _frames(content, max_pixels))
        wanted = np.asarray(choose(length))
    # Two passes over a long clip, rather than all of its frames in memory.
    chosen: set[int] = set() if wanted is None else set(wanted.tolist())
    frames = {
        index: frame
        for index, frame in enumerate(_frames(content, max_pixels))
        if wanted is None or index in chosen
    }
    sizes = {frame.shape for frame in frames.values()}
    if len(sizes) > 1:
        raise _no_clip(content, f"frames of different sizes {sorted(sizes)}")
    return np.stack([frames[i] for i in (frames if wanted is None else wanted)])


def _frames(content: bytes, max_pixels: int) -> Iterator[np.ndarray]:
    """Yield the frames of a clip, at least one: uint8 (height, width, 3)."""
    try:
        header = read_header(tf.constant(content))
    except tf.errors.InvalidArgumentError as error:
        raise _no_clip(content) from error
    kind, height, width, *_ = map(int, header)
    name = KINDS[kind]
    _check_size(content, height, width, max_pixels)
    animated = name.startswith("animated")
    # Pillow takes the end of the file for that of the animation.
    if animated and not _is_complete(content, name):
        raise _no_clip(content)
    if name == "none":
        frames = _decode_with_av(content, max_pixels)
    elif animated:
        frames = _decode_with_pillow(content)
    else:
        frames = (
            decode_image(part, 3, max_pixels).numpy() for part in [content]
        )
    empty = True
    try:
        for frame in frames:
            empty = False
            yield frame
    except (ImportError, _WrongSizeError):
        raise
    except Exception as error:  # Decoders raise anything where bytes are wrong.
        raise _no_clip(content) from error
    if empty:
        raise _no_clip(content)


def _is_complete(content, name):
    if name == "animated png":
        return b"IEND\xae\x42\x60\x82" in content
    return int.from_bytes(content[4:8], "little") + 8 <= len(content)


def _decode_with_pillow(content):
    # Slow to import, and needed by this function alone.
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(content)) as picture:
        for frame in ImageSequence.Iterator(picture):
            colors = frame.convert("RGBA")
            white = Image.new("RGBA", colors.size, "white")
            white.alpha_composite(colors)
            yield np.asarray(white.convert("RGB"))


def _decode_with_av(content, max_pixels):
    try:
        import av
    except ImportError as error:
        raise ImportError(
            "`source` must be a GIF, WebP or other picture file where PyAV is "
            "not installed; install it with `pip install keras-xmodal[video]`. "
            f"Received: {len(content)} bytes that begin with {content[:16]!r}"
        ) from error
    with av.open(io.BytesIO(content)) as container:
        for stream in container.streams.video[:1]:
            _check_size(content, stream.height, stream.width, max_pixels)
            for frame in container.decode(stream):
                _check_size(content, frame.height, frame.width, max_pixels)
                # Phones turn the frames by a number, counterclockwise.
                yield np.rot90(
                    frame.to_ndarray(format="rgb24"), frame.rotation // 90
                )


class _WrongSizeError(ValueError):
    """What no decoder raises."""


def _check_size(content, height, width, max_pixels):
    if height * width > max_pixels:
        raise _WrongSizeError(
            f"`source` must hold at most `max_pixels={max_pixels}` pixels a "
            f"frame. Received: {len(content)} bytes of {height} x {width}"
        )


def _no_clip(content, evidence=None):
    evidence = evidence or (
        f"{len(content)} bytes that begin with {content[:16]!r}"
    )
    return ValueError(
        "`source` must hold a whole clip, such as a GIF, WebP or MP4 file. "
        f"Received: {evidence}"
    )
