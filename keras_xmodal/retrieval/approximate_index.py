"""What indexes have in common that ask a library for a shortlist."""

import abc
import json

import numpy as np

from keras_xmodal import checks
from keras_xmodal.retrieval.exact_index import ExactIndex
from keras_xmodal.retrieval.top_k import cosines, first_of_each, num_items

_ROUNDS = 3  # of shortlists, each four times longer


class ApproximateIndex(ExactIndex, abc.ABC):
    """Base of indexes whose searches compare a shortlist alone.

    Rows are kept as `ExactIndex` keeps them, and their numbers in a structure
    of the library, one a modality. A query whose shortlists have too few
    different ids is compared with all rows.
    """

    def __init__(self, model, rescore):
        super().__init__(model)
        self.rescore = checks.positive_integer("rescore", rescore)
        self._libraries = {}  # {modality: (structure, rows in it)}

    def __getstate__(self):
        """Structures go as bytes."""
        with self._lock:
            state = super().__getstate__()
            return {**state, "_libraries": self._dump()}

    def __setstate__(self, state):
        """Take a state, with structures of its own."""
        super().__setstate__(state)
        self._libraries = self._restored(state["_libraries"])

    @abc.abstractmethod
    def _arguments(self):
        """Arguments of the constructor, without the model."""

    @abc.abstractmethod
    def _new(self, rows):
        """A structure for rows, without any."""

    @abc.abstractmethod
    def _append(self, library, embeddings, start):
        """Add rows to a structure, numbered from `start`."""

    @abc.abstractmethod
    def _shortlist(self, library, queries, count):
        """Array of numbers of shape `(queries, count)`; -1 for none."""

    @abc.abstractmethod
    def _to_bytes(self, library):
        """A structure as an array of uint8."""

    @abc.abstractmethod
    def _from_bytes(self, content):
        """A structure from an array of uint8."""

    def _add(self, added, ids):
        before = self._rows, self._next_id
        super()._add(added, ids)
        try:
            for name in added:
                self._library(name)
        except BaseException:
            self._rows, self._next_id = before
            for name in added:  # It may have some of the rows.
                self._libraries.pop(name, None)
            raise

    def _remove(self, ids, modality):
        count = super()._remove(ids, modality)
        self._libraries = {
            name: library
            for name, library in self._libraries.items()
            if name in self._rows
        }
        return count

    def _library(self, name):
        """The structure of a modality, with all of its rows."""
        rows = self._rows[name]
        if len(rows.dropped) > len(rows):
            rows = rows.numbered()
            self._rows = {**self._rows, name: rows}
            self._libraries.pop(name, None)
        library, count = self._libraries.get(name, (None, 0))
        if library is None:
            rows = rows.numbered()
            self._rows = {**self._rows, name: rows}
            library = self._new(rows)
        for block in rows.since(count):
            self._append(library, block, count)
            count += len(block)
        self._libraries[name] = library, count
        return library

    def _search(self, modality, rows, queries, k, unique):
        with self._lock:
            if modality not in self._rows:  # removed since
                return super()._search(modality, rows, queries, k, unique)
            library = self._library(modality)
            rows = self._rows[modality]
            k = min(k, len(rows))
            if unique:
                k = num_items(rows.all_ids, rows.gone, k)
            ids = np.empty((len(queries), k), rows.dtype)
            scores = np.empty((len(queries), k), "float32")
            left, count = np.arange(len(queries)), k * self.rescore
            for _ in range(_ROUNDS):
                if not len(left) or count >= len(rows):
                    break
                numbers = self._shortlist(library, queries[left], count)
                places, found = _rescored(rows, queries[left], numbers)
                counted = places >= 0
                if unique:
                    counted &= first_of_each(rows.all_ids[places])
                done = counted.sum(axis=1) >= k
                chosen = counted & (counted.cumsum(axis=1) <= k)
                chosen = chosen[done]
                ids[left[done]] = rows.all_ids[
                    places[done][chosen].reshape(-1, k)
                ]
                scores[left[done]] = found[done][chosen].reshape(-1, k)
                left = left[~done]
                count *= 4
        if len(left):
            ids[left], scores[left] = super()._search(
                modality, rows, queries[left], k, unique
            )
        return ids, scores

    def _more(self):
        for name in self._rows:
            self._library(name)
        dumped = self._dump()
        return {
            "library": np.array(
                json.dumps([type(self).__name__, self._arguments()])
            ),
            **{
                f"library_{i}": dumped[name][0]
                for i, name in enumerate(self._rows)
            },
            **{
                f"dropped_{i}": rows.dropped
                for i, rows in enumerate(self._rows.values())
            },
        }

    @classmethod
    def _read_more(cls, archive, rows):
        kind, arguments = "ExactIndex", {}
        if "library" in archive:
            kind, arguments = json.loads(str(archive["library"]))
        if kind != cls.__name__:
            raise ValueError(f"it is of a {kind}, not of a {cls.__name__}")
        libraries = {}
        for i, (name, known) in enumerate(rows.items()):
            dropped = archive[f"dropped_{i}"].astype("int64", casting="safe")
            total = len(known) + len(dropped)
            if not np.array_equal(dropped, np.unique(dropped)) or (
                len(dropped) and not 0 <= dropped[0] <= dropped[-1] < total
            ):
                raise ValueError(f"dropped_{i} are no numbers of rows")
            rows[name] = known.numbered(dropped)
            libraries[name] = archive[f"library_{i}"], total
        return libraries, arguments

    def _take_more(self, more):
        self._libraries = self._restored(more)

    def _dump(self):
        return {
            name: (self._to_bytes(library), count)
            for name, (library, count) in self._libraries.items()
        }

    def _restored(self, dumped):
        return {
            name: (self._from_bytes(content), count)
            for name, (content, count) in dumped.items()
        }


def _rescored(rows, queries, numbers):
    """Places and cosines of the rows of some numbers, best first."""
    places = rows.places(numbers)
    asked, columns = np.nonzero(places >= 0)
    scores = np.full(places.shape, -2, "float32")
    exact = cosines(queries, asked, rows.all_blocks, places[asked, columns])
    scores[asked, columns] = np.clip(exact, -1, 1)
    order = np.lexsort((places, -scores), axis=1)
    return (
        np.take_along_axis(places, order, axis=1),
        np.take_along_axis(scores, order, axis=1),
    )
