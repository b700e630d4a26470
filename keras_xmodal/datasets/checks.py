"""Checks of the arguments of `load`.

Each raises an error that names the argument, says the rule and shows what was
received.
"""

import contextlib
import os
import pathlib
import zipfile
import zlib

DATA_DIR = "~/.cache/keras_xmodal"
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error)


def check_name(name, choices):
    """Check that a string names a data set.

    Args:
        name: What the user passed.
        choices: The names that there are.

    Raises:
        ValueError: If it is another.
    """
    if name not in choices:
        raise ValueError(
            f"`name` must be the name of a data set: {choices}. Received: "
            f"name={name!r}"
        )


def check_data_dir(data_dir) -> pathlib.Path:
    """Check that a user passed a path, or nothing.

    Args:
        data_dir: What the user passed; `None` is `~/.cache/keras_xmodal`.

    Returns:
        The absolute path of the folder.

    Raises:
        TypeError: If it is no path.
    """
    if data_dir is None:
        data_dir = DATA_DIR
    if not isinstance(data_dir, (str, os.PathLike)):
        raise TypeError(
            "`data_dir` must be a path or None. Received: "
            f"data_dir={data_dir!r} of type {type(data_dir).__name__}"
        )
    return pathlib.Path(data_dir).expanduser().absolute()


def check_files(name, data_dir, files):
    """Check that the files of a fetched data set are there.

    Args:
        name: Name of the data set.
        data_dir: Path of the folder that `fetch` filled.
        files: Paths of files below it.

    Raises:
        FileNotFoundError: If some are missing.
    """
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
    """Check that files can be read, while they are read.

    Args:
        name: Name of the data set.
        data_dir: Path of the folder that `fetch` filled.

    Raises:
        ValueError: If they are damaged.
    """
    try:
        yield
    except (EOFError, KeyError, ValueError, *_ZIP_ERRORS) as error:
        raise ValueError(
            f"`data_dir` must be a folder with whole files of {name!r}. Make "
            f"them again with `keras_xmodal.datasets.fetch({name!r}, "
            f"{str(data_dir)!r})`. Received: {error!r}"
        ) from error


def check_choices(argument, values, choices):
    """Check that a user chose some of several names, each once.

    Args:
        argument: Name of the argument in the error.
        values: What the user passed.
        choices: The names that there are.

    Returns:
        The values as a tuple.

    Raises:
        TypeError: If it is not a tuple or list.
        ValueError: If it is empty, repeats a name or has an unknown one.
    """
    if isinstance(values, str) or not isinstance(values, (tuple, list)):
        raise TypeError(
            f"`{argument}` must be a tuple or list of strings. Received: "
            f"{argument}={values!r} of type {type(values).__name__}"
        )
    known = all(value in choices for value in values)
    if not values or not known or len(set(values)) < len(values):
        raise ValueError(
            f"`{argument}` must be one or several different ones of {choices}. "
            f"Received: {argument}={values!r}"
        )
    return tuple(values)


def check_split(split, choices):
    """Check that a string names splits, joined with `+`.

    Args:
        split: What the user passed.
        choices: The splits that there are.

    Returns:
        Tuple of the names of splits.

    Raises:
        TypeError: If it is no string.
        ValueError: If it repeats a split or has an unknown one.
    """
    if not isinstance(split, str):
        raise TypeError(
            f"`split` must be a string, such as {choices[0]!r} or "
            f"{'+'.join(choices[:2])!r}. Received: split={split!r} of type "
            f"{type(split).__name__}"
        )
    parts = tuple(part.strip() for part in split.split("+"))
    unknown = [part for part in parts if part not in choices]
    if unknown or len(set(parts)) < len(parts):
        raise ValueError(
            f"`split` must be one or several different ones of {choices}, "
            f"joined with '+'. Received: split={split!r}"
        )
    return parts
