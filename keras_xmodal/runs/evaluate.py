"""`keras-xmodal evaluate`: how well a run finds what a table says."""

import collections
import itertools
import os
from collections.abc import Mapping

import numpy as np

from keras_xmodal.datasets.csv_rows import number_items
from keras_xmodal.metrics import retrieval_report
from keras_xmodal.runs.items import items_of_rows
from keras_xmodal.runs.parts import encode_items
from keras_xmodal.runs.run import Run
from keras_xmodal.runs.table import FILES, read_table

TRAIN = "train"  # what the part that was trained on is called


def run(
    folder: str,
    data: str,
    modalities: Mapping[str, list[str]] | None = None,
    ids: str | None = None,
    delimiter: str = ",",
    split_column: str | None = None,
    part: str | None = None,
    skip_broken: bool = False,
    quiet: bool = False,
) -> dict:
    """Measure the retrieval of the items of a table, among them alone.

    A file counts once, and a text once for each item that it is of: with
    several captions an item, a picture has found if any of its captions is
    among the first, and each caption is a query of its own. Items that have
    the same texts are one, as they are in training.

    Args:
        folder: Run folder.
        data: CSV file, or folder as `from_folder` reads it.
        modalities: Columns of the CSV file by modality. Defaults to those
            that the run was trained on.
        ids: Column that says which item a row shows. Defaults to the file.
        delimiter: What stands between two cells of the CSV file.
        split_column: Column that says of each row in which part it is.
            Defaults to the parts that the training of the run had.
        part: Name of the part to measure. Defaults to all.
        skip_broken: Whether broken files are left out.
        quiet: Whether to leave the progress bar out.

    Returns:
        Dict of `run`, `data`, `part`, the number of `items`, `parts` with the
        numbers of those that were in a part of the training, by its name,
        `trained_rows` with the numbers of the rows that were trained on,
        `num_examples` of each modality, in `retrieval` the report of
        `kx.metrics.retrieval_report` of each direction, and in `left_out` the
        errors of broken files.

    Raises:
        ValueError, TypeError, OSError: If an argument is wrong or a file
            broken, no item is in the part, or none has two modalities.
    """
    loaded = Run.load(folder)
    table = read_table(
        data,
        loaded,
        modalities,
        ids,
        delimiter,
        2,
        skip_broken,
        split_column,
        part,
    )
    items = dict(table.dataset.items)
    parts = _parts_of_training(items, table.columns, loaded)
    if part is not None and split_column is None:
        items = _items_of(part, items, parts, data)
    pairs: dict[str, dict] = {}
    wanted = items_of_rows(items, table.columns, loaded.kinds, table.ids, pairs)
    of = {name: {item for _, item in pairs[name]} for name in pairs}
    if not any(of[a] & of[b] for a, b in itertools.combinations(of, 2)):
        raise ValueError(
            "PAIRS must have an item of two modalities. "
            f"Received: {data} without"
        )
    encoded = encode_items(
        loaded.model,
        wanted,
        loaded.kinds,
        loaded.path,
        skip_broken=skip_broken,
        quiet=quiet,
    )
    joined = _joined(items, table.columns, loaded.kinds)
    embeddings, owners = {}, {}
    for name, known in wanted.items():
        sound = [key for key in known if key not in encoded.broken[name]]
        places = {key: place for place, key in enumerate(sound)}
        chosen = dict.fromkeys(
            (places[k], joined[i]) for k, i in pairs[name] if k in places
        )
        if chosen:
            rows, numbers = zip(*chosen, strict=True)
            embeddings[name] = encoded.embeddings[name][list(rows)]
            owners[name] = np.array(numbers)
    retrieval = {}
    for query, candidate in itertools.permutations(embeddings, 2):
        both = np.intersect1d(owners[query], owners[candidate])
        if len(both):
            retrieval[f"{query}_to_{candidate}"] = retrieval_report(
                embeddings[query],
                embeddings[candidate],
                owners[query],
                owners[candidate],
            )
    return {
        "run": str(folder),
        "data": str(data),
        "part": part,
        "items": len(items),
        "parts": dict(
            collections.Counter(parts[i] for i in items if i in parts)
        ),
        "trained_rows": sorted(
            row.number
            for number, rows in items.items()
            if parts.get(number) == TRAIN
            for row in rows
        ),
        "num_examples": {name: len(o) for name, o in owners.items()},
        "retrieval": retrieval,
        "left_out": [e for b in encoded.broken.values() for e in b.values()],
    }


