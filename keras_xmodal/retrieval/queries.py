"""From what a user passes to unit vectors."""

import numpy as np

from keras_xmodal import checks
from keras_xmodal.ops.products import aligned_empty

_BLOCK = 16384  # rows that are scaled at once


def unit_embeddings(model, x, modality, argument) -> dict[str, np.ndarray]:
    """Encode raw examples, or take embeddings, and normalise them."""
    if not isinstance(x, dict):
        if not _is_array(x):
            raise TypeError(
                f"`{argument}` must be a dict {{modality: raw examples}}, or "
                "an array of embeddings of shape (rows, dim). "
                f"Received: {argument} of type {type(x).__name__}"
            )
        if not isinstance(modality, str):
            raise TypeError(
                f"`modality` must name the modality of `{argument}`, unless "
                "that is a dict {modality: raw examples}. "
                f"Received: modality={modality!r}"
            )
        return {modality: _normalize(checks.embeddings(argument, x, None))}
    if modality is not None:
        raise ValueError(
            f"`modality` must be left out where `{argument}` is a dict. "
            f"Received: modality={modality!r}"
        )
    if not x or not all(isinstance(name, str) for name in x):
        raise ValueError(
            f"`{argument}` must hold modalities by name, at least one. "
            f"Received: {argument} with keys {list(x)}"
        )
    if model is None:
        raise ValueError(
            f"Raw `{argument}` needs a model that encodes it; without one, "
            f"give embeddings. Received: model=None, modalities {list(x)}"
        )
    return {
        name: _normalize(
            checks.embeddings(
                f"model.encode({argument}[{name!r}])",
                model.encode(value, modality=name),
                None,
            )
        )
        for name, value in x.items()
    }


def _is_array(x):
    return isinstance(x, (list, tuple)) or hasattr(x, "__array__")


def _normalize(embeddings):
    """Scale rows to length 1; a row of zeros stays."""
    unit = aligned_empty(embeddings.shape)
    for start in range(0, len(embeddings), _BLOCK):
        block = slice(start, start + _BLOCK)
        unit[block] = _scaled(embeddings[block])
    return unit


def _scaled(embeddings):
    # First by the largest entry: squares may leave the range of float32.
    largest = np.abs(embeddings).max(axis=1, keepdims=True)
    embeddings = embeddings / np.where(largest > 0, largest, 1)
    # In float64, so that an exported search rounds to the same.
    exact = np.result_type(embeddings, "float64")
    squares = np.einsum("ij,ij->i", embeddings, embeddings, dtype=exact)
    norm = np.sqrt(squares).astype(embeddings.dtype)[:, None]
    return embeddings / np.where(norm > 0, norm, 1)
