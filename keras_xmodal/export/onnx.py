"""Export to ONNX, one file per part of a model."""

import contextlib
import functools
import logging
import os
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks, files
from keras_xmodal.export import report
from keras_xmodal.export.export_report import ExportReport, write_report
from keras_xmodal.export.one_file_each import write_files
from keras_xmodal.export.preparation import (
    check_arguments,
    choose_tolerance,
    find_inputs,
)
from keras_xmodal.export.signatures import find_signatures
from keras_xmodal.export.triton import triton_config

OPSET = 18


def onnx(
    model: keras.Model,
    path: str | os.PathLike,
    evaluation: tuple[dict[str, np.ndarray], np.ndarray] | None = None,
    *,
    triton: bool = False,
    input_signature: dict[str, tf.TensorSpec] | None = None,
    batch_size: int = 256,
    tolerance: float | None = None,
) -> ExportReport:
    """Write ONNX files, for ONNX Runtime, Triton and what else reads them.

    `path` becomes a folder with a file for each signature on preprocessed
    input that `kx.export.saved_model` describes: of an `EmbeddingModel`
    `<modality>.onnx`, of a `VAEModel` `encode_<modality>.onnx`,
    `decode_<modality>.onnx`, `translate_<source>_to_<target>.onnx` and
    `encode_all.onnx`, of a `GANModel` `generate_from_z.onnx`, of a
    `CycleGANModel` its two translations. Inputs and outputs have the names and
    dtypes of the signature, and a batch of any size.

    What draws random numbers from a seed computes with integers as ONNX does
    not: noise is an input. A translation of a `VAEModel` takes `noise`,
    float32 `(batch, latent_dim)`, zeros for the mean and standard normal
    numbers for a sample; a `GANModel` takes `z`.

    Strings and the bytes of files are not taken either, so the client
    preprocesses: vocabularies and what the report says of them are as in
    `kx.export.litert`.

    A model in mixed or half precision is copied into float32 first. Each file
    is loaded into ONNX Runtime, run at batches of 1, 64, 1 and 7 and of all
    examples, and compared with Keras before it appears at `path`; on any
    failure nothing stays there. It needs the extra `onnx`.

    Args:
        model: Any model of this package.
        path: Folder to create.
        evaluation: Pair `(x, ids)`, as in `kx.export.saved_model`.
        triton: Whether the folder is a model repository of NVIDIA's Triton
            Inference Server: each file is `<name>/1/model.onnx`, with
            `<name>/config.pbtxt` beside it, where `name` is that of the
            signature. Vocabularies and report stay at the top.
        input_signature: Dict by modality of `tf.TensorSpec`, as in
            `kx.export.saved_model`.
        batch_size: Integer, examples run at once in the comparison.
        tolerance: Float, the largest absolute error allowed. It grows with
            the largest value of an output if that is above 1. Defaults to
            1e-5, to 2e-2 with a model in mixed or half precision.

    Returns:
        Dict as from `kx.export.litert`, with `opset` for `quantization`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a network needs operators that ONNX lacks, the input of
            a modality is not known, `evaluation` does not fit or the model's
            outputs are not finite.
        ImportError: If the extra is missing.
        FileExistsError: If there is something at `path`.
        RuntimeError: If an exported model differs from Keras.

    Example:
        ```python
        import tempfile
        import numpy as np
        import onnxruntime
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        path = tempfile.mkdtemp() + "/onnx"
        report = kx.export.onnx(model, path)

        session = onnxruntime.InferenceSession(path + "/text.onnx")
        x = {"text": np.ones((3, 7), "float32")}
        (embedding,) = session.run(["embedding"], x)
        print(embedding.shape)  # (3, 4)
        ```
    """
    triton = checks.boolean("triton", triton)
    examples, ids = check_arguments(
        model, path, evaluation, batch_size, tolerance
    )
    _load()
    towers = find_inputs(model, examples, input_signature)
    signatures = [
        signature
        for signature in find_signatures(model, towers, "noise")
        if not signature.raw
        and "seed" not in [spec.name for spec in signature.endpoint.further]
    ]
    with files.new_folder(path) as folder:

        def write(model, signature):
            content = _convert(model, signature)
            session = _checked_session(signature, content)
            file = folder / f"{signature.file}.onnx"
            if triton:
                file = folder / signature.name / "1" / "model.onnx"
                file.parent.mkdir(parents=True)
                config = triton_config(signature.name, session)
                (file.parents[1] / "config.pbtxt").write_text(config, "utf-8")
            file.write_bytes(content)
            return file, _runner(session)

        comparison, _ = write_files(
            model,
            towers,
            signatures,
            folder,
            write,
            (examples, ids),
            batch_size,
            choose_tolerance(model, tolerance),
        )
        result = {
            "format": "onnx",
            "opset": OPSET,
            "bytes": report.total_bytes(folder),
            **comparison,
        }
        return write_report(result, folder)


