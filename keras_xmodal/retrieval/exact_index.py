"""Exact nearest neighbours of any modality, kept in memory."""

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_xmodal import checks, files
from keras_xmodal.metrics.ids import concatenate_ids
from keras_xmodal.models.endpoint import Endpoint
from keras_xmodal.retrieval import endpoints, parquet, storage
from keras_xmodal.retrieval.queries import unit_embeddings
from keras_xmodal.retrieval.rows import Rows
from keras_xmodal.retrieval.top_k import top_k, top_k_items


class ExactIndex:
    """Search embeddings of several modalities by cosine similarity.

    Rows are kept per modality, normalised to length 1, in the order in which
    they came; after further training of the model, build the index anew. An id
    may have any number of rows, such as the five captions of an image: `search`
    finds it once, by its nearest row, and `remove` removes them all. Each
    search compares with every row, in float32, and in float64 with those that
    may be among the nearest: nothing is approximated.

    `kx.export.saved_model(model, path, search=index)` serves it.

    Threads may share an index: additions and removals take turns, and a search
    sees each of them whole or not at all.

    Args:
        model: Any object with `encode(x, modality=...)` that returns NumPy
            embeddings of shape `(rows, dim)`, such as `kx.EmbeddingModel`.
            None: the index takes embeddings only.

    Raises:
        TypeError: If the model has no `encode`.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        index = kx.retrieval.ExactIndex()
        index.add(np.eye(3), ids=["cat", "dog", "owl"], modality="image")
        ids, scores = index.search([[0.1, 0.9, 0.0]], k=2)
        print(ids[0])  # ['dog' 'cat']
        ```
    """

    def __init__(self, model: Any = None):
        self.model = None if model is None else checks.encodes(model)
        # {modality: Rows}, replaced as a whole: readers take it once.
        self._rows = {}
        self._next_id = 0
        self._lock = threading.Lock()  # of those who replace it

    def __getstate__(self):
        """Copies and pickles get a lock of their own."""
        return {k: v for k, v in vars(self).items() if k != "_lock"}

    def __setstate__(self, state):
        """Take a state, with a new lock."""
        vars(self).update(state, _lock=threading.Lock())

    def __len__(self):
        """Number of rows, over all modalities."""
        return sum(self.sizes.values())

    def __contains__(self, item_id):
        """Whether any modality has a row of this id."""
        try:
            item = checks.ids("item_id", [item_id])
            found = [rows.having(item)[1] for rows in self._rows.values()]
        except (TypeError, ValueError):  # Of another kind or size.
            return False
        return any(there.all() for there in found)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that have rows."""
        return tuple(self._rows)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of rows of each modality."""
        return {name: len(rows) for name, rows in self._rows.items()}

    def rows(self, modality: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows of a modality, in the order in which they were added.

        Args:
            modality: Name of the modality.

        Returns:
            Tuple of ids of shape `(rows,)` and of embeddings of shape `(rows,
            dim)`, float32, of length 1.

        Raises:
            ValueError: If the index has no rows of this modality.
        """
        with self._lock:
            known = self._rows
            rows = known[checks.one_of("modality", modality, known)].merged()
            self._rows = {**known, modality: rows}
        return rows.ids, rows.embeddings

    def add(
        self,
        x: Mapping[str, Any] | np.ndarray,
        ids: Sequence | np.ndarray | None = None,
        modality: str | None = None,
    ) -> None:
        """Add rows after those that are there: all of them or none.

        Args:
            x: Dict `{modality: raw examples}`, encoded by the model, all of
                the same length: row `i` of each modality has id `i`. Or
                embeddings of shape `(rows, dim)`, of any length.
            ids: Array of shape `(rows,)`: numbers, strings or dates, of one
                kind in the whole index; bytes are strings in UTF-8. None:
                integers that follow the largest so far, from 0.
            modality: Name of the modality of embeddings.

        Raises:
            TypeError: If ids are of another kind, or `modality` is missing.
            ValueError: If shapes do not fit, or values are not finite.
        """
        added = unit_embeddings(self.model, x, modality, "x")
        with self._lock:
            self._add(added, ids)

    def _add(self, added, ids):
        shapes = {name: rows.shape for name, rows in added.items()}
        known = {rows.dim for rows in self._rows.values()}
        num_rows, dim = next(iter(shapes.values()))
        if set(shapes.values()) != {(num_rows, dim)} or not known <= {dim}:
            raise ValueError(
                "`x` must have as many rows in every modality, and the dim of "
                f"the index. Received: shapes {shapes}"
                + (f", index of dim {known.pop()}" if known else "")
            )
        if ids is None:
            ids = self._next_ids(num_rows)
        ids = checks.ids("ids", ids, num_rows)
        kinds = [np.empty(0, rows.dtype) for rows in self._rows.values()]
        concatenate_ids([*kinds, ids])  # raises if they do not fit
        extended = {
            name: self._rows.get(name, Rows()).extended(embeddings, ids)
            for name, embeddings in added.items()
        }
        self._rows = {**self._rows, **extended}
        if ids.dtype.kind in "iu":
            self._next_id = max(self._next_id, int(ids.max()) + 1)

    def _next_ids(self, num_rows):
        last = self._next_id + num_rows - 1
        if last >= 2**64:
            raise ValueError(
                "`ids` must be given where none of 64 bits is left after the "
                f"largest. Received: ids=None, largest id {self._next_id - 1}"
            )
        dtype = "int64" if last < 2**63 else "uint64"
        first = np.array(self._next_id, dtype)
        return first + np.arange(num_rows, dtype=dtype)

    def remove(
        self, ids: Sequence | np.ndarray, modality: str | None = None
    ) -> int:
        """Remove every row of these ids: all of them or none.

        Args:
            ids: Array of shape `(items,)`, of the kind of the index's ids.
            modality: Name of the modality to remove them from. None: all.

        Returns:
            Number of rows removed.

        Raises:
            TypeError: If ids are of another kind.
            ValueError: If an id or the modality is not in the index.
        """
        if np.size(ids) == 0:
            return 0
        with self._lock:
            return self._remove(checks.ids("ids", ids), modality)

    def _remove(self, ids, modality):
        rows = dict(self._rows)
        if modality is not None:
            checks.one_of("modality", modality, rows)
        names = tuple(rows) if modality is None else (modality,)
        found = np.zeros(len(ids), bool)
        removed = {}
        for name in names:
            removed[name], there = rows[name].having(ids)
            found |= there
        if not found.all():
            raise ValueError(
                f"`ids` must be in the index, in {list(names)}. Received: "
                f"{int((~found).sum())} other ids, first {ids[~found][0]!r}"
            )
        counts = {name: int(gone.sum()) for name, gone in removed.items()}
        for name, count in counts.items():
            if count == len(rows[name]):
                del rows[name]
            elif count:
                rows[name] = rows[name].kept(~removed[name])
        self._rows = rows
        return sum(counts.values())

    def search(
        self,
        queries: Mapping[str, Any] | np.ndarray,
        k: int = 10,
        modality: str | None = None,
        unique: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest ids in one modality for each query.

        Rows and queries are compared block by block: the full matrix of
        scores is never held. Scores are those of float64, rounded. Rows of
        equal score come in the order in which they were added. An id of
        several rows is found by the nearest one.

        Args:
            queries: Dict `{modality: raw examples}` with one entry, encoded
                by the model, or embeddings of shape `(queries, dim)`.
            k: Positive integer, ids to return per query; all of them if the
                modality has fewer.
            modality: Name of the modality to search. It may be left out if
                the index holds a single one.
            unique: Whether each id is returned once. If not, each row counts,
                and an id may be returned several times.

        Returns:
            Tuple of ids and of float32 cosine similarities, from -1 to 1, best
            first, both NumPy arrays of shape `(queries, min(k, ids))`.

        Raises:
            TypeError: If queries or `k` are of a wrong type.
            ValueError: If shapes do not fit, values are not finite, the index
                is empty, or the modality is unknown or not clear.
        """
        k = checks.positive_integer("k", k)
        unique = checks.boolean("unique", unique)
        known = self._rows
        if not known:
            raise ValueError(
                "The index must hold rows to be searched. Received: none yet"
            )
        if modality is None:
            modality = _only(known)
        rows = known[checks.one_of("modality", modality, known)]
        if isinstance(queries, dict) and len(queries) > 1:
            raise ValueError(
                f"`queries` must be of one modality. Received: {list(queries)}"
            )
        name = None if isinstance(queries, dict) else "queries"
        embedded = unit_embeddings(self.model, queries, name, "queries")
        (queries,) = embedded.values()
        if queries.shape[1] != rows.dim:
            raise ValueError(
                "`queries` must have the dim of the index. Received: queries "
                f"of dim {queries.shape[1]}, index of dim {rows.dim}"
            )
        return self._search(modality, rows, queries, k, unique)

    def _search(self, modality, rows, queries, k, unique):
        """Ids and scores of the best rows of unit vectors."""
        if unique:
            found, scores = top_k_items(
                queries, rows.all_blocks, rows.all_ids, k, rows.gone
            )
        else:
            found, scores = top_k(queries, rows.all_blocks, k, rows.gone)
        return rows.all_ids[found], scores

    def endpoints(self, model: Any, k: int = 10) -> list[Endpoint]:
        """What an exported model serves with the rows as they are now.

        Args:
            model: Model of this package, that of the index if that has one.
            k: Positive integer, ids to return per query.

        Returns:
            List of `Endpoint`: `search_<queries>_to_<modality>` for each
            modality that the model encodes and each of the index.

        Raises:
            TypeError: If `k` is no integer, `model` is no model of this
                package or TensorFlow does not have the dtype of the ids.
            ValueError: If the index is empty or of another model, or the
                model does not encode.
        """
        k = checks.positive_integer("k", k)
        if self.model is not None and self.model is not model:
            raise ValueError(
                "`search` must be an index of `model`; one that was saved is "
                "read by `ExactIndex.load(folder, model)`. Received: an index "
                f"of another {type(self.model).__name__}"
            )
        if not self._rows:
            raise ValueError(
                "`search` must be an index that holds rows. Received: none yet"
            )
        # Rows that come later are not served, nor compared.
        copy = ExactIndex()
        copy._rows = self._rows
        return endpoints.endpoints(copy, model, k)

    def save(self, folder: str | os.PathLike, overwrite: bool = False) -> None:
        """Write `index.npz` and, of a Keras model, `model.keras`.

        The folder appears when all is written, and takes the place of an
        older one in one step: a process that is killed leaves the old or the
        new one, and `load` in another process reads one of the two, whole.
        What killed processes left goes with the next `save`. A model that is
        not a `keras.Model` is not saved; pass it to `load`.

        Args:
            folder: Path of a folder that does not exist yet.
            overwrite: Whether to replace an index that is there.

        Raises:
            FileExistsError: If the path exists and is no index, or
                `overwrite` is False.
        """
        with self._lock:
            rows, next_id, more = self._rows, self._next_id, self._more()
        storage.save(folder, self.model, rows, next_id, overwrite, more)

    def to_parquet(
        self, path: str | os.PathLike, overwrite: bool = False
    ) -> None:
        """Write the rows to a file of Parquet, for a database.

        Its columns are `id`, `modality` (a string) and `embedding` (a list of
        `dim` float32 numbers, of length 1), as vector databases load them, and
        its rows are in the order in which they were added, one modality after
        the other. The file appears when all is written. This needs `pip
        install 'keras-xmodal[parquet]'`.

        Args:
            path: Path of a file that does not exist yet, in a folder that does.
            overwrite: Whether to replace a file that is there.

        Raises:
            FileExistsError: If the path exists and `overwrite` is False.
            ImportError: If PyArrow is not installed.
            TypeError: If Arrow does not have the dtype of the ids.
            ValueError: If the index is empty.
        """
        overwrite = checks.boolean("overwrite", overwrite)
        parquet.write(path, self._rows, overwrite)

    def _write(self, path):
        """Write the index alone, of a model that is saved beside it."""
        with self._lock:
            rows, next_id = self._rows, self._next_id
        storage.write(path, rows, next_id, has_model=True, more={})

    def _more(self):
        """Arrays to be saved, beside those of all indexes."""
        return {}

    @staticmethod
    def _read_more(archive, rows):
        """What of these arrays is needed, and the arguments of the index."""
        return None, {}

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike,
        model: Any = None,
        mmap: bool = False,
    ) -> "ExactIndex":
        """Read an index that `save` wrote, and its model.

        With `mmap`, the embeddings stay in the file: loading takes the time of
        reading the ids, searches read the file as they need it, and processes
        share the memory. It is as it was when it was loaded: rows that are
        added or removed change the index alone, and `save` to the same folder
        puts a new file beside the old one, which stays until nobody uses it.
        Only the first rows are checked then, and no checksum: use it for files
        that you trust, and let no other program change them in place.

        Args:
            folder: Path of the folder.
            model: Model to use instead of the saved one.
            mmap: Whether to map the file of the embeddings into memory instead
                of reading it. One that an older release wrote is read.

        Returns:
            `ExactIndex`.

        Raises:
            FileNotFoundError: If there is no index in the folder.
            ValueError: If a file is damaged.
        """
        folder = checks.path("folder", folder)
        mmap = checks.boolean("mmap", mmap)
        with files.snapshot(folder, (storage.INDEX, storage.MODEL)) as opened:
            return cls._read(opened, folder, model, mmap)

    @classmethod
    def _read(cls, opened, folder, model=None, mmap=False):
        """Read open files of a folder."""
        rows, next_id, model, (more, arguments) = storage.read(
            opened, folder, model, mmap, cls._read_more
        )
        index = cls(model, **arguments)
        index._rows, index._next_id = rows, next_id
        index._take_more(more)
        return index

    def _take_more(self, more):
        """Take what `_read_more` has read."""


def _only(rows):
    if len(rows) != 1:
        raise ValueError(
            "`modality` must name what to search, unless the index holds "
            "a single modality. Received: modality=None, index of "
            f"{list(rows)}"
        )
    return next(iter(rows))
