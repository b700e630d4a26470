"""`keras-xmodal export` and `verify`: a run folder for servers and devices."""

import pathlib
from typing import Any

import keras
import numpy as np

from keras_xmodal import checks, datasets, export, files
from keras_xmodal.export.export_report import find_exports
from keras_xmodal.export.litert import QUANTIZATIONS
from keras_xmodal.export.towers import find_towers
from keras_xmodal.retrieval import ExactIndex
from keras_xmodal.retrieval.storage import INDEX, MODEL
from keras_xmodal.runs.items import THUMBNAILS
from keras_xmodal.runs.run import read_thumbnails

FORMATS = ("saved_model", "serving", "litert", "onnx", "web")
_SERVED = ("saved_model", "serving")
_QUANTIZED = ("litert", "web")
_NUM_REPRESENTATIVE = 512
_NO_DATA = "`--modality` is for the columns of `--data`. Received: no --data"


def run(
    run_folder: str,
    output: str,
    formats: tuple[str, ...] = ("saved_model",),
    quantization: str | None = None,
    data: str | None = None,
    modalities: dict[str, list[str]] | None = None,
    search: bool = True,
    k: int | None = None,
    name: str | None = None,
    version: int | None = None,
) -> dict:
    """Export the model of a run folder, with its index.

    Args:
        run_folder: Folder that holds `model.keras`, and perhaps `index.npz`;
            or a `.keras` file.
        output: Folder for the exports, each in one that is called as its
            format.
        formats: Of `FORMATS`.
        quantization: As that of `kx.export.litert`, for `"litert"` and
            `"web"`. Defaults to those of the two.
        data: CSV file of examples to compare on, to measure recall on before
            and after, and 512 of them to measure ranges on for `"int8"`.
        modalities: Columns of the CSV file by modality. Defaults to the
            column that is called as the modality is.
        search: Whether to export the index too.
        k: Integer, hits of a search in `"saved_model"` and `"serving"`.
        name: Name of the model in `"serving"`.
        version: Integer, its version there.

    Returns:
        Dict of `output`, in `exports` the report of each format, and in
        `compared` what errors are measured against.

    Raises:
        ValueError, TypeError, OSError: As the exports do; also if a format
            lies in `output` already. Nothing has been written of a format
            that fails; earlier ones stay.
    """
    formats = checks.some_of("--format", formats, FORMATS)
    checks.one_of("--quantization", quantization, QUANTIZATIONS)
    for argument, value, takers in (
        ("--quantization", quantization, _QUANTIZED),
        ("-k", k, _SERVED),
        ("--name", name, ("serving",)),
        ("--model-version", version, ("serving",)),
    ):
        if value is not None and not set(formats) & set(takers):
            raise ValueError(
                f"`{argument}` is for {', '.join(takers)}. "
                f"Received: --format {','.join(formats)}"
            )
    if quantization == "int8" and data is None:
        raise ValueError(
            "`--quantization int8` needs `--data`, a CSV file of examples on "
            "which the ranges of activations are measured. Received: none"
        )
    if modalities and data is None:
        raise ValueError(_NO_DATA)
    if not output.strip():
        raise ValueError(f"`--output` must name a folder. Received: {output!r}")
    places = {form: pathlib.Path(output) / form for form in formats}
    for form, place in places.items():
        if form != "serving":  # A new version joins what is there.
            files.check_new(place)
    model, index = _load(run_folder)
    index = index if search else None
    if "web" in formats and index is None:
        raise ValueError(
            f"`--format web` needs an index to search: RUN must hold {INDEX}. "
            f"Received: {run_folder}{' --no-search' * (not search)}"
        )
    evaluation = _read_examples(model, data, modalities) if data else None
    quantized: dict[str, Any] = {}
    if quantization is not None:
        quantized["quantization"] = quantization
    if quantization == "int8" and evaluation is not None:
        quantized["representative"] = _some(evaluation[0])
    reports = {}
    for form, place in places.items():
        options: dict[str, Any] = {"evaluation": evaluation}
        if form in _SERVED:
            options |= {"search": index, "k": k or 10}
        if form == "serving":
            options |= {"name": name or "model", "version": version or 1}
        if form in _QUANTIZED:
            options |= quantized
        if form == "litert":
            options["search"] = index
        if form == "web":
            thumbnails = _read_thumbnails(run_folder, index)
            reports[form] = export.web(
                model, index, place, thumbnails=thumbnails, **options
            )
        else:
            reports[form] = getattr(export, form)(model, place, **options)
    return {
        "output": str(output),
        "compared": "against Keras",
        "exports": reports,
    }