def _parts_of_training(items, columns, run):
    """The part of each item that was in one, by its number.

    It is told by the files of the item, or else by its numbers, or texts.
    """
    known = {
        (name, _value(entry, run.path)): entry["part"]
        for name, entries in run.items.items()
        for entry in entries.values()
        if "part" in entry
    }
    parts = {}
    for number, rows in items.items() if known else ():
        for kinds in (FILES, ("numbers",), ("text",)):
            names = [name for name in columns if run.kinds[name] in kinds]
            found = {
                known.get((name, value))
                for row in rows
                for name in names
                for value in [_cell(row, name, columns[name], kinds)]
                if value
            }
            if found:
                break
        if kinds is FILES:
            found.discard(None)
        if found and None not in found:
            # A text may be of items in several parts: it counts as trained on.
            others = found - {TRAIN}
            is_trained = not others or (kinds is FILES and TRAIN in found)
            parts[number] = TRAIN if is_trained else min(others)
    return parts


def _value(entry, folder):
    """What tells an entry of the index from others."""
    if "file" in entry:
        return os.path.realpath(folder / entry["file"])
    return entry["text"] if "text" in entry else tuple(entry["numbers"])


def _cell(row, name, columns, kinds):
    """The same of a row, or what is empty."""
    if kinds is FILES:
        file = row.files.get(name)
        return file and os.path.realpath(file)
    cells = [row.cells[column] for column in columns]
    if kinds == ("text",):
        return cells[0]
    return tuple(map(float, cells)) if all(cells) else ()


def _items_of(part, items, parts, data):
    """The items of a part of the training."""
    there = sorted({parts[number] for number in items if number in parts})
    if part not in there:
        raise ValueError(
            "`--part` must be a part of the training of the run, or one of "
            "`--split-column COLUMN`. "
            f"Received: --part {part}; of the items of {data}, "
            f"{len(parts)} were in parts{': ' * bool(there)}"
            f"{', '.join(there)}"
        )
    return {i: rows for i, rows in items.items() if parts.get(i) == part}


def _joined(items, columns, kinds):
    """A number for each item, the same where all texts are the same."""
    numbers = list(items)
    cells = [numbers]
    for name, (column, *_) in columns.items():
        if kinds[name] == "text":
            texts = (
                {row.cells[column] for row in items[number]} - {""}
                for number in numbers
            )
            cells.append([tuple(sorted(some)) or None for some in texts])
    return dict(zip(numbers, number_items(cells).tolist(), strict=True))


def format_result(result: dict) -> str:
    """Format the result of `run` as a table.

    Args:
        result: Dict that `run` returns.

    Returns:
        A line a direction, and one for each file that was left out.
    """
    counts = result["num_examples"].items()
    return "\n".join(
        [
            f"{result['items']} items, "
            + ", ".join(f"{count} {name}" for name, count in counts),
            *_format_trained(result),
            *format_retrieval(result["retrieval"]),
            *(f"left out: {error}" for error in result["left_out"]),
        ]
    )


def _format_trained(result):
    """A line of what was trained on, if anything was."""
    rows, parts = result["trained_rows"], result["parts"]
    if not rows:
        return []
    shown = ", ".join(map(str, rows[:3])) + ", ..." * (len(rows) > 3)
    line = (
        f"warning: {parts[TRAIN]} of {result['items']} items were trained on "
        f"({len(rows)} rows: {shown}), so that these figures say little of "
        "others"
    )
    others = [f"`--part {part}`" for part in parts if part != TRAIN]
    if others:
        line += f"; {' or '.join(others)} measures items that were not"
    return [line]


def format_retrieval(directions: Mapping[str, dict]) -> list[str]:
    """Format the reports of directions as lines of a table.

    Args:
        directions: Dict `{direction: report}`.

    Returns:
        A line a direction, below a header.
    """
    width = max(len(name) for name in directions)
    has_baseline = any("baseline_R@1" in row for row in directions.values())
    header = f"{'direction':<{width}}{'R@1':>7}{'R@5':>7}{'R@10':>7}{'MedR':>6}"
    header += f"{'chance R@1':>12}" + f"{'baseline R@1':>14}" * has_baseline
    lines = [f"{header}{'queries':>9}{'candidates':>12}"]
    for name, row in directions.items():
        line = f"{name.replace('_', ' '):<{width}}"
        line += "".join(f"{row[k]:7.3f}" for k in ("R@1", "R@5", "R@10"))
        line += f"{row['MedR']:6.0f}{row['chance_R@1']:12.4f}"
        if has_baseline:
            lower = row.get("baseline_R@1")
            line += " " * 14 if lower is None else f"{lower:14.3f}"
        line += f"{row.get('num_queries', ''):>9}"
        lines.append(f"{line}{row.get('num_candidates', ''):>12}")
    return lines
