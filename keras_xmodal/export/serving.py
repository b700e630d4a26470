"""Export to all that TensorFlow Serving needs."""

import os
import pathlib
import re
import shutil

import keras
import tensorflow as tf

from keras_xmodal import checks, files
from keras_xmodal.export import model_repository, report, requests, warm_up
from keras_xmodal.export.example import find_examples
from keras_xmodal.export.export_report import ExportReport
from keras_xmodal.export.saved_model import saved_model

_NAME = re.compile("[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?")


def serving(
    model: keras.Model | str | os.PathLike,
    path: str | os.PathLike,
    *,
    name: str = "model",
    version: int = 1,
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32),
    num_cpus: int = 4,
    image: str = "tensorflow/serving:2.20.0",
    **options,
) -> ExportReport:
    """Write a folder that TensorFlow Serving serves a model from.

    It holds:

    - `<name>/<version>/`, the SavedModel, as `kx.export.saved_model` writes
      it, with warm-up records in `assets.extra/tf_serving_warmup_requests`:
      a server runs each signature at each of `batch_sizes` before it answers
      the first request;
    - `models.config`, `batching.config` (requests of several clients are
      computed together, padded to one of `batch_sizes`) and
      `monitoring.config` (metrics for Prometheus);
    - `docker-compose.yaml`, `Dockerfile` and `kubernetes.yaml`, with probes
      and resources;
    - `README.md`, with a request by curl and by Python for each signature.

    `kx.serving.Client` asks the server. Where `path` is such a folder already,
    the new version, or the new model, joins it: `<name>/<version>/` appears in
    one step, so that a running server may watch the folder, `models.config`
    gets the name if it lacks it, `README.md` is written anew, and the other
    files stay, as they may have been changed by hand.

    This needs `pip install 'keras-xmodal[serving]'`.

    Args:
        model: Any model of this package, or the path of a SavedModel that
            `kx.export.saved_model` wrote.
        path: Folder to create, or to add to.
        name: String of ASCII letters, digits, `-` and `_`, by which clients
            ask for the model.
        version: Integer, the number of this version. A server takes the
            highest one.
        batch_sizes: Tuple of integers, increasing: the sizes that batches are
            padded to and warmed up at. The last one is the largest batch.
        num_cpus: Integer, the cores that a server is given.
        image: String, the Docker image of the server.
        **options: Further arguments of `kx.export.saved_model`, such as
            `evaluation`; of a path there are none.

    Returns:
        Dict as from `kx.export.saved_model`, with the further keys `name`,
        `version`, `batch_sizes` and `num_warm_up_records`; `bytes` counts the
        files of this version. `tensorflow` is the version that wrote the file,
        `tensorflow_serving` those that read it.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a value is not allowed, the SavedModel is none of
            `kx.export.saved_model`, there are more than 1,000 warm-up records,
            or as `kx.export.saved_model` does.
        FileExistsError: If there is this version, or something else than such
            a folder at `path`.
        ImportError: If the messages of TensorFlow Serving are not installed.

    Example:
        ```python
        import tempfile
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        path = tempfile.mkdtemp() + "/server"
        report = kx.export.serving(model, path, name="vectors")
        print(report["tensorflow_serving"])  # >=2.20
        print(report["num_warm_up_records"])  # 18: 3 signatures, 6 sizes

        kx.export.serving(model, path, name="vectors", version=2)
        ```
    """
    checks.string("name", name)
    if not _NAME.fullmatch(name):
        raise ValueError(
            "`name` must be of ASCII letters, digits, '-' and '_', and begin "
            f"and end with a letter or digit. Received: name={name!r}"
        )
    checks.positive_integer("version", version)
    batch_sizes = checks.increasing_integers("batch_sizes", batch_sizes)
    checks.positive_integer("num_cpus", num_cpus)
    if not re.fullmatch(r"\S+", checks.string("image", image)):
        raise ValueError(
            "`image` must be the name of a Docker image, without spaces. "
            f"Received: image={image!r}"
        )
    warm_up.import_messages()
    if isinstance(model, (str, os.PathLike)):
        model = _check_saved_model(model, options)
    place = checks.path("path", path)
    if model_repository.is_repository(place):
        with files.new_folder(place / name / str(version)) as folder:
            result = _write_version(
                model, folder, name, version, batch_sizes, options
            )
        model_repository.add_model(place, name)
        return result
    with files.new_folder(path) as repository:
        folder = repository / name / str(version)
        folder.mkdir(parents=True)
        result = _write_version(
            model, folder, name, version, batch_sizes, options
        )
        model_repository.write_files(
            repository, name, image, num_cpus, batch_sizes
        )
    return result


def _check_saved_model(path, options):
    """The path of a SavedModel of ours, with its report."""
    if options:
        raise ValueError(
            "A SavedModel must come without the arguments of its export. "
            f"Received: {sorted(options)}"
        )
    folder = checks.path("model", path)
    try:
        known = ExportReport.load(folder)["format"] == "saved_model"
    except ValueError:
        known = False
    if not known:
        raise ValueError(
            "`model` must be a model, or the path of a SavedModel that this "
            "version's `kx.export.saved_model` wrote. "
            f"Received: model={str(folder)!r}"
        )
    return folder


def _write_version(model, folder, name, version, batch_sizes, options):
    folder.rmdir()  # Both write a folder of their own.
    if isinstance(model, pathlib.Path):
        shutil.copytree(model, folder)
    else:
        saved_model(model, folder, **options)
    facts = ExportReport.load(folder)
    loaded = tf.saved_model.load(str(folder))
    described = [
        value
        for endpoint in facts["endpoints"].values()
        for value in endpoint["inputs"]
    ]
    strings = {v["name"]: v["holds"] for v in described if "holds" in v}
    pictures = {v["name"]: v["shape"] for v in described if len(v["shape"]) > 3}
    examples = {
        key: find_examples(signature, strings, pictures)
        for key, signature in loaded.signatures.items()
    }
    count = warm_up.write_warm_up(
        folder, name, version, loaded.signatures, examples, batch_sizes
    )
    requests.write_requests(folder, name, version, loaded.signatures, examples)
    return ExportReport(
        {
            **facts,
            "format": "serving",
            "name": name,
            "version": version,
            "batch_sizes": list(batch_sizes),
            "num_warm_up_records": count,
            "bytes": report.total_bytes(folder),
        }
    )
