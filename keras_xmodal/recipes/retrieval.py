"""How well modalities find each other, over all pairs and directions."""

from collections.abc import Mapping, Sequence

import numpy as np

from keras_xmodal.metrics.retrieval_report import retrieval_report

Embedded = Mapping[str, tuple[np.ndarray, np.ndarray]]


def reports(embedded: Embedded, pairs: Sequence) -> dict[str, dict]:
    """Retrieval reports by direction, such as `"image_to_text"`.

    Args:
        embedded: Embeddings of unit length and ids, by modality.
        pairs: Pairs of modalities.
    """
    found = {}
    for a, b in pairs:
        for query, candidate in ((a, b), (b, a)):
            (x, x_ids), (y, y_ids) = embedded[query], embedded[candidate]
            found[f"{query}_to_{candidate}"] = retrieval_report(
                x, y, x_ids, y_ids
            )
    return found


def score(embedded: Embedded, pairs: Sequence) -> float:
    """Mean reciprocal rank, averaged over directions."""
    found = reports(embedded, pairs).values()
    return float(np.mean([report["MRR"] for report in found]))


def to_unit(x: np.ndarray) -> np.ndarray:
    """Vectors of length 1; zeros stay zeros."""
    norm = np.linalg.norm(x, axis=-1, keepdims=True)
    return (x / np.maximum(norm, 1e-9)).astype("float32")
