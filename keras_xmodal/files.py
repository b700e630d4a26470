"""Files and folders that appear complete or not at all.

All are written into a hidden folder beside their place, and then moved or
exchanged in one step. Who writes holds a lock on the hidden folder: one
without it was left by a killed process, and goes when the path is written
again.
"""

import contextlib
import ctypes
import errno
import hashlib
import os
import pathlib
import shutil
from collections.abc import Iterator

from keras_xmodal import checks

try:
    import fcntl
except ImportError:  # Not on Windows.
    fcntl = None  # type: ignore[assignment]

_WRITERS = 16  # of one path at a time
_OLD = "old"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux


def write(path: pathlib.Path, content: bytes) -> None:
    """Write a file; one of its name is replaced. Its folder must exist."""
    if path.is_dir():
        raise IsADirectoryError(
            f"`path` must be that of a file. Received: {path}, a folder"
        )
    with beside(path) as partial:
        partial.write_bytes(content)
        os.replace(partial, path)


@contextlib.contextmanager
def new_folder(
    path: str | os.PathLike, replace: bool = False
) -> Iterator[pathlib.Path]:
    """Give a folder to fill, which becomes `path` at the end of the block.

    Missing parents are created, and removed where the block is ended early.
    With `replace`, what is at `path` is there until the new folder is
    complete, and the two are exchanged in one step. That `path` cannot be
    written is found before the block.
    """
    recover(checks.path("path", path))
    path = check_replaceable(path) if replace else check_new(path)
    created = [p for p in path.parents if not p.exists()]  # innermost first
    _make(path.parent, path, parents=True, exist_ok=True)
    try:
        with beside(path) as partial:
            partial.mkdir()
            yield partial
            if replace:
                _exchange(partial, path)
            else:
                check_new(path)
                partial.rename(path)
    except BaseException:
        for parent in created:
            with contextlib.suppress(OSError):  # Another process uses it.
                parent.rmdir()
        raise


