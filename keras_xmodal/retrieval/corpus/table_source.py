"""Rows of a corpus in a CSV file, or the files of a folder."""

import csv
import hashlib
from collections.abc import Mapping

import numpy as np

from keras_xmodal import checks
from keras_xmodal.datasets import csv_rows
from keras_xmodal.datasets.folder_rows import OTHERS, list_files, read_folder
from keras_xmodal.datasets.pairs import check_modalities
from keras_xmodal.retrieval.corpus.chunk import Chunk, Cursor

_ROWS = 4096  # between two places of a CSV file that are known


class TableArguments:
    """Which columns of a table hold what, checked as far as it needs none.

    Args:
        known: Modalities of the model.
        modalities: Dict by modality of a column, or a list of columns of
            numbers; None for columns that are called as modalities are.
        ids: Column of the ids, or None.
        files: Modalities whose columns name files.
        root: Folder that files must lie in, or None.
        choose: Function of the columns of a table to those by modality, where
            there are no `modalities`; some of `files` may then be missing.
    """

    def __init__(
        self,
        known,
        modalities=None,
        ids=None,
        files=(),
        root=None,
        choose=None,
    ):
        if modalities is not None:
            modalities = dict(modalities) if modalities else modalities
            check_modalities(modalities, ())
            checks.modalities("modalities", modalities, known)
        self.known, self.modalities = known, modalities
        self.ids = checks.string("ids", ids, optional=True)
        self.files = tuple(files)
        if isinstance(files, str) or files:
            self.files = checks.some_of("files", files, modalities or known)
        self.root = checks.path("root", root, optional=True)
        self._choose = choose

    def columns(self, header, path) -> dict:
        """Columns by modality, of a table that has these."""
        modalities = self.modalities
        if modalities is None and self._choose is not None:
            modalities = self._choose(header)
            self.files = tuple(n for n in self.files if n in modalities)
        elif modalities is None:
            modalities = {name: name for name in self.known if name in header}
        if not modalities:
            raise ValueError(
                "`source` must have a column that is called as a modality of "
                f"the model, of {list(self.known)}, or name columns by "
                "`modalities={name: column}`. Received: "
                f"{path} with the columns {list(header)}"
            )
        check_modalities(modalities, self.files)
        return modalities


def flat(columns: Mapping) -> list[str]:
    """Names of columns by modality, in one list."""
    return [
        name
        for names in columns.values()
        for name in ([names] if isinstance(names, str) else names)
    ]


