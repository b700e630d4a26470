"""Files and folders that appear complete or not at all.

All are written under a hidden name beside their place and then renamed. The
name says which process writes: what a killed one left is removed, or brought
back, when the same path is written again.
"""

import contextlib
import functools
import hashlib
import os
import pathlib
import platform
import re
import shutil
import uuid
from collections.abc import Iterator

from keras_xmodal import checks

_PARTIAL, _OLD = "partial", "old"


def write(path: pathlib.Path, content: bytes) -> None:
    """Write a file; one of its name is replaced. Its folder must exist."""
    with beside(path) as partial:
        partial.write_bytes(content)
        os.replace(partial, path)


@contextlib.contextmanager
def new_folder(
    path: str | os.PathLike, replace: bool = False
) -> Iterator[pathlib.Path]:
    """Give a folder to fill, which becomes `path` at the end of the block.

    Missing parents are created, and removed where the block is ended early.
    With `replace`, a folder at `path` is there until the new one is complete.
    """
    path = checks.path("path", path) if replace else check_new(path)
    created = [p for p in path.parents if not p.exists()]  # innermost first
    path.parent.mkdir(parents=True, exist_ok=True)
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
    """Give a free path in the folder of `path`; what lies there is removed."""
    path = pathlib.Path(path)
    recover(path)
    partial = _own_name(path, _PARTIAL)
    try:
        yield partial
    finally:
        _remove(partial)


def recover(path: pathlib.Path) -> None:
    """Mend what killed processes left of writing `path`.

    An old folder that was to be replaced comes back where there is no new one.
    """
    path = pathlib.Path(path)
    for left, kind in _left_behind(path):
        if kind == _OLD and not os.path.lexists(path):
            with contextlib.suppress(OSError):  # Another process was first.
                left.rename(path)
        else:
            _remove(left)


def check_new(path: str | os.PathLike) -> pathlib.Path:
    """Check that nothing is at a path and it can be made; make it absolute."""
    new = checks.path("path", path)
    if os.path.lexists(new):
        raise FileExistsError(
            "`path` must not exist yet: nothing is overwritten. "
            f"Received: path={os.fspath(path)!r}"
        )
    nearest = next(parent for parent in new.parents if parent.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(
            "`path` must lie in a folder. "
            f"Received: path={os.fspath(path)!r}, where {nearest} is a file"
        )
    return new


def _exchange(partial, path):
    if not path.exists():
        partial.rename(path)
        return
    old = _own_name(path, _OLD)
    path.rename(old)
    try:
        partial.rename(path)
    except BaseException:
        old.rename(path)
        raise
    _remove(old)


def _own_name(path, kind):
    writer = f"{_machine()}-{os.getpid()}-{uuid.uuid4().hex}"
    return path.with_name(f".{path.name}.{writer}.{kind}")


def _left_behind(path):
    """Paths and kinds of what processes of this machine left, now dead."""
    pattern = re.compile(
        rf"\.{re.escape(path.name)}\.{_machine()}-(\d+)-[0-9a-f]{{32}}"
        rf"\.({_PARTIAL}|{_OLD})"
    )
    folder = path.parent
    names = os.listdir(folder) if folder.is_dir() else ()
    matches = filter(None, map(pattern.fullmatch, names))
    return [
        (folder / match[0], match[2])
        for match in matches
        if not _is_alive(int(match[1]))
    ]


def _is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # Of another user.
        return True
    return True


@functools.cache
def _machine():
    """Eight digits that say in which space of process ids a number is one."""
    space = platform.node()
    with contextlib.suppress(OSError):
        space += os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(space.encode()).hexdigest()[:8]


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
