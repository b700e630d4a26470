"""What fetching any data set needs: commands, safe writing, SHA-256 sums."""

import contextlib
import gzip
import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import tarfile
from collections.abc import Iterator

from keras_xmodal import files

SUMS = "SHA256SUMS"
MOST_BYTES = 2**30  # in a package or a file of one, once decompressed


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
    contents, size = {}, 0
    for member in archive:
        size += max(member.size, 0)
        if size > MOST_BYTES:
            raise ValueError(
                f"A package must hold at most {MOST_BYTES} bytes. Received: "
                f"more, up to the member {member.name!r}"
            )
        name = member.name.partition("/")[2]
        if member.isfile() and (name in paths or name.startswith(folders)):
            content = archive.extractfile(member)
            contents[check_name(name)] = content.read()  # type: ignore
    return contents


def check_name(name: str) -> str:
    """Check that a file of this name lies in the folder that it is put into."""
    parts = name.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in name or "\0" in name:
        raise ValueError(
            "The files of a package must lie in its folders. "
            f"Received: a file {name!r}"
        )
    return name


def gunzip(content: bytes) -> bytes:
    """Decompress what a package holds, not without end."""
    with gzip.open(io.BytesIO(content)) as file:
        result = file.read(MOST_BYTES + 1)
    if len(result) > MOST_BYTES:
        raise ValueError(
            f"A file must hold at most {MOST_BYTES} bytes. Received: more, in "
            f"{len(content)} bytes of gzip"
        )
    return result


def write_files(folder: pathlib.Path, contents: dict[str, bytes]) -> None:
    """Write files into a folder, none of them elsewhere."""
    for name in map(check_name, contents):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(contents[name])


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


def sha256(content: bytes) -> str:
    """Return the SHA-256 of a content, in hex."""
    return hashlib.sha256(content).hexdigest()


def write_sums(folder: pathlib.Path) -> None:
    """Write `SHA256SUMS` for the files below a folder, as `sha256sum` does."""
    lines = [
        f"{sha256(path.read_bytes())}  {path.relative_to(folder).as_posix()}\n"
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
        if not (folder / name).is_file()
        or sha256((folder / name).read_bytes()) != expected
    ]
