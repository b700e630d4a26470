"""Comparison of an exported model with the Keras model it came from."""

import contextlib
import json
import os
import pathlib

import numpy as np
import tensorflow as tf

from keras_xmodal.export.batches import batches
from keras_xmodal.metrics import retrieval_report


def compare(model, towers, runners, evaluation, batch_size, tolerance):
    """Run every endpoint beside Keras.

    Each runs on one example alone and then on batches.

    Args:
        model: `EmbeddingModel`.
        towers: List of `Tower`.
        runners: Dict by endpoint of functions from an input to embeddings,
            both NumPy arrays.
        evaluation: Pair of a dict of raw arrays by modality and ids, as
            `samples.check_evaluation` returns it.
        batch_size: Integer, examples run at once.
        tolerance: Float, the largest absolute error allowed, times the
            largest value if that is above 1.

    Returns:
        Dict with `max_abs_error`, `mean_cosine`, `min_cosine` (the worst of
        all endpoints), `endpoints` (the same three and `num_examples` for
        each) and, with an evaluation set of two modalities that the model
        compares, `R@1_before`, `R@1` and `retrieval`.

    Raises:
        ValueError: If an embedding of the model is not finite.
        RuntimeError: If an endpoint differs from Keras.
    """
    x, ids = evaluation
    endpoints, before, after = {}, {}, {}
    for tower in towers:
        raw = x.get(tower.modality)
        for name, kind in tower.endpoints().items():
            if name not in runners:
                continue
            expected, received = [], []
            with full_float32():
                for inputs, reference in batches(
                    model, tower, kind, raw, batch_size
                ):
                    if not expected:
                        # Or else random numbers keep step with Keras.
                        runners[name](inputs)
                    expected.append(reference)
                    received.append(runners[name](inputs))
            endpoints[name] = _difference(name, expected, received, tolerance)
            if kind == "tensor" and raw is not None:
                # The first batch is an example on its own.
                before[tower.modality] = np.concatenate(expected[1:])
                after[tower.modality] = np.concatenate(received[1:])
    return {
        "max_abs_error": max(e["max_abs_error"] for e in endpoints.values()),
        "mean_cosine": min(e["mean_cosine"] for e in endpoints.values()),
        "min_cosine": min(e["min_cosine"] for e in endpoints.values()),
        "endpoints": endpoints,
        **_retrieval(model.pairs, before, after, x, ids),
    }


def write_report(report, path):
    """Write a report as JSON.

    Args:
        report: Dict.
        path: Path of the file.

    Returns:
        The report as it reads back: tuples have become lists.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(report, indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return json.loads(text)


def describe(signature):
    """Name, shape and dtype of an input, for a report.

    Args:
        signature: `tf.TensorSpec`.

    Returns:
        Dict; an open dimension is None.
    """
    return {
        "name": signature.name,
        "shape": signature.shape.as_list(),
        "dtype": signature.dtype.name,
    }


def total_bytes(folder):
    """Size of all files in a folder.

    Args:
        folder: Path.

    Returns:
        Integer.
    """
    return sum(
        os.path.getsize(os.path.join(root, file))
        for root, _, files in os.walk(folder)
        for file in files
    )


@contextlib.contextmanager
def full_float32():
    """Compute float32 products in float32, where a GPU would round to TF32."""
    settings = tf.config.experimental
    enabled = settings.tensor_float_32_execution_enabled()
    settings.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        settings.enable_tensor_float_32_execution(enabled)


def _difference(name, expected, received, tolerance):
    expected = np.concatenate(expected)
    received = np.concatenate(received)
    if not np.isfinite(expected).all():
        raise ValueError(
            f"The embeddings of the model must be finite. Received: NaN or "
            f"infinity from Keras for the inputs of {name!r}"
        )
    if received.shape != expected.shape:
        raise RuntimeError(
            f"The exported endpoint {name!r} must return embeddings of shape "
            f"{expected.shape}. Received: shape {received.shape}"
        )
    error = float(np.abs(received - expected).max())
    allowed = tolerance * max(1.0, float(np.abs(expected).max()))
    if not error <= allowed:  # also if it is not a number
        raise RuntimeError(
            f"The exported endpoint {name!r} must equal Keras to within "
            f"{allowed}. Received: a largest absolute error of {error}. Look "
            "for an operation that is random or depends on the batch, or pass "
            "a larger `tolerance`."
        )
    norms = np.linalg.norm(expected, axis=1) * np.linalg.norm(received, axis=1)
    cosines = np.sum(expected * received, axis=1) / np.maximum(norms, 1e-12)
    return {
        "max_abs_error": error,
        "mean_cosine": float(cosines.mean()),
        "min_cosine": float(cosines.min()),
        "num_examples": len(expected) - 1,
    }


def _retrieval(pairs, before, after, x, ids):
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
        key = example if isinstance(example, bytes) else example.tobytes()
        seen.setdefault((item, key), row)
    return list(seen.values())
