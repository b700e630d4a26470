"""The folder of fetched files, and whether they are there and whole."""

import contextlib
import os
import pathlib
import zipfile
import zlib

from keras_xmodal import checks

DATA_DIR = "~/.cache/keras_xmodal"
_DAMAGED = (EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


def data_folder(data_dir: str | os.PathLike | None) -> pathlib.Path:
    """The absolute path of what a user passed; None is `DATA_DIR`."""
    folder = checks.path("data_dir", data_dir, optional=True)
    return checks.path("data_dir", DATA_DIR) if folder is None else folder


def check_files(name, data_dir, files):
    """Check that the files of a fetched data set are below its folder."""
    missing = [file for file in files if not (data_dir / file).is_file()]
    if missing:
        raise FileNotFoundError(
            f"`data_dir` must be a folder with the files of {name!r}. Fetch "
            f"them with `keras_xmodal.datasets.fetch({name!r}, "
            f"{str(data_dir)!r})`. Received: data_dir={str(data_dir)!r}, "
            f"without {missing[:4]}"
        )


@contextlib.contextmanager
def check_whole(name, data_dir):
    """Say which data set to fetch again where a file cannot be read."""
    try:
        yield
    except _DAMAGED as error:
        raise ValueError(
            f"`data_dir` must be a folder with whole files of {name!r}. Make "
            f"them again with `keras_xmodal.datasets.fetch({name!r}, "
            f"{str(data_dir)!r})`. Received: {error!r}"
        ) from error
