"""Where the rows of a corpus come from, whatever it is."""

import os
import pathlib
from collections.abc import Iterable
from typing import Any

from keras_xmodal import checks
from keras_xmodal.retrieval.corpus.array_source import ArraySource
from keras_xmodal.retrieval.corpus.batch_source import BatchSource
from keras_xmodal.retrieval.corpus.parquet_source import ParquetSource
from keras_xmodal.retrieval.corpus.table_source import (
    CsvSource,
    FolderSource,
    TableArguments,
)

TABLES = (".csv", ".tsv")
PARQUET = (".parquet", ".pq")


def open_source(
    source: Any,
    known: tuple[str, ...],
    modalities=None,
    ids=None,
    files=(),
    delimiter=",",
    root=None,
    choose=None,
):
    """Look at a source, and check that it has modalities of a model.

    A source has `fingerprint`, which is another where the rows are; the
    `modalities` that it has; in `files` those of them whose values are paths;
    `num_rows`, None where only the way to the end tells; `follows_order`,
    whether it is gone through from the first row on; and `read(start, stop,
    size)`, an iterator of chunks.
    """
    if not isinstance(source, (str, os.PathLike)) and not _is_dataset(source):
        checks.left_out(
            "Columns are those of a table", modalities=modalities, root=root
        )
        checks.left_out("Files are those of a table", files=list(files))
        if isinstance(source, dict):
            return ArraySource(source, known, ids)
        checks.left_out("Batches bring their ids, `(x, ids)`", ids=ids)
        if isinstance(source, Iterable) or hasattr(source, "num_batches"):
            return BatchSource(source, known)
        raise TypeError(
            "`source` must be the path of a CSV file, of Parquet files or of a "
            "folder, a `pyarrow.dataset.Dataset`, a dict of arrays, or batches "
            f"to iterate over. Received: source of type {type(source).__name__}"
        )
    arguments = TableArguments(known, modalities, ids, files, root, choose)
    if _is_dataset(source):
        return ParquetSource(source, arguments)
    path = checks.path("source", source)
    if path.suffix.lower() in PARQUET or _holds_parquet(path):
        return ParquetSource(path, arguments)
    if path.is_dir():
        return FolderSource(path, arguments)
    if path.suffix.lower() == ".tsv" and delimiter == ",":
        delimiter = "\t"
    return CsvSource(path, arguments, delimiter)


def _is_dataset(source):
    module = type(source).__module__
    return module.startswith("pyarrow.") and hasattr(source, "get_fragments")


def _holds_parquet(path: pathlib.Path):
    """Whether a folder, or one below it, has Parquet files."""
    if not path.is_dir():
        return False
    for _, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if any(name.lower().endswith(PARQUET) for name in names):
            return True
        if names:
            return False
    return False
