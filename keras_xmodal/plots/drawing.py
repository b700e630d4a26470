"""Pictures of examples and of latents, drawn without a display.

Matplotlib is imported when something is drawn, not before.
"""

import functools
import io
import textwrap
import warnings

import numpy as np

from keras_xmodal import checks

# Characters in a line and lines in a cell of text.
_TEXT_WIDTH, _TEXT_LINES = 18, 7
# With more classes, colours are no longer told apart by a legend.
_MAX_LEGEND = 20


def draw_grid(rows, row_titles=None, column_titles=None):
    """Draw a table of pictures and texts."""
    height, width = len(rows), len(rows[0])
    figure = new_figure(1.25 * width + 0.3, 1.25 * height + 0.3)
    grid = figure.subplots(height, width, squeeze=False)
    cells = [cell for row in rows for cell in row]
    for axes, cell in zip(grid.flat, cells, strict=True):
        draw_cell(axes, cell)
    for row, title in enumerate(row_titles or ()):
        grid[row, 0].set_ylabel(title, fontsize=9, parse_math=False)
    for column, title in enumerate(column_titles or ()):
        grid[0, column].set_title(title, fontsize=9, parse_math=False)
    return figure


def draw_cell(axes, cell, frame=None):
    """Draw a picture, a heat-map or a text, perhaps in a frame of a colour."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=frame is not None, color=frame, linewidth=3)
    if isinstance(cell, str):
        _write(axes, cell)
    elif cell.ndim == 2:
        axes.imshow(cell, "viridis", aspect="auto", vmin=0, vmax=1)
    else:
        axes.imshow(cell, "gray", interpolation="nearest", vmin=0, vmax=1)


def draw_scatter(panels, labels, axis_titles):
    """Draw points of the plane, in panels with common axes."""
    from matplotlib import colormaps

    figure = new_figure(3.6 * len(panels) + 1.2, 3.8)
    grid = figure.subplots(
        1, len(panels), squeeze=False, sharex=True, sharey=True
    )
    classes, codes = [""], np.zeros(len(next(iter(panels.values()))), int)
    if labels is not None:
        classes, codes = np.unique(labels, return_inverse=True)
    few = len(classes) <= 10
    colors = (
        colormaps["tab10"].colors
        if few
        else colormaps["turbo"](np.linspace(0.05, 0.95, len(classes)))
    )
    for axes, (title, points) in zip(grid[0], panels.items(), strict=True):
        for code, name in enumerate(classes):
            axes.scatter(
                *points[codes == code].T,
                s=9,
                linewidths=0,
                alpha=0.7,
                color=[colors[code]],
                label=str(name),
            )
        axes.set_title(title, fontsize=10, parse_math=False)
        axes.set_xlabel(axis_titles[0], fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0, 0].set_ylabel(axis_titles[1], fontsize=9)
    if 1 < len(classes) <= _MAX_LEGEND:
        figure.legend(
            *grid[0, 0].get_legend_handles_labels(),
            loc="outside right center",
            fontsize=8,
            frameon=False,
            markerscale=1.5,
        )
    return figure


def to_png(figure):
    """Draw a figure."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A character that the font lacks is a box, and no more than that.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def new_figure(width, height, figure=None):
    """A figure of some inches that needs no display, or a given one."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure, FigureBase

    rule = "a Matplotlib figure or subfigure"
    if checks.instance_of("figure", figure, FigureBase, rule, optional=True):
        return figure
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure._repr_png_ = functools.partial(to_png, figure)  # in notebooks
    return figure


def _write(axes, text):
    lines = textwrap.wrap(text, _TEXT_WIDTH)
    if len(lines) > _TEXT_LINES:
        lines = [*lines[: _TEXT_LINES - 1], "…"]
    axes.text(
        0.5,
        0.5,
        "\n".join(lines),
        ha="center",
        va="center",
        fontsize=8,
        transform=axes.transAxes,
        parse_math=False,
        in_layout=False,
    )