def verify(
    path: str,
    run_folder: str | None = None,
    data: str | None = None,
    modalities: dict[str, list[str]] | None = None,
) -> dict:
    """Load and run all exports in a folder once more.

    Args:
        path: Folder of an export, or of several.
        run_folder: Folder or file of the model, to compare with Keras.
        data: CSV file of examples to compare on, as in `run`.
        modalities: Columns of the CSV file by modality.

    Returns:
        Dict of `path`, `compared` as from `run`, in `exports` a report by the
        path of each export, and in `errors` what is wrong with the others.

    Raises:
        ValueError, TypeError, OSError: If an argument is wrong.
    """
    if modalities and data is None:
        raise ValueError(_NO_DATA)
    places = find_exports(path)
    model = index = examples = None
    if run_folder is not None:
        model, index = _load(run_folder)
        examples = _read_examples(model, data, modalities) if data else None
    elif data is not None:
        raise ValueError(
            "`--data` is for a comparison with Keras. Received: no --model"
        )
    reports, errors = {}, {}
    for place in places:
        try:
            written = export.ExportReport.load(place)
            search = index if "search" in written else None
            reports[str(place)] = export.verify(
                place, model, examples, search=search
            )
        except (ValueError, RuntimeError) as error:
            errors[str(place)] = str(error)
    return {
        "path": str(path),
        "compared": "between batches" if model is None else "against Keras",
        "exports": reports,
        "errors": errors,
    }


def _load(path):
    """The model of a run folder or of a file, and the index, or None."""
    path = checks.path("RUN", path)
    file = path / MODEL if path.is_dir() else path
    if not file.is_file() or file.suffix != ".keras":
        raise FileNotFoundError(
            f"RUN must be a `.keras` file, or a folder that holds {MODEL}. "
            f"Received: {str(path)!r}"
        )
    try:
        if path.is_dir() and (path / INDEX).is_file():
            index = ExactIndex.load(path)
            return index.model, index
        return keras.saving.load_model(file), None
    except TypeError as error:  # A class that nobody has registered.
        raise ValueError(
            "RUN must hold a model of layers that Keras and this package have. "
            "For layers of your own, call `kx.export` where they are imported. "
            f"Received: {file}, {str(error).splitlines()[0][:200]}"
        ) from error


def _read_thumbnails(folder, index):
    """Pictures of the rows of an index by modality, or None."""
    path = pathlib.Path(folder) / THUMBNAILS
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        return read_thumbnails(file, path, index)


def _read_examples(model, path, modalities):
    """Examples of a CSV file that have all modalities, and their ids."""
    towers = {t.name: t for t in find_towers(model)}
    columns = {name: [name] for name in towers} | dict(modalities or {})
    checks.modalities("--modality", columns, towers)
    wanted = {}
    for name, tower in towers.items():
        is_one = tower.raw_kind in ("bytes", "string")
        if is_one and len(columns[name]) > 1:
            raise ValueError(
                f"`--modality` must name one column for {name!r}, which is no "
                f"numbers. Received: {','.join(columns[name])}"
            )
        wanted[name] = columns[name][0] if is_one else columns[name]
    kept = [name for name, t in towers.items() if t.raw_kind == "bytes"]
    rows = datasets.from_csv(path, wanted, files=kept)
    x = {name: [] for name in towers}
    ids = []
    for example in rows.as_numpy_iterator():
        values, item, *weights = example
        if weights and not all(weights[0].values()):
            continue
        for name, value in values.items():
            x[name].append(value)
        ids.append(item)
    if not ids:
        raise ValueError(
            "`--data` must have a row with all modalities. "
            f"Received: {path} without"
        )
    arrays = {}
    for name, tower in towers.items():
        is_one = tower.raw_kind in ("bytes", "string")
        arrays[name] = np.array(x[name], object if is_one else None)
    if not model.modalities:
        (arrays,) = arrays.values()
    return arrays, np.array(ids)


def _some(x):
    """Some hundred of many examples, from all over them."""

    def take(values):
        count = min(len(values), _NUM_REPRESENTATIVE)
        return values[np.linspace(0, len(values) - 1, count).astype(int)]

    return keras.tree.map_structure(take, x)


def format_exports(result: dict) -> str:
    """Format the result of `run` or `verify` as lines of text.

    Args:
        result: Dict that `run` or `verify` returns.

    Returns:
        A line an export.
    """
    lines = []
    for name, report in result["exports"].items():
        size = f"{report['bytes'] / 1e6:.1f} MB"
        if report.get("quantization"):
            size += f" in {report['quantization']}"
        line = (
            f"{name}: {len(report['endpoints'])} signatures, {size}, "
            f"max abs error {report['max_abs_error']:.1e} "
            f"{result['compared']}"
        )
        if "R@1" in report:
            line += f", R@1 {report['R@1_before']:.3f} before, "
            line += f"{report['R@1']:.3f} after"
        lines.append(line)
    for name, error in result.get("errors", {}).items():
        lines.append(f"{name}: error: {error}")
    if "output" in result:
        lines.append(f"Written to {result['output']}/")
    return "\n".join(lines)
