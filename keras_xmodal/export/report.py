"""Comparison of an exported model with the Keras model it came from."""

import contextlib
import os
import time

import numpy as np
import tensorflow as tf

from keras_xmodal._version import __version__
from keras_xmodal.export.batches import batches
from keras_xmodal.export.embeddings import cosines, retrieval

_LATENCY_BATCH_SIZES = (1, 32)
_MOST_CALLS, _MOST_SECONDS = 20, 0.1


def compare(
    model, signatures, runners, evaluation, batch_size, tolerance, first=(1,)
):
    """Run every endpoint beside Keras.

    Each runs on batches of the sizes `first`, and then on all examples.
    """
    examples, ids = evaluation
    facts, before, after = {}, {}, {}
    for signature in signatures:
        with full_float32():
            facts[signature.name], pairs = _compare(
                model,
                signature,
                runners[signature.name],
                examples,
                batch_size,
                tolerance,
                first,
            )
        if pairs and not signature.raw:
            (tower,) = signature.towers
            if tower.modality in examples:
                before[tower.modality], after[tower.modality] = map(
                    np.concatenate, zip(*pairs[len(first) :], strict=True)
                )

    def worst(key, choose):
        values = [fact[key] for fact in facts.values() if key in fact]
        return {key: choose(values)} if values else {}

    return {
        "model": type(model).__name__,
        "modalities": list(model.modalities),
        "keras_xmodal": __version__,
        "num_cpus": os.cpu_count(),
        "tolerance": tolerance,
        **worst("max_abs_error", max),
        **worst("mean_cosine", min),
        **worst("min_cosine", min),
        "endpoints": facts,
        **(
            retrieval(model.pairs, before, after, evaluation)
            if before and ids is not None
            else {}
        ),
    }


def latencies(run, feed):
    """Milliseconds of a call by its batch size: medians, after a first one."""
    found = {}
    for size in _LATENCY_BATCH_SIZES:
        fed, seconds = feed(size), []
        run(fed)
        while len(seconds) < _MOST_CALLS and sum(seconds) < _MOST_SECONDS:
            start = time.perf_counter()
            run(fed)
            seconds.append(time.perf_counter() - start)
        found[str(size)] = round(1e3 * float(np.median(seconds)), 3)
    return found


def describe(signature):
    """Names, shapes and dtypes of the inputs, for a report."""
    inputs = [
        {
            "name": spec.name,
            "shape": spec.shape.as_list(),
            "dtype": spec.dtype.name,
        }
        for spec in signature.inputs
    ]
    if signature.raw:
        for tower, described in zip(signature.towers, inputs, strict=False):
            if tower.holds is not None:
                described["holds"] = tower.holds
    return {"input": inputs[0], "inputs": inputs}


def written_by():
    """Which TensorFlow writes a SavedModel, and which servers read it.

    A newer TensorFlow reads what an older one wrote. TensorFlow Serving 2.20,
    the newest, is older than ours: it was tried with its TensorFlow.
    """
    return {"tensorflow": tf.__version__, "tensorflow_serving": ">=2.20"}


def total_bytes(folder):
    """Size of all files in a folder."""
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


def _compare(model, signature, run, examples, batch_size, tolerance, first):
    """Facts of an endpoint, and its embeddings by Keras and by itself."""
    errors, sizes, pairs, num_examples = {}, {}, [], 0
    rows = []  # the first example, in batches of several sizes
    for fed, inputs in batches(model, signature, examples, batch_size, first):
        if not num_examples:
            # Or else random numbers keep step with Keras.
            run(fed)
        expected = signature.reference(model, inputs)
        received = run(fed)
        _check_outputs(signature, expected, received)
        if len(rows) <= len(first):
            rows.append({key: value[0] for key, value in received.items()})
        num_examples += len(next(iter(expected.values())))
        if "embedding" in expected:
            pairs.append((expected["embedding"], received["embedding"]))
        expected, received = signature.scored(model, inputs, expected, received)
        for name, value in expected.items():
            errors.setdefault(name, []).append(
                np.abs(received[name] - value).max()
            )
            sizes.setdefault(name, [1.0]).append(np.abs(value).max())
    for name in errors:
        errors[name] = float(np.max(errors[name]))
        allowed = tolerance * float(np.max(sizes[name]))
        if not errors[name] <= allowed:  # also if it is not a number
            raise RuntimeError(
                f"The exported endpoint {signature.name!r} must equal Keras to "
                f"within {allowed}. Received: a largest absolute error of "
                f"{errors[name]} in {name!r}. Look for an operation that is "
                "random or depends on the batch, and with 8 bits for examples "
                "beyond the ranges of `representative`; or pass a larger "
                "`tolerance`."
            )
    _check_rows(signature, rows, tolerance)
    facts = {"max_abs_error": max(errors.values())}
    if pairs:
        values = np.concatenate([cosines(*pair) for pair in pairs])
        facts["mean_cosine"] = float(values.mean())
        facts["min_cosine"] = float(values.min())
    facts["num_examples"] = num_examples - sum(first)
    facts["latency_ms"] = latencies(
        run, lambda size: next(batches(model, signature, first=(size,)))[0]
    )
    return facts, pairs


def _check_rows(signature, rows, tolerance):
    """Check that a row is the same, whatever else is in its batch."""
    for key, value in rows[0].items():
        if key in signature.labels or not np.issubdtype(
            value.dtype, np.floating
        ):
            continue
        allowed = tolerance * max(1.0, float(np.abs(value).max()))
        error = max(float(np.abs(row[key] - value).max()) for row in rows)
        if not error <= allowed:
            raise RuntimeError(
                f"The exported endpoint {signature.name!r} must give a row the "
                f"same, to within {allowed}, whatever else is in its batch: a "
                f"server batches requests. Received: {key!r}, which differs by "
                f"{error}. Look for an operation over the batch, or for "
                "padding that is not masked; or pass a larger `tolerance`."
            )


def _check_outputs(signature, expected, received):
    name, labels = signature.name, signature.labels
    for key, value in expected.items():
        if key not in labels and not np.isfinite(value).all():
            raise ValueError(
                "The outputs of the model must be finite. Received: NaN or "
                f"infinity from Keras for the inputs of {name!r}"
            )
    wanted, found = (
        {name: (value.shape, value.dtype.name) for name, value in x.items()}
        for x in (expected, received)
    )
    if wanted != found:
        raise RuntimeError(
            f"The exported endpoint {name!r} must return outputs of shapes "
            f"and dtypes {wanted}. Received: {found}"
        )
