"""A user's own pairs, from a folder of files, as a `tf.data.Dataset`."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras_xmodal import checks
from keras_xmodal.datasets.csv_rows import repeated_rows
from keras_xmodal.datasets.folder_rows import OTHERS, TEXT, read_folder
from keras_xmodal.datasets.pairs import (
    PairArguments,
    check_modalities,
    read_pairs,
)


def from_folder(
    path: str | os.PathLike,
    modalities: Mapping[str, str] | None = None,
    *,
    split: float | Sequence[float] | str | None = None,
    group: str | None = None,
    skip: Iterable[int] = (),
    skip_broken: bool = False,
    seed: int = 0,
    check_files: bool = True,
) -> Any:
    """Read pairs from a folder of pictures, recordings or clips.

    There are two kinds of folders:

    - **Texts beside files.** `cat.png` and `cat.txt`, which says in UTF-8
      what the picture shows; several lines are several captions. `cat.wav` may
      be there as well. What stands in one folder under one name is an item.
    - **Classes.** Where no text stands beside a file, each lies in a subfolder
      that names its class: `red_apple/1.png` is "red apple", as underscores
      are read as spaces. The class is the item: all pictures of one are
      positives of each other, as their texts are the same. A split draws
      files, of each class its share, and one file at least in each part where
      it has as many, so that training and validation know the same classes; a
      single file is in the first part.
      With `group="folder"` it draws classes, for a test of unseen ones.

    The modalities are `"image"`, `"speech"`, `"video"` and `"text"`, those that
    are there. What a file is says its suffix: `.jpg`, `.jpeg`, `.png`, `.bmp`
    and `.webp` are pictures, `.wav` recordings, `.gif` clips where one of them
    has several frames, and pictures else. Other formats of sounds and clips,
    such as `.mp3` and `.mp4`, no preprocessor reads: `check_pairs` names them,
    and what makes WAV and GIF files of them. Other files and hidden ones are
    left alone. Subfolders are searched.

    The data set is as that of `from_csv`: files are read when they are needed,
    what is missing beside others gets `sample_weight` 0, and `data.items`
    leads from an id back to its rows. Their `cells` are the relative paths of
    the files by kind, `"text"`, `"name"` (the path without its suffix; of
    classes, with it) and `"folder"` (the first one below `path`, or "."). Ids
    are hashed from the name of the item or of the class, the same in every
    folder.

    Args:
        path: Path of the folder.
        modalities: Dict `{name: kind}` that gives modalities names of yours,
            or leaves some out, such as `{"photo": "image", "text": "text"}`;
            None for all, under the names of their kinds.
        split: How to split: a number, the share of the first of two parts;
            several that add up to 1; or `"folder"`, by the folder of each file,
            such as `train` and `test`, where texts stand beside. None for one
            data set.
        group: `"folder"` if no folder must be in two parts, such as one for
            each speaker, or None.
        skip: Numbers of rows to leave out, such as `check_pairs(path).skip`.
            Rows are counted from 1 in order of their names.
        skip_broken: Whether a row is left out whose file cannot be decoded or
            read, as `from_csv` says.
        seed: Integer, what is drawn for a part.
        check_files: Whether files are checked when they are first read, as
            `from_csv` says.

    Returns:
        A `tf.data.Dataset` of examples `({modality: value}, id)`, not batched,
        in order of the names: shuffle it. With shares as `split` a tuple of
        them, with `"folder"` a dict of them.

    Raises:
        TypeError: If an argument has the wrong type.
        FileNotFoundError: If there is no such folder.
        ValueError: If the folder is of neither kind, two files of one kind
            have one name, a text is not UTF-8, a modality is not there, or a
            part of `split` is empty.

    Example:
        ```python
        import pathlib

        import numpy as np
        import keras_xmodal as kx

        for name, color in {"red_apple": 255, "tree": 0}.items():
            pathlib.Path("fruit", name).mkdir(parents=True)
            for i in range(5):
                frame = np.full((1, 8, 8, 3), (color, 40 * i, 0), "uint8")
                kx.datasets.write_gif(f"fruit/{name}/{i}.gif", frame)
        train, test = kx.datasets.from_folder("fruit", split=0.8)
        for x, ids in train.shuffle(8).batch(8):
            print(x["text"].numpy(), ids.numpy())
        ```
    """
    path = str(checks.path("path", path))
    for argument, value in (("split", split), ("group", group)):
        if isinstance(value, str):
            checks.one_of(argument, value, ("folder",))
    table, by_class = read_folder(path)
    kinds = [name for name in table.columns if name not in OTHERS]
    if modalities is None:
        modalities = dict(zip(kinds, kinds, strict=True))
    check_modalities(modalities, ())
    for name, kind in modalities.items():
        checks.one_of(f"modalities[{name!r}]", kind, kinds)
    arguments = PairArguments(
        modalities,
        TEXT if by_class else "name",
        tuple(name for name, kind in modalities.items() if kind != TEXT),
        group,
        None,
        skip_broken,
        split,
        seed,
        check_files,
    )
    table = table.without(skip)
    # Several captions, where the texts are left out.
    table = table.without(list(repeated_rows(table, arguments.columns)))
    return read_pairs(table, arguments, "name" if by_class else None)
