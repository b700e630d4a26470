"""A user's own pairs, from a CSV file, as a `tf.data.Dataset`."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras_xmodal import checks
from keras_xmodal.datasets import csv_rows
from keras_xmodal.datasets.pairs import PairArguments, read_pairs


def from_csv(
    path: str | os.PathLike,
    modalities: Mapping[str, str | Sequence[str]],
    ids: str | None = None,
    *,
    files: Sequence[str] = (),
    delimiter: str = ",",
    skip_broken: bool = False,
    root: str | os.PathLike | None = None,
    split: float | Sequence[float] | str | None = None,
    group: str | None = None,
    skip: Iterable[int] = (),
    seed: int = 0,
    check_files: bool = True,
) -> Any:
    """Read pairs, or more modalities, from a CSV file.

    Each row is an example `({modality: value}, id)`. A modality is

    - the text of a column: a scalar string;
    - the content of the file that a column names, where `files` has the
      modality: a scalar string of bytes, as `ImagePreprocessor`,
      `SpeechPreprocessor` and `VideoPreprocessor` take it. So pictures of
      any size and recordings of any length can be batched as they are;
    - numbers, where it is a list of columns: float32 `(columns,)`.

    Equal ids say that two examples show the same item: they are positives of
    each other. In the column `ids`, an integer is its own id, and any other
    text is hashed, the same in every file; spaces around it do not count, but
    `"007"` and `"7.0"` are other items than `"7"`. Without `ids`, rows that
    share a file, links followed, are one item, such as a picture with several
    captions; where there are no files, each row is one. The id is then the
    position of the item's first row, from 0: name a column before you join
    several CSV files.

    An empty cell says that its modality is missing in this row. Where there is
    one, examples have a third part, `sample_weight`: `({modality: value}, id,
    {modality: 1.0 or 0.0})`, as all models and callbacks take it. What stands
    in for a missing value means nothing: an empty text, zeros, a picture of
    one pixel, a silence, or no bytes for other kinds of files.

    The data set knows its rows, until it is mapped or batched: `data.items` is
    a mapping from an id, such as a search returns it, to its rows, each with
    its `number` in the file, its `cells`, a dict of all columns, and its
    `files`, a dict of the paths by modality. Keep it before `batch`.

    The table is read and checked at once, the files some at a time when they
    are needed. Shuffling before batching keeps that many contents of files in
    memory. The first time that a file is read it is checked, by its suffix:
    pictures (JPEG, PNG, GIF, BMP, WebP without animation) are decoded once, WAV
    files must be complete, and others must not be empty. So is one that has
    changed since. An animated PNG file is a picture; as a clip, only
    `read_video` reads it. How to read them fast: `docs/fast-input.md`.

    A CSV file names any files that its reader may read, by absolute paths, `~`
    and `..` too, and their contents become data: give `root` for one that you
    did not write.

    Args:
        path: Path of a CSV file in UTF-8, with or without a byte order mark.
            Its first row names the columns.
        modalities: Dict `{modality: column}`; a list of columns are numbers.
        ids: Column that says which item a row shows, or `None`.
        files: Names of the modalities whose column names files. Relative
            paths are relative to the folder of the CSV file.
        delimiter: What stands between two cells, a single character such as
            `","`, `";"` or `"\\t"`.
        root: Folder that all files must lie in, links followed, or None for
            any. Paths stay relative to the folder of the CSV file.
        split: How to split the rows, no item being in two parts: a number, the
            share of the first of two parts; several that add up to 1; or the
            column that names the part of each row. None for one data set.
        group: Column of what must not be in two parts either, such as the
            speaker of a recording or the game of a clip, or None. It counts
            for `kx.datasets.split` as well.
        skip: Numbers of rows to leave out, such as `check_pairs(path).skip`.
        seed: Integer, which items are drawn for a part, see
            `kx.datasets.split`.
        skip_broken: Whether a row is left out whose file cannot be decoded or
            read. Warnings count such files and name the first of them. The
            number of examples is then not known beforehand, and `fit` says at
            the end of each epoch that the input ran out of data, though it
            goes on. If not, such a file ends the iteration with an error that
            names it. A file that is missing from the start is always an error.
        check_files: Whether files are checked. If not, nothing of Python is in
            the data set, so that the tf.data service can run it elsewhere; a
            file that is missing by then ends the iteration with TensorFlow's
            own error, and a broken one is left to what decodes it.

    Returns:
        A `tf.data.Dataset`, not batched, in the order of the rows; with shares
        as `split` a tuple of them, with a column a dict of them by its cells.

    Raises:
        TypeError: If an argument has the wrong type.
        FileNotFoundError: If the CSV file or a file that it names is missing.
        ValueError: If a column is missing or there twice, the CSV file has no
            rows, is not UTF-8, or has rows of different lengths; if a cell is
            no number where it has to be, or a row or a column empty; if two
            rows are equal; if a file lies outside of `root`, a part of `split`
            is empty, or an item or a group in two; if `skip_broken` is to find
            files that are not checked.
        tf.errors.InvalidArgumentError: In the iteration, if a file is broken
            or missing, or with `skip_broken`, if all of a modality are.

    Example:

    ```python
    import pathlib

    import keras_xmodal as kx

    kx.datasets.write_wav("low.wav", [0.0, 0.5, 0.0, -0.5], 8000)
    kx.datasets.write_wav("high.wav", [0.5, -0.5, 0.5, -0.5], 8000)
    pathlib.Path("tones.csv").write_text(
        "file,caption,hertz\\nlow.wav,a low tone,2000\\n"
        "high.wav,a high tone,4000\\nhigh.wav,a tone,4000\\n"
    )
    data = kx.datasets.from_csv(
        "tones.csv",
        {"speech": "file", "text": "caption", "pitch": ["hertz"]},
        files=["speech"],
    )
    for x, ids in data.batch(3):
        print(x["text"].numpy(), x["pitch"].shape, ids.numpy())  # 0, 1, 1
    print(kx.networks.SpeechPreprocessor()(x["speech"]).shape)
    print([row.cells["caption"] for row in data.items[1]])  # of "high.wav"
    train, test = kx.datasets.split(data, 0.5)
    ```
    """
    path = str(checks.path("path", path))
    csv_rows.check_delimiter(delimiter)
    arguments = PairArguments(
        modalities,
        ids,
        files,
        group,
        root,
        skip_broken,
        split,
        seed,
        check_files,
    )
    table = csv_rows.read_table(path, arguments.columns, delimiter)
    return read_pairs(table.without(skip), arguments)
