"""`keras-xmodal train`: from a user's own pairs to a run folder."""

import hashlib
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from keras_xmodal import checks, datasets, files, progress, recipes
from keras_xmodal.datasets import csv_rows
from keras_xmodal.datasets.folder_rows import read_folder
from keras_xmodal.plots import plot_history
from keras_xmodal.recipes.pretrained import Preset
from keras_xmodal.recipes.start import LONGEST
from keras_xmodal.runs.clock import Clock
from keras_xmodal.runs.items import items_of_rows
from keras_xmodal.runs.train_script import SCRIPT, train_script
from keras_xmodal.runs.unfinished import ARGUMENTS, work_folder
from keras_xmodal.runs.write_run import check_output, fill

VALIDATION = 0.1
AUTO, SMALL = "auto", "small"
GENERATORS = ("vae", "gan")
_TRAIN, _TEST = "train", "test"
_SHOWN = ("R@1", "R@5", "R@10")


def run(
    pairs: str | None = None,
    modalities: Mapping[str, list[str]] | None = None,
    output: str = "keras-xmodal-run",
    towers: str = AUTO,
    generator: str | None = None,
    validation: float | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    id_column: str | None = None,
    delimiter: str = ",",
    duration: float | None = None,
    epochs: int | None = None,
    seed: int = 0,
    resume: str | None = None,
    skip_broken: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict:
    """Check pairs, train on them, measure, and write a run folder.

    While it trains, `OUTPUT.training` beside the run folder holds what a
    training that is killed goes on from; it is removed at the end.

    Args:
        pairs: CSV file, or folder as `kx.datasets.from_folder` reads it.
        modalities: Columns of the CSV file by modality; of a folder, kinds by
            modality, or none for all.
        output: Run folder to write.
        towers: `"auto"`; `"small"` for a small network beside the features
            of the start; or the name or folder of a KerasHub preset, whose
            frozen towers are tried too.
        generator: `"vae"` or `"gan"` to train a generator as well, by
            `kx.recipes`, or None.
        validation: Share of the items to stop by. Defaults to 0.1.
        split_column: Column that says of each row in which part it is:
            `train`, one to stop by, and perhaps `test`.
        group_column: Column of what must not be in two parts.
        id_column: Column that says which item a row shows.
        delimiter: What stands between two cells.
        duration: Seconds of a recording that the model hears; longer ones are
            not sound. Defaults to the longest one, at most 20.
        epochs: Integer, of each stage at most.
        seed: Integer, seed of everything random.
        resume: Run folder of a training that was killed; all other arguments
            are then those with which it began.
        skip_broken: Whether rows that the check would leave out are left out;
            else they are an error.
        overwrite: Whether to replace an earlier run.
        quiet: Whether to leave progress bars and the check out.

    Returns:
        The report, as `report.json` has it, and `output`.

    Raises:
        ValueError, TypeError, OSError: If an argument or the data is wrong.
        FileExistsError: If the run folder exists and is not to be replaced.
    """
    if resume is not None:
        return _resume(resume, quiet)
    checks.one_of("--generator", generator, (None, *GENERATORS))
    arguments = {
        "pairs": str(checks.path("PAIRS", pairs).resolve()),
        "modalities": {k: list(v) for k, v in (modalities or {}).items()},
        "towers": os.path.abspath(towers) if os.path.isdir(towers) else towers,
        "generator": generator,
        "validation": validation,
        "split_column": split_column,
        "group_column": group_column,
        "id_column": id_column,
        "delimiter": delimiter,
        "duration": duration,
        "epochs": epochs,
        "seed": seed,
        "skip_broken": skip_broken,
        "overwrite": overwrite,
        "sha256": _digest(pairs),
    }
    path = checks.path("--output", output)
    files.recover(path)
    check_output(path, overwrite)
    work = work_folder(path)
    if work.exists():
        raise FileExistsError(
            f"`--output` was begun before and not ended: go on by `--resume "
            f"{output}`, or remove {work}. Received: --output {output}"
        )
    return _run(arguments, path, work, quiet)


def _resume(resume, quiet):
    path = checks.path("--resume", resume)
    work = work_folder(path)
    try:
        arguments = json.loads((work / ARGUMENTS).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            "`--resume` must name the run folder of a training that was "
            f"killed, with {work.name} beside it. Received: {resume}, where "
            f"{error}"
        ) from error
    if _has_changed(arguments):
        raise ValueError(
            "The pairs must be what they were when the training began. "
            f"Received: {arguments['pairs']}, which has changed, or a file of "
            f"it: remove {work} to begin anew"
        )
    return _run(arguments, path, work, quiet)


def _digest(path):
    """The SHA-256 of a CSV file; None for a folder or what is not there."""
    path = pathlib.Path(path)
    if not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _has_changed(arguments):
    if _digest(arguments["pairs"]) != arguments["sha256"]:
        return True
    expected = arguments.get("files_sha256")  # none in older ones
    return expected not in (None, _digest_of_files(arguments))


def _digest_of_files(arguments):
    """The SHA-256 of the cells that may name files, and of how these are.

    A folder has all that it holds as cells.
    """
    path = arguments["pairs"]
    if os.path.isdir(path):
        table, _ = read_folder(path)
        columns = list(table.columns)
    else:
        # Several columns of a modality are numbers.
        named = [c[0] for c in arguments["modalities"].values() if len(c) == 1]
        columns = list(dict.fromkeys(named))
        table = csv_rows.read_table(path, columns, arguments["delimiter"])
    digest = hashlib.sha256()
    for column in columns:
        cells = table.columns[column]
        for cell, file in zip(
            cells, csv_rows.resolve(table, column), strict=True
        ):
            digest.update(repr((cell, file and _state(file))).encode())
    return digest.hexdigest()


def _state(file):
    """Size and time of a file; None of what is none, such as a caption."""
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


def _run(arguments, output, work, quiet):
    seconds = Clock()
    towers = arguments["towers"]
    preset = AUTO if towers in (AUTO, SMALL) else Preset(towers)
    checked = _check(arguments, quiet)
    arguments.setdefault("files_sha256", _digest_of_files(arguments))
    reader, reading = _reader(arguments, checked)
    parts, names = _read(reader, reading)
    kinds = {n: fact["kind"] for n, fact in checked["modalities"].items()}
    seconds.lap("data")

    work.mkdir(exist_ok=True)
    content = json.dumps(arguments, ensure_ascii=False, indent=1)
    files.write(work / ARGUMENTS, content.encode())
    options = {
        "kinds": kinds,
        "towers": preset,
        "network": True if towers == SMALL else "auto",
        "duration": arguments["duration"],
        "seed": arguments["seed"],
    }
    try:
        recipe = recipes.embedding(
            parts[_TRAIN],
            parts["validation"],
            **options,
            backup_dir=work,
            verbose=not quiet,
        )
        drawing = _make_generator(arguments, parts, kinds, work, quiet)
    except (ValueError, TypeError):
        shutil.rmtree(work)  # Nothing to go on from.
        raise
    seconds.lap("start")
    recipe.fit(arguments["epochs"])
    seconds.lap("training")

    retrieval = _measure(recipe, parts)
    seconds.lap("evaluation")
    generation = {}
    if drawing is not None:
        drawing.fit(arguments["epochs"])
        generation = {"generation": _measure(drawing, parts)}
        seconds.lap("generator")
    columns = {n: fact["columns"] for n, fact in checked["modalities"].items()}
    items = items_of_rows(
        _Union([part.items for part in parts.values()]),
        columns,
        kinds,
        arguments["id_column"],
        parts={
            number: names.get(name, name)
            for name, part in parts.items()
            for number in part.items
        },
    )
    report = {
        "modalities": {
            name: {"kind": kinds[name], "columns": columns[name]}
            for name in kinds
        },
        "data": _describe(arguments, checked, parts),
        "seed": arguments["seed"],
        "plan": _joined_plan(recipe, drawing),
        "retrieval": retrieval,
        **generation,
    }
    with files.new_folder(output, replace=arguments["overwrite"]) as folder:
        report["seconds"] = seconds.laps
        report = fill(
            folder,
            recipe.model,
            items,
            report,
            generator=None if drawing is None else drawing.model,
            quiet=quiet,
        )
        for made in filter(None, (recipe, drawing)):
            _draw(made, folder)
        script = train_script(
            reader,
            reading,
            names,
            options | {"towers": AUTO if preset == AUTO else towers},
            arguments["epochs"],
            arguments.get("generator"),
        )
        (folder / SCRIPT).write_text(script, encoding="utf-8")
    shutil.rmtree(work)
    return report | {"output": str(output)}


def _make_generator(arguments, parts, kinds, work, quiet):
    """The recipe of a generator, or None."""
    name = arguments.get("generator")
    if name is None:
        return None
    return getattr(recipes, name)(
        parts[_TRAIN],
        parts["validation"],
        kinds=kinds,
        seed=arguments["seed"],
        backup_dir=work / "generator",
        verbose=not quiet,
    )


def _measure(recipe, parts):
    """Reports of the validation items, and of the test where there is one."""
    found = {"validation": recipe.evaluate()}
    if _TEST in parts:
        found[_TEST] = recipe.evaluate(parts[_TEST])
    return found


def _joined_plan(recipe, drawing):
    """Choices of both recipes, what both say once."""
    known = {choice.what for choice in recipe.plan}
    further = () if drawing is None else drawing.plan
    choices = [*recipe.plan, *(c for c in further if c.what not in known)]
    return [list(choice) for choice in choices]


def _check(arguments, quiet):
    """The report of the check; an error where rows are to be left out."""
    bar = None

    def show(done, total):
        nonlocal bar
        bar = bar or progress.bar(total=total, desc="check", unit="file")
        bar.update(done - bar.n)

    path, modalities = arguments["pairs"], arguments["modalities"]
    if os.path.isdir(path):
        wanted = {name: kind for name, (kind,) in modalities.items()} or None
        checked = datasets.check_pairs(
            path,
            wanted,
            group=arguments["group_column"],
            longest=arguments["duration"] or LONGEST,
            progress=None if quiet else show,
        )
    else:
        if len(modalities) < 2:
            raise ValueError(
                "`--modality NAME=COLUMN` must name two modalities at least, "
                "each with its column of the CSV file. "
                f"Received: {list(modalities) or 'none'}"
            )
        checked = datasets.check_pairs(
            path,
            {n: c[0] if len(c) == 1 else c for n, c in modalities.items()},
            arguments["id_column"],
            delimiter=arguments["delimiter"],
            split=arguments["split_column"],
            group=arguments["group_column"],
            longest=arguments["duration"] or LONGEST,
            progress=None if quiet else show,
        )
    if bar is not None:
        bar.close()
    if not quiet:
        sys.stderr.write(f"{checked}\n")
    if checked.skip and not arguments["skip_broken"]:
        first = next(f for f in checked["findings"] if f["left_out"])
        raise ValueError(
            "Every row must be sound, or pass `--skip-broken` to leave others "
            f"out. Received: {len(checked.skip)} of {checked['rows']} rows "
            f"that are not, first row {first['rows'][0]}: {first['problem']}, "
            f"{first['example']}"
        )
    return checked


def _reader(arguments, checked):
    """What reads the data sets, and its arguments."""
    path, options = arguments["pairs"], checked.arguments()
    if options.get("split") is None:
        share = arguments["validation"] or VALIDATION
        options["split"] = (1 - share, share)
    reader = "from_folder" if os.path.isdir(path) else "from_csv"
    return reader, {"path": path, **options, "seed": arguments["seed"]}


def _read(reader, arguments):
    """Data sets by part: train, validation, perhaps test; and their names."""
    try:
        parts = getattr(datasets, reader)(**arguments)
    except ValueError as error:
        if "at least one item" not in str(error):
            raise
        raise ValueError(
            f"`--validation` must leave items in both parts. {error}"
        ) from error
    if isinstance(parts, tuple):
        return dict(zip((_TRAIN, "validation"), parts, strict=True)), {}
    others = [name for name in parts if name not in (_TRAIN, _TEST)]
    if _TRAIN not in parts or len(others) != 1:
        raise ValueError(
            "`--split-column` must say `train` of some rows, one word such as "
            "`validation` of those to choose and to stop by, and perhaps "
            "`test` of rows that are measured at the end alone. "
            f"Received: {arguments['split']!r} with {sorted(parts)}"
        )
    names = {_TRAIN: _TRAIN, "validation": others[0]}
    if _TEST in parts:
        names[_TEST] = _TEST
    return {part: parts[name] for part, name in names.items()}, names


class _Union(Mapping):
    """The rows of items in several parts, in order of the parts."""

    def __init__(self, parts):
        self._parts = parts
        self._keys = list(dict.fromkeys(key for p in parts for key in p))

    def __getitem__(self, key):
        rows = [row for part in self._parts for row in part.get(key, ())]
        return sorted(rows, key=lambda row: row.number)

    def __iter__(self):
        return iter(self._keys)

    def __len__(self):
        return len(self._keys)


def _draw(recipe, folder):
    """The course of the training, a picture a stage."""
    for stage, history in recipe.history.items():
        figure = plot_history(history)
        figure.savefig(folder / f"training_{stage}.png", dpi=110)


def _describe(arguments, checked, parts):
    path = pathlib.Path(arguments["pairs"])
    told: dict[str, Any] = {
        "path": str(path),
        "rows": checked["rows"],
        "left_out": len(checked.skip),
        "items": checked["items"],
    }
    for name, part in parts.items():
        told[f"{name}_items"] = len(part.items)
    if arguments["sha256"] is not None:
        told["sha256"] = arguments["sha256"]
    return told


def format_report(report: dict) -> str:
    """Format a report as the plan and the table that `train` prints.

    Args:
        report: Dict that `run` returns.

    Returns:
        Lines of text.
    """
    plan = [f"{what}: {choice}, {why}" for what, choice, why in report["plan"]]
    header = f"{'items':<12} {'direction':<20}"
    header += "".join(f"{key:>6}" for key in _SHOWN)
    header += f"{'MedR':>6}{'chance':>9}{'baseline':>10}{'candidates':>12}"
    lines = [*plan, "", header, "-" * len(header)]
    for split, directions in report["retrieval"].items():
        for direction, row in directions.items():
            lines.append(
                f"{split:<12} {direction.replace('_', ' '):<20}"
                + "".join(f"{row[key]:6.2f}" for key in _SHOWN)
                + f"{row['MedR']:6.0f}{row['chance_R@1']:9.4f}"
                f"{row['baseline_R@1']:10.2f}{row['num_candidates']:12d}"
            )
    lines += _format_generation(report.get("generation", {}))
    total = sum(report["seconds"].values())
    lines += [
        "",
        "chance and baseline are of R@1; the baseline is a ridge regression "
        "on raw data.",
        f"{total:.0f} s. Written to {report['output']}/",
        f"Next: keras-xmodal search {report['output']} QUERY",
    ]
    if "generation" in report:
        lines.append(f"or: keras-xmodal play {report['output']}")
    return "\n".join(lines)


def _format_generation(generation):
    if not generation:
        return []
    header = f"{'items':<12} {'drawn':<20}{'R@1':>6}{'chance':>9}"
    header += f"{'baseline':>10}{'real':>6}"
    lines = ["", header, "-" * len(header)]
    for split, directions in generation.items():
        for direction, row in directions.items():
            lines.append(
                f"{split:<12} {direction.replace('_', ' '):<20}"
                f"{row['R@1']:6.2f}{row['chance_R@1']:9.4f}"
                f"{row['baseline_R@1']:10.2f}{row['real_R@1']:6.2f}"
            )
    return [
        *lines,
        "how often a judge in closed form finds what it was drawn from; the "
        "baseline shows the training example whose source is nearest.",
    ]
