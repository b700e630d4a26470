"""Export to LiteRT (TensorFlow Lite), one file per part of a model."""

import os
import pathlib
import re
import tempfile

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks, files
from keras_xmodal.export import archive, report
from keras_xmodal.export.float32_twin import float32_twin, is_float32
from keras_xmodal.export.saved_model import check_arguments
from keras_xmodal.export.signatures import find_signatures
from keras_xmodal.export.towers import find_towers

_TOLERANCES = {None: 1e-5, "float16": 2e-2, "dynamic": 1e-1}


def litert(
    model: keras.Model,
    path: str | os.PathLike,
    evaluation: tuple[dict[str, np.ndarray], np.ndarray] | None = None,
    quantization: str | None = None,
    *,
    input_signature: dict[str, tf.TensorSpec] | None = None,
    batch_size: int = 256,
    tolerance: float | None = None,
) -> dict:
    """Write LiteRT files, each of which does one thing on a device.

    Of an `EmbeddingModel`, `path` becomes a folder with `<modality>.tflite`
    for each modality, which is all that a device needs to embed that modality,
    and `report.json`. The file has the signature `embed_<modality>`, whose
    input is named as the modality is and takes preprocessed batches of any
    size; its output `embedding` is float32 `(batch, embedding_dim)`. A model
    of one tensor becomes `model.tflite` with the signature `embed` and the
    input `x`.

    Of a `VAEModel`, each signature that `kx.export.saved_model` describes, on
    preprocessed input, has a file of its name: `encode_<modality>.tflite`,
    `decode_<modality>.tflite`, `translate_<source>_to_<target>.tflite` and
    `encode_all.tflite`. There a translation takes `noise`, float32 `(batch,
    latent_dim)`, in place of a seed: zeros give the translation at the mean
    of `q(z|x_source)`, standard normal numbers a sample.

    Of a `GANModel`, there are `generate.tflite`, from the condition and a seed
    for each row, and `generate_from_z.tflite`.

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
        model: Any model of this package.
        path: Folder to create.
        evaluation: Pair `(x, ids)`, as in `kx.export.saved_model`.
        quantization: `None` keeps float32; `"float16"` stores weights in
            float16, half the size; `"dynamic"` stores larger weights in
            8 bits and quantises activations at run time, about a quarter.
        input_signature: Dict by modality of `tf.TensorSpec`, as in
            `kx.export.saved_model`.
        batch_size: Integer, examples run at once in the comparison.
        tolerance: Float, the largest absolute error allowed. It grows with
            the largest value of an output if that is above 1. Defaults to
            1e-5, to 2e-2 with `"float16"` or a model in mixed or half
            precision, and to 1e-1 with `"dynamic"`.

    Returns:
        Dict as from `kx.export.saved_model`, with the further key
        `quantization`, and for each endpoint `file`, `bytes`, and
        `vocabulary` (a file) and `preprocessor` (its configuration) of the
        modality that it takes and `output_vocabulary` of the one that it
        generates, where there are any. `bytes` counts all files but the
        report.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If `quantization` is unknown, a network needs operators
            that LiteRT lacks, the input of a modality is not known,
            `evaluation` does not fit or the model's outputs are not finite.
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
    checks.one_of("quantization", quantization, _TOLERANCES)
    examples, ids = check_arguments(
        model, path, evaluation, batch_size, tolerance
    )
    towers = find_towers(model, examples, input_signature)
    if not model.built:
        model._call_on(archive.call_inputs(model, towers))
    # Noise for translations, since zeros give the mean.
    signatures = [
        s for s in find_signatures(model, towers, "noise") if not s.raw
    ]
    if tolerance is None:
        tolerance = _TOLERANCES[quantization]
        if not is_float32(model):
            tolerance = max(tolerance, 2e-2)
    with files.new_folder(path) as folder:
        twin = float32_twin(model, archive.call_inputs(model, towers))
        vocabularies = _write_vocabularies(model, towers, folder)
        runners, facts = {}, {}
        for signature in signatures:
            content = _convert(twin, signature, quantization)
            file = folder / f"{signature.file}.tflite"
            file.write_bytes(content)
            runners[signature.name] = _runner(file, signature.name)
            facts[signature.name] = {
                "file": file.name,
                "bytes": len(content),
                **report.describe(signature),
                **_describe_preprocessing(model, signature, vocabularies),
            }
        comparison = report.compare(
            model, signatures, runners, (examples, ids), batch_size, tolerance
        )
        for name, fact in facts.items():
            comparison["endpoints"][name].update(fact)
        result = {
            "format": "litert",
            "quantization": quantization,
            "bytes": report.total_bytes(folder),
            **comparison,
        }
        return report.write_report(result, folder / "report.json")


def _convert(model, signature, quantization):
    with tempfile.TemporaryDirectory() as folder:
        # Of its own, for the converter loads all that an archive holds, twice.
        archive.write_archive(model, [signature], folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[signature.name]
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
            raise _unsupported(signature, str(error)) from error


def _unsupported(signature, message):
    found = re.findall(r"\btf\.([A-Z]\w+)", message)
    operators = ", ".join(sorted(set(found))) or message
    networks = signature.networks
    return ValueError(
        f"{networks[0].upper()}{networks[1:]} must only use operators that "
        "LiteRT has built in: an LSTM or GRU needs `unroll=True`, and texts "
        "and ids are looked up by a preprocessor, not an encoder. "
        f"Received: {signature.name!r}, which needs {operators}"
    )


def _runner(file, name):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=file.read_bytes())
    runner = interpreter.get_signature_runner(name)
    return lambda inputs: runner(**inputs)


def _write_vocabularies(model, towers, folder):
    """Names of the files, by modality."""
    files = {}
    for tower in towers:
        preprocessor = model.preprocessors.get(tower.modality)
        if not hasattr(preprocessor, "get_vocabulary"):
            continue
        tokens = [str(token) for token in preprocessor.get_vocabulary()]
        broken = [token for token in tokens if "\n" in token]
        if broken:
            raise ValueError(
                "The vocabulary is written one token per line, so no token may "
                f"hold a line break. Received: tokens {broken[:3]}"
            )
        file = pathlib.Path(folder) / f"{tower.modality}_vocabulary.txt"
        file.write_text("\n".join(tokens) + "\n", "utf-8", newline="\n")
        files[tower.modality] = file.name
    return files


def _describe_preprocessing(model, signature, vocabularies):
    """What a client needs to preprocess the input and to read the output."""
    facts = {}
    if signature.endpoint.target in vocabularies:
        facts["output_vocabulary"] = vocabularies[signature.endpoint.target]
    if len(signature.towers) != 1:
        return facts
    name = signature.towers[0].modality
    if name in vocabularies:
        facts["vocabulary"] = vocabularies[name]
    if name in model.preprocessors:
        layer = model.preprocessors[name]
        config = keras.saving.serialize_keras_object(layer)["config"]
        facts["preprocessor"] = {
            "class_name": type(layer).__name__,
            "config": {k: v for k, v in config.items() if k != "vocabulary"},
        }
    return facts
