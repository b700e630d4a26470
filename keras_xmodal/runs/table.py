"""Tables of a user's pairs, read as a run needs them."""

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from keras_xmodal import checks
from keras_xmodal.datasets import csv_rows, from_csv

FILES = ("image", "speech", "video")


class Table(NamedTuple):
    """A data set of `from_csv`, and the columns of its modalities."""

    dataset: Any
    columns: dict[str, list[str]]


def read_table(
    path: str,
    run: Any,
    modalities: Mapping[str, list[str]] | None = None,
    ids: str | None = None,
    least: int = 1,
) -> Table:
    """Read the modalities of a run that a table has.

    Args:
        path: CSV file.
        run: `Run`.
        modalities: Columns of modalities. Defaults to those that the run was
            trained on, or that are called as the modality is, as far as the
            table has them.
        ids: Column that says which item a row shows, or None.
        least: Integer, the number of modalities that are needed.

    Returns:
        `Table`.

    Raises:
        ValueError, OSError: As `from_csv` does; also if the table has fewer
            modalities.
    """
    header = csv_rows.read_header(path, ",")
    if modalities:
        checks.modalities("--modality", modalities, run.kinds)
        columns = dict(modalities)
    else:
        columns = _known_columns(run, header)
    if len(columns) < least:
        known = ", ".join(run.kinds)
        raise ValueError(
            f"PAIRS.csv must have columns of {least} modalities of the run at "
            f"least, which has {known}: name them by `--modality NAME=COLUMN`. "
            f"Received: {path} with the columns {header}"
        )
    wanted: dict[str, str | list[str]] = {}
    for name, names in columns.items():
        if run.kinds[name] != "numbers" and len(names) > 1:
            raise ValueError(
                f"`--modality` must name one column for {name!r}, which is no "
                f"numbers. Received: {','.join(names)}"
            )
        wanted[name] = names if run.kinds[name] == "numbers" else names[0]
    files = [name for name in columns if run.kinds[name] in FILES]
    return Table(from_csv(path, wanted, ids, files=files), columns)


def _known_columns(run, header):
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
