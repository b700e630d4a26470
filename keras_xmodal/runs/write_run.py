"""Writing of a run folder, all of it or nothing."""

import os
import pathlib
import platform

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks, files
from keras_xmodal._version import __version__
from keras_xmodal.retrieval import ExactIndex
from keras_xmodal.retrieval.storage import INDEX, MODEL
from keras_xmodal.runs import items as items_lib
from keras_xmodal.runs import raw
from keras_xmodal.runs.items import ITEMS, THUMBNAILS
from keras_xmodal.runs.parts import encode_items
from keras_xmodal.runs.run import FORMAT, GENERATOR, REPORT


def write_run(
    path: str | os.PathLike,
    model: keras.Model,
    items: dict[str, dict[str, dict]],
    report: dict,
    *,
    index: ExactIndex | None = None,
    thumbnails: dict[str, np.ndarray] | None = None,
    generator: keras.Model | None = None,
    overwrite: bool = False,
) -> None:
    """Write a run folder, which `keras-xmodal search` and others read.

    It holds `model.keras`, `index.npz`, `items.json`, `report.json`, and where
    there are any `thumbnails.npz` and `generator.keras`. It appears when all is
    written.

    Args:
        path: Path of the folder.
        model: `kx.EmbeddingModel`, with its preprocessors.
        items: Dict `{modality: {id: entry}}` of what can be found. An entry is
            a dict: `"file"`, a path, absolute or relative to the folder, or
            `"text"` or `"numbers"`, by the kind of the modality; `"item"`, the
            item that it shows; and `"captions"`, the texts of that.
        report: Dict to write as `report.json`. Its `"modalities"` say
            `{modality: {"kind": ..., "columns": [...]}}` of each modality of
            the model, a kind being one of `"image"`, `"text"`, `"speech"`,
            `"video"` and `"numbers"`. `"format"` and `"versions"` are added.
        index: `kx.retrieval.ExactIndex` of the items, with their ids. Defaults
            to one that is made of what the entries name.
        thumbnails: Dict `{modality: uint8 array (rows, height, width, 3)}` of
            the rows of an `index`. Defaults to small pictures of the files.
        generator: `kx.GANModel` or `kx.VAEModel` of the same modalities, or
            None.
        overwrite: Whether to replace a folder that is there.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If a kind is unknown, the index has other ids than the
            items, or a file of them is broken.
        FileExistsError: If the folder exists and is not to be replaced.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"color": 3, "taste": 2}, 4)
        model.encode({"color": np.eye(3), "taste": np.ones((3, 2))})
        cherry = {"numbers": [0.9, 0.1, 0.2], "item": "cherry", "captions": []}
        numbers = {"kind": "numbers", "columns": []}
        kx.runs.write_run(
            "fruit",
            model,
            {"color": {"cherry": cherry}},
            {"modalities": {"color": numbers, "taste": numbers}},
        )
        run = kx.runs.Run.load("fruit")
        print(run.search({"taste": [0.9, 0.3]}))
        ```
    """
    overwrite = checks.boolean("overwrite", overwrite)
    kinds = _check_kinds(model, report)
    checks.modalities("items", items, kinds)
    with files.new_folder(path, replace=overwrite) as folder:
        fill(
            folder,
            model,
            items,
            report,
            index=index,
            thumbnails=thumbnails,
            generator=generator,
            kinds=kinds,
        )


def check_output(path: pathlib.Path, overwrite: bool) -> None:
    """Check that a run can be written: nothing is there, or an earlier run."""
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise FileExistsError(
            "`--output` must not exist yet; name another folder or pass "
            f"`--overwrite`. Received: {path}"
        )
    if not (path / REPORT).is_file():
        raise FileExistsError(
            "`--overwrite` replaces the folder of an earlier run only. "
            f"Received: {path}, which holds no {REPORT}"
        )


def fill(
    folder: pathlib.Path,
    model,
    items,
    report,
    *,
    index=None,
    thumbnails=None,
    generator=None,
    kinds=None,
    quiet=True,
) -> dict:
    """Write the files of a run into a folder that is there.

    Args:
        folder: Such as `files.new_folder` gives.
        model: As of `write_run`.
        items: As of `write_run`.
        report: As of `write_run`.
        index: As of `write_run`.
        thumbnails: As of `write_run`.
        generator: As of `write_run`.
        kinds: Kind of each modality. Defaults to those of the report.
        quiet: Whether to leave the progress bar out.

    Returns:
        The report, as it is written.
    """
    kinds = kinds or _check_kinds(model, report)
    if index is None:
        encoded = encode_items(model, items, kinds, folder, quiet=quiet)
        thumbnails = encoded.thumbnails if thumbnails is None else thumbnails
        index = ExactIndex(model)
        for name, rows in encoded.embeddings.items():
            index.add(rows, list(items[name]), modality=name)
    _check_ids(items, index)
    model.save(folder / MODEL)
    write_index(folder, index, items, thumbnails)
    if generator is not None:
        generator.save(folder / GENERATOR)
    report = {"format": FORMAT, **report, "versions": versions()}
    (folder / REPORT).write_bytes(items_lib.to_json(report))
    return report


def write_index(folder, index, items, thumbnails):
    """Write an index and what its rows show, into a folder that is there."""
    index._write(folder / INDEX)
    (folder / ITEMS).write_bytes(items_lib.to_json(items))
    if thumbnails:
        np.savez_compressed(folder / THUMBNAILS, **thumbnails)


def versions() -> dict[str, str]:
    """Versions that a run depends on."""
    return {
        "keras_xmodal": __version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
    }


def _check_kinds(model, report):
    checks.serving_model("model", model)
    checks.instance_of("report", report, dict, "a dict")
    told = checks.instance_of(
        "report['modalities']",
        report.get("modalities"),
        dict,
        "a dict {modality: {'kind': ..., 'columns': [...]}}",
    )
    checks.modalities("report['modalities']", told, model.modalities, True)
    return {
        name: checks.one_of(
            f"report['modalities'][{name!r}]['kind']",
            told[name].get("kind"),
            raw.KINDS,
        )
        for name in model.modalities
    }


def _check_ids(items, index):
    other = items_lib.mismatch(items, index)
    if other:
        raise ValueError(
            "`items` must have the ids of the rows of the index. "
            f"Received: {other}"
        )
