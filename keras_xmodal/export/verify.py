"""What was exported, loaded and run once more."""

import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.export import archive, report, samples
from keras_xmodal.export.batches import BATCH_SIZES
from keras_xmodal.export.export_report import ExportReport, check_files
from keras_xmodal.export.litert_runners import interpret, row_by_row
from keras_xmodal.export.onnx import open_onnx
from keras_xmodal.export.preparation import find_inputs
from keras_xmodal.export.search_folder import check_index, describe_index
from keras_xmodal.export.signatures import find_signatures

_OPEN_SIZES = (samples.OPEN_SIZE, 8, 4, 2, 1)
_COMPARED = ("mean_cosine", "min_cosine", "retrieval", "R@1", "R@1_before")


def verify(
    path: str | os.PathLike,
    model: keras.Model | None = None,
    evaluation: tuple[dict[str, np.ndarray], np.ndarray] | None = None,
    *,
    search: Any = None,
    batch_size: int = 256,
    tolerance: float | None = None,
) -> ExportReport:
    """Load and run what was exported, here and now.

    The functions of `kx.export` have done so before they ended. This does it
    again, for files that were copied to another machine, or are to run in
    other versions of TensorFlow, LiteRT or ONNX Runtime.

    All files must be there, as they were written: index, vocabularies and
    scripts too. (The style of a page may be changed.) Every signature of the
    report must run at batches of 1, 64, 1 and 7 rows. Outputs must be finite
    and have a row for each of the input; a row must be the same in each batch.
    With `model`, they must also equal those of Keras, as at the export.

    Args:
        path: Folder that `kx.export.saved_model`, `litert`, `onnx` or `web`
            has written; of `kx.export.serving`, the folder of a version.
        model: The model that was exported, or None.
        evaluation: Pair `(x, ids)` to compare on, as in
            `kx.export.saved_model`, instead of made-up inputs.
        search: The index that was exported with the model, or None.
        batch_size: Integer, examples run at once in the comparison.
        tolerance: Float, the largest absolute error allowed. It grows with the
            largest value of an output if that is above 1. Defaults to that of
            the export.

    Returns:
        Report as that of the export. Without `model`, `max_abs_error` says how
        much a row differs between batches, and there is no `retrieval`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If there is no export at `path`, it cannot be read, or
            `model`, `evaluation` or `search` are not those of this export.
        ImportError: If the extra is missing that runs it.
        RuntimeError: If an output is not what it must be.

    Example:
        ```python
        import tempfile
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        path = tempfile.mkdtemp() + "/device"
        kx.export.litert(model, path)

        print(kx.export.verify(path)["max_abs_error"] < 1e-5)  # True
        report = kx.export.verify(path, model)  # also beside Keras
        ```
    """
    folder = checks.path("path", path)
    checks.positive_integer("batch_size", batch_size)
    checks.not_negative("tolerance", tolerance, optional=True)
    written = ExportReport.load(folder)
    check_files(folder, written)
    if tolerance is None:
        tolerance = written["tolerance"]
    if model is None:
        if evaluation is not None or search is not None:
            raise ValueError(
                "`evaluation` and `search` must come with `model`. "
                "Received: model=None"
            )
        compared = _run(_runners(folder, written), written, tolerance)
    else:
        checks.serving_model("model", model)
        evaluation = samples.check_evaluation(model, evaluation)
        if search is not None:
            _check_search(search, written)
        signatures = _signatures(model, written, evaluation[0], search)
        compared = report.compare(
            model,
            signatures,
            _runners(folder, written),
            evaluation,
            batch_size,
            tolerance,
            BATCH_SIZES,
        )
    endpoints = {
        name: {**fact, **compared["endpoints"][name]}
        for name, fact in written["endpoints"].items()
    }
    known = {k: v for k, v in written.items() if k not in _COMPARED}
    return ExportReport({**known, **compared, "endpoints": endpoints})


def _check_search(search, written):
    """Check that an index is the one that was exported."""
    check_index(search)
    found, known = describe_index(search), written.get("search", {})
    if found["sha256"] != known.get("sha256"):
        raise ValueError(
            "`search` must be the index that was exported. Received: another "
            f"one, of {found['rows']} rows; that of the export has "
            f"{known.get('rows', 'none')}"
        )


def _runners(folder, written):
    """A function for each signature, of files that can be read."""
    open_it = {
        "saved_model": _open_saved_model,
        "onnx": _open_onnx,
        "web": _open_web,
    }.get(written["format"], _open_litert)
    try:
        return open_it(folder, written["endpoints"])
    except ImportError:
        raise
    except Exception as error:  # Each runtime has classes of its own.
        raise ValueError(
            "`path` must hold all files of an export, readable ones. "
            f"Received: path={str(folder)!r}, where {error}"
        ) from error


def _open_saved_model(folder, endpoints):
    return archive.read_archive(folder, endpoints)


def _open_litert(folder, endpoints):
    return {
        name: interpret(folder / fact["file"], name)
        for name, fact in endpoints.items()
    }


