"""The tables of both README.md.

A table begins below a line `<!-- table: NAME -->`, or `<!-- table: NAME PART
-->`, and is the function of that name.
"""

import re

from benchmarks.catalogue import BENCHMARKS
from benchmarks.settings import ROOT
from benchmarks.tables import generation, retrieval, serving, speed
from benchmarks.tables.results import facts_of, markdown

READMES = (ROOT.parent / "README.md", ROOT / "README.md")
UNMEASURED = ("| not measured yet |", "|---|")


def write():
    """Write the tables as the results have them."""
    for path in READMES:
        path.write_text(written(path.read_text("utf-8")), encoding="utf-8")


def written(text):
    """A README with its tables as the results have them."""
    return re.sub(
        r"(<!-- table: (\w+)(?: (\w+))? -->\n)(?:\|.*\n)*",
        lambda m: m[1] + "\n".join(_table(m[2], m[3])) + "\n",
        text,
    )


def _table(name, argument):
    function = _TABLES[name]
    try:
        rows = [*(function(argument) if argument else function())]
    except FileNotFoundError:
        return UNMEASURED
    return markdown(rows)


def runs():
    """When the results were made, of which code and beside what."""
    yield "results", "date", "commit", "machine", "load before", "minutes"
    for benchmark in BENCHMARKS:
        facts = facts_of(benchmark.name)
        if facts is None:
            yield f"`{benchmark.name}`", *["–"] * 5
            continue
        yield (
            f"`{benchmark.name}`",
            facts["date"],
            facts["commit"],
            f"{facts['cores']} cores, {facts['cpu']}",
            f"{facts['load_before']:.1f}",
            f"{facts['minutes']:,.1f}",
        )


_TABLES = {
    name: value
    for room in (generation, retrieval, serving, speed)
    for name, value in vars(room).items()
} | {"runs": runs}
