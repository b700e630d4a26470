"""An index on disk: `index.npz`, and `model.keras` beside it."""

import pathlib
import zipfile

import keras
import numpy as np

from keras_xmodal import checks, files
from keras_xmodal.retrieval.rows import Rows

INDEX, MODEL = "index.npz", "model.keras"
FORMAT = 1
_DAMAGED = (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile)


def save(folder, model, rows, next_id, overwrite):
    """Write an index beside its place and move it there when complete."""
    folder = checks.path("folder", folder).resolve()
    files.recover(folder)
    _check_free(folder, overwrite)
    has_model = isinstance(model, keras.Model)
    with files.new_folder(folder, replace=True) as beside:
        arrays = {
            "format": np.array(FORMAT),
            "modalities": np.array(list(rows), dtype=str),
            "next_id": np.array(str(next_id)),  # beyond 64 bits, too
            "has_model": np.array(has_model),
        }
        for i, modality_rows in enumerate(rows.values()):
            arrays[f"embeddings_{i}"] = modality_rows.embeddings
            arrays[f"ids_{i}"] = modality_rows.ids
        np.savez(beside / INDEX, **arrays)
        if has_model:
            model.save(beside / MODEL)


def load(folder):
    """Read what `save` wrote, but for the model."""
    files.recover(folder)
    path = pathlib.Path(folder) / INDEX
    if not path.is_file():
        raise FileNotFoundError(
            f"`folder` must hold an index. Received: no file {path}"
        )
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("it is not an npz file")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        if int(arrays["format"]) > FORMAT:
            raise ValueError(
                f"it has format {arrays['format']}, this release reads up to "
                f"{FORMAT}"
            )
        rows = {}
        for i, name in enumerate(arrays["modalities"].tolist()):
            embeddings, ids = arrays[f"embeddings_{i}"], arrays[f"ids_{i}"]
            if embeddings.ndim != 2 or ids.shape != embeddings.shape[:1]:
                raise ValueError(
                    f"it has embeddings of shape {embeddings.shape} and ids "
                    f"of shape {ids.shape}"
                )
            rows[name] = Rows((embeddings, ids))
        return rows, int(arrays["next_id"]), bool(arrays["has_model"])
    except _DAMAGED as error:
        raise ValueError(
            "`folder` must hold a readable index. "
            f"Received: {path}, where {error}"
        ) from error


def load_model(folder):
    """Read the model of an index."""
    path = pathlib.Path(folder) / MODEL
    if not path.is_file():
        raise FileNotFoundError(
            "`folder` must hold the model of the index, or give `model`. "
            f"Received: no file {path}"
        )
    try:
        return keras.saving.load_model(path)
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
