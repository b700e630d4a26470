"""From the id of an example back to the rows of its CSV file."""

import collections
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from keras_xmodal.datasets.split import draw_parts


class CsvRow(NamedTuple):
    """A row of a CSV file: what it says, and the files that it names.

    `number` is that of a spreadsheet, where the names of the columns are row
    1; `cells` are all of its texts by column, `files` the absolute paths by
    modality, without missing ones.
    """

    number: int
    cells: dict[str, str]
    files: dict[str, pathlib.Path]


class CsvItems(Mapping):
    """The rows of each item: `{id: [CsvRow, ...]}`, in order of the file.

    Args:
        ids: Integers `(rows,)`, the item of each row of the table.
        units: Integers `(rows,)`: rows of one are in one part of a split.
        strata: Integers `(rows,)`, whose units are spread over all parts, or
            None where units are drawn from all.
        row: Function of a position in the table, to its row.
        take: Function of positions in the table, to a data set.
        rows: Positions of the rows that are there; all by default.
    """

    def __init__(
        self,
        ids: np.ndarray,
        units: np.ndarray,
        strata: np.ndarray | None,
        row: Callable[[int], CsvRow],
        take: Callable,
        rows: np.ndarray | None = None,
    ):
        self.ids = ids
        self.units, self.strata = units, strata
        self.rows = np.arange(len(ids)) if rows is None else rows
        self._row, self._take = row, take
        self._places = collections.defaultdict(list)
        for place in self.rows.tolist():
            self._places[int(ids[place])].append(place)

    def __getitem__(self, item: int) -> list[CsvRow]:
        """The rows of an item, in order of the file."""
        if item not in self._places:
            raise KeyError(item)
        return [self._row(int(place)) for place in self._places[int(item)]]

    def __iter__(self) -> Iterator[int]:
        """Iterate over the ids."""
        return iter(self._places)

    def __len__(self) -> int:
        """Number of items."""
        return len(self._places)

    def subset(self, chosen: np.ndarray):
        """The data set of some of these rows, by a boolean for each."""
        rows = self.rows[chosen]
        columns = self.ids, self.units, self.strata
        items = CsvItems(*columns, self._row, self._take, rows)
        return with_items(self._take(rows), items)

    def split(self, shares: tuple[float, ...], seed: int) -> tuple:
        """Data sets of shares of these rows, no unit being in two."""
        strata = None if self.strata is None else self.strata[self.rows]
        parts = draw_parts(self.units[self.rows], shares, seed, strata)
        return tuple(self.subset(parts == i) for i in range(len(shares)))


def with_items(data, items):
    """Let a data set know its items, as `image_dataset_from_directory` does."""
    data.items = items
    return data
