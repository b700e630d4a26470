"""Rows of an index: embeddings and their ids, cheap to extend."""

import threading

import numpy as np

from keras_xmodal.metrics.ids import concatenate_ids
from keras_xmodal.ops.products import aligned_empty, is_aligned

_ROOM = 1024  # rows that new memory holds at least
_NONE = np.empty(0, "int64")


class Rows:
    """Embeddings and ids in the order in which they came, not changed in place.

    `extended` writes new rows behind those of `self`, in the same memory,
    where `self` does not see them. Removed rows stay, masked, until they are
    more than half. A row has the same number for ever, counted from the first.
    """

    def __init__(self, memory=None, gone=_NONE, dropped=_NONE):
        self._memory = memory or _Memory()
        self._length = self._memory.length
        self._blocks = self._memory.blocks_of(self._length)
        self.all_ids = self._memory.ids[: self._length]
        self.gone = gone  # rising places
        self._dropped = dropped  # rising numbers of rows without a place

    def __getstate__(self):
        """Copies and pickles hold the rows, no lock and no room."""
        blocks = (self.embeddings, self.ids) if len(self) else None
        return {"blocks": blocks, "dropped": self.dropped}

    def __setstate__(self, state):
        """Take the rows."""
        rows = Rows(dropped=state["dropped"])
        if state["blocks"]:
            rows = rows.extended(*state["blocks"])
        vars(self).update(vars(rows))

    def __len__(self):
        """Number of rows."""
        return self._length - len(self.gone)

    @property
    def dim(self):
        """Size of an embedding."""
        return self._blocks[0].shape[1]

    @property
    def dtype(self):
        """Dtype of the ids."""
        return self.all_ids.dtype

    @property
    def all_blocks(self):
        """List of float32 arrays of embeddings, with those that are gone."""
        return self._blocks

    @property
    def embeddings(self):
        """float32 array of shape `(rows, dim)`."""
        blocks = self.blocks()
        if len(blocks) == 1:
            return blocks[0]
        merged = aligned_empty((len(self), self.dim))
        return np.concatenate(blocks, out=merged)

    @property
    def ids(self):
        """Array of shape `(rows,)`."""
        if not len(self.gone):
            return self.all_ids
        return np.delete(self.all_ids, self.gone)

    @property
    def codes(self):
        """Integers from 0 of shape `(rows,)`, equal where the ids are."""
        return np.unique(self.ids, return_inverse=True)[1]

    @property
    def total(self):
        """Number of rows that there ever were."""
        return self._length + len(self._dropped)

    @property
    def dropped(self):
        """Rising numbers of the rows that were removed."""
        if not len(self.gone):
            return self._dropped
        numbers = np.delete(np.arange(self.total), self._dropped)
        return np.union1d(self._dropped, numbers[self.gone])

    def places(self, numbers):
        """Places of rows by their numbers, -1 for those that are not there."""
        places = numbers - np.searchsorted(self._dropped, numbers)
        there = (numbers >= 0) & (places < self._length)
        there &= ~is_in(numbers, self._dropped) & ~is_in(places, self.gone)
        return np.where(there, places, -1)

    def since(self, number):
        """List of the embeddings from a number on, none of which is dropped."""
        start, found = number - len(self._dropped), []
        for block in self._blocks:
            if start < len(block):
                found.append(block[max(start, 0) :])
            start -= len(block)
        return found

    def blocks(self):
        """List of the embeddings in several arrays, without a copy."""
        found, start = [], 0
        for block in self._blocks:
            gone = inside(self.gone, start, len(block))
            firsts, lasts = [0, *(gone + 1)], [*gone, len(block)]
            found += [
                block[first:last]
                for first, last in zip(firsts, lasts, strict=True)
                if first < last
            ]
            start += len(block)
        return found

    def merged(self):
        """The same rows in one block."""
        if len(self._blocks) == 1 and not len(self.gone):
            return self
        rows = Rows(dropped=self.dropped)
        return rows.extended(self.embeddings, self.ids)

    def numbered(self, dropped=_NONE):
        """The same rows with the numbers that are not dropped."""
        return self.merged()._with(_dropped=dropped)

    def extended(self, embeddings, ids):
        """Rows with more rows after them."""
        memory = self._memory
        with memory.lock:
            if memory.length != self._length:  # Others have extended it.
                memory = _Memory(self._blocks, self.all_ids)
            memory.append(embeddings, ids)
            return Rows(memory, self.gone, self._dropped)

    def having(self, ids):
        """Which of all rows have one of these ids, and which of these do."""
        known, wanted, fits = _comparable(self.all_ids, ids)
        there = np.zeros(len(ids), bool)
        wanted, items = np.unique(wanted[fits], return_inverse=True)
        if not len(wanted):
            return np.zeros(self._length, bool), there
        if len(wanted) == 1:
            hits = known == wanted[0]
        else:
            nearest = np.searchsorted(wanted, known)
            hits = wanted[np.minimum(nearest, len(wanted) - 1)] == known
        hits[self.gone] = False
        there[fits] = np.isin(wanted, known[hits])[items]
        return hits, there

    def kept(self, keep):
        """Some of all rows."""
        gone = ~keep
        gone[self.gone] = True
        rows = self._with(gone=np.flatnonzero(gone))
        return rows.merged() if len(rows.gone) > len(rows) else rows

    def _with(self, **changed):
        rows = Rows.__new__(Rows)
        vars(rows).update(vars(self), **changed)
        return rows


