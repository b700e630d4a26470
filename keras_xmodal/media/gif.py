"""Clips as GIF files."""

import os

import numpy as np

from keras_xmodal import checks, files


def write_gif(
    path: str | os.PathLike, frames: np.ndarray, frames_per_second: float = 8
) -> None:
    """Write a clip as an animated GIF that repeats for ever.

    A frame of at most 256 colours is written exactly, of others the nearest
    256 colours are. Each frame is stored whole, so that every reader finds
    the same frames, also those that repeat the one before.

    The file appears complete: it is written beside `path` and then renamed,
    and replaces what was there.

    Args:
        path: Path of the file, in a folder that exists.
        frames: Array of shape `(time, height, width, channels)` with 1 or 3
            channels, integers from 0 to 255 or floats in [0, 1].
        frames_per_second: Float above 0 and at most 50; a frame is shown for a
            whole number of hundredths of a second.

    Raises:
        TypeError: If the frames are neither integers nor floats.
        ValueError: If the frames have another shape or range, or
            `frames_per_second` is out of range.

    Example:
        ```python
        import keras_xmodal as kx

        clips = kx.datasets.load("emoji_motion", "test_concept")
        for x, _ in clips.take(1):
            kx.datasets.write_gif("clip.gif", x["video"])
        ```
    """
    content = encode_gif(frames, frames_per_second)
    files.write(checks.path("path", path), content)


def encode_gif(frames: np.ndarray, frames_per_second: float = 8) -> bytes:
    """Make the content of a GIF file, as `write_gif` writes it."""
    frames_per_second = checks.in_range(
        "frames_per_second", frames_per_second, 0, 50, "(]"
    )
    frames = _to_uint8(np.asarray(frames))
    # The format counts the time in 16 bits.
    hundredths = min(round(100 / frames_per_second), 2**16 - 1)
    height, width = frames.shape[1:3]
    parts = [
        b"GIF89a",
        width.to_bytes(2, "little"),
        height.to_bytes(2, "little"),
        b"\x00\x00\x00",  # each frame has its own colours
        b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00",  # for ever
        *(_encode(frame, hundredths) for frame in frames),
        b";",
    ]
    return b"".join(parts)


def _to_uint8(frames):
    if frames.ndim != 4 or frames.shape[-1] not in (1, 3) or not frames.size:
        raise ValueError(
            "`frames` must have shape (time, height, width, channels), with 1 "
            f"or 3 channels. Received: shape={frames.shape}"
        )
    if max(frames.shape[1:3]) >= 2**16:
        raise ValueError(
            "`frames` must be smaller than 65536 pixels in height and width. "
            f"Received: shape={frames.shape}"
        )
    if frames.dtype.kind not in "iuf":
        raise TypeError(
            "`frames` must be integers from 0 to 255 or floats in [0, 1]. "
            f"Received: dtype={frames.dtype}"
        )
    low, high = frames.min(), frames.max()
    largest = 1 if frames.dtype.kind == "f" else 255
    if not (low >= 0 and high <= largest):  # NaN is in no range
        raise ValueError(
            "`frames` must be integers from 0 to 255 or floats in [0, 1]. "
            f"Received: values from {low} to {high}"
        )
    if frames.dtype.kind == "f":
        frames = np.rint(255 * frames.astype(np.float32))
    return np.broadcast_to(frames.astype(np.uint8), (*frames.shape[:-1], 3))


def _encode(frame, hundredths):
    """One frame: for how long, its place, its colours and its pixels."""
    # Slow to import, and needed by this function alone.
    from PIL import GifImagePlugin, Image

    colors, index = np.unique(frame.reshape(-1, 3), axis=0, return_inverse=True)
    if len(colors) <= 256:
        index = index.reshape(frame.shape[:2]).astype(np.uint8)
        picture = Image.fromarray(index, "L").convert("P")
        picture.putpalette(colors.tobytes())
    else:
        picture = Image.fromarray(np.ascontiguousarray(frame))
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    # Pillow's own `save` would leave out a frame like the one before.
    data = GifImagePlugin.getdata(
        picture, duration=10 * hundredths, include_color_table=True
    )
    return b"".join(data)
