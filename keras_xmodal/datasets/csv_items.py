"""From the id of an example back to the rows of its CSV file."""

import collections
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np


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
    """The rows of each item: `{id: [CsvRow, ...]}`, in order of the file."""

    def __init__(
        self,
        ids: np.ndarray,
        row: Callable[[int], CsvRow],
        take: Callable,
        rows: np.ndarray | None = None,
    ):
        self.ids = ids
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
        items = CsvItems(self.ids, self._row, self._take, rows)
        return with_items(self._take(rows), items)


def with_items(data, items):
    """Let a data set know its items, as `image_dataset_from_directory` does."""
    data.items = items
    return data
