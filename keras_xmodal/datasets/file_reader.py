"""Files, read one by one and checked when they are first read."""

import os
import pathlib
import threading
import warnings

import numpy as np
import tensorflow as tf

from keras_xmodal.datasets.csv_rows import check_size
from keras_xmodal.media.gif import encode_gif
from keras_xmodal.media.image import is_whole_image
from keras_xmodal.media.kind import SUFFIXES
from keras_xmodal.media.wav import encode_wav, is_whole_wav

_PICTURES = tuple(s for s, kind in SUFFIXES.items() if kind == "image")
# Which broken files are named, so that thousands are not.
_NAMED = (1, 2, 3, 4, 5, 10, 100, 1000, 10_000, 100_000)


class FileReader:
    """Read the files of one modality, and find broken ones.

    A file is decoded for the check once, not in every epoch.
    """

    def __init__(self, paths, numbers, skip_broken):
        self.paths = paths
        self.numbers = numbers
        self.skip_broken = skip_broken
        files = set(paths) - {None}
        self.num_files = len(files)
        self._missing = _stand_in(files) if None in paths else b""
        self._sound = set()
        self._broken = set()
        self._lock = threading.Lock()

    def read(self, row):
        """Read the file of a row, inside a graph."""
        content, sound = tf.numpy_function(
            self._read, [row], [tf.string, tf.bool]
        )
        content.set_shape(())
        sound.set_shape(())
        return content, sound

    def _read(self, row):
        path = self.paths[row]
        if path is None:
            return np.array(self._missing, object), True
        if path in self._broken:
            return b"", False
        try:
            content = read_file(path)
            if path not in self._sound:
                check_content(content, path)
                self._sound.add(path)
        except (OSError, ValueError) as error:
            if not self.skip_broken:
                raise ValueError(
                    f"Row {self.numbers[row]}: {error}. `skip_broken=True` "
                    "leaves such rows out."
                ) from error
            self._leave_out(row, error)
            return b"", False
        # As an object: NumPy's own strings lose zeros at their end.
        return np.array(content, object), True

    def _leave_out(self, row, error):
        # Held while it warns: nobody else ends the iteration before that.
        with self._lock:
            if self.paths[row] in self._broken:
                return
            self._broken.add(self.paths[row])
            count = len(self._broken)
            if count == self.num_files:
                raise ValueError(
                    "At least one file of a modality must be sound. Received: "
                    f"{count} broken files, row {self.numbers[row]}: {error}"
                )
            if count in _NAMED:
                warnings.warn(
                    f"Row {self.numbers[row]} is left out: {error}. Broken "
                    f"files until now: {count} of {self.num_files}.",
                    stacklevel=2,
                )


def read_file(path):
    """Read a file that is not too large."""
    check_size(path)
    return pathlib.Path(path).read_bytes()


def _stand_in(files):
    """What a preprocessor can decode in place of a missing file."""
    suffixes = {os.path.splitext(file)[1].lower() for file in files}
    if suffixes <= set(_PICTURES):
        return encode_gif(np.zeros((1, 1, 1, 3), np.uint8))
    if suffixes == {".wav"}:
        return encode_wav(np.zeros(8), 8000)
    return b""


def check_content(content, path):
    """Check that a picture or a WAV file is whole, and others not empty."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in _PICTURES:
        rule, sound = (
            "a whole JPEG, PNG, GIF, BMP or WebP picture",
            is_whole_image,
        )
    elif suffix == ".wav":
        rule, sound = "a whole WAV file with samples", is_whole_wav
    else:
        rule, sound = "a file that is not empty", bool
    if not sound(content):
        raise ValueError(
            f"The file must be {rule}. Received: {path!r}, {len(content)} "
            f"bytes that begin with {content[:16]!r}"
        )
