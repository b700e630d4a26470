"""Export to LiteRT (TensorFlow Lite), one file per part of a model."""

import os
import re
import tempfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks, files
from keras_xmodal.export import archive, report, samples
from keras_xmodal.export.batches import BATCH_SIZES, batches, call_inputs
from keras_xmodal.export.export_report import ExportReport, write_report
from keras_xmodal.export.litert_graph import LiteRTGraph
from keras_xmodal.export.litert_runners import compiled, interpret
from keras_xmodal.export.one_file_each import write_files
from keras_xmodal.export.preparation import (
    check_arguments,
    choose_tolerance,
    find_inputs,
)
from keras_xmodal.export.quantization import load_quantizer, quantize
from keras_xmodal.export.search_folder import (
    check_search,
    describe_index,
    write_search,
)
from keras_xmodal.export.signatures import find_signatures

_TOLERANCES = {None: 1e-5, "float16": 2e-2, "dynamic": 1e-1, "int8": 1e-1}
QUANTIZATIONS = tuple(_TOLERANCES)
_INTEGERS = ("dynamic", "int8")


def litert(
    model: keras.Model,
    path: str | os.PathLike,
    evaluation: tuple[dict[str, np.ndarray], np.ndarray] | None = None,
    quantization: str | None = None,
    *,
    representative: dict[str, np.ndarray] | None = None,
    search: Any = None,
    input_signature: dict[str, tf.TensorSpec] | None = None,
    batch_size: int = 256,
    tolerance: float | None = None,
) -> ExportReport:
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
    Strings are no input of LiteRT's, so the client preprocesses: each
    vocabulary of a preprocessor lies in `<modality>_vocabulary.txt`, or
    `<modality>_<layer>_vocabulary.txt` of a nested one, the token of id n in
    line n + 1 (an empty first line is the padding), UTF-8, and the report
    holds the preprocessor's configuration.

    A model in mixed or half precision is copied into float32 first. Each file
    is loaded into `ai_edge_litert`, run at batches of 1, 64, 1 and 7 and of
    all examples in one `Interpreter`, and compared with Keras each time,
    before it appears at `path`; on any failure nothing stays there. It is run
    in `CompiledModel` too: the report says at which batch sizes that gives the
    same.

    With 8 bits, a table of embeddings has a scale for each row. Norms,
    softmax and the like stay float32, and so does what lies in a loop.
    Conditions, seeds and outputs keep their dtypes.

    Args:
        model: Any model of this package.
        path: Folder to create.
        evaluation: Pair `(x, ids)`, as in `kx.export.saved_model`.
        quantization: `None` keeps float32; `"float16"` stores weights in
            float16, half the size; `"dynamic"` stores weights and tables in
            8 bits, about a quarter, and quantises the inputs of products while
            they are computed; `"int8"` quantises these by ranges that were
            measured on `representative`, which is faster. The latter two need
            the extra `quantization`.
        representative: Dict by modality of raw examples, a few hundred of
            every modality, as many of each, short and long ones where they
            differ: what lies beyond their ranges is cut off. For `"int8"`
            only. Without `evaluation`, files are compared with Keras on them.
        search: `kx.retrieval.ExactIndex` of the model's embeddings. It is
            written to the folder `index`, with `search.py` beside it, which
            prints the ten nearest: `python search.py "red apple"`, or the path
            of a picture. The script needs NumPy and ai-edge-litert, and Pillow
            for pictures, and no TensorFlow. At least one modality must be
            preprocessed by an `ImagePreprocessor`, a `TextPreprocessor`, or
            several of the latter side by side.
        input_signature: Dict by modality of `tf.TensorSpec`, as in
            `kx.export.saved_model`.
        batch_size: Integer, examples run at once in the comparison.
        tolerance: Float, the largest absolute error allowed. It grows with
            the largest value of an output if that is above 1. Defaults to
            1e-5, to 2e-2 with `"float16"` or a model in mixed or half
            precision, and to 1e-1 with 8 bits.

    Returns:
        Dict as from `kx.export.saved_model`, with the further key
        `quantization`, and for each endpoint `file`, `bytes`,
        `compiled_model_batch_sizes`, and where there are any, of the modality
        that it takes, `vocabularies` (files), `preprocessor` (its
        configuration, with the names of these files for words) and
        `tokenizers` (of texts: arguments of `TextPreprocessor`s whose ids
        stand side by side, each with its `vocabulary`), and of the modality
        that it generates `output_vocabularies`. `bytes` counts the
        models and vocabularies.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If `quantization` is unknown, the model was quantized by
            Keras, a network needs operators that LiteRT lacks, the input of a
            modality is not known, `evaluation`, `representative` or `search`
            do not fit, or the model's outputs are not finite.
        ImportError: If the extra is missing.
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
    _check_not_quantized(model)
    representative = _check_representative(model, quantization, representative)
    # Beyond the ranges of these, 8 bits are not meant to be right.
    examples = examples or representative or {}
    towers = find_inputs(model, examples, input_signature)
    # Noise for translations, since zeros give the mean.
    signatures = [
        s for s in find_signatures(model, towers, "noise") if not s.raw
    ]
    if search is not None:
        inputs = call_inputs(model, towers)
        check_search(model, signatures[0], inputs, search)
    tolerance = choose_tolerance(model, tolerance, _TOLERANCES[quantization])
    with files.new_folder(path) as folder:

        def write(twin, signature):
            content = _convert(twin, signature, quantization)
            if quantization in _INTEGERS:
                content = quantize(
                    content,
                    signature.name,
                    _inputs(model, signature, representative, batch_size),
                )
            file = folder / f"{signature.file}.tflite"
            file.write_bytes(content)
            return file, interpret(file, signature.name)

        comparison, runners = write_files(
            model,
            towers,
            signatures,
            folder,
            write,
            (examples, ids),
            batch_size,
            tolerance,
        )
        for signature in signatures:
            fact = comparison["endpoints"][signature.name]
            fact["compiled_model_batch_sizes"] = _compiled_batch_sizes(
                model,
                signature,
                folder / fact["file"],
                runners[signature.name],
                tolerance,
            )
        result = {
            "format": "litert",
            "quantization": quantization,
            "bytes": report.total_bytes(folder),
            **comparison,
        }
        if search is not None:
            result["search"] = describe_index(search)
        written = write_report(result, folder)
        if search is not None:
            write_search(model, search, folder)
            written = write_report(result, folder)
        return written


