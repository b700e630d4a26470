"""LiteRT.js, which runs LiteRT files in a browser, from npm."""

import os
import pathlib

from keras_xmodal.datasets.fetching.folder import data_folder
from keras_xmodal.datasets.fetching.npm_package import NpmPackage

VERSION = "2.5.3"
FOLDER = "litert"
# Of its builds those of a single thread, for more need servers that isolate
# pages; the compatible one is for browsers without relaxed SIMD.
_BUILDS = ("litert_wasm_internal", "litert_wasm_compat_internal")
COMPATIBLE = tuple(f"{_BUILDS[1]}.{suffix}" for suffix in ("js", "wasm"))
_CORE = NpmPackage(
    "@litertjs/core",
    VERSION,
    "sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkv"
    "iYGr9OFDL1kCnN4nzWoyJQ==",
    (
        "dist/index.js",
        *(
            f"wasm/{name}.{suffix}"
            for name in _BUILDS
            for suffix in ("js", "wasm")
        ),
    ),
)
_UTILS = NpmPackage(
    "@litertjs/wasm-utils",
    VERSION,
    "sha512-4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT3"
    "9A9OYBVdFawteZ/sI1kQ==",
    ("dist/index.js",),
)
PACKAGES = {"core.js": _CORE, "wasm-utils.js": _UTILS}
# How its modules call each other.
MODULES = {
    package.name: f"./{FOLDER}/{file}" for file, package in PACKAGES.items()
}


def read(data_dir: str | os.PathLike | None) -> dict[str, bytes]:
    """Files of LiteRT.js by name, unchanged, fetched or there."""
    folder = data_folder(data_dir)
    contents = {}
    for file, package in PACKAGES.items():
        for path, content in package.read(folder).items():
            if path == "dist/index.js":
                contents[file] = content
            else:
                contents[pathlib.PurePosixPath(path).name] = content
    return contents
