"""What is wrong with the rows of a table, and what its columns hold."""

import collections
import os
import statistics

import numpy as np

from keras_xmodal.datasets import csv_rows
from keras_xmodal.datasets.file_facts import read_facts
from keras_xmodal.datasets.pairs import to_items
from keras_xmodal.media.kind import SUFFIXES, common_kind

# Which part of the cells makes a column one of files, or of numbers.
_MOST_FILES, _MOST_NUMBERS = 0.5, 0.9


class PairFindings:
    """Findings in a table, looked for from the cells to the files."""

    def __init__(self, table, arguments):
        self.table, self.wanted = table, arguments.wanted
        self.must_be_filled = arguments.filled
        self.ids = arguments.ids
        self.findings, self.skip = [], set()
        self.paths, self.vectors = {}, {}
        for name, columns in self.wanted.items():
            if len(columns) == 1 and _are_files(table, columns[0]):
                self.paths[name] = csv_rows.resolve(
                    table, columns[0], arguments.root
                )
            elif isinstance(arguments.modalities[name], str):
                continue
            elif len(columns) > 1 or _are_numbers(table, columns[0]):
                self.vectors[name] = columns
        self.there, self.partly = csv_rows.filled(table, self.wanted)
        self.kinds = {
            name: "numbers" if name in self.vectors else "text"
            for name in self.wanted
        }
        self.facts = {}

    def add(self, problem, examples, left_out=True):
        """Note the rows that have a problem: `{number: example}`."""
        if not examples:
            return
        rows = sorted(examples)
        finding = {"problem": problem, "rows": rows}
        finding |= {"example": examples[rows[0]], "left_out": left_out}
        self.findings.append(finding)
        if left_out:
            self.skip.update(rows)

    def kept(self):
        """Positions and numbers of the rows that are not left out."""
        return [
            (place, number)
            for place, number in enumerate(self.table.numbers)
            if number not in self.skip
        ]

    def check_cells(self):
        """Look at all that needs no file."""
        table = self.table
        columns = [n for names in self.wanted.values() for n in names]
        columns = list(dict.fromkeys(columns + self.must_be_filled))
        for column in self.must_be_filled:
            cells = zip(table.numbers, table.columns[column], strict=True)
            self.add(
                f"empty cell of {column!r}",
                {number: "nothing" for number, cell in cells if not cell},
            )
        for name, places in self.partly.items():
            self.add(
                f"some empty cells of {name}",
                {
                    table.numbers[i]: repr(
                        [table.columns[n][i] for n in self.wanted[name]]
                    )
                    for i in np.flatnonzero(places)
                },
            )
        for name, names in self.vectors.items():
            _, wrong = csv_rows.parse_numbers(table, names)
            self.add(
                f"no number in {name}",
                {number: repr(cell) for number, _, cell in wrong},
            )
        repeated = csv_rows.repeated_rows(table, columns)
        self.add(
            "repeated row",
            {n: f"as row {first}" for n, first in repeated.items()},
        )

    def check_files(self, longest, progress):
        """Read the files that are there, and look at their contents."""
        missing = csv_rows.missing_files(
            path for column in self.paths.values() for path in column
        )
        there = {path for c in self.paths.values() for path in c}
        self.facts = read_facts(sorted(there - missing - {None}), progress)
        for name, column in self.paths.items():
            facts = [self.facts[path] for path in column if path in self.facts]
            self.kinds[name] = kind = _kind_of_column(facts)
            errors = collections.defaultdict(dict)
            for number, path in zip(self.table.numbers, column, strict=True):
                if path in missing:
                    errors["missing file"][number] = repr(path)
                elif path is not None:
                    problem, example = _problem(
                        self.facts[path], path, kind, longest
                    )
                    errors[problem][number] = example
            errors.pop("", None)
            for problem, examples in errors.items():
                self.add(f"{problem} of {name}", examples)
            self.add(f"repeated file of {name}", self._repeated(column))

    def _repeated(self, column):
        first, repeated = {}, {}
        real = csv_rows.real_paths(column)
        for place, number in self.kept():
            if column[place] is None:
                continue
            digest = self.facts[column[place]].digest
            other = first.setdefault(digest, place)
            if real[other] != real[place]:
                repeated[number] = (
                    f"{column[place]!r} has the content of {column[other]!r}"
                )
        return repeated

    def check_items(self):
        """Look for items of one modality, and for modalities not there."""
        kept = self.kept()
        if kept:
            items = self.items()
            modalities = collections.defaultdict(set)
            for item, (place, _) in zip(items, kept, strict=True):
                modalities[item] |= {
                    name for name in self.wanted if self.there[name][place]
                }
            self.add(
                "item of one modality alone",
                {
                    number: " and ".join(modalities[item]) or "none"
                    for item, (_, number) in zip(items, kept, strict=True)
                    if len(modalities[item]) < 2
                },
            )
        for name in self.wanted:
            self.add(
                f"empty cell of {name}",
                {
                    number: "its `sample_weight` becomes 0"
                    for place, number in self.kept()
                    if not self.there[name][place]
                },
                left_out=False,
            )

    def items(self):
        """The id of each row that is kept."""
        table = self.table.without(sorted(self.skip))
        places = [place for place, _ in self.kept()]
        paths = {n: [c[i] for i in places] for n, c in self.paths.items()}
        return to_items(table, self.ids, paths).tolist()

    def check_rest(self):
        """Check that what is left can be learned from."""
        kept = self.kept()
        if len(kept) < 2:
            found = "".join(
                f"; {found['problem']}, row {found['rows'][0]}: "
                f"{found['example']}"
                for found in self.findings[:2]
            )
            raise ValueError(
                "There must be two rows at least that are not left out. "
                f"Received: {self.table.path} with {len(kept)} of "
                f"{len(self.table.numbers)} rows{found}"
            )
        for name, columns in self.wanted.items():
            values = self.values(name)
            if len(set(values)) < 2:
                cells = [self.table.columns[n][kept[0][0]] for n in columns]
                raise ValueError(
                    f"The values of {name!r} must differ: of equal ones there "
                    f"is nothing to learn. Received: {self.table.path} with "
                    f"{', '.join(map(repr, cells))} in all {len(values)} rows"
                )

    def values(self, name):
        """What tells apart the values of a modality in rows that are kept."""
        places = [p for p, _ in self.kept() if self.there[name][p]]
        if name in self.paths:
            column = self.paths[name]
            return [self.facts[column[place]].digest for place in places]
        columns = [self.table.columns[n] for n in self.wanted[name]]
        return [tuple(cells[place] for cells in columns) for place in places]

    def arguments(self, with_files):
        """The modalities, as `from_csv` takes them, with their files."""
        modalities = {
            name: list(columns) if name in self.vectors else columns[0]
            for name, columns in self.wanted.items()
        }
        files = {"files": list(self.paths)} if with_files else {}
        return {"modalities": modalities, **files}

    def content(self):
        """The report."""
        return {
            "path": self.table.path,
            "rows": len(self.table.numbers),
            "items": len(set(self.items())),
            "modalities": {
                name: {
                    "kind": self.kinds[name],
                    "columns": list(columns),
                    "files": name in self.paths,
                    "values": len(self.values(name)),
                    "different": len(set(self.values(name))),
                    **self._sizes(name),
                }
                for name, columns in self.wanted.items()
            },
            "findings": self.findings,
            "skip": sorted(self.skip),
        }

    def _sizes(self, name):
        """Smallest, median and largest sizes of the values."""
        if self.kinds[name] == "numbers":
            return {}
        if name not in self.paths:
            sizes = [(len(text.split()),) for (text,) in self.values(name)]
            names = ["words"]
        else:
            column = self.paths[name]
            paths = {column[i] for i, _ in self.kept()} - {None}
            sizes = [self.facts[path].sizes for path in paths]
            speech = self.kinds[name] == "speech"
            names = ["seconds"] if speech else ["height", "width"]
        return {
            name: [min(found), statistics.median(found), max(found)]
            for name, found in zip(names, zip(*sizes, strict=True), strict=True)
        }


