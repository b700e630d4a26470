"""`keras-xmodal index`: what a run folder finds, more, less or anew."""

import copy
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from keras_xmodal import checks, files
from keras_xmodal.retrieval import ExactIndex
from keras_xmodal.retrieval.storage import INDEX, MODEL
from keras_xmodal.runs import items as items_lib
from keras_xmodal.runs import raw
from keras_xmodal.runs.items import ITEMS, THUMBNAILS
from keras_xmodal.runs.parts import PARTS, encode_items, folder_of
from keras_xmodal.runs.run import Run
from keras_xmodal.runs.table import read_table
from keras_xmodal.runs.write_run import write_index

TABLES = (".csv", ".tsv")


def run(
    folder: str,
    sources: Sequence[str] = (),
    modalities: Mapping[str, list[str]] | None = None,
    ids: str | None = None,
    delimiter: str = ",",
    remove: Sequence[str] = (),
    rebuild: bool = False,
    skip_broken: bool = False,
    quiet: bool = False,
) -> dict:
    """Add to the index of a run folder, remove from it, or make it anew.

    Items are encoded part by part, and parts that are done are kept in the
    folder: who is killed goes on where it was when he asks for the same again.
    Until all is there, the old index is what others find; then the folder is
    exchanged in one step.

    Args:
        folder: Run folder.
        sources: Paths of files, whose content tells what they are, of CSV
            files, and of folders as `from_folder` reads them. What the index
            has already is encoded again.
        modalities: Columns of the CSV files by modality. Defaults to those
            that the run was trained on.
        ids: Column of the CSV files that says which item a row shows.
        delimiter: What stands between two cells of the CSV files.
        remove: Ids to remove, of all modalities.
        rebuild: Whether to encode again all that is there, such as after
            further training of `model.keras`.
        skip_broken: Whether broken files are left out.
        quiet: Whether to leave the progress bar out.

    Returns:
        Dict of `run`, the numbers of `added`, `replaced` and `removed` rows,
        `rows` by modality, and in `left_out` the errors of broken files.

    Raises:
        ValueError, TypeError, OSError: If an argument is wrong or a file
            broken; the folder is then as it was.
    """
    if not (sources or remove or rebuild):
        raise ValueError(
            "`index` must be told what to do: give files, a CSV file, "
            "`--remove` or `--rebuild`. Received: nothing"
        )
    path = checks.path("RUN", folder).resolve()
    files.recover(path)
    if not path.is_dir():
        raise FileNotFoundError(f"RUN must be a run folder. Received: {folder}")
    with files.locked(path):
        loaded = Run.load(path)
        if not loaded.items and len(loaded.index):
            raise FileNotFoundError(
                f"RUN must hold {ITEMS}, as `train`, `demo` and "
                f"`kx.runs.write_run` write it. Received: {folder}, without"
            )
        items = copy.deepcopy(loaded.items)
        removed = _remove(items, remove)
        added = _read_sources(
            loaded, sources, modalities, ids, delimiter, skip_broken
        )
        known = {
            (name, key)
            for name, entries in added.items()
            for key in entries
            if key in items.get(name, ())
        }
        for name, entries in added.items():
            old = items.get(name, {})
            _keep_parts(entries, old)
            stay = {key: e for key, e in old.items() if key not in entries}
            items[name] = {**stay, **entries}
        todo = items if rebuild else added
        _check_sources(todo, loaded.kinds)
        todo = copy.deepcopy(todo)
        encoded = encode_items(
            loaded.model,
            todo,
            loaded.kinds,
            path,
            sizes=_sizes(loaded),
            keep=folder_of(path, path / MODEL, todo, skip_broken),
            skip_broken=skip_broken,
            quiet=quiet,
        )
        for name, errors in encoded.broken.items():
            for key in errors:
                del items[name][key]
            if not items[name]:
                del items[name]
        index, thumbnails = _joined(loaded, items, todo, encoded, rebuild)
        names = (INDEX, ITEMS, THUMBNAILS, PARTS)
        with files.new_folder(path, replace=True) as new:
            files.copy_links(path, new, without=names)
            write_index(new, index, items, thumbnails)
    new = {
        (name, key)
        for name, entries in added.items()
        for key in entries
        if key in items.get(name, ())
    }
    return {
        "run": str(folder),
        "added": len(new - known),
        "replaced": len(new & known),
        "removed": removed,
        "rows": index.sizes,
        "left_out": [
            error
            for errors in encoded.broken.values()
            for error in errors.values()
        ],
    }