def _load():
    """Import what converts and what runs."""
    try:
        import onnxruntime
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            "`kx.export.onnx` needs ONNX: pip install 'keras-xmodal[onnx]'"
        ) from error
    return tf2onnx, onnxruntime


def _convert(model, signature):
    tf2onnx, _ = _load()
    function = tf.function(
        signature.function(model),
        input_signature=signature.inputs,
        autograph=False,
    )
    with _quiet() as messages:
        proto, _ = tf2onnx.convert.from_function(
            function,
            input_signature=signature.inputs,
            opset=OPSET,
            custom_op_handlers=_OPERATORS,
        )
    unsupported = [m for m in messages if m.startswith("Unsupported ops")]
    if unsupported:
        raise _unsupported(signature, " ".join(unsupported))
    for value in (*proto.graph.input, *proto.graph.output):
        for axis, size in enumerate(value.type.tensor_type.shape.dim):
            if not size.dim_value:
                name = f"{value.name}_{axis}" if axis else "batch"
                size.dim_param = name
    return proto.SerializeToString()


def _expm1(context, node, name, arguments):
    """As `2 exp(x / 2) sinh(x / 2)`, which is exact for small x, too."""
    half, two = (
        context.make_const(f"{name}_{i}", np.array(number, "float32")).output[0]
        for i, number in enumerate((0.5, 2.0))
    )
    make = functools.partial(_make, context, node)
    halved = make("Mul", node.input[0], half)
    product = make("Mul", make("Exp", halved), make("Sinh", halved))
    _replace(context, node, "Mul", product, two)


def _erfc(context, node, name, arguments):
    """As `1 - erf(x)`, of which the exact GELU takes a part of x."""
    one = context.make_const(f"{name}_1", np.array(1, "float32")).output[0]
    erf = _make(context, node, "Erf", node.input[0])
    _replace(context, node, "Sub", one, erf)


_OPERATORS = {"Expm1": (_expm1, []), "Erfc": (_erfc, [])}


def _make(context, node, kind, *inputs):
    """Output of a new node, of the dtype of what an old one takes."""
    dtype = context.get_dtype(node.input[0])
    return context.make_node(kind, list(inputs), dtypes=[dtype]).output[0]


def _replace(context, node, kind, *inputs):
    """Put a node in the place of another."""
    kept = {
        "name": node.name,
        "outputs": node.output,
        "shapes": node.output_shapes,
        "dtypes": node.output_dtypes,
    }
    context.remove_node(node.name)
    context.make_node(kind, list(inputs), **kept)


def open_onnx(content):
    """A function of a dict of arrays, of the bytes of an ONNX file."""
    return _runner(_session(content))


def _runner(session):
    names = [output.name for output in session.get_outputs()]

    def run(inputs):
        return dict(zip(names, session.run(names, inputs), strict=True))

    return run


def _session(content):
    _, onnxruntime = _load()
    return onnxruntime.InferenceSession(
        content, providers=["CPUExecutionProvider"]
    )


def _checked_session(signature, content):
    try:
        session = _session(content)
    except Exception as error:  # It has an own class for each kind.
        raise _unsupported(signature, str(error)) from error
    names = {spec.name for spec in signature.inputs}
    further = {value.name for value in session.get_inputs()} - names
    if further:  # A constant that the converter has lost.
        raise _unsupported(signature, f"further inputs {sorted(further)}")
    return session


def _unsupported(signature, message):
    return ValueError(
        f"The networks of {signature.name!r} must only use operators that "
        "ONNX has: strings are looked up by a preprocessor, not an encoder. "
        f"Received: {message}"
    )


@contextlib.contextmanager
def _quiet():
    """Gather what tf2onnx logs, and hold what TensorFlow says of its graph."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    converter, tensorflow = map(logging.getLogger, ("tf2onnx", "tensorflow"))
    before = converter.propagate, tensorflow.level
    converter.propagate = False
    converter.addHandler(handler)
    tensorflow.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield messages
    finally:
        converter.propagate, level = before
        converter.removeHandler(handler)
        tensorflow.setLevel(level)
