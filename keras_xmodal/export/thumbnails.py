"""Small pictures of the rows of an index, many on a sheet."""

import io
import os

import numpy as np
from PIL import Image

from keras_xmodal import checks
from keras_xmodal.export import samples, search_script

FOLDER = "thumbnails"
SIDE = 96  # pixels, of the longer side at most
COLUMNS, ROWS = 16, 16  # of a sheet
_RULE = (
    "pictures of shape (height, width, channels), of integers from 0 to 255 or "
    "floats in [0, 1] and 1, 3 or 4 channels, or paths or bytes of picture "
    "files"
)


def check_thumbnails(index, thumbnails):
    """Sequences of pictures by modality, one for each row of the index."""
    if thumbnails is None:
        return {}
    checks.instance_of(
        "thumbnails", thumbnails, dict, "a dict {modality: pictures}, or None"
    )
    for name, pictures in thumbnails.items():
        checks.one_of("thumbnails", name, index.modalities)
        several = isinstance(pictures, (list, tuple, np.ndarray))
        if not several or len(pictures) != index.sizes[name]:
            raise ValueError(
                "`thumbnails` must hold a picture for each row of the index, "
                "in the order in which they were added. Received: "
                + (f"{len(pictures)} " if several else "no sequence ")
                + f"of {name!r}, which has {index.sizes[name]} rows"
            )
    return {
        name: [_check(picture, name, row) for row, picture in enumerate(given)]
        for name, given in thumbnails.items()
    }


def write_thumbnails(pictures, folder, stem):
    """Write sheets of pictures, a picture a cell, row by row.

    Returns:
        Dict of the `files`, the pixels of the `side` of a cell, and the
        numbers of `columns` and `rows` of each sheet.
    """
    side = min(SIDE, max(max(_size(picture)) for picture in pictures))
    columns = min(COLUMNS, len(pictures))
    rows = min(ROWS, -(-len(pictures) // columns))
    (folder / FOLDER).mkdir(exist_ok=True)
    files = []
    for start in range(0, len(pictures), columns * rows):
        sheet = Image.new("RGBA", (columns * side, rows * side))
        part = pictures[start : start + columns * rows]
        for cell, picture in enumerate(part):
            with _open(picture) as opened:
                small = search_script.to_rgba(opened)
            small.thumbnail((side, side))
            left = cell % columns * side + (side - small.width) // 2
            top = cell // columns * side + (side - small.height) // 2
            sheet.paste(small, (left, top))
        file = f"{FOLDER}/{stem}_{len(files)}.webp"
        sheet.save(folder / file, quality=90)
        files.append(file)
    return {"files": files, "side": side, "columns": columns, "rows": rows}


def _check(picture, name, row):
    """A picture that can be decoded to its end."""
    try:
        if not isinstance(picture, (str, os.PathLike, bytes)):
            picture = np.asarray(checks.array("thumbnails", picture))
            integers = np.issubdtype(picture.dtype, np.integer)
            checks.values("thumbnails", picture, 0, 255 if integers else 1)
        with _open(picture) as opened:
            opened.load()
    except (
        OSError,
        SyntaxError,  # of a damaged PNG file
        TypeError,
        ValueError,
        Image.DecompressionBombError,
    ) as error:
        raise ValueError(
            f"`thumbnails` must hold {_RULE}. Received: in row {row} of "
            f"{name!r}: {error}"
        ) from error
    return picture


def _size(picture):
    with _open(picture) as opened:
        return opened.size


def _open(picture):
    """A picture, of which a file is not decoded yet."""
    if isinstance(picture, bytes):
        return Image.open(io.BytesIO(picture))
    if isinstance(picture, np.ndarray):
        picture = samples.to_pictures(picture)
        channels = picture.shape[-1] if picture.ndim == 3 else 0
        if channels not in (1, 3, 4) or not picture.size:
            raise ValueError(f"shape {picture.shape}")
        return Image.fromarray(
            picture.squeeze(-1) if channels == 1 else picture
        )
    return Image.open(picture)
