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


def read_table(path, columns, delimiter):
    """Read a CSV file in UTF-8: a dict of columns, and the rows' numbers.

    Cells of nothing but spaces are empty strings.
    """
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
    chosen = [
        (number, tuple(cells[place] for place in places))
        for number, cells in rows
    ]
    _check_duplicates(path, columns, chosen)
    table = {}
    cells = zip(*(cells for _, cells in rows), strict=True)
    for name, column in zip(header, cells, strict=True):
        # Of two of one name, which is not asked for, the first counts.
        table.setdefault(
            name, [cell if cell.strip() else "" for cell in column]
        )
    return table, [number for number, _ in rows]


def read_header(path, delimiter):
    """Names of the columns of a CSV file."""
    rows = _read(path, delimiter)
    return rows[0][1] if rows else []


def check_filled(path, table, numbers, columns):
    """Check that no cell of these columns is empty."""
    empty = [
        (number, column)
        for i, number in enumerate(numbers)
        for column in columns
        if not table[column][i]
    ]
    if empty:
        number, column = empty[0]
        raise ValueError(
            f"No cell of the columns {list(columns)} may be empty. Received: "
            f"{path}, row {number}, column {column!r}"
            f"{and_more(len(empty), 'cells')}"
        )


def presence(path, table, numbers, wanted):
    """Where each modality is there: its cells are filled, all of them.

    In each row there must be a modality, and each modality in some row.
    """
    there = {}
    for modality, columns in wanted.items():
        filled = np.array([[c != "" for c in table[name]] for name in columns])
        there[modality] = filled.all(axis=0)
        partly = np.flatnonzero(filled.any(axis=0) & ~there[modality])
        if len(partly):
            column = columns[int(filled[:, partly[0]].argmin())]
            raise ValueError(
                f"The columns {columns} must all be filled in a row, or all be "
                f"empty. Received: {path}, row {numbers[partly[0]]}, column "
                f"{column!r} empty{and_more(len(partly), 'rows')}"
            )
        if not there[modality].any():
            raise ValueError(
                f"The modality {modality!r} must be there in one row at least. "
                f"Received: {path} with nothing but empty cells in {columns}"
            )
    without = np.flatnonzero(~np.any(list(there.values()), axis=0))
    if len(without):
        raise ValueError(
            f"Each row must hold one of the modalities {list(wanted)}. "
            f"Received: {path}, row {numbers[without[0]]}, where the cells are "
            f"empty{and_more(len(without), 'rows')}"
        )
    return there


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
    most = csv.field_size_limit(2**31 - 1)  # instead of 131,072 characters
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
    finally:
        csv.field_size_limit(most)
    return rows


def check_parts(path, parts, items, numbers):
    """Check that all rows of an item are in one part."""
    first = {}
    for part, item, number in zip(parts, items, numbers, strict=True):
        other, earlier = first.setdefault(int(item), (part, number))
        if other != part:
            raise ValueError(
                "All rows of an item must be in one part. Received: "
                f"{path}, row {number} in {part!r} and row {earlier} in "
                f"{other!r}"
            )


def and_more(count, things):
    """Say how many there are besides the one that an error shows."""
    return f", and {count - 1} more {things}" if count > 1 else ""


def to_paths(path, cells, numbers, root=None):
    """Resolve a column of files; None where a cell is empty."""
    folder = os.path.dirname(path)
    paths = [
        os.path.normpath(os.path.join(folder, os.path.expanduser(cell)))
        if cell
        else None
        for cell in cells
    ]
    if root is not None:
        paths = _inside(path, paths, numbers, root)
    there = {file: os.path.isfile(file) for file in set(paths) - {None}}
    for number, file in zip(numbers, paths, strict=True):
        if file is not None and not there[file]:
            missing = len(there) - sum(there.values())
            raise FileNotFoundError(
                "The files of a CSV file must exist, relative to its folder. "
                f"Received: {path}, row {number} with {file!r}; of "
                f"{len(there)} files, {missing} missing"
            )
    return paths


def _inside(path, paths, numbers, root):
    """Paths without links, checked to lie in a folder."""
    root = os.path.realpath(root)
    real = real_paths(paths)
    for number, file, place in zip(numbers, paths, real, strict=True):
        if file is None:
            continue
        try:
            outside = os.path.commonpath([root, place]) != root
        except ValueError:  # another drive
            outside = True
        if outside:
            raise ValueError(
                f"The files of a CSV file must lie in `root`, {root!r}. "
                f"Received: {path}, row {number} with {file!r}"
            )
    return real


def real_paths(paths):
    """Paths with their links followed; None stays None."""
    real = {file: os.path.realpath(file) for file in set(paths) - {None}}
    return [real.get(file) for file in paths]


def to_numbers(path, columns, numbers):
    """Read columns of numbers as vectors, of zeros where cells are empty."""
    values = np.zeros((len(numbers), len(columns)), np.float32)
    largest, wrong = float(np.finfo(np.float32).max), []
    for j, (column, cells) in enumerate(columns.items()):
        for i, cell in enumerate(cells):
            try:
                value = float(cell or 0)
            except ValueError:
                value = math.nan
            if "_" in cell:  # Python's own grammar
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
    cells = [cell.strip() for cell in cells]
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
    """Give rows one id that share a cell, directly or through other rows.

    An empty cell, None, is shared with none.
    """
    columns = list(columns)
    parents = list(range(len(columns[0])))

    def first_row(row):
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    for cells in columns:
        seen = {}
        for row, cell in enumerate(cells):
            if cell is None:
                continue
            one, other = first_row(row), first_row(seen.setdefault(cell, row))
            parents[max(one, other)] = min(one, other)
    return np.array([first_row(row) for row in range(len(parents))], np.int64)
