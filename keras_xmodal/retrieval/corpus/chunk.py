"""Some rows of a corpus, one after the other."""

import hashlib
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from keras_xmodal.metrics.ids import concatenate_ids


class Chunk(NamedTuple):
    """Rows from `first` on, counted from 0.

    Args:
        first: Integer, the place of the first row.
        ids: Array `(rows,)` of integers or strings.
        columns: Dict by modality of lists or arrays of raw values, None in a
            list where there is none.
        present: Dict by modality of booleans `(rows,)`, where it is there; of
            those that are not there in all rows.
        numbers: Integers `(rows,)`, how a user counts the rows.
    """

    first: int
    ids: np.ndarray
    columns: dict
    present: dict
    numbers: np.ndarray

    @property
    def end(self):
        """The place after the last row."""
        return self.first + len(self.ids)

    def part(self, start, stop):
        """The rows of these places."""
        rows = slice(start - self.first, stop - self.first)
        return Chunk(
            start,
            self.ids[rows],
            {name: values[rows] for name, values in self.columns.items()},
            {name: there[rows] for name, there in self.present.items()},
            self.numbers[rows],
        )


class Digest:
    """Bytes that are others where rows are, however they came in chunks."""

    def __init__(self):
        self._columns = {}

    def update(self, chunk):
        """Take the next rows."""
        for name, values in {"": chunk.ids, **chunk.columns}.items():
            there = chunk.present.get(name)
            if there is None:
                there = np.ones(len(chunk.ids), bool)
            is_array = isinstance(values, np.ndarray)
            is_array = is_array and values.dtype.kind not in "OU"
            if name not in self._columns:
                kind = f"{values.dtype.str}{values.shape[1:]}" * is_array
                self._columns[name] = hashlib.sha256(f"{name} {kind}".encode())
            digest = self._columns[name]
            if is_array and there.all():
                digest.update(np.ascontiguousarray(values))
                continue
            for value, is_there in zip(values, there.tolist(), strict=True):
                digest.update(_bytes(value) if is_there else b"missing")

    def hexdigest(self):
        """In letters, of all rows until now."""
        parts = [self._columns[name].digest() for name in sorted(self._columns)]
        return hashlib.sha256(b"".join(parts)).hexdigest()


def _bytes(value):
    if value is None:
        return b"none"
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return len(value).to_bytes(8, "little") + value
    return np.ascontiguousarray(value).tobytes()


def joined(chunks):
    """Rows that follow each other."""
    if len(chunks) == 1:
        return chunks[0]
    present = {name for chunk in chunks for name in chunk.present}
    return Chunk(
        chunks[0].first,
        concatenate_ids([chunk.ids for chunk in chunks]),
        {
            name: _joined([chunk.columns[name] for chunk in chunks])
            for name in chunks[0].columns
        },
        {
            name: np.concatenate(
                [
                    chunk.present.get(name, np.ones(len(chunk.ids), bool))
                    for chunk in chunks
                ]
            )
            for name in present
        },
        np.concatenate([chunk.numbers for chunk in chunks]),
    )


def _joined(parts):
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    return [value for part in parts for value in part]


class Cursor:
    """Read ranges of rows, without beginning anew where they follow.

    Args:
        open_at: Function of a place to an iterator of chunks that begin there
            or before.
        skips: Whether it must go through all rows on the way to a place.
    """

    def __init__(self, open_at: Callable, skips: bool = False):
        self._open_at, self._skips = open_at, skips
        self._chunks: Iterator | None = None
        self._rest: Chunk | None = None
        self._place = math.inf
        self.end = 0  # of the rows that were seen

    def __reduce__(self):
        """Without what is open: it is opened anew where it is read."""
        return Cursor, (self._open_at, self._skips)

    def read(self, start: int, stop: int, size: int) -> Iterator[Chunk]:
        """Chunks of at most `size` rows, to the end of the rows."""
        if start < self._place or (start > self._place and not self._skips):
            self._chunks, self._rest = self._open_at(start), None
        while start < stop:
            end = min(start + size, stop)
            parts = list(self._take(start, end))
            if parts:
                yield joined(parts)
            if not parts or parts[-1].end < end:
                return
            start = end

    def _take(self, start, stop):
        """Parts of the chunks that hold these places."""
        self._place = math.inf  # Anew, where this is not gone through.
        while start < stop:
            chunk = self._rest or next(self._chunks, None)
            if chunk is None:
                break
            self._rest, self.end = None, chunk.end
            if chunk.end <= start:
                continue
            end = min(chunk.end, stop)
            yield chunk.part(start, end)
            if chunk.end > end:
                self._rest = chunk.part(end, chunk.end)
            start = end
        self._place = stop
