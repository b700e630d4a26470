"""Reads results, and writes numbers and rows as Markdown."""

import json
import re

from benchmarks.settings import RESULTS

KEYS = ("R@1", "R@5", "R@10")


def read(name):
    """Results of a benchmark."""
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def facts_of(name):
    """Date, commit and machine of results, or None where they do not say."""
    path = RESULTS / f"{name}.json"
    return read(name).get("run") if path.exists() else None


def markdown(rows):
    """Lines of a table whose first row is its head."""
    head, *rows = rows
    return [_line(head), "|" + "---|" * len(head), *map(_line, rows)]


def _line(cells):
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def number(value, digits):
    """A number without the zero before its point."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:,.{digits}f}")


def spread(mean, deviation, digits, short=True):
    """Mean and standard deviation."""
    if short:
        return f"{number(mean, digits)} ± {number(deviation, digits)}"
    return f"{mean:,.{digits}f} ± {deviation:,.{digits}f}"
