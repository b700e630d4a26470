"""Export to LiteRT (TensorFlow Lite), one file per modality."""

import os
import pathlib
import re
import tempfile

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal.export import archive, report
from keras_xmodal.export.atomic_folder import atomic_folder
from keras_xmodal.export.float32_twin import float32_twin, is_float32
from keras_xmodal.export.saved_model import check_arguments
from keras_xmodal.export.towers import OUTPUT, find_towers
from keras_xmodal.models import EmbeddingModel

_TOLERANCES = {None: 1e-5, "float16": 2e-2, "dynamic": 1e-1}


def litert(
    model: EmbeddingModel,
    path: str | os.PathLike,
    evaluation: tuple[dict[str, np.ndarray], np.ndarray] | None = None,
    quantization: str | None = None,
    *,
    input_signature: dict[str, tf.TensorSpec] | None = None,
    batch_size: int = 256,
    tolerance: float | None = None,
) -> dict:
    """Write LiteRT files that embed one modality each, on a device.

    `path` becomes a folder with `<modality>.tflite` for each modality, which
    is all that a device needs to embed that modality, and `report.json`. The
    file has the signature `embed_<modality>`, whose input is named as the
    modality is and takes preprocessed batches of any size; its output
    `embedding` is float32 `(batch, embedding_dim)`. A model of one tensor
    becomes `model.tflite` with the signature `embed` and the input `x`.

    Only built-in operators are used, since `ai_edge_litert` runs no others.
    Strings are no input of LiteRT's, so the client preprocesses: where the
    preprocessor has a vocabulary, it lies in `<modality>_vocabulary.txt`, the
    token of id n in line n + 1 (an empty first line is the padding), UTF-8,
    and the report holds the preprocessor's configuration.

    A model in mixed or half precision is copied into float32 first. Each file
    is loaded into `ai_edge_litert`, run on single examples and on batches and
    compared with Keras before it appears at `path`; on any failure nothing
    stays there.

    Args:
        model: `EmbeddingModel`.
        path: Folder to create.
        evaluation: Pair `(x, ids)`, as in `kx.export.saved_model`.
        quantization: `None` keeps float32; `"float16"` stores weights in
            float16, half the size; `"dynamic"` stores larger weights in
            8 bits and quantises activations at run time, about a quarter.
        input_signature: Dict by modality of `tf.TensorSpec`, as in
            `kx.export.saved_model`.
        batch_size: Integer, examples run at once in the comparison.
        tolerance: Float, the largest absolute error allowed. It grows with
            the largest value of an embedding if that is above 1. Defaults to
            1e-5, to 2e-2 with `"float16"` or a model in mixed or half
            precision, and to 1e-1 with `"dynamic"`.

    Returns:
        Dict as from `kx.export.saved_model`, with the further key
        `quantization`, and for each endpoint `file`, `bytes`, and
        `vocabulary` (a file) and `preprocessor` (its configuration) where
        there are any. `bytes` counts all files but the report.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If `quantization` is unknown, an encoder needs operators
            that LiteRT lacks, the input of a modality is not known,
            `evaluation` does not fit or embeddings are not finite.
        FileExistsError: If there is something at `path`.
        RuntimeError: If an exported model differs from Keras.

    Example:
        ```python
        import tempfile
        import numpy as np
        from ai_edge_litert.interpreter import Interpreter
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        path = tempfile.mkdtemp() + "/device"
        report = kx.export.litert(model, path)

        interpreter = Interpreter(path + "/text.tflite")
        embed = interpreter.get_signature_runner("embed_text")
        print(embed(text=np.ones((3, 7), "float32"))["embedding"].shape)
        ```
    """
    if quantization not in _TOLERANCES:
        raise ValueError(
            "`quantization` must be None, 'float16' or 'dynamic'. "
            f"Received: quantization={quantization!r}"
        )
    examples, ids = check_arguments(model, path, evaluation, batch_size)
    towers = find_towers(model, examples, input_signature)
    archive.build(model, towers)
    if tolerance is None:
        tolerance = _TOLERANCES[quantization]
        if not is_float32(model):
            tolerance = max(tolerance, 2e-2)
    with (
        atomic_folder(path) as folder,
        tempfile.TemporaryDirectory() as scratch,
    ):
        twin = float32_twin(model, archive.sample_inputs(towers))
        names = [next(iter(tower.endpoints())) for tower in towers]
        functions = {
            name: (tower.function(twin, "tensor"), tower.tensor)
            for name, tower in zip(names, towers, strict=True)
        }
        archive.write_archive(twin, functions, scratch)
        runners, facts = {}, {}
        for name, tower in zip(names, towers, strict=True):
            content = _convert(scratch, name, tower, quantization)
            file = folder / f"{tower.modality or 'model'}.tflite"
            file.write_bytes(content)
            runners[name] = _runner(file, name)
            facts[name] = {
                "file": file.name,
                "bytes": len(content),
                "input": report.describe(tower.tensor),
                **_write_preprocessor(model, tower, folder),
            }
        comparison = report.compare(
            model, towers, runners, (examples, ids), batch_size, tolerance
        )
        for name in names:
            comparison["endpoints"][name].update(facts[name])
        result = {
            "format": "litert",
            "quantization": quantization,
            "bytes": report.total_bytes(folder),
            **comparison,
        }
        return report.write_report(result, folder / "report.json")


def _convert(archive_folder, name, tower, quantization):
    converter = tf.lite.TFLiteConverter.from_saved_model(
        archive_folder, signature_keys=[name]
    )
    # Without the TF operators: they convert, and then run nowhere.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    try:
        return converter.convert()
    except Exception as error:  # The converter's own class is not public.
        found = re.findall(r"\btf\.([A-Z]\w+)", str(error))
        operators = ", ".join(sorted(set(found))) or str(error)
        raise ValueError(
            f"The encoder of {tower.modality or 'x'!r} must only use operators "
            "that LiteRT has built in: an LSTM or GRU needs `unroll=True`, and "
            "texts and ids are looked up by a preprocessor, not an encoder. "
            f"Received: an encoder that needs {operators}"
        ) from error


def _runner(file, name):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=file.read_bytes())
    runner = interpreter.get_signature_runner(name)
    (key,) = runner.get_input_details()

    def run(x):
        return runner(**{key: x})[OUTPUT]

    return run


def _write_preprocessor(model, tower, folder):
    preprocessor = model.preprocessors.get(tower.modality)
    if preprocessor is None:
        return {}
    config = keras.saving.serialize_keras_object(preprocessor)["config"]
    facts = {
        "preprocessor": {
            "class_name": type(preprocessor).__name__,
            "config": {k: v for k, v in config.items() if k != "vocabulary"},
        }
    }
    if hasattr(preprocessor, "get_vocabulary"):
        tokens = [str(token) for token in preprocessor.get_vocabulary()]
        broken = [token for token in tokens if "\n" in token]
        if broken:
            raise ValueError(
                "The vocabulary is written one token per line, so no token may "
                f"hold a line break. Received: tokens {broken[:3]}"
            )
        file = pathlib.Path(folder) / f"{tower.modality}_vocabulary.txt"
        file.write_text("\n".join(tokens) + "\n", "utf-8", newline="\n")
        facts["vocabulary"] = file.name
    return facts
