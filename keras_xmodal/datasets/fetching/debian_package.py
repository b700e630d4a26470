"""A package of Debian: installed, or fetched with `apt-get`; read."""

import os
import pathlib
import shutil
import subprocess
import tarfile
from typing import NamedTuple

from keras_xmodal import files
from keras_xmodal.datasets.fetching import commands

_MOST_PADDING = 2**20  # bytes after the end of a tar archive
ROOT = pathlib.Path("/")  # of installed packages


class DebianPackage(NamedTuple):
    """A package of Debian, and what is read of it.

    The version is the distribution's: whoever uses the files verifies them.
    `apt-get` verifies the package that it fetches.
    """

    name: str
    paths: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The name of the file while it is fetched, without a version."""
        return f"{self.name}.deb"

    def read(self, cache: pathlib.Path) -> dict[str, bytes]:
        """Read the files of `paths`.

        They come from the package in `cache`, or else the installed one, or
        else one that is fetched and kept in `cache`.
        """
        for path in sorted(cache.glob(f"{self.name}_*.deb")):
            files = self._unpack(path)
            if files:
                return files
        if all((ROOT / path).exists() for path in self.paths):
            return self._read_installed()
        path = self._fetch(cache)
        files = self._unpack(path)
        if not files:
            raise ValueError(
                f"{self.name} must be a whole Debian package with {self.paths}."
                f" Received: {path}"
            )
        return files

    def _read_installed(self):
        files = {}
        for start in self.paths:
            start = ROOT / start
            for path in [start, *start.rglob("*")]:
                if path.is_file():
                    files[path.relative_to(ROOT).as_posix()] = path.read_bytes()
        return files

    def _unpack(self, path):
        """Files of `paths`; `None` if the package is damaged."""
        program = shutil.which("dpkg-deb")
        if program is None:
            raise FileNotFoundError(
                f"`dpkg-deb` must be on the PATH, to unpack {path}. It comes "
                "with the package dpkg, for other systems than Debian too."
            )
        with subprocess.Popen(
            [program, "--fsys-tarfile", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                    files = commands.members(archive, self.paths)
                process.stdout.read(_MOST_PADDING)
                process.stdout.close()
                return None if process.wait() else files
            except (tarfile.TarError, EOFError):
                return None
            except ValueError as error:
                raise ValueError(
                    f"{self.name} must be a Debian package with {self.paths}. "
                    f"Received: {path}, where {error}"
                ) from error
            finally:
                process.kill()

    def _fetch(self, cache):
        cache.mkdir(parents=True, exist_ok=True)
        with files.beside(cache / self.file_name) as folder:
            folder.mkdir()
            commands.run(
                ["apt-get", "download", self.name],
                folder,
                "Are the lists of packages there (`apt-get update`)? Or put "
                f"the file {self.name}_<version>.deb, which this command gives "
                f"on another machine, into {cache}.",
            )
            (fetched,) = folder.glob("*.deb")
            path = cache / fetched.name
            os.replace(fetched, path)
        return path
