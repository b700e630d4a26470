"""What the rows of an index show: `items.json`, and thumbnails."""

import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from PIL import Image

from keras_xmodal.datasets.csv_items import CsvRow
from keras_xmodal.runs import raw

ITEMS, THUMBNAILS = "items.json", "thumbnails.npz"
SEEN = ("image", "video")
SIDE = 96  # pixels of a thumbnail, as the page of `kx.export.web` shows
_SMALL_SIDE, _MANY = 32, 10_000  # of so many rows


def items_of_rows(
    items: Mapping[Any, Iterable[CsvRow]],
    columns: Mapping[str, list[str]],
    kinds: Mapping[str, str],
    ids: str | None = None,
    owners: dict[str, dict[tuple[str, Any], None]] | None = None,
    parts: Mapping[Any, str] | None = None,
) -> dict[str, dict[str, dict]]:
    """Say what the rows of a table show, by modality and id.

    Args:
        items: Rows of each item, as a data set of `from_csv` has them.
        columns: Columns of each modality.
        kinds: Kind of each modality, of `"image"`, `"text"`, `"speech"`,
            `"video"` and `"numbers"`.
        ids: Column that says which item a row shows. None: an item is called
            by its first file, or else by its first row.
        owners: Empty dict, which gets the pairs of id and item by modality,
            or None.
        parts: Part of the training of each item, or None.

    Returns:
        Dict `{modality: {id: {"file" or "text" or "numbers", "item",
        "captions", "part"}}}`, in order of the rows. An id is the path of a
        file as the table has it, a text itself, or the item of numbers.
    """
    found: dict[str, dict[str, dict]] = {name: {} for name in columns}
    called: dict[tuple, Any] = {}
    for number, rows in items.items():
        rows = list(rows)
        item = _name(rows, columns, kinds, ids)
        texts = _texts(rows, columns, kinds)
        for row in rows:
            for name, (first, *others) in columns.items():
                if not all(row.cells[c] for c in (first, *others)):
                    continue
                cells = [row.cells[c] for c in (first, *others)]
                known = found[name]
                entry: dict[str, Any] = {}
                if kinds[name] == "text":
                    key, entry["text"] = cells[0], cells[0]
                elif kinds[name] == "numbers":
                    entry["numbers"] = [float(cell) for cell in cells]
                    key = _called(called, name, item, cells)
                else:
                    key, entry["file"] = cells[0], str(row.files[name])
                if owners is not None:
                    owners.setdefault(name, {})[key, number] = None
                if key not in known:  # Else a text of an item before it.
                    captions = [text for text in texts if text != key]
                    known[key] = {**entry, "item": item, "captions": captions}
                    if parts is not None:
                        known[key]["part"] = parts[number]
    return {name: known for name, known in found.items() if known}


def _name(rows, columns, kinds, ids):
    if ids is not None:
        return rows[0].cells[ids].strip()
    for name, (column, *_) in columns.items():
        if kinds[name] in ("image", "speech", "video"):
            for row in rows:
                if row.cells[column]:
                    return row.cells[column]
    return f"row {rows[0].number}"


def _texts(rows, columns, kinds):
    """Different texts of an item, in their order."""
    named = [c for name, (c, *_) in columns.items() if kinds[name] == "text"]
    texts = [row.cells[column] for row in rows for column in named]
    return list(dict.fromkeys(filter(None, texts)))


def _called(called, name, item, numbers):
    """The id of numbers: their item, counted where it has several."""
    place = name, item, tuple(numbers)
    if place not in called:
        count = called[name, item] = called.get((name, item), 0) + 1
        called[place] = item if count == 1 else f"{item} ({count})"
    return called[place]


def content_of(
    entry: dict,
    kind: str,
    folder: pathlib.Path,
    key: str,
    num_frames: int | None = None,
    max_pixels: int | None = None,
):
    """The raw example of an entry, checked; files relative to the run.

    With `max_pixels`, the pixels of a picture.
    """
    if kind == "text":
        return raw.prepare(kind, entry.get("text", key), key)
    if kind == "numbers":
        return raw.prepare(kind, entry["numbers"], key)
    path = folder / entry["file"]
    content = raw.read_file(path)
    if max_pixels is not None:
        return raw.read_pixels(content, str(path), max_pixels)
    return raw.prepare(kind, content, str(path), num_frames)


def can_be_encoded(entry: dict, kind: str) -> bool:
    """Whether an entry says what it was encoded from."""
    argument = {"text": "text", "numbers": "numbers"}.get(kind, "file")
    return argument in entry


def thumbnail(example, size: tuple[int, int]) -> np.ndarray:
    """A small picture of a prepared picture or clip, laid on white.

    Args:
        example: Bytes of a file, frames or pixels, as `raw.prepare` returns.
        size: Height and width in pixels.

    Returns:
        Array of shape `(height, width, 3)`, uint8.
    """
    if isinstance(example, bytes):
        pixels = raw.decode("image", example)
    else:
        pixels = example[len(example) // 2] if example.ndim == 4 else example
    if pixels.dtype != np.uint8:
        pixels = np.rint(255 * np.clip(pixels, 0, 1)).astype("uint8")
    if pixels.shape[-1] in (2, 4):  # with opacity
        wide = pixels.astype("uint16")
        colors, opacity = wide[..., :-1], wide[..., -1:]
        colors = colors * opacity + 255 * (255 - opacity) + 127
        pixels = (colors // 255).astype("uint8")
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]
    small = Image.fromarray(pixels).convert("RGB")
    height, width = size
    small.thumbnail((width, height))
    whole = Image.new("RGB", (width, height), "white")
    place = (width - small.width) // 2, (height - small.height) // 2
    whole.paste(small, place)
    return np.asarray(whole)


def side_of(num_rows: int) -> int:
    """Pixels of the thumbnails of so many rows, which are kept in memory."""
    return SIDE if num_rows <= _MANY else _SMALL_SIDE


def read_items(file, path: pathlib.Path) -> dict[str, dict[str, dict]]:
    """Read and check an open `items.json`."""
    items = read_json(file, path)
    whole = isinstance(items, dict) and all(
        isinstance(known, dict)
        and all(isinstance(entry, dict) for entry in known.values())
        for known in items.values()
    )
    if not whole:
        raise ValueError(
            f"RUN must hold a readable {path.name}, a dict by modality of "
            f"dicts by id. Received: {path}, which is not"
        )
    return items


def read_json(file, path: pathlib.Path):
    """Read a JSON file, or say that it is damaged."""
    try:
        return json.loads(file.read().decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"RUN must hold a readable {path.name}. Received: {path}, {error}"
        ) from error


def to_json(value) -> bytes:
    """A JSON file."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return (text + "\n").encode("utf-8", "surrogatepass")


def mismatch(items, index) -> str | None:
    """Which ids are in items or in an index only, in words; None if none."""
    for name in sorted({*items, *index.modalities}):
        rows = index.rows(name)[0] if name in index.modalities else ()
        other = sorted(set(items.get(name, ())) ^ set(map(str, rows)))
        if other:
            return (
                f"{len(other)} ids of {name!r} in one of them, first "
                f"{other[0]!r}"
            )
    return None