class CsvSource:
    """A CSV file, of which few rows are in memory at a time.

    It is gone through once to check that all rows have as many cells, and to
    know where in the file each 4,096th begins.

    Args:
        path: `pathlib.Path` of the file.
        arguments: `TableArguments`.
        delimiter: What stands between two cells.
    """

    follows_order = False

    def __init__(self, path, arguments, delimiter):
        self._path, self._delimiter = path, delimiter
        csv_rows.check_delimiter(delimiter)
        if not path.is_file():
            raise FileNotFoundError(
                "`source` must be a CSV file, or others that it takes. "
                f"Received: source={str(path)!r}, which is missing"
            )
        self._header, self.num_rows, self._places, digest = self._look()
        self._columns = arguments.columns(self._header, path)
        self._ids, self._root = arguments.ids, arguments.root
        wanted = flat(self._columns)
        wanted += [] if self._ids is None else [self._ids]
        csv_rows.check_columns(path, self._header, wanted, delimiter, "source")
        self.modalities, self.files = tuple(self._columns), arguments.files
        self.fingerprint = f"table {digest} {self._columns} {self._ids}"
        self._cursor = Cursor(self._open)

    def read(self, start, stop, size):
        """Chunks of rows."""
        return self._cursor.read(start, stop, size)

    def _look(self):
        """Names of columns, number of rows, some places, and a digest."""
        digest, header, places, count = hashlib.sha256(), None, [], 0
        for cells, place in self._rows((0, 0), digest):
            if header is None:
                header = cells
                continue
            if len(cells) != len(header):
                raise ValueError(
                    f"All rows must have {len(header)} cells, one for each "
                    f"column. Received: {self._path}, row {place[1] + 1} with "
                    f"{len(cells)} cells"
                )
            if count % _ROWS == 0:
                places.append(place)
            count += 1
        if not count:
            raise ValueError(
                "`source` must have at least one row below the names of the "
                f"columns. Received: {self._path} without"
            )
        return header, count, places, digest.hexdigest()

    def _rows(self, place, digest=None):
        """Cells of each row from a place on, and the place where it begins.

        A place is an offset in bytes, and the number of rows before it.
        """
        offset, number = place
        end = offset

        def lines(file):
            nonlocal end
            for line in file:
                if digest is not None:
                    digest.update(line)
                start, end = end, end + len(line)
                try:
                    # A spreadsheet may put a byte order mark first.
                    yield line.decode("utf-8" if start else "utf-8-sig")
                except UnicodeDecodeError as error:
                    raise ValueError(
                        "`source` must be a CSV file in UTF-8. Received: "
                        f"{self._path}, row {number + 1}: the bytes "
                        f"{line[error.start : error.end + 8]!r}"
                    ) from error

        most = csv.field_size_limit(2**31 - 1)
        with open(self._path, "rb") as file:
            file.seek(offset)
            reader = csv.reader(
                lines(file), delimiter=self._delimiter, strict=True
            )
            try:
                for cells in reader:
                    if cells:
                        yield cells, (offset, number)
                    offset, number = end, number + 1
            except csv.Error as error:
                raise ValueError(
                    f"`source` must be a CSV file. Received: {self._path}, "
                    f"row {number + 1}: {error}"
                ) from error
            finally:
                csv.field_size_limit(most)

    def _open(self, place):
        first = place // _ROWS * _ROWS
        rows = self._rows(self._places[place // _ROWS])
        while True:
            cells, numbers = [], []
            for row, (_, number) in rows:
                cells.append(row)
                numbers.append(number + 1)
                if len(cells) == _ROWS:
                    break
            if not cells:
                return
            table = csv_rows.Table(
                str(self._path),
                {
                    name: [cell if cell.strip() else "" for cell in column]
                    for name, column in zip(
                        self._header, zip(*cells, strict=True), strict=True
                    )
                },
                numbers,
            )
            yield chunk_of_table(
                table, first, self._columns, self._ids, self.files, self._root
            )
            first += len(cells)


class FolderSource:
    """The files of a folder, told by their suffixes.

    Args:
        path: `pathlib.Path` of the folder.
        arguments: `TableArguments`, whose columns are kinds of files, or
            `"text"`, which is read as `from_folder` does.
    """

    follows_order = False

    def __init__(self, path, arguments):
        wanted = arguments.modalities or {}
        if "text" in flat(wanted):
            self._table, _ = read_folder(path)
        else:
            self._table = list_files(path)
        header = [n for n in self._table.columns if n not in OTHERS]
        self._columns = arguments.columns(header, path)
        for name in flat(self._columns):
            checks.one_of("modalities", name, header)
        self._ids = arguments.ids or "name"
        checks.one_of("ids", self._ids, list(self._table.columns))
        self._root = arguments.root
        self.modalities = tuple(self._columns)
        self.files = tuple(n for n, c in self._columns.items() if c != "text")
        kept = {
            number
            for name in flat(self._columns)
            for number, cell in zip(
                self._table.numbers, self._table.columns[name], strict=True
            )
            if cell
        }
        others = set(self._table.numbers) - kept
        self._table = self._table.without(others) if others else self._table
        self.num_rows = len(self._table.numbers)
        digest = hashlib.sha256()
        for name, cells in self._table.columns.items():
            digest.update(
                "\0".join([name, *cells, ""]).encode("utf-8", "surrogateescape")
            )
        self.fingerprint = (
            f"folder {digest.hexdigest()} {self._columns} {self._ids}"
        )

    def read(self, start, stop, size):
        """Chunks of rows."""
        stop = min(stop, self.num_rows)
        for first in range(start, stop, size):
            rows = slice(first, min(first + size, stop))
            table = csv_rows.Table(
                self._table.path,
                {n: cells[rows] for n, cells in self._table.columns.items()},
                self._table.numbers[rows],
            )
            yield chunk_of_table(
                table, first, self._columns, self._ids, self.files, self._root
            )


def chunk_of_table(table, first, columns, ids, files, root):
    """Some rows of a table as a chunk."""
    places = np.arange(first, first + len(table.numbers))
    numbers = np.array(table.numbers)
    wanted = {
        name: [names] if isinstance(names, str) else names
        for name, names in columns.items()
    }
    there, partly = csv_rows.filled(table, wanted)
    values = {}
    for name, names in columns.items():
        if name in files:
            values[name] = csv_rows.resolve(table, names, root)
        elif isinstance(names, str):
            values[name] = table.columns[names]
        else:
            values[name], wrong = csv_rows.parse_numbers(table, names)
            unfit = {row for row, _, _ in wrong}
            partly[name] |= np.isin(numbers, list(unfit))
            values[name][partly[name]] = np.nan  # Which is left out, or told.
            there[name] |= partly[name]
    present = {name: rows for name, rows in there.items() if not rows.all()}
    if ids is not None:
        places = np.array(table.columns[ids], object)
    return Chunk(first, places, values, present, numbers)
