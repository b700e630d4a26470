"""Clips from files."""

import io
import os
import pathlib
from collections.abc import Iterator

import numpy as np

from keras_xmodal import checks
from keras_xmodal.ops.sample_frames import sample_frames


def read_video(
    source: str | os.PathLike | bytes, num_frames: int | None = None
) -> np.ndarray:
    """Read the frames of a clip.

    GIF, WebP and PNG files are read by Pillow, animated or not, and laid over
    white where they are clear. All other formats, such as MP4 and WebM, are
    read by PyAV, which `pip install keras-xmodal[video]` installs; their sound
    is left alone. Frames count alike, however long each is shown.

    Args:
        source: Path of a file, or its content.
        num_frames: Positive integer, how many frames to take, those in the
            middle of equal parts as `VideoPreprocessor` does; `None` for all.

    Returns:
        uint8 array of shape `(time, height, width, 3)`.

    Raises:
        TypeError: If `source` is neither a path nor bytes.
        ValueError: If `num_frames` is not positive, or the file holds no clip.
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
    if isinstance(source, bytes):
        content = source
    else:
        content = pathlib.Path(source).read_bytes()
    wanted = None
    if num_frames is not None:
        length = sum(1 for _ in _frames(content))
        wanted = np.asarray(sample_frames(length, num_frames))
    # Two passes over a long clip, rather than all of its frames in memory.
    chosen: set[int] = set() if wanted is None else set(wanted.tolist())
    frames = {
        index: frame
        for index, frame in enumerate(_frames(content))
        if wanted is None or index in chosen
    }
    return np.stack([frames[i] for i in (frames if wanted is None else wanted)])


def _frames(content: bytes) -> Iterator[np.ndarray]:
    """Yield the frames of a clip, at least one: uint8 (height, width, 3)."""
    animations = [b"GIF8", b"\x89PNG"]
    if content[8:12] == b"WEBP":
        animations.append(b"RIFF")
    if content.startswith(tuple(animations)):
        frames, errors = _decode_with_pillow(content)
    elif content:
        frames, errors = _decode_with_av(content)
    else:
        raise _no_clip(content)
    empty = True
    try:
        for frame in frames:
            empty = False
            yield frame
    except errors as error:
        raise _no_clip(content) from error
    if empty:
        raise _no_clip(content)


def _decode_with_pillow(content):
    """Return an iterator of frames, and the errors that it may raise."""
    # Slow to import, and needed by this function alone.
    from PIL import Image, ImageSequence

    def frames():
        with Image.open(io.BytesIO(content)) as picture:
            for frame in ImageSequence.Iterator(picture):
                colors = frame.convert("RGBA")
                white = Image.new("RGBA", colors.size, "white")
                white.alpha_composite(colors)
                yield np.asarray(white.convert("RGB"))

    return frames(), (OSError, EOFError, SyntaxError)


def _decode_with_av(content):
    """Return an iterator of frames, and the errors that it may raise."""
    try:
        import av
    except ImportError as error:
        raise ImportError(
            "`source` must be a GIF, WebP or PNG file where PyAV is not "
            "installed; install it with `pip install keras-xmodal[video]`. "
            f"Received: {len(content)} bytes that begin with {content[:16]!r}"
        ) from error

    def frames():
        with av.open(io.BytesIO(content)) as container:
            if container.streams.video:
                for frame in container.decode(video=0):
                    yield frame.to_ndarray(format="rgb24")

    return frames(), (av.FFmpegError, OSError)


def _no_clip(content):
    return ValueError(
        "`source` must hold a clip, such as a GIF, WebP or MP4 file. "
        f"Received: {len(content)} bytes that begin with {content[:16]!r}"
    )
