"""Exported models in KServe."""

import os
from typing import Any

from keras_xmodal import checks


def kserve_model(
    path: str | os.PathLike,
    name: str = "model",
    batch_sizes: tuple[int, ...] | None = None,
) -> Any:
    """Make a model of KServe's from a SavedModel.

    KServe is a server, but runs no model by itself. This one answers its
    protocols V1 and V2 over REST and V2 over gRPC, from a SavedModel that
    `kx.export.saved_model` or `kx.export.serving` wrote; warm-up records are
    run while it is loaded.

    - V1: `{"signature_name": ..., "instances": [{input: value, ...}, ...]}`,
      as TensorFlow Serving takes it, gives `{"predictions": [{output: value,
      ...}, ...]}`; `"inputs": {input: [value, ...]}` gives `"outputs"`. Bytes
      are `{"b64": "..."}`.
    - V2: the signature is the parameter `signature_name` of the request. Over
      REST, bytes that are no text go in base64, with the parameter
      `content_type` `"base64"` of their input. KServe's binary extension
      takes texts only, and answers 500 to a shape that does not fit, before
      the model sees it.

    Without a signature's name, `serving_default` answers, which the metadata
    describe. What does not fit is refused with 400 (`INVALID_ARGUMENT`) and
    the rule: unknown names, another dtype or shape, no rows, NaN, a broken
    file.

    It needs `pip install 'keras-xmodal[kserve]'`, best in an environment of
    its own, for KServe wants older versions of some packages.

    Args:
        path: Folder of the SavedModel, or one of numbered versions, of which
            the highest is taken.
        name: String, the name that clients ask for.
        batch_sizes: Tuple of integers, increasing: requests that come within
            a millisecond are computed together, by TensorFlow's own scheduler,
            padded to one of these numbers of examples. It pays for models
            that compute for long. By default each is computed on its own. One
            that is wrong fails on its own in either case.

    Returns:
        A `kserve.Model`, loaded, for `kserve.ModelServer().start([...])`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If there is no SavedModel at `path`.
        ImportError: If KServe is not installed.

    Example:
        ```python
        import importlib.util
        import tempfile
        import keras_xmodal as kx

        path = tempfile.mkdtemp() + "/vectors/1"
        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        kx.export.saved_model(model, path)

        if importlib.util.find_spec("kserve"):
            import kserve

            served = kx.serving.kserve_model(path, "vectors")
            kserve.ModelServer().start([served])
        ```
    """
    folder = checks.path("path", path)
    checks.string("name", name)
    if batch_sizes is not None:
        batch_sizes = checks.increasing_integers("batch_sizes", batch_sizes)
    versions = [
        child
        for child in (folder.iterdir() if folder.is_dir() else ())
        if child.name.isdigit() and (child / "saved_model.pb").is_file()
    ]
    if versions:
        folder = max(versions, key=lambda child: int(child.name))
    if not (folder / "saved_model.pb").is_file():
        raise ValueError(
            "`path` must be the folder of a SavedModel, or of numbered ones. "
            f"Received: path={str(folder)!r}"
        )
    try:
        from keras_xmodal.serving.kserve_adapter import KServeAdapter
    except ImportError as error:
        raise ImportError(
            "`kx.serving.kserve_model` needs KServe: "
            "pip install 'keras-xmodal[kserve]'"
        ) from error
    model = KServeAdapter(name, folder, batch_sizes)
    model.load()
    return model
