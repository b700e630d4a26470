"""An index on disk: `index.npz`, and `model.keras` beside it."""

import pathlib
import shutil
import struct
import tempfile
import zipfile
import zlib

import keras
import numpy as np

from keras_xmodal import checks, files
from keras_xmodal.metrics.ids import concatenate_ids
from keras_xmodal.retrieval import npz
from keras_xmodal.retrieval.rows import Rows

INDEX, MODEL = "index.npz", "model.keras"
FORMAT = 1
_DAMAGED = (
    *(ValueError, TypeError, KeyError, OSError, EOFError),
    *(IndexError, OverflowError, MemoryError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, SyntaxError, struct.error),
)
_UNIT = 1e-3  # how far the length of a row may be from 1
_BLOCK = 16384  # rows that are checked at once
_CHECKED = 256  # rows of a mapped file that are checked, the first ones


def save(folder, model, rows, next_id, overwrite, more):
    """Write an index beside its place and move it there when complete.

    `more` are arrays of an index of another kind, by their names.
    """
    folder = checks.path("folder", folder).resolve()
    files.recover(folder)
    _check_free(folder, overwrite)
    has_model = isinstance(model, keras.Model)
    with files.new_folder(folder, replace=True) as beside:
        write(beside / INDEX, rows, next_id, has_model, more)
        if has_model:
            model.save(beside / MODEL)


def write(path, rows, next_id, has_model, more):
    """Write the index alone."""
    arrays = {
        "format": np.array(FORMAT),
        "modalities": np.array(list(rows), dtype=str),
        "next_id": np.array(str(next_id)),  # beyond 64 bits, too
        "has_model": np.array(has_model),
    }
    for i, modality_rows in enumerate(rows.values()):
        arrays[f"embeddings_{i}"] = modality_rows.blocks()
        arrays[f"ids_{i}"] = modality_rows.ids
    npz.write(path, {**arrays, **more})


def read(opened, folder, model, mmap, read_more):
    """Read open files of a folder: rows, the next id, the model, and more.

    `read_more` takes the archive of the index, and its rows by modality.
    """
    if INDEX not in opened:
        raise FileNotFoundError(
            f"`folder` must hold an index. Received: no file {folder / INDEX}"
        )
    rows, next_id, has_model, more = _read_index(opened[INDEX], mmap, read_more)
    if model is None and has_model:
        model = _read_model(opened.get(MODEL), folder / MODEL)
    return rows, next_id, model, more


def _read_index(file, mmap, read_more):
    try:
        with npz.Reader(file) as archive:
            rows, *facts = _read_arrays(archive, mmap)
            return rows, *facts, read_more(archive, rows)
    except _DAMAGED as error:
        raise ValueError(
            "`folder` must hold a readable index. "
            f"Received: {file.name}, where {error}"
        ) from error


def _read_arrays(archive, mmap):
    version = int(archive["format"])
    if version > FORMAT:
        raise ValueError(
            f"it has format {version}, this release reads up to {FORMAT}"
        )
    names = archive["modalities"].tolist()
    names = checks.strings("modalities", names, empty=True)
    if len(set(names)) < len(names):
        raise ValueError(f"it has modalities {names}, one of them twice")
    rows = {}
    for i, name in enumerate(names):
        place = f"embeddings_{i}"
        embeddings = archive.mapped_embeddings(place) if mmap else None
        checked = _CHECKED
        if embeddings is None:
            embeddings = archive.embeddings(place)
            checked = len(embeddings)
        _check_embeddings(embeddings, checked)
        ids = checks.ids("ids", archive[f"ids_{i}"], len(embeddings))
        rows[name] = Rows().extended(embeddings, ids)
    if len({modality_rows.dim for modality_rows in rows.values()}) > 1:
        raise ValueError("its modalities have embeddings of several dims")
    if rows:
        concatenate_ids([part.ids for part in rows.values()])
    return rows, int(archive["next_id"]), bool(archive["has_model"])


def _check_embeddings(embeddings, num_rows):
    """Check first rows."""
    for start in range(0, max(num_rows, 1), _BLOCK):
        block = embeddings[start : min(start + _BLOCK, num_rows)]
        block = checks.embeddings("embeddings", block)
        lengths = np.linalg.norm(block, axis=1)
        wrong = (np.abs(lengths - 1) > _UNIT) & (lengths > 0)
        if wrong.any():
            raise ValueError(
                "it has rows that are not of length 1, first row "
                f"{start + wrong.argmax()}"
            )


def _read_model(file, path):
    """Load a model from an open file, which may be gone from its folder."""
    if file is None:
        raise FileNotFoundError(
            "`folder` must hold the model of the index, or give `model`. "
            f"Received: no file {path}"
        )
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / MODEL
        with open(copy, "wb") as target:
            shutil.copyfileobj(file, target)
        try:
            return keras.saving.load_model(copy)
        except _DAMAGED as error:
            raise ValueError(
                f"`folder` must hold a readable model. Received: {path}, where "
                f"{error}"
            ) from error


def _check_free(folder, overwrite):
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else ()
    if folder.is_dir() and not names:
        return
    if INDEX not in names or not names <= {INDEX, MODEL}:
        raise FileExistsError(
            "`folder` must be a new path: what is there is no index, or more "
            f"than an index, and stays. Received: folder={str(folder)!r}"
        )
    if not overwrite:
        raise FileExistsError(
            "`folder` must be a new path, or pass `overwrite=True` to replace "
            f"the index. Received: folder={str(folder)!r}"
        )
