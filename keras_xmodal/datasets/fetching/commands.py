"""What fetching any data set needs: commands, safe writing, SHA-256 sums."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import tarfile
from collections.abc import Iterator

from keras_xmodal import files

SUMS = "SHA256SUMS"


def run(command: list[str], folder: pathlib.Path, otherwise: str) -> None:
    """Run a command that fetches something into a folder."""
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(
            f"`{command[0]}` must be on the PATH, to run `{' '.join(command)}`."
            f" {otherwise}"
        )
    result = subprocess.run(
        [program, *command[1:]], cwd=folder, capture_output=True, text=True
    )
    if result.returncode:
        lines = result.stderr.strip().splitlines()[:5]
        raise ConnectionError(
            f"`{' '.join(command)}` must succeed. Is there a connection? "
            f"{otherwise} Received: exit status {result.returncode} and\n"
            + "\n".join(lines)
        )


def members(
    archive: tarfile.TarFile, paths: tuple[str, ...]
) -> dict[str, bytes]:
    """Read files out of a package."""
    folders = tuple(f"{path}/" for path in paths)
    contents = {}
    for member in archive:
        name = member.name.partition("/")[2]
        if member.isfile() and (name in paths or name.startswith(folders)):
            content = archive.extractfile(member)
            contents[name] = content.read()  # type: ignore[union-attr]
    return contents


@contextlib.contextmanager
def written_beside(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a folder to write to; its files move to `folder` at the end.

    Nothing moves where an error ends the writing. `SHA256SUMS` moves last.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with files.beside(folder) as partial:
        partial.mkdir()
        yield partial
        paths = [path for path in sorted(partial.rglob("*")) if path.is_file()]
        for path in sorted(paths, key=lambda path: path.name == SUMS):
            target = folder / path.relative_to(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)


def sha256(path: pathlib.Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_sums(folder: pathlib.Path) -> None:
    """Write `SHA256SUMS` for the files below a folder, as `sha256sum` does."""
    lines = [
        f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def read_sums(folder: pathlib.Path) -> dict[str, str]:
    """Read `SHA256SUMS`: dict from path to SHA-256, empty where it is not."""
    path = folder / SUMS
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("  ") for line in lines)
    return {name: digest for digest, _, name in pairs}


def damaged(folder: pathlib.Path, sums: dict[str, str]) -> list[str]:
    """List the files that are missing or have another SHA-256."""
    return [
        name
        for name, expected in sums.items()
        if not (folder / name).is_file() or sha256(folder / name) != expected
    ]