@contextlib.contextmanager
def beside(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a free path on the disk of `path`; what lies there is removed."""
    path = pathlib.Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"`path` must lie in a folder that exists. Received: {path}"
        )
    recover(path)
    for hidden in _hidden(path):
        lock = _own(hidden, path)
        if lock is None:
            continue
        try:
            yield hidden / path.name
        finally:
            _remove(hidden)
            os.close(lock)
        return
    raise OSError(
        f"{path} must have at most {_WRITERS} writers at a time; remove what "
        "killed ones left. Received: " + ", ".join(map(str, _hidden(path)))
    )


def recover(path: str | os.PathLike) -> None:
    """Mend what killed processes left of writing `path`.

    An old folder that was to be replaced comes back where there is no new one.
    """
    path = pathlib.Path(path)
    for hidden in _hidden(path):
        if not hidden.is_dir():
            continue
        lock = _lock(hidden)
        if lock is None:
            continue
        if not os.path.lexists(path):
            with contextlib.suppress(OSError):
                (hidden / _OLD / path.name).rename(path)
        _remove(hidden)
        os.close(lock)


@contextlib.contextmanager
def snapshot(folder: str | os.PathLike, names: tuple[str, ...]):
    """Open files of one state of a folder, which others may replace.

    Gives a dict of those that are there; all of them stay readable.
    """
    folder = pathlib.Path(folder)
    recover(folder)
    while True:
        before = _identity(folder)
        with contextlib.ExitStack() as stack:
            # Held open, so that no later folder gets its number.
            with contextlib.suppress(OSError):
                stack.callback(os.close, os.open(folder, os.O_RDONLY))
            opened = {}
            for name in names:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    file = open(folder / name, "rb")  # noqa: SIM115
                    opened[name] = stack.enter_context(file)
            if _identity(folder) == before:
                yield opened
                return


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    """Let no other process that asks for it write to a folder meanwhile."""
    lock = None if fcntl is None else _lock(folder)
    if lock is None and fcntl is not None:
        raise BlockingIOError(
            "The folder must not be written by another process at the same "
            f"time. Received: {folder}, which is"
        )
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def copy_links(
    folder: pathlib.Path, target: pathlib.Path, without: tuple[str, ...]
) -> None:
    """Let a folder have the files of another one, but for some names.

    They are linked, which takes no room, where the disk can; no writer of this
    package changes a file in its place.
    """
    for path in folder.iterdir():
        if path.name in without:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(
                path,
                target / path.name,
                symlinks=True,
                copy_function=_link_or_copy,
            )
        else:
            _link_or_copy(path, target / path.name)


def _link_or_copy(source, target):
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def writable_folder(path: pathlib.Path) -> pathlib.Path:
    """A folder to write files to, created where it is missing."""
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(
            f"The folder must be one to write to. Received: {str(path)!r}"
        )
    return path


def check_new(path: str | os.PathLike) -> pathlib.Path:
    """Check that nothing is at a path and it can be made; make it absolute."""
    new = checks.path("path", path)
    if os.path.lexists(new):
        raise FileExistsError(
            "`path` must not exist yet: nothing is overwritten. "
            f"Received: path={os.fspath(path)!r}"
        )
    _check_parents(new)
    return new


def check_replaceable(path: str | os.PathLike) -> pathlib.Path:
    """Check that a folder can take this place; make it absolute."""
    place = checks.path("path", path).resolve()
    _check_parents(place)
    mounted = place.is_mount()
    if place.exists() and (mounted or not os.access(place, os.W_OK)):
        raise PermissionError(
            "`path` must be a folder that can be moved. "
            f"Received: path={str(place)!r}, which is "
            + ("a mounted disk" if mounted else "not writable")
        )
    return place


def _check_parents(path):
    nearest = next(parent for parent in path.parents if parent.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(
            "`path` must lie in a folder. "
            f"Received: path={str(path)!r}, where {nearest} is a file"
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(
            "`path` must lie in a folder that can be written to. "
            f"Received: path={str(path)!r}, where {nearest} cannot"
        )


def _exchange(new, path):
    """Move a folder to `path`; what is there takes its place or is removed."""
    while True:
        try:
            new.rename(path)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        try:
            if not _exchange_at_once(new, path):
                break
            return
        except FileNotFoundError:  # Somebody has removed it.
            continue
    old = new.parent / _OLD / path.name
    old.parent.mkdir()
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise


def _exchange_at_once(one, other):
    """Exchange two paths in one step; False where the system cannot."""
    library = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
    rename = getattr(library, "renameat2", None)
    if rename is None:
        return False
    paths = _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other)
    if not rename(*paths, _RENAME_EXCHANGE):
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def _hidden(path):
    """The hidden folders of the writers of a path, of short names."""
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]
    return [
        path.with_name(f".{path.name[:24]}.{digest}.{writer}.partial")
        for writer in range(_WRITERS)
    ]


def _make(folder, path, **options):
    """Make a folder on the way to a path."""
    try:
        folder.mkdir(**options)
    except FileExistsError:
        raise
    except OSError as error:
        raise type(error)(
            "`path` must lie in a folder that can be written to. "
            f"Received: path={str(path)!r}, {error.strerror or error}"
        ) from error


def _own(hidden, path):
    """Make a hidden folder and lock it; None if another process has it."""
    try:
        _make(hidden, path)
    except FileExistsError:
        return None
    return _lock(hidden, created=True)


def _lock(hidden, created=False):
    """Lock a folder until the end of the process; None if it is locked."""
    if fcntl is None:
        return os.open(os.devnull, os.O_RDONLY) if created else None
    try:
        lock = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # It has just been removed, or belongs to another user.
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if created and error.errno != errno.EWOULDBLOCK:
            return lock  # The disk has no locks; nobody else will get one.
        os.close(lock)
        return None
    if _identity(hidden) != _identity(lock):  # Another one of this name.
        os.close(lock)
        return None
    return lock


def _identity(path):
    """What tells a file or folder from another that takes its place."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
