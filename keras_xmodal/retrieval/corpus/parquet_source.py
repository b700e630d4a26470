"""Rows of a corpus in Parquet files, or another `pyarrow.dataset`."""

import hashlib
import json
import os

import numpy as np

from keras_xmodal import checks
from keras_xmodal.datasets.csv_rows import Table, resolve
from keras_xmodal.retrieval.corpus.arrow import load_pyarrow
from keras_xmodal.retrieval.corpus.chunk import Chunk, Cursor
from keras_xmodal.retrieval.corpus.columns import row_ids
from keras_xmodal.retrieval.corpus.table_source import flat

_ROWS = 4096  # read at once


class ParquetSource:
    """Parquet files, of which few rows are in memory at a time.

    Args:
        source: `pathlib.Path` of a file or a folder, or a
            `pyarrow.dataset.Dataset`.
        arguments: `TableArguments`.
    """

    follows_order = False

    def __init__(self, source, arguments):
        load_pyarrow()
        import pyarrow.dataset

        self._folder = os.getcwd()
        if isinstance(source, os.PathLike):
            if not source.exists():
                raise FileNotFoundError(
                    "`source` must be there. "
                    f"Received: source={str(source)!r}, which is missing"
                )
            self._folder = str(source if source.is_dir() else source.parent)
            source = pyarrow.dataset.dataset(source, format="parquet")
        self._dataset = source
        header = source.schema.names
        self._columns = arguments.columns(header, "a table")
        self._ids, self._root = arguments.ids, arguments.root
        self._wanted = flat(self._columns)
        self._wanted += [] if self._ids is None else [self._ids]
        for name in self._wanted:
            checks.one_of("modalities", name, header)
        self.modalities, self.files = tuple(self._columns), arguments.files
        self._pieces, self._starts, digest = _look(source)
        self.num_rows = self._starts[-1]
        if not self.num_rows:
            raise ValueError("`source` must hold rows. Received: none")
        self.fingerprint = f"parquet {digest} {self._columns} {self._ids}"
        self._cursor = Cursor(self._open)

    def read(self, start, stop, size):
        """Chunks of rows."""
        return self._cursor.read(start, stop, size)

    def _open(self, place):
        piece = int(np.searchsorted(self._starts, place, side="right")) - 1
        first = self._starts[piece]
        for fragment in self._pieces[piece:]:
            for batch in fragment.to_batches(
                schema=self._dataset.schema,
                columns=list(dict.fromkeys(self._wanted)),
                batch_size=_ROWS,
                batch_readahead=1,
                fragment_readahead=1,
            ):
                if batch.num_rows:
                    yield self._chunk(batch, first)
                    first += batch.num_rows

    def _chunk(self, batch, first):
        places = np.arange(first, first + batch.num_rows)
        ids = places
        if self._ids is not None:
            found = batch.column(self._ids)
            if found.null_count:
                empty = np.flatnonzero(found.is_null().to_numpy(False))[0]
                raise ValueError(
                    f"No cell of the column {self._ids!r} may be empty. "
                    f"Received: row {places[empty]} without"
                )
            ids = row_ids("ids", found.to_pylist())
        values, present = {}, {}
        for name, names in self._columns.items():
            values[name], there = _values(batch, name, names)
            if not there.all():
                present[name] = there
            if name in self.files:
                values[name] = self._paths(names, values[name], places)
        return Chunk(first, ids, values, present, places)

    def _paths(self, column, values, places):
        """Paths relative to the folder of the file."""
        rule = f"a column of paths, {column!r}"
        for value in values:
            checks.instance_of("files", value, str, rule, optional=True)
        cells = [value or "" for value in values]
        table = Table(self._folder, {column: cells}, places.tolist())
        return resolve(table, column, self._root)


def _look(dataset):
    """Pieces that can be read by themselves, where they begin, a digest."""
    import pyarrow.dataset

    digest = hashlib.sha256()
    pieces, starts = [], [0]
    for fragment in dataset.get_fragments():
        path = getattr(fragment, "path", "")
        digest.update(os.path.basename(path).encode())
        if isinstance(fragment, pyarrow.dataset.ParquetFileFragment):
            # With the places and the least and largest values of its columns.
            facts = fragment.metadata.to_dict()
            for group in fragment.row_groups:
                pieces.append(fragment.subset(row_group_ids=[group.id]))
                starts.append(starts[-1] + group.num_rows)
        else:
            pieces.append(fragment)
            starts.append(starts[-1] + fragment.count_rows())
            facts = {"rows": starts[-1]}
            if path:
                info = fragment.filesystem.get_file_info(path)
                facts.update(size=info.size, time=str(info.mtime))
        digest.update(json.dumps(facts, default=str, sort_keys=True).encode())
    return pieces, starts, digest.hexdigest()


def _values(batch, name, names):
    """Values of a modality, and where they are there."""
    import pyarrow

    if not isinstance(names, str):
        parts = [_values(batch, name, column) for column in names]
        there = np.all([there for _, there in parts], axis=0)
        return np.stack([values for values, _ in parts], axis=1), there
    column = batch.column(names)
    there = column.is_valid().to_numpy(False)
    kind = column.type
    types = pyarrow.types
    is_list = types.is_list(kind) or types.is_large_list(kind)
    is_list = is_list or types.is_fixed_size_list(kind)
    if types.is_dictionary(kind) or not is_list:
        is_number = types.is_floating(kind) or types.is_integer(kind)
        if is_number or types.is_boolean(kind):
            values = column.fill_null(0).to_numpy(zero_copy_only=False)
            return values, there
        values = column.to_pylist()
        texts = (str, bytes, type(None))
        if not all(isinstance(value, texts) for value in values):
            raise TypeError(
                f"The column {names!r} must hold texts, bytes, numbers or "
                f"lists of equally many numbers. Received: {kind}"
            )
        return values, there
    if there.all():
        rows = column.flatten().to_numpy(zero_copy_only=False)
        size, rest = divmod(len(rows), len(column))
        lengths = pyarrow.compute.list_value_length(column)
        if (
            not rest
            and pyarrow.compute.all(
                pyarrow.compute.equal(lengths, size)
            ).as_py()
        ):
            return rows.reshape(len(column), size), there
    rows = column.to_pylist()
    sizes = {len(row) for row in rows if row is not None}
    if len(sizes) > 1:
        raise ValueError(
            f"The column {names!r} must hold lists of equally many numbers. "
            f"Received: lists of {sorted(sizes)[:5]}"
        )
    (size,) = sizes or {1}
    rows = [[0] * size if row is None else row for row in rows]
    return np.array(rows), there
