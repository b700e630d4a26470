"""The rows of a CSV file, checked before a training starts.

Each check raises a ValueError or FileNotFoundError that says the rule and
shows what was received, with the number of the row. Rows are counted as a
spreadsheet does: the names of the columns are row 1.
"""

import csv
import math
import os
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_xmodal import checks

MAX_BYTES = 2**30
_DELIMITERS = ",;\t|"
# Strings become ids below this, so that they fit into int64.
NUM_HASHES = 2**63 - 1


class Table(NamedTuple):
    """Rows of texts: of which file or folder, by column, and their numbers.

    Cells of nothing but spaces are empty strings.
    """

    path: str
    columns: dict[str, list[str]]
    numbers: list[int]

    def without(self, skip: Iterable[int]) -> "Table":
        """The rows whose numbers are not among these."""
        skip = checks.items("skip", skip, "a sequence of numbers of rows")
        skip = {checks.integer("skip", number) for number in skip}
        unknown = skip - set(self.numbers)
        if unknown:
            raise ValueError(
                "`skip` must hold numbers of rows, as an error or a check says "
                f"them. Received: {min(unknown)}, which {self.path} lacks"
            )
        kept = [
            i for i, number in enumerate(self.numbers) if number not in skip
        ]
        if not kept:
            raise ValueError(
                f"`skip` must leave a row. Received: all {len(skip)} of them, "
                f"of {self.path}"
            )
        return Table(
            self.path,
            {n: [cells[i] for i in kept] for n, cells in self.columns.items()},
            [self.numbers[i] for i in kept],
        )


def read_table(path, columns, delimiter):
    """Read a CSV file in UTF-8."""
    rows = _read(path, delimiter)
    header = rows[0][1] if rows else []
    check_columns(path, header, columns, delimiter)
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
    table = {}
    cells = zip(*(cells for _, cells in rows), strict=True)
    for name, column in zip(header, cells, strict=True):
        # Of two of one name, which is not asked for, the first counts.
        table.setdefault(
            name, [cell if cell.strip() else "" for cell in column]
        )
    return Table(path, table, [number for number, _ in rows])


def check_delimiter(delimiter):
    """Check what stands between two cells."""
    delimiter = checks.string("delimiter", delimiter)
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise ValueError(
            "`delimiter` must be a single character, no quote or end "
            f"of a line. Received: delimiter={delimiter!r}"
        )


def check_columns(path, header, columns, delimiter, argument="path"):
    """Check that a table has each of these columns once."""
    for column in columns:
        if header.count(column) != 1:
            raise ValueError(
                f"`{argument}` must have one column {column!r}. Received: "
                f"{path} with the columns {header}, delimiter={delimiter!r}"
                + _hint(header, columns, delimiter)
            )


def check_size(path):
    """Check that a file is none that takes all memory."""
    size = os.path.getsize(path)
    if size > MAX_BYTES:
        raise ValueError(
            f"A file must be of at most {MAX_BYTES:,} bytes. Received: "
            f"{path!r} of {size:,}"
        )


def _hint(header, columns, delimiter):
    """What to try where the names of the columns are not told apart."""
    if "\0" in "".join(header):
        return ". It seems to be in UTF-16, not in UTF-8"
    for other in _DELIMITERS:
        cells = [name for cell in header for name in cell.split(other)]
        if other != delimiter and set(columns) <= set(cells):
            return f". The delimiter seems to be {other!r}"
    return ""


def read_header(path, delimiter):
    """Names of the columns of a CSV file."""
    rows = _read(path, delimiter)
    return rows[0][1] if rows else []


def check_filled(table, columns):
    """Check that no cell of these columns is empty."""
    empty = [
        (number, column)
        for i, number in enumerate(table.numbers)
        for column in columns
        if not table.columns[column][i]
    ]
    if empty:
        number, column = empty[0]
        raise ValueError(
            f"No cell of the columns {list(columns)} may be empty. Received: "
            f"{table.path}, row {number}, column {column!r}"
            f"{and_more(len(empty), 'cells')}"
        )


def presence(table, wanted):
    """Where each modality is there: its cells are filled, all of them.

    In each row there must be a modality, and each modality in some row.
    """
    path, numbers = table.path, table.numbers
    there, partly = filled(table, wanted)
    for modality, columns in wanted.items():
        places = np.flatnonzero(partly[modality])
        if len(places):
            cells = [table.columns[name][places[0]] for name in columns]
            raise ValueError(
                f"The columns {columns} must all be filled in a row, or all be "
                f"empty. Received: {path}, row {numbers[places[0]]}, column "
                f"{columns[cells.index('')]!r} empty"
                f"{and_more(len(places), 'rows')}"
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


def filled(table, wanted):
    """Where all cells of a modality are filled, and where only some are."""
    there, partly = {}, {}
    for modality, columns in wanted.items():
        cells = [[cell != "" for cell in table.columns[n]] for n in columns]
        there[modality] = np.all(cells, axis=0)
        partly[modality] = np.any(cells, axis=0) & ~there[modality]
    return there, partly


def check_duplicates(table, columns):
    """Check that no two rows are equal in all of these columns."""
    repeated = repeated_rows(table, columns)
    if repeated:
        number, earlier = next(iter(repeated.items()))
        raise ValueError(
            f"No two rows may be equal in all of the columns {columns}. "
            f"Received: {table.path}, row {number}, which repeats row {earlier}"
            f"{and_more(len(repeated), 'rows')}"
        )


def repeated_rows(table, columns):
    """Numbers of the rows that repeat another one, with that of the first."""
    first, repeated = {}, {}
    cells = zip(*(table.columns[name] for name in columns), strict=True)
    for number, row in zip(table.numbers, cells, strict=True):
        if first.setdefault(row, number) != number:
            repeated[number] = first[row]
    return repeated


def _read(path, delimiter):
    """All rows that are not blank: `(number, cells)`."""
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"`path` must be a CSV file. Received: path={str(path)!r}, "
            f"{'a folder' if os.path.isdir(path) else 'which is missing'}"
        )
    check_size(path)
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
        decode(path, pathlib.Path(path).read_bytes(), "`path` must be a CSV")
        raise
    finally:
        csv.field_size_limit(most)
    return rows


