"""Rows of an index as a file of Parquet, which databases load."""

import os

import numpy as np

from keras_xmodal import checks, files
from keras_xmodal.metrics.ids import concatenate_ids
from keras_xmodal.retrieval.corpus.arrow import load_pyarrow

_GROUP = 16384  # rows that are written at once
# Units that Arrow lacks, and the next one that it has.
_UNITS = {
    "M": {"Y": "D", "M": "D", "W": "D", "h": "s", "m": "s"},
    "m": {"W": "s", "D": "s", "h": "s", "m": "s"},
}


def write(path, rows, overwrite):
    """Write the rows of all modalities, beside their place at first."""
    pyarrow = load_pyarrow()
    path = checks.path("path", path).resolve()
    if path.is_dir() or (path.exists() and not overwrite):
        raise FileExistsError(
            "`path` must be a new file, or pass `overwrite=True` to replace "
            f"one. Received: path={str(path)!r}"
        )
    if not rows:
        raise ValueError(
            "The index must hold rows to be written. Received: none yet"
        )
    ids = _arrow_ids(pyarrow, [part.ids for part in rows.values()])
    dim = next(iter(rows.values())).dim
    schema = pyarrow.schema(
        {
            "id": ids.type,
            "modality": pyarrow.string(),
            "embedding": pyarrow.list_(pyarrow.float32(), dim),
        }
    )
    with files.beside(path) as partial:
        with pyarrow.parquet.ParquetWriter(
            partial, schema, use_dictionary=["modality"]
        ) as writer:
            start = 0
            for name, block in _blocks(rows):
                columns = [
                    ids.slice(start, len(block)),
                    pyarrow.repeat(name, len(block)),
                    pyarrow.FixedSizeListArray.from_arrays(
                        pyarrow.array(block.reshape(-1)), dim
                    ),
                ]
                writer.write_table(pyarrow.table(columns, schema=schema))
                start += len(block)
        os.replace(partial, path)


def _blocks(rows):
    """Names of modalities, and the embeddings of some of their rows."""
    for name, part in rows.items():
        for block in part.blocks():
            for start in range(0, len(block), _GROUP):
                yield name, block[start : start + _GROUP]


def _arrow_ids(pyarrow, ids):
    ids = concatenate_ids(ids)
    kind = ids.dtype.kind
    if kind in _UNITS:
        unit, _ = np.datetime_data(ids.dtype)
        unit = _UNITS[kind].get(unit, unit)
        ids = concatenate_ids([ids, np.empty(0, f"{kind}8[{unit}]")])
    try:
        return pyarrow.array(ids)
    except (pyarrow.ArrowException, TypeError) as error:
        raise TypeError(
            "`ids` of an index in Parquet must be of a dtype that Arrow has. "
            f"Received: ids of dtype {ids.dtype}"
        ) from error
