"""A folder that appears complete or not at all."""

import contextlib
import os
import pathlib
import shutil
import uuid


@contextlib.contextmanager
def atomic_folder(path):
    """Fill a hidden folder beside `path`, then rename it to `path`.

    Whatever ends the block early, an interrupt included, removes the hidden
    folder and the parent folders that were created for it.

    Args:
        path: Path of a folder that does not exist yet. Missing parents are
            created.

    Yields:
        `pathlib.Path` of the folder to fill.

    Raises:
        TypeError: If `path` is no path.
        FileExistsError: If there is something at `path`.
        NotADirectoryError: If a parent of `path` is a file.

    Example:
        ```python
        import pathlib
        import tempfile
        from keras_xmodal.export.atomic_folder import atomic_folder

        path = pathlib.Path(tempfile.mkdtemp()) / "report"
        with atomic_folder(path) as folder:
            (folder / "a.txt").write_text("a")
        print((path / "a.txt").read_text())  # a
        ```
    """
    path = check_new(path)
    created = [p for p in path.parents if not p.exists()]  # innermost first
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.parent / f".{path.name}.{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        yield folder
        check_new(path)
        folder.rename(path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in created:
            with contextlib.suppress(OSError):  # Another process uses it.
                parent.rmdir()
        raise


def check_new(path):
    """Check that nothing stands at a path and that it can be created.

    Args:
        path: String or `os.PathLike`.

    Returns:
        Absolute `pathlib.Path`.

    Raises:
        TypeError: If `path` is no path.
        FileExistsError: If there is something at `path`.
        NotADirectoryError: If a parent of `path` is a file.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            "`path` must be a string or path object. "
            f"Received: path={path!r} of type {type(path).__name__}"
        )
    received, path = path, pathlib.Path(os.path.abspath(path))
    if os.path.lexists(path):
        raise FileExistsError(
            "`path` must not exist yet: nothing is overwritten. "
            f"Received: path={os.fspath(received)!r}"
        )
    nearest = next(parent for parent in path.parents if parent.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(
            "`path` must lie in a folder. "
            f"Received: path={os.fspath(received)!r}, where {nearest} is a file"
        )
    return path
