"""The files around the models of a server."""

import json
import pathlib
import string

from keras_xmodal import files
from keras_xmodal._version import __version__
from keras_xmodal.export import report, requests

_MODELS = "models.config"
_TEMPLATES = pathlib.Path(__file__).parent / "templates"
_LIBRARY = 512 * 2**20  # bytes that a server has resident without a model
_FLAGS = (
    "--model_config_file=/models/models.config",
    "--model_config_file_poll_wait_seconds=60",
    "--enable_batching=true",
    "--batching_parameters_file=/models/batching.config",
    "--monitoring_config_file=/models/monitoring.config",
)


# And the indentation of the server's flags in them.
_FILES = {
    "batching.config": 0,
    "monitoring.config": 0,
    "docker-compose.yaml": 6,
    "Dockerfile": 0,
    "kubernetes.yaml": 12,
}


def is_repository(path):
    """Whether `write_files` has written a folder."""
    return (path / _MODELS).is_file()


def write_files(folder, name, image, num_cpus, batch_sizes):
    """Write all files of a new folder that holds one model."""
    model_bytes = report.total_bytes(folder)
    # Two versions are loaded while one takes the other's place.
    request = (_LIBRARY + 3 * model_bytes) // 2**20
    values = {
        "model": name,
        "service": _service(name),
        "image": image,
        "num_cpus": num_cpus,
        "memory_request": request,
        "memory_limit": 2 * request,
        "max_batch_size": batch_sizes[-1],
        "allowed_batch_sizes": "\n".join(
            f"allowed_batch_sizes: {size}" for size in batch_sizes
        ),
    }
    for file, indent in _FILES.items():
        flags = "\n".join(f'{" " * indent}- "{flag}"' for flag in _FLAGS)
        text = _template(file).substitute(values, flags=flags)
        (folder / file).write_text(text, "utf-8")
    _write_models_config(folder, name)
    _write_readme(folder)


def add_model(folder, name):
    """Tell the files of a folder of a model, or a version, that joined it."""
    _write_models_config(folder, name)
    _write_readme(folder)


def _service(name):
    """A name as Docker and Kubernetes take it."""
    return f"{name.lower().replace('_', '-')}-serving"


def _template(file):
    return string.Template((_TEMPLATES / file).read_text("utf-8"))


def _write_models_config(folder, name):
    """Add a model; what is said of others, and of this one, stays."""
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    config = model_server_config_pb2.ModelServerConfig()
    if is_repository(folder):
        text_format.Parse((folder / _MODELS).read_text("utf-8"), config)
    models = config.model_config_list.config
    if name in [model.name for model in models]:
        return
    model = models.add()
    model.name = name
    model.base_path = f"/models/{name}"
    model.model_platform = "tensorflow"
    model.model_version_policy.latest.num_versions = 1
    text = text_format.MessageToString(config)
    files.write(folder / _MODELS, text.encode())


def _write_readme(folder):
    newest = {}
    for file in folder.glob(f"*/*/assets.extra/{requests.FILE}"):
        version, name = file.parts[-3], file.parts[-4]
        if version.isdigit():
            newest.setdefault(name, []).append((int(version), file))
    models = [max(found)[1] for _, found in sorted(newest.items())]
    facts = json.loads((models[0].parent / "report.json").read_text("utf-8"))
    text = _template("README.md").substitute(
        facts,
        library_version=__version__,
        model=models[0].parts[-4],
        service=_service(models[0].parts[-4]),
        flags=" \\\n        ".join(
            flag.replace("=/models/models", "=/tmp/models").replace(
                "=/models/", "="
            )
            for flag in _FLAGS
        ),
        models="\n".join(file.read_text("utf-8") for file in models),
    )
    files.write(folder / "README.md", text.encode())
