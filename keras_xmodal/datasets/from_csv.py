"""A user's own pairs, from a CSV file, as a `tf.data.Dataset`."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.datasets import csv_rows
from keras_xmodal.datasets.file_reader import FileReader


def from_csv(
    path: str | os.PathLike,
    modalities: Mapping[str, str | Sequence[str]],
    ids: str | None = None,
    *,
    files: Sequence[str] = (),
    delimiter: str = ",",
    skip_broken: bool = False,
) -> tf.data.Dataset:
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
    text is hashed, the same in every file. Without `ids`, rows that share a
    file are one item, such as a picture with several captions; where there
    are no files, each row is one. The id is then the position of the item's
    first row, from 0: name a column before you join several CSV files.

    The table is read and checked at once, the files one after the other when
    they are needed. Shuffling before batching keeps that many contents of
    files in memory. The first time that a file is read it is checked, by its
    suffix: pictures (JPEG, PNG, GIF, BMP, WebP without animation) are decoded
    once, WAV files must be complete, and others must not be empty.

    Args:
        path: Path of a CSV file in UTF-8, with or without a byte order mark.
            Its first row names the columns.
        modalities: Dict `{modality: column}`; a list of columns are numbers.
        ids: Column that says which item a row shows, or `None`.
        files: Names of the modalities whose column names files. Relative
            paths are relative to the folder of the CSV file.
        delimiter: What stands between two cells: `","`, `";"` or `"\\t"`.
        skip_broken: Whether a row is left out whose file cannot be decoded or
            read. Warnings count such files and name the first of them. The
            number of examples is then not known beforehand, and `fit` says at
            the end of each epoch that the input ran out of data, though it
            goes on. If not, such a file ends the iteration with an error that
            names it. A file that is missing from the start is always an error.

    Returns:
        A `tf.data.Dataset`, not batched, in the order of the rows.

    Raises:
        TypeError: If an argument has the wrong type.
        FileNotFoundError: If the CSV file or a file that it names is missing.
        ValueError: If a column is missing or there twice, the CSV file has no
            rows, is not UTF-8, or has rows of different lengths; if a cell is
            empty or no number where it has to be; if two rows are equal.
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
    ```
    """
    _check_arguments(modalities, ids, files, delimiter)
    wanted = {
        name: [columns] if isinstance(columns, str) else list(columns)
        for name, columns in modalities.items()
    }
    names = [name for columns in wanted.values() for name in columns]
    names = list(dict.fromkeys(names + ([] if ids is None else [ids])))
    table, numbers = csv_rows.read_columns(path, names, delimiter)
    cells, paths = {}, {}
    for modality, columns in modalities.items():
        if modality in files:
            paths[modality] = csv_rows.to_paths(path, table[columns], numbers)
        elif isinstance(columns, str):
            cells[modality] = np.array(table[columns], object)
        else:
            values = {column: table[column] for column in columns}
            cells[modality] = csv_rows.to_numbers(path, values, numbers)
    if ids is not None:
        items = csv_rows.to_ids(table[ids])
    elif paths:
        items = csv_rows.number_items(list(paths.values()))
    else:
        items = np.arange(len(numbers))
    if not paths:
        return tf.data.Dataset.from_tensor_slices((cells, items))
    readers = {
        modality: FileReader(column, numbers, skip_broken)
        for modality, column in paths.items()
    }
    return _with_files(cells, items, readers, list(modalities), skip_broken)


def _with_files(cells, items, readers, modalities, skip_broken):
    def read(cells, item, row):
        values, all_sound = dict(cells), True
        for modality, reader in readers.items():
            values[modality], sound = reader.read(row)
            all_sound = tf.logical_and(all_sound, sound)
        return {name: values[name] for name in modalities}, item, all_sound

    rows = np.arange(len(items))
    data = tf.data.Dataset.from_tensor_slices((cells, items, rows))
    data = data.map(read, num_parallel_calls=tf.data.AUTOTUNE)
    if skip_broken:
        data = data.filter(lambda x, item, sound: sound)
    return data.map(lambda x, item, sound: (x, item))


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
        if not one and name in files:
            raise ValueError(
                "`files` must hold modalities of a single column, not of a "
                f"list. Received: files={files!r}, {name!r}: {columns!r}"
            )
    if isinstance(files, str) or files:
        checks.some_of("files", files, tuple(modalities))
    checks.string("ids", ids, optional=True)
    if len(checks.string("delimiter", delimiter)) != 1:
        raise ValueError(
            "`delimiter` must be a single character. "
            f"Received: delimiter={delimiter!r}"
        )
