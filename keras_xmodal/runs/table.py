"""Tables of a user's pairs, read as a run needs them."""

import contextlib
import os
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from keras_xmodal import checks
from keras_xmodal.datasets import csv_rows, from_csv, from_folder
from keras_xmodal.datasets.folder_rows import OTHERS, TEXT, read_folder

FILES = ("image", "speech", "video")


class Table(NamedTuple):
    """A data set, the columns of its modalities, and that of its items."""

    dataset: Any
    columns: dict[str, list[str]]
    ids: str | None


def read_table(
    path: str,
    run: Any,
    modalities: Mapping[str, list[str]] | None = None,
    ids: str | None = None,
    delimiter: str = ",",
    least: int = 1,
    skip_repeated: bool = False,
    split: str | None = None,
    part: str | None = None,
) -> Table:
    """Read the modalities of a run that a table has.

    Args:
        path: CSV file, or folder as `from_folder` reads it.
        run: `Run`.
        modalities: Columns of modalities. Defaults to those that the run was
            trained on, or that are called as the modality is, as far as the
            table has them. Of a folder, kinds.
        ids: Column that says which item a row shows, or None.
        delimiter: What stands between two cells of a CSV file.
        least: Integer, the number of modalities that are needed.
        skip_repeated: Whether rows that are there twice are left out.
        split: Column that says of each row in which part it is, or None.
        part: Part of the rows to read, with `split`.

    Returns:
        `Table`.

    Raises:
        ValueError, OSError: As `from_csv` and `from_folder` do; also if the
            table has fewer modalities.
    """
    by_class = False
    is_folder = os.path.isdir(path)
    if is_folder:
        checks.left_out(
            "A folder has no columns", id_column=ids, split_column=split
        )
        table, by_class = read_folder(path)
        header = [name for name in table.columns if name not in OTHERS]
    else:
        header = csv_rows.read_header(path, delimiter)
    if modalities:
        checks.modalities("--modality", modalities, run.kinds)
        columns = dict(modalities)
    elif is_folder:
        columns = {n: [kind] for n, kind in run.kinds.items() if kind in header}
    else:
        columns = known_columns(run, header)
    if len(columns) < least:
        known = ", ".join(run.kinds)
        raise ValueError(
            f"PAIRS must have columns of {least} modalities of the run at "
            f"least, which has {known}: name them by `--modality NAME=COLUMN`. "
            f"Received: {path} with the columns {header}"
        )
    wanted: dict[str, Any] = {}
    for name, names in columns.items():
        if run.kinds[name] != "numbers" and len(names) > 1:
            raise ValueError(
                f"`--modality` must name one column for {name!r}, which is no "
                f"numbers. Received: {','.join(names)}"
            )
        wanted[name] = names if run.kinds[name] == "numbers" else names[0]
    if is_folder:
        ids = TEXT if by_class else "name"
        return Table(from_folder(path, wanted), columns, ids)
    files = [name for name in columns if run.kinds[name] in FILES]
    skip: Collection[int] = ()
    if skip_repeated:
        named = [c for names in columns.values() for c in names]
        known = csv_rows.read_table(path, named, delimiter)
        skip = list(csv_rows.repeated_rows(known, named))
    dataset = from_csv(
        path,
        wanted,
        ids,
        files=files,
        delimiter=delimiter,
        split=split,
        skip=skip,
    )
    if split is not None:
        dataset = dataset[checks.one_of("--part", part, tuple(dataset))]
    return Table(dataset, columns, ids)


def known_columns(run, header):
    """Columns of a table that hold modalities of a run, as far as it tells."""
    columns = {}
    told = run.report.get("modalities", {})
    for name in run.kinds:
        with contextlib.suppress(KeyError, TypeError, AttributeError):
            names = told[name]["columns"]
            if names and all(column in header for column in names):
                columns[name] = list(names)
        if name not in columns and name in header:
            columns[name] = [name]
    return columns
