"""Export to a folder that searches in a browser."""

import os
import pathlib
import shutil
import tempfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks, files
from keras_xmodal.export import litert_js, samples, search_script
from keras_xmodal.export.export_report import ExportReport, write_report
from keras_xmodal.export.litert import litert
from keras_xmodal.export.litert_graph import LiteRTGraph
from keras_xmodal.export.litert_runners import compiled, interpret
from keras_xmodal.export.search_folder import check_index
from keras_xmodal.export.thumbnails import check_thumbnails, write_thumbnails
from keras_xmodal.export.vocabularies import side_by_side
from keras_xmodal.export.web_files import (
    LICENCES,
    write_index,
    write_package,
    write_page,
)

_DTYPES = ("float32", "int32")  # that the page feeds
_NUM_EXAMPLES = 16


def web(
    model: keras.Model,
    index: Any,
    path: str | os.PathLike,
    *,
    thumbnails: dict[str, Any] | None = None,
    title: str = "Search",
    quantization: str | None = "float16",
    data_dir: str | os.PathLike | None = None,
    **options,
) -> ExportReport:
    """Write a folder that searches in a browser, by words and pictures.

    Any server of files serves it, such as `python -m http.server`: the page,
    `index.html`, loads the model and the index, and computes all the rest in
    the browser. What is typed and the pictures that are dropped go nowhere.

    The folder holds LiteRT files of batches of 1, as `kx.export.litert` writes
    them, of the modalities that can be asked with: those preprocessed by an
    `ImagePreprocessor`, a `TextPreprocessor`, or several of the latter side by
    side. The index may hold others too, which are found. `search.js` is a
    module for pages of your own:

    ```javascript
    import { Search } from "./search.js";
    const search = await Search.load();
    const { hits } = await search.findText("a red apple", { k: 5 });
    ```

    (A page of your own needs the import map of `index.html`.) What runs the
    files, LiteRT.js, is fetched from npm, 11 MB, and kept in `data_dir`:
    @litertjs/core and @litertjs/wasm-utils (Apache-2.0). Without a connection,
    put the packages there; the error says which.

    Each file is run and compared with Keras before the folder appears.

    Args:
        model: `EmbeddingModel`.
        index: `kx.retrieval.ExactIndex` of the model's embeddings. Ids are
            shown as text.
        path: Folder to create.
        thumbnails: Dict by modality of the index of pictures to show for its
            rows: one for each row, in the order in which they were added.
            Arrays of shape `(height, width, channels)`, integers from 0 to 255
            or floats in [0, 1], or paths or bytes of picture files. Rows of
            other modalities show the picture of the same id. `None`: ids only.
        title: String, of the page.
        quantization: As in `kx.export.litert`; if not `None`, the rows of the
            index are float16. A browser loads 102 MB of the demo's model and
            index in float32, 56 with `"float16"`, and 35 with `"dynamic"` or
            `"int8"`, which need the extra `quantization`.
        data_dir: Folder of packages, as in `kx.datasets.fetch`. `None` is
            `~/.cache/keras_xmodal`.
        **options: Further arguments of `kx.export.litert`, such as
            `evaluation` and `representative`.

    Returns:
        Report as from `kx.export.litert`, of the endpoints that the page runs.
        `bytes` counts all files but the report and its card, `download_bytes`
        what a browser loads before the first query. `files` has the bytes of
        each file by name, `index` by modality its number of `rows`, their
        `dim` and `dtype`, the files of its `embeddings` and `ids`, and where
        there are any its `thumbnails`; `litert_js` is the version.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a `TextPreprocessor` has no `sequence_length`, which
            LiteRT.js needs, `thumbnails` do not fit, or as
            `kx.export.litert` does.
        FileNotFoundError: If npm is missing, and the package too.
        ConnectionError: If the package cannot be fetched.
        ImportError: If an extra is missing.
        FileExistsError: If there is something at `path`.
        RuntimeError: If an exported model differs from Keras.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        texts = kx.networks.TextPreprocessor(sequence_length=4)
        texts.adapt(["red apple", "green pear"])
        words = keras.Sequential(
            [
                keras.Input((4,), dtype="int32"),
                keras.layers.Embedding(texts.vocabulary_size(), 8),
                keras.layers.GlobalAveragePooling1D(),
            ]
        )
        pictures = keras.Sequential(
            [keras.Input((8, 8, 3)), keras.layers.Flatten()]
        )
        model = kx.EmbeddingModel(
            encoders={"text": words, "image": pictures},
            embedding_dim=3,
            preprocessors={
                "text": texts,
                "image": kx.networks.ImagePreprocessor((8, 8)),
            },
        )
        x = {"image": np.random.randint(0, 256, (2, 20, 30, 3), "uint8")}
        index = kx.retrieval.ExactIndex(model)
        index.add(x, ids=["apple", "pear"])
        # kx.export.web(model, index, "page", thumbnails=x)
        # python -m http.server --directory page
        ```
    """
    checks.serving_model("model", model)
    if "search" in options:
        raise TypeError(
            "The index must be the second argument, `index`. "
            "Received: `search` too"
        )
    check_index(index)
    pictures = check_thumbnails(index, thumbnails)
    checks.string("title", title)
    given = options.pop("input_signature", None) or {}
    signature = {**_text_signature(model), **given}
    files.check_new(path)
    package = litert_js.read(data_dir)
    with (
        files.new_folder(path) as folder,
        tempfile.TemporaryDirectory() as temporary,
    ):
        source = pathlib.Path(temporary) / "litert"
        facts = litert(
            model,
            source,
            quantization=quantization,
            search=index,
            input_signature=signature,
            **options,
        )
        written = search_script.Search(source)
        asked = {
            name: endpoint
            for name, endpoint in written.endpoints.items()
            if "tokenizers" in endpoint or search_script.image_size(endpoint)
        }
        for name, endpoint in asked.items():
            _write_tower(model, written, name, folder)
            for file in endpoint.get("vocabularies", ()):
                shutil.copyfile(source / file, folder / file)
        rows = write_index(
            written, "float32" if quantization is None else "float16", folder
        )
        for number, name in enumerate(rows):
            if name in pictures:
                rows[name]["thumbnails"] = write_thumbnails(
                    pictures[name], folder, number
                )
        write_package(package, folder)
        write_page(title, folder)
        result = _describe(facts, asked, rows, folder)
        return write_report(result, folder)


