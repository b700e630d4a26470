"""A user's own pairs, from a CSV file, as a `tf.data.Dataset`."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.datasets import csv_rows
from keras_xmodal.datasets.csv_items import CsvItems, CsvRow
from keras_xmodal.datasets.file_reader import FileReader
from keras_xmodal.datasets.split import check_shares, draw_parts


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
    seed: int = 0,
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

    The table is read and checked at once, the files one after the other when
    they are needed. Shuffling before batching keeps that many contents of
    files in memory. The first time that a file is read it is checked, by its
    suffix: pictures (JPEG, PNG, GIF, BMP, WebP without animation) are decoded
    once, WAV files must be complete, and others must not be empty. An animated
    PNG file is a picture; as a clip, only `read_video` reads it.

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
        seed: Integer, which items are drawn for a part, see
            `kx.datasets.split`.
        skip_broken: Whether a row is left out whose file cannot be decoded or
            read. Warnings count such files and name the first of them. The
            number of examples is then not known beforehand, and `fit` says at
            the end of each epoch that the input ran out of data, though it
            goes on. If not, such a file ends the iteration with an error that
            names it. A file that is missing from the start is always an error.

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
            is empty, or an item in two.
        tf.errors.InvalidArgumentError: In the iteration, if a file is broken,
            or with `skip_broken`, if all of a modality are.

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
    _check_arguments(modalities, ids, files, delimiter)
    root = checks.path("root", root, optional=True)
    seed = checks.seed(seed)
    checks.boolean("skip_broken", skip_broken)
    if split is not None and not isinstance(split, str):
        split = check_shares("split", split)
    wanted = {
        name: [columns] if isinstance(columns, str) else list(columns)
        for name, columns in modalities.items()
    }
    names = [name for columns in wanted.values() for name in columns]
    others = [n for n in (ids, split) if isinstance(n, str)]
    names = list(dict.fromkeys(names + others))
    table, numbers = csv_rows.read_table(path, names, delimiter)
    csv_rows.check_filled(path, table, numbers, others)
    there = csv_rows.presence(path, table, numbers, wanted)
    cells, paths = {}, {}
    for modality, columns in modalities.items():
        if modality in files:
            paths[modality] = csv_rows.to_paths(
                path, table[columns], numbers, root
            )
        elif isinstance(columns, str):
            cells[modality] = np.array(table[columns], object)
        else:
            values = {column: table[column] for column in columns}
            cells[modality] = csv_rows.to_numbers(path, values, numbers)
    if ids is not None:
        items = csv_rows.to_ids(table[ids])
    elif paths:
        items = csv_rows.number_items(map(csv_rows.real_paths, paths.values()))
    else:
        items = np.arange(len(numbers))
    readers = {
        modality: FileReader(column, numbers, skip_broken)
        for modality, column in paths.items()
    }
    weights = None
    if not all(filled.all() for filled in there.values()):
        weights = {name: there[name].astype("float32") for name in modalities}

    def take(rows):
        return _dataset((cells, items, weights, rows), readers, modalities)

    def row(place):
        named = {m: column[place] for m, column in paths.items()}
        return CsvRow(
            numbers[place],
            {column: values[place] for column, values in table.items()},
            {m: pathlib.Path(file) for m, file in named.items() if file},
        )

    all_rows = CsvItems(items, row, take)
    if split is None:
        return all_rows.subset(np.ones(len(items), bool))
    if isinstance(split, str):
        parts = [part.strip() for part in table[split]]
        csv_rows.check_parts(path, parts, items, numbers)
        return {
            part: all_rows.subset(np.array(parts) == part)
            for part in dict.fromkeys(parts)
        }
    parts = draw_parts(items, split, seed)
    return tuple(all_rows.subset(parts == i) for i in range(len(split)))


def _dataset(columns, readers, modalities):
    """Some rows of a table, as a data set that reads their files."""
    *columns, rows = columns
    columns = keras.tree.map_structure(
        lambda column: None if column is None else column[rows], columns
    )
    if not readers:
        cells, items, weights = columns
        parts = (cells, items) if weights is None else (cells, items, weights)
        return tf.data.Dataset.from_tensor_slices(parts)
    weighted = columns[2] is not None

    def read(cells, item, *weights_and_row):
        *weights, row = weights_and_row
        values, all_sound = dict(cells), True
        for modality, reader in readers.items():
            values[modality], sound = reader.read(row)
            all_sound = tf.logical_and(all_sound, sound)
        x = {name: values[name] for name in modalities}
        return (x, item, *weights), all_sound

    columns = (*columns, rows) if weighted else (*columns[:2], rows)
    data = tf.data.Dataset.from_tensor_slices(tuple(columns))
    data = data.map(read, num_parallel_calls=tf.data.AUTOTUNE)
    if any(reader.skip_broken for reader in readers.values()):
        data = data.filter(lambda example, sound: sound)
    return data.map(lambda example, sound: example)


def _check_arguments(modalities, ids, files, delimiter):
    if not isinstance(modalities, Mapping) or not modalities:
        raise TypeError(
            "`modalities` must be a dict {modality: column}, not empty. "
            f"Received: modalities={modalities!r}"
        )
    for name, columns in modalities.items():
        one = isinstance(columns, str)
        if not one and (
            not isinstance(columns, (tuple, list))
            or not columns
            or not all(isinstance(column, str) for column in columns)
        ):
            raise TypeError(
                "`modalities` must name a column for each modality, or a list "
                f"of columns of numbers. Received: {name!r}: {columns!r}"
            )
        if not one and len(set(columns)) < len(columns):
            raise ValueError(
                "`modalities` must name each column of a list once. "
                f"Received: {name!r}: {columns!r}"
            )
        if not one and name in files:
            raise ValueError(
                "`files` must hold modalities of a single column, not of a "
                f"list. Received: files={files!r}, {name!r}: {columns!r}"
            )
    if isinstance(files, str) or files:
        checks.some_of("files", files, tuple(modalities))
    checks.string("ids", ids, optional=True)
    delimiter = checks.string("delimiter", delimiter)
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise ValueError(
            "`delimiter` must be a single character, no quote or end "
            f"of a line. Received: delimiter={delimiter!r}"
        )