def _check_not_quantized(model):
    for layer in model._flatten_layers():
        if getattr(layer.dtype_policy, "quantization_mode", None) is not None:
            raise ValueError(
                "`model` must not be quantized by Keras, whose products of "
                "integers LiteRT lacks: pass `quantization` in its place. "
                f"Received: layer {layer.name!r} of dtype policy "
                f"{layer.dtype_policy.name!r}"
            )


def _check_representative(model, quantization, representative):
    """Raw examples of all modalities, or None."""
    if quantization != "int8":
        if representative is not None:
            raise ValueError(
                "`representative` is for `quantization='int8'` only. "
                f"Received: quantization={quantization!r}"
            )
    elif representative is None and model.input_specs():
        raise ValueError(
            "`quantization='int8'` needs `representative`, a few hundred raw "
            "examples on which the ranges of activations are measured. "
            "Received: representative=None"
        )
    if quantization in _INTEGERS:
        load_quantizer()
    if representative is None:
        return {} if quantization == "int8" else None
    x = samples.check_examples("representative", model, representative)
    lengths = {name or "x": len(value) for name, value in x.items()}
    missing = [m for m in model.input_specs() if m not in x]
    if missing or len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(
            "`representative` must hold examples of every modality, as many "
            f"of each. Received: {lengths}, none of {missing}"
        )
    return x


def _inputs(model, signature, representative, batch_size):
    """What the signature is to be measured on, preprocessed, or None."""
    if representative is None:
        return None
    found = batches(
        model,
        signature,
        representative,
        batch_size,
        first=(),
        num_samples=len(next(iter(representative.values()), range(256))),
    )
    return [inputs for _, inputs in found]


def _convert(model, signature, quantization):
    with tempfile.TemporaryDirectory() as folder:
        # Of its own, for the converter loads all that an archive holds, twice.
        archive.write_archive(model, [signature], folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[signature.name]
        )
        # Without the TF operators: they convert, and then run nowhere.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        try:
            content = converter.convert()
        except Exception as error:  # The converter's own class is not public.
            raise _unsupported(signature, str(error)) from error
    graph = LiteRTGraph(content)
    graph.fix_shapes()
    if quantization == "float16":
        graph.halve_weights()
    return graph.to_bytes()


def _unsupported(signature, message):
    found = re.findall(r"\btf\.([A-Z]\w+)", message)
    operators = ", ".join(sorted(set(found))) or message
    return ValueError(
        f"The networks of {signature.name!r} must only use operators that "
        "LiteRT has built in: an LSTM or GRU needs `unroll=True`, and texts "
        "and ids are looked up by a preprocessor, not an encoder. "
        f"Received: {operators}"
    )


def _compiled_batch_sizes(model, signature, file, run, tolerance):
    """Batch sizes at which `CompiledModel` gives what `Interpreter` gives."""
    run_compiled = compiled(file, signature.name)
    right = {}
    for fed, _ in batches(model, signature, first=BATCH_SIZES):
        size = len(next(iter(fed.values())))
        expected = run(fed)
        received = run_compiled(fed, expected)
        equal = received is not None and all(
            np.allclose(received[name], value, tolerance, tolerance)
            for name, value in expected.items()
        )
        right[size] = right.get(size, True) and equal
    return [size for size in sorted(set(BATCH_SIZES)) if right[size]]
