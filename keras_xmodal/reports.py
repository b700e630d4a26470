"""Reports: dicts that show themselves as tables."""

import html
from typing import Any

import numpy as np

# What stands beside a figure of the same name.
_BESIDE = ("chance", "expected", "baseline")
_MAX_VALUES, _MAX_CHARACTERS = 8, 72


class Report(dict):
    """A dict, equal to a plain one and written to JSON like one.

    `print` and notebooks show it as tables, each figure beside its chance,
    its floor or its baseline; `repr` is that of a dict.
    """

    def __str__(self) -> str:
        """Tables as text."""
        return "\n\n".join(_text(*table) for table in _tables(self))

    def _repr_html_(self) -> str:
        """Tables as HTML, for notebooks."""
        return "".join(_html(*table) for table in _tables(self))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Tables as text, for IPython's prompt."""
        printer.text("..." if cycle else str(self))


def _tables(report):
    """Title, names of columns and rows of each table."""
    figures = {k: v for k, v in report.items() if not isinstance(v, dict)}
    nested = {k: v for k, v in report.items() if isinstance(v, dict) and v}
    columns = {"": figures}
    for prefix in _BESIDE:
        columns[prefix] = {
            name: figures[f"{prefix}_{name}"]
            for name in figures
            if f"{prefix}_{name}" in figures
        }
    for name, values in nested.items():
        if set(values) <= set(figures):  # such as a floor
            columns[name] = values
    columns = {name: values for name, values in columns.items() if values}
    shown = {f"{p}_{n}" for p in _BESIDE for n in columns.get(p, ())}
    rows = [name for name in figures if name not in shown]
    if rows:
        yield "", *_grid(rows, columns)
    for name, values in nested.items():
        if name not in columns:
            yield from _nested(str(name), values)


def _nested(title, values):
    """A table of the figures of several, or of one."""
    several = {k: v for k, v in values.items() if isinstance(v, dict)}
    rest = {k: v for k, v in values.items() if k not in several}
    if rest:
        yield title, *_grid(list(rest), {"": rest})
    if any(_is_deep(inner) for inner in several.values()):
        for name, inner in several.items():
            yield from _nested(f"{title}, {name}", inner)
    elif several:
        names = dict.fromkeys(name for v in several.values() for name in v)
        columns = {
            name: {k: v[name] for k, v in several.items() if name in v}
            for name in names
        }
        yield title, *_grid(list(several), columns)


def _is_deep(values):
    return any(isinstance(value, dict) for value in values.values())


def _grid(rows, columns):
    header = ["", *map(str, columns)]
    cells = [
        [
            str(row),
            *(_cell(c[row]) if row in c else "" for c in columns.values()),
        ]
        for row in rows
    ]
    return header, cells


def _cell(value):
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    if isinstance(value, np.ndarray) and value.ndim != 1:
        return " × ".join(map(str, value.shape)) + f" {value.dtype}"
    if isinstance(value, (list, tuple, np.ndarray)):
        parts = [_cell(part) for part in value[:_MAX_VALUES]]
        if len(value) > _MAX_VALUES:
            parts[-1] = f"… ({len(value)})"
        value = ", ".join(parts)
    text = str(value)
    short = len(text) <= _MAX_CHARACTERS
    return text if short else text[: _MAX_CHARACTERS - 1] + "…"


def _text(title, header, rows):
    lines = [header, *rows] if any(header) else rows
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        "  ".join(
            [first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]
        ).rstrip()
        for first, *others in lines
    ]
    return "\n".join([title] * bool(title) + shown)


def _html(title, header, rows):
    def row(cells, tag):
        first, *others = (html.escape(cell) for cell in cells)
        cells = "".join(f"<{tag}>{cell}</{tag}>" for cell in others)
        return f"<tr><th>{first}</th>{cells}</tr>"

    head = f"<thead>{row(header, 'th')}</thead>" if any(header) else ""
    caption = f"<caption>{html.escape(title)}</caption>" if title else ""
    body = "".join(row(cells, "td") for cells in rows)
    return f"<table>{caption}{head}<tbody>{body}</tbody></table>"
