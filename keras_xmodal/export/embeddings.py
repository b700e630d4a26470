"""How good exported embeddings are."""

import numpy as np

from keras_xmodal.metrics import retrieval_report


def cosines(expected, received):
    """Cosine similarity of each row of two arrays."""
    norms = np.linalg.norm(expected, axis=1) * np.linalg.norm(received, axis=1)
    dots = np.sum(expected * received, axis=1)
    return np.clip(dots / np.maximum(norms, 1e-12), -1, 1)


def retrieval(pairs, before, after, evaluation):
    """Retrieval between the modalities that a model compares."""
    x, ids = evaluation
    rows = {name: _distinct(x[name], ids) for name in before}
    directions = {}
    for pair in pairs:
        for queries, candidates in (pair, pair[::-1]):
            if queries not in rows or candidates not in rows:
                continue
            directions[f"{queries}_to_{candidates}"] = {
                when: retrieval_report(
                    embeddings[queries][rows[queries]],
                    embeddings[candidates][rows[candidates]],
                    query_ids=ids[rows[queries]],
                    candidate_ids=ids[rows[candidates]],
                )
                for when, embeddings in (("before", before), ("after", after))
            }
    if not directions:
        return {}
    mean = {
        when: float(np.mean([d[when]["R@1"] for d in directions.values()]))
        for when in ("before", "after")
    }
    return {
        "R@1_before": mean["before"],
        "R@1": mean["after"],
        "retrieval": directions,
    }


def _distinct(examples, ids):
    """First rows of equal examples of one item, as a picture of K captions."""
    seen = {}
    for row, (example, item) in enumerate(
        zip(examples, ids.tolist(), strict=True)
    ):
        key = (
            example if isinstance(example, (bytes, str)) else example.tobytes()
        )
        seen.setdefault((item, key), row)
    return list(seen.values())
