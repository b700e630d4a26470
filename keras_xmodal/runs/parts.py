"""Items encoded part by part, so that who is killed goes on where it was."""

import contextlib
import functools
import hashlib
import io
import json
import pathlib
import shutil
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_xmodal import files, progress
from keras_xmodal.models import Preprocessed
from keras_xmodal.runs import items as items_lib
from keras_xmodal.runs import raw

PARTS = "index.parts"  # the folder in that of the run
_SIZE = 256  # items of a part
_FILES = 32  # encoded at once


class Encoded(NamedTuple):
    """Embeddings and thumbnails by modality, and errors by modality and id."""

    embeddings: dict[str, np.ndarray]
    thumbnails: dict[str, np.ndarray]
    broken: dict[str, dict[str, str]]


def encode_items(
    model,
    items: dict[str, dict[str, dict]],
    kinds: dict[str, str],
    folder: pathlib.Path,
    sizes: dict[str, tuple[int, int]] | None = None,
    keep: pathlib.Path | None = None,
    skip_broken: bool = False,
    quiet: bool = True,
) -> Encoded:
    """Embed items of all modalities, and draw their thumbnails.

    Args:
        model: `EmbeddingModel`.
        items: As `items_of_rows` returns them.
        kinds: Kind of each modality.
        folder: That which relative paths of files are relative to.
        sizes: Height and width of thumbnails by modality. Defaults to a
            square, by the number of items.
        keep: Folder for what is done, and read back where it is there; None
            for none.
        skip_broken: Whether files that are missing or broken are left out.
        quiet: Whether to leave the progress bar out.

    Returns:
        `Encoded`, of the items that are not broken: embeddings of shape
        `(items, dim)`, thumbnails of shape `(items, height, width, 3)` of
        those that can be seen.

    Raises:
        OSError, ValueError: If a file is missing or broken.
    """
    encoded = Encoded({}, {}, {})
    total = sum(map(len, items.values()))
    quiet = quiet or not total
    with progress.bar(
        total=total, desc="encoding", unit=" items", disable=quiet
    ) as bar:
        for name, known in items.items():
            seen = kinds[name] in items_lib.SEEN
            size = (items_lib.side_of(len(known)),) * 2
            size = (sizes or {}).get(name, size) if seen else None
            encode = functools.partial(
                _encode, model, name, kinds[name], folder, size, skip_broken
            )
            parts = []
            for number, part in enumerate(_parts(known.items())):
                file = keep and keep / f"{name}.{number}.npz"
                parts.append(_once(file, encode, part))
                bar.update(len(part))
            if parts:
                joined = _join(parts)
                errors = joined["errors"].tolist()
                encoded.embeddings[name] = joined["embeddings"]
                encoded.broken[name] = {
                    key: error
                    for key, error in zip(known, errors, strict=True)
                    if error
                }
                if seen:
                    encoded.thumbnails[name] = joined["thumbnails"]
    return encoded


def folder_of(
    run: pathlib.Path, model: pathlib.Path, items, skip_broken: bool
) -> pathlib.Path:
    """Folder for what is done of this work; that of other work is removed.

    Work is the same with the same model, items and files.
    """
    digest = hashlib.sha256()
    with open(model, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    digest.update(json.dumps([items, skip_broken], sort_keys=True).encode())
    for known in items.values():
        for entry in known.values():
            with contextlib.suppress(KeyError, OSError):
                state = (run / entry["file"]).stat()
                digest.update(f"{state.st_size} {state.st_mtime_ns}".encode())
    name = digest.hexdigest()[:16]
    for other in (run / PARTS).glob("*"):
        if other.name != name:
            shutil.rmtree(other, ignore_errors=True)
    return files.writable_folder(run / PARTS / name)


def _parts(entries: Iterable) -> Iterator[list]:
    entries = list(entries)
    for start in range(0, len(entries), _SIZE):
        yield entries[start : start + _SIZE]


def _once(file, encode, part):
    """What is kept of a part, or what comes of it and is kept."""
    if file is None:
        return encode(part)
    if file.is_file():
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    done = encode(part)
    content = io.BytesIO()
    np.savez(content, **done)
    files.write(file, content.getvalue())
    return done


def _encode(model, name, kind, folder, size, skip_broken, part):
    """Embeddings, thumbnails and errors of a part, few files in memory."""
    num_frames = raw.num_frames(model, name)
    resizer = raw.resizer(model, name) if kind == "image" else None
    rows, drawn, errors = [], [], []
    waiting = []

    def embed():
        if waiting:
            rows.append(raw.embed(model, name, kind, waiting))
            waiting.clear()

    for key, entry in part:
        try:
            example = items_lib.content_of(
                entry,
                kind,
                folder,
                key,
                num_frames,
                resizer and resizer.max_pixels,
            )
        except (ValueError, OSError) as error:
            if not skip_broken:
                raise
            errors.append(str(error) or type(error).__name__)
            continue
        errors.append("")
        if size is not None:
            drawn.append(items_lib.thumbnail(example, size))
        if resizer is not None:  # Now, so that few large ones are in memory.
            pixels = resizer.resize_one(tf.constant(example)).numpy()
            example = Preprocessed({name: pixels[np.newaxis]})
        waiting.append(example)
        if len(waiting) == _FILES and kind not in ("text", "numbers"):
            embed()
    embed()
    none = np.zeros((0, model.embedding_dim or 0), "float32")
    done = {
        "errors": np.array(errors),
        "embeddings": np.concatenate(rows) if rows else none,
    }
    if size is not None:
        shape = (len(drawn), *size, 3)
        done["thumbnails"] = np.array(drawn, "uint8").reshape(shape)
    return done


def _join(parts):
    """All parts, of which some may have no embedding, and so no dim."""
    return {
        name: np.concatenate([p for p in arrays if p.size] or arrays[:1])
        for name in parts[0]
        for arrays in [[part[name] for part in parts]]
    }
