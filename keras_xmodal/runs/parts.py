"""Items encoded part by part, so that who is killed goes on where it was."""

import hashlib
import io
import json
import pathlib
import shutil
from collections.abc import Iterable, Iterator

import numpy as np
from tqdm import tqdm

from keras_xmodal import files
from keras_xmodal.runs import items as items_lib
from keras_xmodal.runs import raw

PARTS = "index.parts"  # the folder in that of the run
_SIZE = 256  # items of a part


def encode_items(
    model,
    items: dict[str, dict[str, dict]],
    kinds: dict[str, str],
    folder: pathlib.Path,
    side: int | None = None,
    keep: pathlib.Path | None = None,
    quiet: bool = True,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Embed items of all modalities, and draw their thumbnails.

    Args:
        model: `EmbeddingModel`.
        items: As `items_of_rows` returns them.
        kinds: Kind of each modality.
        folder: That which relative paths of files are relative to.
        side: Pixels of thumbnails. None: by the number of items.
        keep: Folder for what is done, and read back where it is there; None
            for none. Whose it is, its name says.
        quiet: Whether to leave the progress bar out.

    Returns:
        Embeddings of shape `(items, dim)` by modality, and thumbnails of shape
        `(items, side, side, 3)` of those that can be seen.

    Raises:
        OSError, ValueError: If a file is missing or broken.
    """
    embeddings, thumbnails = {}, {}
    total = sum(map(len, items.values()))
    with tqdm(
        total=total, desc="encoding", unit=" items", disable=quiet
    ) as bar:
        for name, known in items.items():
            kind = kinds[name]
            seen = kind in items_lib.SEEN
            pixels = (side or items_lib.side_of(len(known))) if seen else None
            parts = []
            for number, part in enumerate(_parts(known.items())):
                file = keep and keep / f"{name}.{number}.npz"
                done = file and _read(file)
                if not done:
                    done = _encode(model, name, kind, part, folder, pixels)
                    if file:
                        _write(file, done)
                parts.append(done)
                bar.update(len(part))
            if parts:
                joined = _join(parts)
                embeddings[name] = joined["embeddings"]
                if seen:
                    thumbnails[name] = joined["thumbnails"]
    return embeddings, thumbnails


def folder_of(run: pathlib.Path, model: pathlib.Path, items) -> pathlib.Path:
    """Folder for what is done of this work; that of other work is removed.

    Work is the same with the same model, items and files.
    """
    digest = hashlib.sha256()
    with open(model, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    digest.update(json.dumps(items, sort_keys=True).encode())
    for known in items.values():
        for entry in known.values():
            if "file" in entry:
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


def _encode(model, name, kind, part, folder, side):
    examples = [
        items_lib.content_of(entry, kind, folder, key) for key, entry in part
    ]
    done = {"embeddings": raw.embed(model, name, kind, examples)}
    if side is not None:
        done["thumbnails"] = np.stack(
            [items_lib.thumbnail(example, side) for example in examples]
        )
    return done


def _join(parts):
    return {
        name: np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }


def _read(file):
    """A part that is whole, or None."""
    if not file.is_file():
        return None
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def _write(file, arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    files.write(file, content.getvalue())
