"""Tables of a user's own pairs as data sets: what all ways to them share."""

import functools
import pathlib
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.datasets import csv_rows
from keras_xmodal.datasets.csv_items import CsvItems, CsvRow
from keras_xmodal.datasets.file_reader import FileReader
from keras_xmodal.datasets.split import check_shares


class PairArguments:
    """The arguments of `from_csv`, checked, and the columns that they name."""

    def __init__(
        self,
        modalities,
        ids=None,
        files=(),
        group=None,
        root=None,
        skip_broken=False,
        split=None,
        seed=0,
        check_files=True,
    ):
        check_modalities(modalities, files)
        self.modalities, self.files = dict(modalities), tuple(files)
        self.ids = checks.string("ids", ids, optional=True)
        self.group = checks.string("group", group, optional=True)
        self.root = checks.path("root", root, optional=True)
        self.seed = checks.seed(seed)
        self.skip_broken = checks.boolean("skip_broken", skip_broken)
        self.check_files = checks.boolean("check_files", check_files)
        if skip_broken and not check_files:
            raise ValueError(
                "`skip_broken=True` needs `check_files=True`, which finds what "
                "is broken. Received: skip_broken=True, check_files=False"
            )
        if split is not None and not isinstance(split, str):
            split = check_shares("split", split)
        self.split = split
        self.wanted = {
            name: [columns] if isinstance(columns, str) else list(columns)
            for name, columns in modalities.items()
        }
        others = (self.ids, self.split, self.group)
        self.filled = [name for name in others if isinstance(name, str)]
        names = [name for columns in self.wanted.values() for name in columns]
        self.columns = list(dict.fromkeys(names + self.filled))


def read_pairs(table, arguments, units=None):
    """Make the data set, or the parts, of a table, as `from_csv` says.

    Where `units` names a column, its rows are what a split draws, of each item
    its share, instead of the items.
    """
    csv_rows.check_duplicates(table, arguments.columns)
    csv_rows.check_filled(table, arguments.filled)
    there = csv_rows.presence(table, arguments.wanted)
    cells, paths = {}, {}
    for modality, columns in arguments.modalities.items():
        if modality in arguments.files:
            paths[modality] = csv_rows.to_paths(table, columns, arguments.root)
        elif isinstance(columns, str):
            cells[modality] = np.array(table.columns[columns], object)
        else:
            cells[modality] = csv_rows.to_numbers(table, columns)
    count = len(table.numbers)
    items = to_items(table, arguments.ids, paths)
    drawn, strata = items, None
    if arguments.group is not None:
        groups = table.columns[arguments.group]
        groups = [cell.strip() for cell in groups]
        drawn = csv_rows.number_items([items.tolist(), groups])
    elif units is not None:
        drawn, strata = csv_rows.number_items([table.columns[units]]), items
    readers = {
        modality: FileReader(
            column,
            table.numbers,
            arguments.skip_broken,
            arguments.check_files,
        )
        for modality, column in paths.items()
    }
    weights = None
    if not all(filled.all() for filled in there.values()):
        weights = {
            name: filled.astype("float32") for name, filled in there.items()
        }

    def take(rows):
        columns = cells, items, weights, rows
        return _dataset(columns, readers, arguments.modalities)

    def row(place):
        named = {m: column[place] for m, column in paths.items()}
        return CsvRow(
            table.numbers[place],
            {name: values[place] for name, values in table.columns.items()},
            {m: pathlib.Path(file) for m, file in named.items() if file},
        )

    rows = CsvItems(items, drawn, strata, row, take)
    if arguments.split is None:
        return rows.subset(np.ones(count, bool))
    if isinstance(arguments.split, str):
        parts = [part.strip() for part in table.columns[arguments.split]]
        csv_rows.check_parts(table, parts, drawn)
        return {
            part: rows.subset(np.array(parts) == part)
            for part in dict.fromkeys(parts)
        }
    return rows.split(arguments.split, arguments.seed)


def to_items(table, ids, paths):
    """The id of each row: of a column, or else of the files that it names."""
    if ids is not None:
        return csv_rows.to_ids(table.columns[ids])
    if paths:
        return csv_rows.number_items(map(csv_rows.real_paths, paths.values()))
    return np.arange(len(table.numbers))


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

    def read(columns, rows):
        """Of many rows, which takes less time than one after the other."""
        cells, items, weights = columns
        values, all_sound = dict(cells), tf.ones_like(rows, tf.bool)
        for modality, reader in readers.items():
            values[modality], sound = reader.read(rows)
            all_sound &= sound
        x = {name: values[name] for name in modalities}
        example = (x, items) if weights is None else (x, items, weights)
        if not skip_broken:
            return example
        return keras.tree.map_structure(
            lambda column: tf.boolean_mask(column, all_sound), example
        )

    skip_broken = any(reader.skip_broken for reader in readers.values())
    count = len(rows)
    size = min(reader.rows_at_once for reader in readers.values())
    whole = count - count % size

    def part(start, stop, size):
        """Of batches of one size: with others, no length would be known."""
        slices = keras.tree.map_structure(
            lambda column: None if column is None else column[start:stop],
            (tuple(columns), rows),
        )
        data = tf.data.Dataset.from_tensor_slices(slices)
        data = data.batch(size, drop_remainder=True)
        return data.map(read, num_parallel_calls=tf.data.AUTOTUNE).unbatch()

    parts = [part(0, whole, size)] if whole else []
    parts += [part(whole, count, count - whole)] if whole < count else []
    return functools.reduce(tf.data.Dataset.concatenate, parts)


def check_modalities(modalities, files):
    """Check that each modality names its columns, and files one column."""
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