def _keep_parts(entries, old):
    """What was trained on stays so where it is encoded again."""
    for key, entry in entries.items():
        known = old.get(key, {})
        if "part" in known and all(
            entry.get(k) == known.get(k) for k in ("file", "text", "numbers")
        ):
            entry["part"] = known["part"]


def _remove(items, ids):
    """Remove entries of these ids; return their number."""
    unknown = [
        key for key in ids if not any(key in known for known in items.values())
    ]
    if unknown:
        raise ValueError(
            "`--remove` must name ids of the index. "
            f"Received: {len(unknown)} others, first {unknown[0]!r}"
        )
    removed = 0
    for name in list(items):
        for key in dict.fromkeys(ids):
            removed += items[name].pop(key, None) is not None
        if not items[name]:
            del items[name]
    return removed


def _read_sources(loaded, sources, modalities, ids, delimiter, skip_repeated):
    """Entries of files and tables, by modality and id."""
    added = {}
    tables = [
        source
        for source in sources
        if pathlib.Path(source).suffix.lower() in TABLES
        or os.path.isdir(source)
    ]
    if not tables and (modalities or ids):
        raise ValueError(
            "`--modality` and `--id-column` are for columns of a CSV file. "
            f"Received: {', '.join(sources) or 'none'}"
        )
    for source in sources:
        if source in tables:
            table = read_table(
                source, loaded, modalities, ids, delimiter, 1, skip_repeated
            )
            found = items_lib.items_of_rows(
                table.dataset.items, table.columns, loaded.kinds, table.ids
            )
        else:
            found = _of_file(loaded, source)
        for name, entries in found.items():
            added.setdefault(name, {}).update(entries)
    return added


def _of_file(loaded, source):
    kinds = raw.kinds_of(raw.read_file(source), source)
    for kind in kinds:
        for name, known in loaded.kinds.items():
            if known == kind:
                file = os.path.abspath(source)
                entry = {"file": file, "item": source, "captions": []}
                return {name: {source: entry}}
    raise ValueError(
        "A file must be of a modality of the run, which has "
        f"{' and '.join(loaded.kinds)}. Received: {source}, "
        f"{raw.CALLED[kinds[0]]}"
    )


def _check_sources(items, kinds):
    """Check that entries say what they are encoded from."""
    for name, known in items.items():
        wrong = [
            key
            for key, entry in known.items()
            if not items_lib.can_be_encoded(entry, kinds[name])
        ]
        if wrong:
            raise ValueError(
                "`--rebuild` needs of each item its file, text or numbers: "
                "add the files of those without as new ones, and name the ids "
                "by `--remove`. "
                f"Received: {len(wrong)} of {name!r} without, first "
                f"{wrong[0]!r}"
            )


def _sizes(loaded):
    """Height and width of the thumbnails that are there, by modality."""
    return {n: array.shape[1:3] for n, array in loaded.thumbnails().items()}


def _joined(loaded, items, todo, encoded, rebuild):
    """Rows that stay and new ones, as an index, and their thumbnails."""
    index = ExactIndex(loaded.model)
    drawn = {}
    old = loaded.thumbnails()
    for name, known in items.items():
        if not rebuild and name in loaded.index.modalities:
            ids, rows = loaded.index.rows(name)
            ids = ids.astype(str)
            done = todo.get(name, ())
            stay = np.array([k in known and k not in done for k in ids])
            if stay.any():
                index.add(rows[stay], ids[stay], modality=name)
                drawn[name] = [old[name][stay] if name in old else None]
        new = [key for key in todo.get(name, ()) if key in known]
        if new:
            index.add(encoded.embeddings[name], new, modality=name)
            pictures = encoded.thumbnails.get(name)
            drawn.setdefault(name, []).append(pictures)
    return index, {
        name: np.concatenate(parts)
        for name, parts in drawn.items()
        if all(part is not None for part in parts)
    }


def format_result(result: dict) -> str:
    """Format the result of `run` as lines of text.

    Args:
        result: Dict that `run` returns.

    Returns:
        A line of what was done, and one for each file that was left out.
    """
    rows = ", ".join(f"{n} {name}" for name, n in result["rows"].items())
    return "\n".join(
        [
            f"{result['added']} added, {result['replaced']} replaced, "
            f"{result['removed']} removed: {rows or 'nothing'} in "
            f"{result['run']}/",
            *(f"left out: {error}" for error in result["left_out"]),
        ]
    )
