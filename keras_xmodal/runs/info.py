"""`keras-xmodal info`: what is in a run folder or a `.keras` file."""

import json
import pathlib
import zipfile
from typing import Any

from keras_xmodal import checks, files
from keras_xmodal.retrieval.storage import MODEL
from keras_xmodal.runs import items as items_lib
from keras_xmodal.runs.evaluate import format_retrieval
from keras_xmodal.runs.items import ITEMS
from keras_xmodal.runs.run import GENERATOR, NAMES, REPORT, read_report
from keras_xmodal.runs.unfinished import unfinished

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights"
_MOST_BYTES = 2**28  # of a config, once decompressed


def run(path: str) -> dict:
    """Read what a run folder or a file says of itself; no model is built.

    Args:
        path: Run folder, or `.keras` file.

    Returns:
        Dict of `path` and `model`; of a run also `generator` where it has one,
        `kinds`, `rows` by modality, `bytes` by file, and what `report.json`
        says: `data`, `seed`, `plan`, `retrieval`, `generation`, `seconds`,
        `versions`.

    Raises:
        FileNotFoundError: If it is neither, or a training not at its end.
        ValueError: If a file is damaged, or of a later release.
    """
    place = checks.path("path", path)
    if place.is_file() and place.suffix == ".keras":
        with open(place, "rb") as file:
            return {"path": str(path), "model": read_model(file, place)}
    names = (*NAMES, GENERATOR)
    with files.snapshot(place, names) as opened:
        output = None if MODEL in opened else unfinished(place)
        if output is not None:
            raise FileNotFoundError(
                "`info` takes a run folder, and this training is not at its "
                "end: go on with it by `keras-xmodal train --resume "
                f"{output}`. Received: {path}"
            )
        if MODEL not in opened:
            raise FileNotFoundError(
                f"`info` takes a `.keras` file, or a folder that holds {MODEL}."
                f" Received: {path}"
            )
        report = read_report(opened.get(REPORT), place / REPORT)
        items: dict[str, Any] = {}
        if ITEMS in opened:
            items = items_lib.read_items(opened[ITEMS], place / ITEMS)
        models = {"model": read_model(opened[MODEL], place / MODEL)}
        if GENERATOR in opened:
            models["generator"] = read_model(
                opened[GENERATOR], place / GENERATOR
            )
    told = report.get("modalities") or {}
    return {
        "path": str(path),
        **models,
        "kinds": {name: entry.get("kind") for name, entry in told.items()},
        "rows": {name: len(known) for name, known in items.items()},
        "bytes": {
            name: (place / name).stat().st_size
            for name in names
            if (place / name).is_file()
        },
        **{
            name: report[name]
            for name in (
                *("data", "seed", "epochs", "plan", "retrieval"),
                *("generation", "seconds", "versions"),
            )
            if name in report
        },
    }


