"""`keras-xmodal search`: ask a run folder."""

import os
import pathlib

import numpy as np
import tensorflow as tf

from keras_xmodal.media.image import decode_image
from keras_xmodal.retrieval import ExactIndex

_LONGEST_NAME = 255  # bytes, of a file
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"}


def run(folder: str, query: str, k: int = 5) -> dict:
    """Search with words or a picture.

    Args:
        folder: Run folder that holds `model.keras` and `index.npz`.
        query: Words, or the path of a picture file.
        k: Integer, number of hits.

    Returns:
        Dict of `query`, `modality` (of the query) and `hits`, a list of dicts
        of `id` and `score`, best first.

    Raises:
        ValueError: If the query is empty, or has nothing that the model knows,
            or the picture cannot be read.
        OSError: If the run folder or the picture does not exist.
    """
    if not query.strip():
        raise ValueError(
            f"the query must hold a word or a path. Received: {query!r}"
        )
    path = pathlib.Path(query)
    # Unlike the method of paths, also for queries that no path can be.
    possible = len(os.fsencode(path.name)) <= _LONGEST_NAME
    is_named = possible and path.suffix.lower() in PICTURE_SUFFIXES
    is_picture = is_named or os.path.isfile(query)
    if is_picture:
        picture = read_picture(path)
    index = ExactIndex.load(folder)
    if is_picture:
        found = index.search({"image": picture[None]}, k=k, modality="text")
    else:
        _check_words(index.model, query)
        found = index.search({"text": [query]}, k=k, modality="image")
    ids, scores = found
    return {
        "query": query,
        "modality": "image" if is_picture else "text",
        "hits": [
            {"id": str(hit), "score": round(float(score), 4)}
            for hit, score in zip(ids[0], scores[0], strict=True)
        ],
    }


def _check_words(model, query):
    """Check that a query is more than padding, which is near to anything."""
    read = getattr(model, "preprocessors", {}).get("text")
    if read is not None and not np.any(read(np.array([query]))):
        raise ValueError(
            "the query must hold letters or digits that the model knows. "
            f"Received: {query!r}"
        )


def read_picture(path: pathlib.Path):
    """Read a PNG, JPEG, GIF, BMP or still WebP file.

    Args:
        path: Path of the file.

    Returns:
        Array of shape `(height, width, channels)`, uint8.

    Raises:
        ValueError: If it is not a picture.
        OSError: If it cannot be read.
    """
    content = path.read_bytes()
    try:
        picture = decode_image(content, 3)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            "the picture must be a PNG, JPEG, GIF, BMP or still WebP file. "
            f"Received: {path} of {len(content)} bytes, which is not"
        ) from error
    return picture.numpy()


def format_hits(result: dict) -> str:
    """Format the result of `run` as lines of text.

    Args:
        result: Dict that `run` returns.

    Returns:
        One line a hit, best first.
    """
    return "\n".join(
        f"{hit['score']:6.3f}  {hit['id']}" for hit in result["hits"]
    )