class _Memory:
    """Arrays with room for more rows than any `Rows` sees."""

    def __init__(self, blocks=(), ids=_NONE):
        self.blocks, self.ids, self.length = list(blocks), ids, len(ids)
        self.lock = threading.Lock()  # Copies of an index share memory.

    def blocks_of(self, length):
        """Embeddings of the first rows."""
        found, start = [], 0
        for block in self.blocks:
            if start < length:
                found.append(block[: length - start])
            start += len(block)
        return found

    def append(self, embeddings, ids):
        """Write rows, and then their number."""
        start, end = self.length, self.length + len(ids)
        if _holds(self.ids, ids) and end <= len(self.ids):
            self.ids[start:end] = ids
        else:
            joined = concatenate_ids(
                [self.ids[:start], ids] if start else [ids]
            )
            self.ids = np.empty(max(end + end // 4, _ROOM), joined.dtype)
            self.ids[:end] = joined
        first = 0  # of those that are not written yet
        for block in self.blocks:
            if start < len(block) and first < len(ids):
                room = block[start : start + len(ids) - first]
                room[...] = embeddings[first : first + len(room)]
                first += len(room)
            start = max(start - len(block), 0)
        left = embeddings[first:]
        size = max(len(left), end // 4, _ROOM)
        if len(left) == size and is_aligned(left):
            self.blocks.append(left)
        elif len(left):
            block = aligned_empty((size, left.shape[1]))
            block[: len(left)] = left
            self.blocks.append(block)
        self.length = end


def is_in(values, rising):
    """Whether values are among rising ones."""
    if not len(rising):
        return np.zeros(values.shape, bool)
    places = np.searchsorted(rising, values)
    return rising[np.minimum(places, len(rising) - 1)] == values


def inside(places, start, size):
    """The rising places within `size` from `start`, counted from there."""
    first, last = np.searchsorted(places, [start, start + size])
    return places[first:last] - start


def _holds(known, ids):
    """Whether an array of ids takes others as they are."""
    if known.dtype == ids.dtype:
        return True
    kinds = {known.dtype.kind, ids.dtype.kind}
    return (
        any(kinds <= set(family) for family in ("biu", "f", "c", "U", "S"))
        and np.result_type(known, ids) == known.dtype
    )


def _comparable(known, ids):
    """Known ids, others in their dtype, and which of these it holds."""
    if known.dtype.kind in "mM":
        joined = concatenate_ids([known, ids])
        return *np.split(joined, [len(known)]), np.ones(len(ids), bool)
    concatenate_ids([known[:0], ids])  # raises if they are of another kind
    with np.errstate(all="ignore"):
        cast = ids.astype(known.dtype)
    fits = cast.astype(ids.dtype) == ids
    if known.dtype.kind in "iu":
        fits &= (cast < 0) == (ids < 0)
    return known, cast, fits