def _text_signature(model):
    """Inputs of texts, of the lengths that their preprocessors give."""
    signature = {}
    for name, preprocessor in getattr(model, "preprocessors", {}).items():
        layers = side_by_side(preprocessor)
        if layers is None:
            continue
        lengths = [layer.sequence_length for layer in layers]
        if None in lengths:
            raise ValueError(
                "A `TextPreprocessor` must have a `sequence_length`, since "
                "LiteRT.js takes inputs of one size only. Received: "
                f"sequence_length=None of modality {name!r}"
            )
        shape = (None, sum(lengths))
        signature[name] = tf.TensorSpec(shape, tf.int32, name)
    return signature


def _write_tower(model, written, name, folder):
    """Write a file for batches of 1, and run it beside the one it is of."""
    endpoint = written.endpoints[name]
    inputs = endpoint["input"]
    if None in inputs["shape"][1:] or inputs["dtype"] not in _DTYPES:
        raise ValueError(
            f"The input of {name!r} must have a fixed size and a dtype of "
            f"{list(_DTYPES)}. Received: {inputs}"
        )
    source = written.folder / endpoint["file"]
    graph = LiteRTGraph(source.read_bytes())
    graph.fix_batch()
    file = folder / endpoint["file"]
    file.write_bytes(graph.to_bytes())
    if "tokenizers" in endpoint:
        texts = samples.texts(model.preprocessors[name], _NUM_EXAMPLES)
        x = written.tokenize(texts.tolist(), name)
    else:
        shape = (_NUM_EXAMPLES, *inputs["shape"][1:])
        x = np.random.default_rng(0).random(shape, "float32")
    expected = interpret(source, endpoint["name"])({name: x})["embedding"]
    run, run_compiled = (
        runner(file, endpoint["name"]) for runner in (interpret, compiled)
    )
    for row, value in zip(
        x[:, np.newaxis], expected[:, np.newaxis], strict=True
    ):
        found = run({name: row})
        again = run_compiled({name: row}, found)
        for received in (found, again):
            if received is None or not np.allclose(
                received["embedding"], value, 1e-4, 1e-5
            ):
                raise RuntimeError(
                    f"{endpoint['file']!r} must give the same for batches of 1 "
                    f"as for others. Received: {received}, not {value}"
                )


def _describe(facts, asked, rows, folder):
    """The report, of what the page runs."""
    endpoints = {}
    for endpoint in asked.values():
        fact = dict(facts["endpoints"][endpoint["name"]])
        fact["bytes"] = (folder / endpoint["file"]).stat().st_size
        del fact["compiled_model_batch_sizes"]
        endpoints[endpoint["name"]] = fact
    sizes = {
        file.relative_to(folder).as_posix(): file.stat().st_size
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    later = {
        f"{litert_js.FOLDER}/{name}"
        for name in (*litert_js.COMPATIBLE, *LICENCES)
    }
    for fact in rows.values():
        later |= set(fact.get("thumbnails", {"files": ()})["files"])
    return {
        **facts,
        "format": "web",
        "litert_js": litert_js.VERSION,
        "bytes": sum(sizes.values()),
        "download_bytes": sum(
            size for file, size in sizes.items() if file not in later
        ),
        "endpoints": endpoints,
        "index": rows,
        "files": sizes,
    }
