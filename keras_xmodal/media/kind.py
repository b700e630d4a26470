"""What data are: pictures, texts, recordings, clips or numbers."""

from collections.abc import Collection
from typing import Any

import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.media.gif_frames import count_frames
from keras_xmodal.media.header import KINDS, read_header

# Of the values of a modality.
KINDS_OF_DATA = ("image", "text", "speech", "video", "numbers")
# What files are taken for before they are read.
SUFFIXES = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".bmp", ".webp"), "image"),
    ".gif": "image",  # or a clip
    ".wav": "speech",
    **dict.fromkeys((".mp3", ".flac", ".ogg", ".opus", ".m4a"), "speech"),
    **dict.fromkeys((".mp4", ".mov", ".mkv", ".webm", ".avi"), "video"),
}
# MP3 with and without a header, AAC, FLAC, Ogg.
_SOUNDS = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1")
_SOUNDS += (b"\xff\xf9", b"fLaC", b"OggS")
_SHORTEST_WAVEFORM = 4000  # samples, half a second of a telephone
_CONTROL = bytes(i for i in range(32) if i not in b"\t\n\f\r")


def kind_of(values: Any) -> str:
    """Tell of which kind a modality is, by its raw values.

    Files are told by their content, arrays by shape and dtype:

    - `"text"`: strings, also as bytes of UTF-8;
    - `"image"`: files of pictures; arrays `(height, width, channels)`;
    - `"video"`: files of clips; arrays `(time, height, width, channels)`. A
      GIF file is a clip if it has several frames; files that are all GIFs are
      clips if one of them is, and among other pictures its first frame counts;
    - `"speech"`: files of sound; waveforms of differing lengths, or of 4,000
      samples and more, all in [-1, 1];
    - `"numbers"`: all other numbers and vectors.

    Args:
        values: List, array or tensor of the values of a modality, one for each
            example, as `fit` takes them.

    Returns:
        One of the five.

    Raises:
        ValueError: If there are no values, they are of several kinds, or one
            is of no kind.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        print(kx.datasets.kind_of(["a red apple", "a tree"]))  # text
        print(kx.datasets.kind_of(np.zeros((9, 32, 32, 3))))  # image
        print(kx.datasets.kind_of(np.zeros((9, 5))))  # numbers
        kx.datasets.write_wav("tone.wav", np.ones(800) / 2, 8000)
        with open("tone.wav", "rb") as file:
            print(kx.datasets.kind_of([file.read()]))  # speech
        ```
    """
    found = _kinds(values)
    kind = common_kind(found)
    if kind is None:
        raise ValueError(
            "`values` must be of one kind: pictures, texts, recordings, clips "
            "or numbers. Received: "
            + " and ".join(
                f"{kind or 'no such'}, like {str(value)[:40]}"
                for kind, value in found.items()
            )
        )
    return kind


def common_kind(kinds: Collection[str | None]) -> str | None:
    """The kind of values of these kinds, as `kind_of` says; None for none."""
    found = set(kinds)
    if "clip gif" in found:
        found.add("image" if "image" in found else "video")
    elif "gif" in found:
        found.add("video" if "video" in found else "image")
    found -= {"gif", "clip gif"}
    return found.pop() if len(found) == 1 else None


def kind_of_file(content: bytes) -> str | None:
    """Kind of one file: image, gif, clip gif, speech or video; None for others.

    A "gif" has one frame.
    """
    try:
        name = KINDS[int(read_header(content)[0])]
    except tf.errors.InvalidArgumentError:  # of a JPEG file that is not whole
        return "image"
    if name == "gif":
        return "gif" if count_frames(content) < 2 else "clip gif"
    if name == "animated webp":
        return "video"
    if name != "none":
        return "image"
    if content[:4] == b"RIFF" and content[8:12] in (b"WAVE", b"AVI "):
        return "speech" if content[8:12] == b"WAVE" else "video"
    if content.startswith(_SOUNDS) or content[4:11] == b"ftypM4A":
        return "speech"
    if content[4:8] == b"ftyp" or content.startswith(b"\x1aE\xdf\xa3"):
        return "video"
    return None


def _kinds(values):
    """The kinds of the values, with one of each."""
    if not isinstance(values, (list, tuple)):
        values = np.asarray(checks.array("values", values))
        checks.shape("values", values.shape, ("examples", ...))
        if values.dtype != object and values.size:
            sizes = values.shape[1:]
            return {_kind_of_array(values, sizes): f"arrays of shape {sizes}"}
    found = {}
    for value in values:
        found.setdefault(_kind_of_value(value), value)
    if not found or not np.size(value):
        raise ValueError("`values` must not be empty. Received: nothing")
    lengths = {np.size(value) for value in values}
    if set(found) <= {"speech", "numbers"} and len(lengths) > 1:
        return {"speech": found.popitem()[1]}
    return found


def _kind_of_value(value):
    if isinstance(value, str):
        return "text"
    if isinstance(value, bytes):
        return "text" if _is_text(value) else kind_of_file(value)
    array = np.asarray(value)
    return _kind_of_array(array, array.shape)


def _kind_of_array(array, sizes):
    """Kind of one value, or of all values of these sizes."""
    if array.dtype.kind not in "biuf":
        return None
    if len(sizes) in (3, 4) and sizes[-1] in (1, 3, 4):
        return "image" if len(sizes) == 3 else "video"
    if len(sizes) > 1:
        return None
    if sizes and sizes[0] >= _SHORTEST_WAVEFORM and np.abs(array).max() <= 1:
        return "speech"
    return "numbers"


def _is_text(content):
    if content.translate(None, _CONTROL) != content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