def decode(path, content, rule):
    """The text of a file in UTF-8, with or without a byte order mark."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start, end = error.start, error.end + 8
        line = error.object.count(b"\n", 0, start) + 1
        raise ValueError(
            f"{rule} file in UTF-8. Received: {path}, line {line}: the bytes "
            f"{error.object[start:end]!r}, which are not; it seems to be "
            f"{_encoding(content)}"
        ) from error


def _encoding(content):
    """What a file that is not in UTF-8 may be."""
    if content.startswith(b"PK\3\4"):
        return "a table of Excel, or another ZIP file"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        return "in UTF-16, or no text"
    return "in Latin-1 or Windows-1252"


def check_parts(table, parts, units):
    """Check that all rows of an item, or of a group, are in one part."""
    first = {}
    rows = zip(parts, units, table.numbers, strict=True)
    for part, unit, number in rows:
        other, earlier = first.setdefault(int(unit), (part, number))
        if other != part:
            raise ValueError(
                "All rows of an item must be in one part. Received: "
                f"{table.path}, row {number} in {part!r} and row {earlier} in "
                f"{other!r}"
            )


def and_more(count, things):
    """Say how many there are besides the one that an error shows."""
    return f", and {count - 1} more {things}" if count > 1 else ""


def to_paths(table, column, root=None):
    """Check a column of files: absolute paths; None where a cell is empty."""
    paths = resolve(table, column, root)
    missing = missing_files(paths)
    for number, file in zip(table.numbers, paths, strict=True):
        if file in missing:
            raise FileNotFoundError(
                "The files of a CSV file must exist, relative to its folder. "
                f"Received: {table.path}, row {number} with {file!r}; of "
                f"{len(set(paths) - {None})} files, {len(missing)} missing"
            )
    return paths


def resolve(table, column, root=None):
    """The paths that a column names, None where a cell is empty."""
    folder = table.path
    if not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    paths = [
        os.path.normpath(os.path.join(folder, os.path.expanduser(cell)))
        if cell
        else None
        for cell in table.columns[column]
    ]
    return paths if root is None else _inside(table, paths, root)


def missing_files(paths):
    """The paths that are no files."""
    return {file for file in set(paths) - {None} if not os.path.isfile(file)}


def _inside(table, paths, root):
    """Paths without links, checked to lie in a folder."""
    root = os.path.realpath(root)
    real = real_paths(paths)
    for number, file, place in zip(table.numbers, paths, real, strict=True):
        if file is None:
            continue
        try:
            outside = os.path.commonpath([root, place]) != root
        except ValueError:  # another drive
            outside = True
        if outside:
            raise ValueError(
                f"The files of a CSV file must lie in `root`, {root!r}. "
                f"Received: {table.path}, row {number} with {file!r}"
            )
    return real


def real_paths(paths):
    """Paths with their links followed; None stays None."""
    real = {file: os.path.realpath(file) for file in set(paths) - {None}}
    return [real.get(file) for file in paths]


def to_numbers(table, columns):
    """Read columns of numbers as vectors, of zeros where cells are empty."""
    values, wrong = parse_numbers(table, columns)
    if wrong:
        number, column, cell = min(wrong)
        raise ValueError(
            f"The columns {list(columns)} must hold finite numbers. Received: "
            f"{table.path}, row {number}, column {column!r} with {cell!r}"
            f"{and_more(len(wrong), 'cells')}"
        )
    return values


def parse_numbers(table, columns):
    """Vectors, and `(row, column, cell)` of what is no finite number."""
    values = np.zeros((len(table.numbers), len(columns)), np.float32)
    largest, wrong = float(np.finfo(np.float32).max), []
    for j, column in enumerate(columns):
        for i, cell in enumerate(table.columns[column]):
            try:
                value = float(cell or 0)
            except ValueError:
                value = math.nan
            if "_" in cell:  # Python's own grammar
                value = math.nan
            if not abs(value) <= largest:  # NaN is not, either
                wrong.append((table.numbers[i], column, cell))
            else:
                values[i, j] = value
    return values, wrong


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
