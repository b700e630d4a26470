"""A folder of files as a table, like that of a CSV file."""

import collections
import os
import pathlib

from keras_xmodal.datasets.csv_rows import Table, and_more, decode
from keras_xmodal.media.gif_frames import count_frames
from keras_xmodal.media.kind import SUFFIXES

TEXT = "text"
_PARTS = {"train", "training", "val", "valid", "validation", "test", "dev"}
OTHERS = ("name", "folder")  # columns that are no modalities


def read_folder(path):
    """Read the names of a folder's files, and its texts, as a table.

    Its columns are a kind of files each, then `text`, `name` and `folder`,
    the first one on the way to the file. Rows are counted from 1.

    Returns:
        Tuple of the table, and whether its texts are names of classes.
    """
    root, found, kinds = _look(path)
    by_name = collections.defaultdict(list)
    for file in kinds:
        by_name[file.with_suffix("")].append(file)
    texts = {
        file.with_suffix(""): file
        for file in found
        if file.suffix.lower() == ".txt"
    }
    if set(texts) & set(by_name):
        return _with_texts(root, kinds, by_name, texts), False
    return _by_class(root, kinds), True


def list_files(path):
    """The files of a folder as a table: `read_folder` without texts.

    Each file is a row, wherever it lies.
    """
    root, _, kinds = _look(path)
    return _table(
        root,
        kinds,
        [
            {
                kind: file.as_posix(),
                "name": file.as_posix(),
                "folder": file.parts[:-1][:1],
            }
            for file, kind in kinds.items()
        ],
        texts=False,
    )


def _look(path):
    """A folder, its files, and the kinds of those that have one."""
    root = pathlib.Path(path)
    if not root.is_dir():
        raise FileNotFoundError(
            f"`path` must be a folder. Received: path={str(path)!r}, "
            f"{'a file' if root.exists() else 'which is missing'}"
        )
    found = sorted(_files(root))
    kinds = _kinds(root, found)
    if not kinds:
        names = sorted({file.suffix for file in found} - {""})
        raise ValueError(
            f"`path` must hold files of the kinds {', '.join(SUFFIXES)}. "
            f"Received: {path} with {len(found)} files"
            + (f" of {', '.join(names)}" if names else "")
        )
    return root, found, kinds


def _files(root):
    """The files of a folder and those below it that are not hidden."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield pathlib.Path(folder, name).relative_to(root)


def _kinds(root, found):
    """Kinds of the files of pictures, recordings and clips, by suffix.

    GIF files are clips if one of them has several frames.
    """
    kinds = {
        file: SUFFIXES[file.suffix.lower()]
        for file in found
        if file.suffix.lower() in SUFFIXES
    }
    gifs = [file for file in kinds if file.suffix.lower() == ".gif"]
    if any(count_frames((root / file).read_bytes()) > 1 for file in gifs):
        kinds |= dict.fromkeys(gifs, "video")
    return kinds


def _with_texts(root, kinds, by_name, texts):
    """Files of one name beside a text file: a row for each of its lines."""
    rows = []
    for name in sorted(set(by_name) | set(texts)):
        row = {"name": name.as_posix(), "folder": name.parts[:-1][:1]}
        for file in by_name[name]:
            other = row.setdefault(kinds[file], file.as_posix())
            if other != file.as_posix():
                raise ValueError(
                    "`path` must hold one file of a kind and name, where "
                    f"texts stand beside. Received: {root} with {other!r} and "
                    f"{file.as_posix()!r}"
                )
        lines = _lines(root / texts[name]) if name in texts else []
        rows += [{**row, TEXT: line} for line in lines or [""]]
    return _table(root, kinds, rows)


def _by_class(root, kinds):
    """Files in subfolders: a row for each, with the name of its class."""
    outside = [file for file in kinds if len(file.parts) == 1]
    if outside:
        raise ValueError(
            "`path` must hold one subfolder for each class, and files in them "
            "alone, or `.txt` files beside the others, of the same names. "
            f"Received: {root} with {outside[0].name!r} without"
            f"{and_more(len(outside), 'files')}"
        )
    names = sorted({file.parts[0] for file in kinds})
    if {name.lower() for name in names} <= _PARTS:
        raise ValueError(
            "`path` must hold one subfolder for each class, not for each part "
            "of a split: read every part by itself. "
            f"Received: {root} with the subfolders {names}"
        )
    rows = [
        {
            kind: file.as_posix(),
            TEXT: file.parts[0].replace("_", " "),
            "name": file.as_posix(),
            "folder": file.parts[:1],
        }
        for file, kind in kinds.items()
    ]
    return _table(root, kinds, rows)


def _table(root, kinds, rows, texts=True):
    known = "image", "speech", "video"
    names = [kind for kind in known if kind in kinds.values()]
    columns = {
        name: [row.get(name, "") for row in rows]
        for name in (*names, *([TEXT] if texts else []), "name")
    }
    columns["folder"] = ["".join(row["folder"]) or "." for row in rows]
    return Table(str(root), columns, list(range(1, len(rows) + 1)))


def _lines(path):
    """The lines of a text file that are not blank, each once."""
    text = decode(path, path.read_bytes(), "A text must be a")
    return list(dict.fromkeys(filter(None, map(str.strip, text.splitlines()))))
