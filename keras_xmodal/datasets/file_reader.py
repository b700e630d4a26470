"""Files, read many at once and checked when they are first read."""

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
_ROWS, _BYTES = 64, 2**20  # that are read at once
_UNKNOWN, _NOT_READ = 0, -1  # instead of the hash of a sound content


class FileReader:
    """Read the files of one modality, and find broken ones.

    A file is checked when it is first read, by Python. From then on the graph
    reads it, for as long as it is what was checked.
    """

    def __init__(self, paths, numbers, skip_broken, check_files=True):
        self.paths = paths
        self.numbers = numbers
        self.skip_broken = skip_broken
        self.check_files = check_files
        files = set(paths) - {None}
        self.num_files = len(files)
        self.rows_at_once = _rows_at_once(files)
        # As bytes: names of files need not be in UTF-8.
        self._names = tf.constant([os.fsencode(path or "") for path in paths])
        self._missing = _stand_in(files) if None in paths else b""
        self._sound = {}  # hashes of contents, for Python
        self._broken = set()
        self._lock = threading.Lock()
        # The same for the graph: of sound contents a hash of TensorFlow.
        self._hashes = tf.lookup.experimental.MutableHashTable(
            tf.string, tf.int64, _UNKNOWN
        )
        self._hashes.insert([""], tf.constant([_NOT_READ], tf.int64))

    def read(self, rows):
        """Read the files of rows `(batch,)`, inside a graph.

        Returns:
            Tuple of their contents and whether they are sound, `(batch,)`.
        """
        paths = tf.gather(self._names, rows)
        if not self.check_files:
            there = paths != ""
            return self._contents(paths, there), tf.ones_like(there)
        hashes = tf.ensure_shape(self._hashes.lookup(paths), rows.shape)
        there = hashes > 0
        # A file that is gone would end the graph without the row.
        found = tf.io.matching_files(tf.boolean_mask(paths, there))
        as_checked = tf.reduce_all(hashes != _UNKNOWN)
        as_checked &= tf.size(found) == tf.math.count_nonzero(
            there, dtype=tf.int32
        )
        contents = tf.cond(
            as_checked,
            lambda: self._contents(paths, there),
            lambda: tf.zeros_like(paths),
        )
        as_checked &= tf.reduce_all(~there | (_hash(contents) == hashes))
        return tf.cond(
            as_checked,
            lambda: (contents, there | (paths == "")),
            lambda: self._checked(rows, paths),
        )

    def _contents(self, paths, there):
        """Contents of the files that are there, and what stands for others."""
        contents = tf.map_fn(tf.io.read_file, tf.boolean_mask(paths, there))
        contents = tf.concat([[self._missing], contents], axis=0)
        place = tf.cumsum(tf.cast(there, tf.int32))
        return tf.gather(contents, tf.where(there, place, 0))

    def _checked(self, rows, paths):
        """Read files by Python, and keep what was found."""
        contents, sound = tf.numpy_function(
            self._read, [rows], [tf.string, tf.bool]
        )
        contents, sound = (
            tf.ensure_shape(value, rows.shape) for value in (contents, sound)
        )
        hashes = tf.where(sound & (paths != ""), _hash(contents), _NOT_READ)
        with tf.control_dependencies([self._hashes.insert(paths, hashes)]):
            return tf.identity(contents), tf.identity(sound)

    def _read(self, rows):
        contents = [self._read_one(row) for row in rows]
        sound = [content is not None for content in contents]
        # As objects: NumPy's own strings lose zeros at their end.
        contents = [content or b"" for content in contents]
        return np.array(contents, object), np.array(sound)

    def _read_one(self, row):
        """The content of the file of a row, None if it is left out."""
        path = self.paths[row]
        if path is None:
            return self._missing
        if path in self._broken:
            return None
        try:
            content = read_file(path)
            if self._sound.get(path) != hash(content):
                check_content(content, path)
                self._sound[path] = hash(content)
        except (OSError, ValueError) as error:
            if not self.skip_broken:
                raise ValueError(
                    f"Row {self.numbers[row]}: {error}. `skip_broken=True` "
                    "leaves such rows out."
                ) from error
            self._leave_out(row, error)
            return None
        return content

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


def _rows_at_once(files):
    """As many as make a MiB, by the sizes of some files."""
    files = sorted(files)
    some = files[:: max(1, len(files) // _ROWS)]
    size = sum(map(os.path.getsize, some)) / len(some)
    return max(1, min(_ROWS, int(_BYTES // max(size, 1))))


def _hash(contents):
    """Positive integers."""
    return 1 + tf.strings.to_hash_bucket_fast(contents, 2**63 - 2)


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