def _open_web(folder, endpoints):
    return {
        name: row_by_row(interpret(folder / fact["file"], name))
        for name, fact in endpoints.items()
    }


def _open_onnx(folder, endpoints):
    return {
        name: open_onnx((folder / fact["file"]).read_bytes())
        for name, fact in endpoints.items()
    }


def _run(runners, written, tolerance):
    """Facts of each endpoint, of rows that must be the same in any batch."""
    pictures = {
        given["name"]: given["shape"]
        for fact in written["endpoints"].values()
        for given in fact["inputs"]
        if len(given["shape"]) > 3
    }
    facts = {
        name: _run_endpoint(name, runners[name], fact, pictures, tolerance)
        for name, fact in written["endpoints"].items()
    }
    return {
        "num_cpus": os.cpu_count(),
        "tolerance": tolerance,
        "max_abs_error": max(f["max_abs_error"] for f in facts.values()),
        "endpoints": facts,
    }


def _run_endpoint(name, run, fact, pictures, tolerance):
    rows = _find_rows(name, run, fact["inputs"], pictures)
    parts = [{k: v[:size] for k, v in rows.items()} for size in BATCH_SIZES]
    outputs = [run(part) for part in parts]
    reference = max(outputs, key=lambda x: len(next(iter(x.values()))))
    error = 0.0
    for size, output in zip(BATCH_SIZES, outputs, strict=True):
        for key, value in output.items():
            if len(value) != size:
                raise RuntimeError(
                    f"The exported endpoint {name!r} must return a row for "
                    f"each of the input. Received: {key!r} of shape "
                    f"{value.shape} for {size} rows"
                )
            if not np.issubdtype(value.dtype, np.floating):
                continue
            largest = max(1.0, np.abs(reference[key]).max())
            difference = float(np.abs(value - reference[key][:size]).max())
            if not difference <= tolerance * largest:  # also if it is NaN
                raise RuntimeError(
                    f"The exported endpoint {name!r} must give finite numbers, "
                    f"the same to within {tolerance * largest} for a row in "
                    f"each batch. Received: {key!r}, which differs by "
                    f"{difference} in a batch of {size}"
                )
            error = max(error, difference)
    return {
        "max_abs_error": error,
        "num_examples": max(BATCH_SIZES),
        "latency_ms": report.latencies(
            run, lambda size: {k: v[:size] for k, v in rows.items()}
        ),
    }


def _find_rows(name, run, inputs, pictures):
    """Rows that an endpoint takes, however few its positions are."""
    is_open = any(None in given["shape"][1:] for given in inputs)
    for open_size in _OPEN_SIZES if is_open else _OPEN_SIZES[:1]:
        rows = {
            given["name"]: _make_up(given, pictures, open_size)
            for given in inputs
        }
        try:
            run({key: value[:1] for key, value in rows.items()})
        except Exception as error:  # Each runtime has classes of its own.
            refused = error
            continue
        return rows
    raise RuntimeError(
        f"The exported endpoint {name!r} must run. Received: {refused}"
    ) from refused


def _make_up(given, pictures, open_size):
    count = max(BATCH_SIZES)
    holds = given.get("holds")
    if holds is None or holds == "text":
        spec = tf.TensorSpec(given["shape"], given["dtype"])
        rows = samples.tensor(spec, 2, count, open_size)
        if rows.ndim > 1 and spec.dtype.is_integer:
            rows[:, 0] = 1  # A text of nothing but padding has no mean.
        return rows
    shape = pictures.get(given["name"])
    contents = [samples.file(holds, shape, row) for row in range(count)]
    return np.array(contents, object)


def _signatures(model, written, examples, search):
    """Those of the report, as the model has them."""
    known = {
        given["name"]: tf.TensorSpec(
            given["shape"], given["dtype"], given["name"]
        )
        for name, fact in written["endpoints"].items()
        for given in fact["inputs"]
        if "holds" not in given and "_raw" not in name
    }
    names = {name or "x" for name in model.input_specs()}
    # Of raw tensors, only examples say what they are.
    made_up = {
        given["name"]: samples.tensor(
            tf.TensorSpec(given["shape"], given["dtype"])
        )
        for name, fact in written["endpoints"].items()
        for given in fact["inputs"]
        if "_raw" in name and given["name"] in names
    }
    towers = find_inputs(
        model,
        {**(made_up if model.modalities else {}), **examples},
        {k: v for k, v in known.items() if k in names},
    )
    is_graph = written["format"] == "saved_model"
    further = ()
    if search is not None and is_graph:
        further = search.endpoints(model, written.get("search", {}).get("k", 1))
    found = {
        signature.name: signature
        for signature in find_signatures(
            model,
            towers,
            "seed" if is_graph else "noise",
            further=further,
            texts=is_graph,
        )
    }
    missing = [name for name in written["endpoints"] if name not in found]
    if missing:
        raise ValueError(
            "`model`, and with an index `search`, must be what was exported. "
            f"Received: {type(model).__name__} without {missing}"
        )
    return [found[name] for name in written["endpoints"]]