def _are_files(table, column):
    cells = [cell for cell in table.columns[column] if cell]
    paths = csv_rows.resolve(table, column)
    there = len([p for p in paths if p is not None and os.path.isfile(p)])
    named = [os.path.splitext(cell)[1].lower() in SUFFIXES for cell in cells]
    return max(there, sum(named)) > _MOST_FILES * len(cells)


def _are_numbers(table, column):
    _, wrong = csv_rows.parse_numbers(table, [column])
    filled = len([cell for cell in table.columns[column] if cell])
    return filled and len(wrong) <= (1 - _MOST_NUMBERS) * filled


def _kind_of_column(facts):
    """The kind of most files, where GIFs are what the others are."""
    sound = [fact for fact in facts if not fact.error] or facts
    counts = collections.Counter(fact.kind for fact in sound if fact.kind)
    gifs = counts.pop("gif", 0), counts.pop("clip gif", 0)
    moving = gifs[1] and not counts["image"]
    counts["video" if moving or counts["video"] else "image"] += sum(gifs)
    return counts.most_common(1)[0][0]


def _problem(fact, path, kind, longest):
    """What is wrong with a file, and how it shows; empty for nothing."""
    if fact.error:
        return "broken file", fact.error
    own = common_kind([fact.kind])
    if fact.kind in ("gif", "clip gif") and kind in ("image", "video"):
        own = kind
    if own != kind:
        is_kind = own or "neither picture, recording nor clip"
        return "file of another kind", f"{path!r} is {is_kind}, not {kind}"
    if fact.kind == "video":
        return (
            "clip that is no GIF file",
            f"{path!r}: `read_video` and `write_gif` make one of it",
        )
    if longest is not None and kind == "speech" and fact.sizes[0] > longest:
        return (
            "too long a recording",
            f"{path!r} of {fact.sizes[0]:.4g} s, longer than {longest:.4g} s",
        )
    return "", ""
