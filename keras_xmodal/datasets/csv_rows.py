"""The rows of a CSV file, checked before a training starts.

Each check raises a ValueError or FileNotFoundError that says the rule and
shows what was received, with the number of the row. Rows are counted as a
spreadsheet does: the names of the columns are row 1.
"""

import csv
import math
import os
import pathlib

import numpy as np
import tensorflow as tf

# Strings become ids below this, so that they fit into int64.
NUM_HASHES = 2**63 - 1


def read_columns(path, columns, delimiter):
    """Read columns of a CSV file in UTF-8."""
    rows = _read(path, delimiter)
    header = rows[0][1] if rows else []
    for column in columns:
        if header.count(column) != 1:
            raise ValueError(
                f"`path` must have one column {column!r}. Received: "
                f"{path} with the columns {header}, delimiter={delimiter!r}"
            )
    del rows[:1]
    if not rows:
        raise ValueError(
            "`path` must have at least one row below the names of the "
            f"columns. Received: {path} without"
        )
    ragged = [row for row in rows if len(row[1]) != len(header)]
    if ragged:
        number, cells = ragged[0]
        raise ValueError(
            f"All rows must have {len(header)} cells, one for each column. "
            f"Received: {path}, row {number} with {len(cells)} cells"
            f"{and_more(len(ragged), 'rows')}"
        )
    places = [header.index(column) for column in columns]
    empty = [
        (number, header[place])
        for number, cells in rows
        for place in places
        if not cells[place].strip()
    ]
    if empty:
        number, column = empty[0]
        raise ValueError(
            f"No cell of the columns {columns} may be empty. Received: "
            f"{path}, row {number}, column {column!r}"
            f"{and_more(len(empty), 'cells')}"
        )
    chosen = [
        (number, tuple(cells[place] for place in places))
        for number, cells in rows
    ]
    _check_duplicates(path, columns, chosen)
    numbers = [number for number, _ in chosen]
    cells = zip(*(cells for _, cells in chosen), strict=True)
    return dict(zip(columns, map(list, cells), strict=True)), numbers


def _check_duplicates(path, columns, rows):
    first, repeated = {}, []
    for number, cells in rows:
        if first.setdefault(cells, number) != number:
            repeated.append((number, first[cells]))
    if repeated:
        number, earlier = repeated[0]
        raise ValueError(
            f"No two rows may be equal in all of the columns {columns}. "
            f"Received: {path}, row {number}, which repeats row {earlier}"
            f"{and_more(len(repeated), 'rows')}"
        )


def _read(path, delimiter):
    """All rows that are not blank: `(number, cells)`."""
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"`path` must be a CSV file. Received: path={str(path)!r}, "
            f"{'a folder' if os.path.isdir(path) else 'which is missing'}"
        )
    rows, number = [], 0
    try:
        # A spreadsheet may put a byte order mark first: "-sig".
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            for number, cells in enumerate(reader, start=1):
                if cells:
                    rows.append((number, cells))
    except csv.Error as error:
        raise ValueError(
            f"`path` must be a CSV file. Received: {path}, row {number + 1}: "
            f"{error}"
        ) from error
    except UnicodeDecodeError:
        content = pathlib.Path(path).read_bytes()
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise ValueError(
                "`path` must be a CSV file in UTF-8. Received: "
                f"{path}, line {line}: the bytes "
                f"{content[error.start : error.end + 8]!r}, which are not"
            ) from error
        raise
    return rows


def and_more(count, things):
    """Say how many there are besides the one that an error shows."""
    return f", and {count - 1} more {things}" if count > 1 else ""


def to_paths(path, cells, numbers):
    """Resolve a column of files."""
    folder = os.path.dirname(os.path.abspath(path))
    paths = [os.path.normpath(os.path.join(folder, cell)) for cell in cells]
    there = {file: os.path.isfile(file) for file in set(paths)}
    for number, file in zip(numbers, paths, strict=True):
        if not there[file]:
            missing = len(there) - sum(there.values())
            raise FileNotFoundError(
                "The files of a CSV file must exist, relative to its folder. "
                f"Received: {path}, row {number} with {file!r}; of "
                f"{len(there)} files, {missing} missing"
            )
    return paths


def to_numbers(path, columns, numbers):
    """Read columns of numbers as vectors."""
    values = np.zeros((len(numbers), len(columns)), np.float32)
    largest, wrong = float(np.finfo(np.float32).max), []
    for j, (column, cells) in enumerate(columns.items()):
        for i, cell in enumerate(cells):
            try:
                value = float(cell)
            except ValueError:
                value = math.nan
            if not abs(value) <= largest:  # NaN is not, either
                wrong.append((numbers[i], column, cell))
            else:
                values[i, j] = value
    if wrong:
        number, column, cell = min(wrong)
        raise ValueError(
            f"The columns {list(columns)} must hold finite numbers. Received: "
            f"{path}, row {number}, column {column!r} with {cell!r}"
            f"{and_more(len(wrong), 'cells')}"
        )
    return values


def to_ids(cells):
    """Turn strings into ids, the same ones in every file."""
    ids = tf.strings.to_hash_bucket_fast(cells, NUM_HASHES).numpy()
    for i, cell in enumerate(cells):
        try:
            # "007" is another item than "7".
            if len(cell) < 20 and str(int(cell)) == cell:
                ids[i] = int(cell)
        except (ValueError, OverflowError):
            continue
    return ids


def number_items(columns):
    """Give rows one id that share a cell, directly or through other rows."""
    parents = list(range(len(columns[0])))

    def first_row(row):
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    for cells in columns:
        seen = {}
        for row, cell in enumerate(cells):
            one, other = first_row(row), first_row(seen.setdefault(cell, row))
            parents[max(one, other)] = min(one, other)
    return np.array([first_row(row) for row in range(len(parents))], np.int64)
