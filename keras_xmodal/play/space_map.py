"""The space of a run in two dimensions."""

import numpy as np

MAX_POINTS = 1500  # of a modality
NUM_NEAR = 4


def project(embeddings):
    """Project embeddings of several modalities to the plane.

    The mean of each modality is taken away first: what tells modalities apart
    would else be all that is seen. The plane is that of the first two
    principal components of the rest.

    Args:
        embeddings: Dict `{modality: array}` of shapes `(rows, dim)`.

    Returns:
        Tuple of the points of all modalities, one after the other, an array of
        shape `(points, 2)` in [-1, 1]; lists of the nearest others of each,
        before the projection, nearest first; and the share of the variance
        that the plane holds.
    """
    rows = np.concatenate(
        [part - part.mean(axis=0) for part in embeddings.values()]
    ).astype("float64")
    variances, axes = np.linalg.eigh(rows.T @ rows)
    axes = axes[:, ::-1][:, :2]
    axes = np.pad(axes, [(0, 0), (0, 2 - axes.shape[1])])
    # Of the two directions of an axis, always the same one.
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, [0, 1]] < 0, -1, 1)
    points = rows @ axes
    points -= (points.max(axis=0) + points.min(axis=0)) / 2
    points /= max(np.abs(points).max(), 1e-12)
    share = variances[::-1][:2].sum() / max(variances.sum(), 1e-12)
    return points, _nearest(rows), float(share)


def some_rows(count):
    """Numbers of rows, evenly spread over all, at most `MAX_POINTS`."""
    kept = min(count, MAX_POINTS)
    return np.linspace(0, count - 1, kept).round().astype(int)


def _nearest(rows):
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = (rows / np.maximum(norms, 1e-12)).astype("float32")
    near = []
    for start in range(0, len(rows), 1024):
        cosines = rows[start : start + 1024] @ rows.T
        own = np.arange(len(cosines))
        cosines[own, start + own] = -2  # Itself comes last.
        order = np.argsort(-cosines, axis=1, kind="stable")
        near += order[:, : min(NUM_NEAR, len(rows) - 1)].tolist()
    return near