def read_model(file, path: pathlib.Path) -> dict:
    """Read what an open `.keras` file says of its model, which is not built.

    Args:
        file: Open binary file.
        path: Its path, for errors.

    Returns:
        Dict of `class`, `keras` (the version), `saved`, `modalities` with the
        classes of their preprocessors and encoders, `parameters`, `bytes` and
        `compiled`; of a generator also `takes` and `makes`, of modalities.

    Raises:
        ValueError: If it is no whole `.keras` file.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            config, metadata = (
                _read_json(archive, name) for name in (_CONFIG, _METADATA)
            )
            parameters = _count(archive)
            size = sum(part.file_size for part in archive.infolist())
        return {
            "class": config["class_name"],
            "keras": metadata.get("keras_version"),
            "saved": metadata.get("date_saved"),
            "modalities": _modalities(config["config"]),
            **_takes_and_makes(config["config"]),
            "embedding_dim": config["config"].get("embedding_dim"),
            "parameters": parameters,
            "bytes": size,
            "compiled": bool(config.get("compile_config")),
        }
    except (
        *(zipfile.BadZipFile, KeyError, TypeError, AttributeError),
        *(ValueError, OSError, EOFError, NotImplementedError, RecursionError),
    ) as error:
        raise ValueError(
            f"The file must be a readable `.keras` file. Received: {path}, "
            f"where {error or type(error).__name__}"
        ) from error


def _read_json(archive, name):
    if archive.getinfo(name).file_size > _MOST_BYTES:
        raise ValueError(f"{name} has more than {_MOST_BYTES} bytes")
    return json.loads(archive.read(name))


def _modalities(config):
    """Classes of the layers of each modality, by argument."""
    found = {}
    for argument in ("preprocessors", "encoders", "decoders"):
        for name, layer in (config.get(argument) or {}).items():
            kind = layer["class_name"]
            found.setdefault(name, {})[argument.removesuffix("s")] = kind
    if isinstance(config.get("input_dim"), dict):
        for name, size in config["input_dim"].items():
            found.setdefault(name, {})["input_dim"] = size
    return found


def _takes_and_makes(config):
    """Names of the modalities that a generator takes, and that it makes."""
    if config.get("target"):
        taken = config.get("condition")
        return {"takes": [taken] if taken else [], "makes": [config["target"]]}
    if config.get("decoders"):
        return {
            "takes": list(config.get("encoders") or ()),
            "makes": list(config["decoders"]),
        }
    return {}


def _count(archive):
    """Number of weights of the layers, or None where a file cannot say it."""
    import h5py

    names = [n for n in archive.namelist() if n.startswith(_WEIGHTS)]
    if len(names) != 1 or not names[0].endswith(".h5"):
        return None
    total = 0

    def add(name, node):
        nonlocal total
        if isinstance(node, h5py.Dataset) and not name.startswith("optimizer"):
            total += node.size

    with archive.open(names[0]) as file, h5py.File(file, "r") as weights:
        weights.visititems(add)
    return total


def format_info(result: dict) -> str:
    """Format the result of `run` as lines of text.

    Args:
        result: Dict that `run` returns.

    Returns:
        Lines of text.
    """
    model = result["model"]
    lines = [f"{result['path']}: {_line(model)}"]
    kinds, rows = result.get("kinds", {}), result.get("rows", {})
    for name, layers in model["modalities"].items():
        parts = [f"{part} {what}" for part, what in layers.items()]
        if kinds.get(name, name) != name:
            parts.insert(0, kinds[name])
        if name in rows:
            parts.append(f"{rows[name]:,} in the index")
        lines.append(f"  {name}: {', '.join(parts)}")
    if "generator" in result:
        lines.append(f"generator: {_line(result['generator'])}")
    if "data" in result:
        facts = [f"{k} {v}" for k, v in result["data"].items() if k != "path"]
        lines.append(
            f"trained on {result['data'].get('path')}: {', '.join(facts)}"
        )
    if "versions" in result:
        known = result["versions"].items()
        lines.append("with " + ", ".join(f"{k} {v}" for k, v in known))
    lines += [f"{what}: {choice}, {why}" for what, choice, why in _plan(result)]
    for split, directions in result.get("retrieval", {}).items():
        if directions:
            lines += ["", f"{split}:", *format_retrieval(directions)]
    for split, directions in result.get("generation", {}).items():
        if directions:
            lines += ["", f"{split}, drawn:", *format_retrieval(directions)]
    return "\n".join(lines)


def _line(model):
    count = model["parameters"]
    size = "" if count is None else f"{count:,} weights, "
    line = f"{model['class']}, {size}{model['bytes'] / 1e6:.1f} MB, "
    if "makes" in model:
        taken = " or ".join(model["takes"]) or "nothing"
        line += f"makes {' or '.join(model['makes'])} of {taken}, "
    return f"{line}saved {model['saved']} by Keras {model['keras']}"


def _plan(result):
    steps = result.get("plan") or []
    return [step for step in steps if len(step) == 3]
