"""LiteRT files of 8 bits, from such of float32."""

import contextlib
import io
import re
import warnings

import numpy as np

from keras_xmodal.export.litert_graph import MIN_ELEMENTS, LiteRTGraph

# What the package calls the operators of the files.
_NAMES = {"TRANSPOSE_CONV": "CONV_2D_TRANSPOSE"}


def quantize(content, signature, batches=None):
    """Quantize a file: weights and tables, and with batches activations.

    Inputs and outputs stay as they are. Without batches, the inputs of
    products are quantised while they are computed. Normalisations and the like
    stay float32, which 8 bits would spoil.

    Args:
        content: Bytes of a float32 file.
        signature: Name of its signature.
        batches: List of dicts of inputs, to measure ranges on, or None.

    Returns:
        Bytes.
    """
    module = load_quantizer()
    graph = LiteRTGraph(content)
    graph.name_tensors()
    quantizer = module.Quantizer(graph.to_bytes())
    quantizer.load_quantization_recipe(_recipe(graph, batches is not None))
    with _quiet():
        ranges = None
        if quantizer.need_calibration:
            ranges = _measure(quantizer, signature, batches)
        result = quantizer.quantize(
            ranges, enable_progress_bar=False, enable_progress_report=False
        )
    graph = LiteRTGraph(result.quantized_model)
    graph.quantize_tables()
    return graph.to_bytes()


def load_quantizer():
    """Import ai-edge-quantizer."""
    try:
        from ai_edge_quantizer import quantizer
    except ImportError as error:
        raise ImportError(
            "`quantization` to 8 bits needs ai-edge-quantizer: "
            "pip install 'keras-xmodal[quantization]'"
        ) from error
    return quantizer


def _recipe(graph, static):
    """Rules of the quantizer, of which the last that fits an operator counts.

    Its `min_weight_elements` fails with activations of 8 bits; so large
    products are named one by one.
    """
    rules = [("", "*", _config(MIN_ELEMENTS))]
    if static:
        rules += [
            (f"^{re.escape(name)}(;|$)", kind, _config(0, static=True))
            for kind, name in graph.products()
        ]
    return [
        {
            "regex": regex,
            "operation": _NAMES.get(kind, kind),
            "algorithm_key": "min_max_uniform_quantize",
            "op_config": config,
        }
        for regex, kind, config in rules
    ]


def _config(min_elements, static=False):
    def tensor(symmetric, granularity):
        return {
            "num_bits": 8,
            "symmetric": symmetric,
            "granularity": granularity,
            "dtype": "INT",
        }

    config = {
        "weight_tensor_config": tensor(True, "CHANNELWISE"),
        "compute_precision": "INTEGER",
        "min_weight_elements": min_elements,
    }
    if static:
        config["activation_tensor_config"] = tensor(False, "TENSORWISE")
    return config


def _measure(quantizer, signature, batches):
    """Least and largest value of each tensor, over all batches.

    Measured batch by batch, for the quantizer averages over those it is given
    at once.
    """
    ranges = {}
    for batch in batches:
        found = quantizer.calibrate({signature: [batch]})
        for name, new in found.items():
            old = ranges.setdefault(name, new)
            if new:
                ranges[name] = {
                    "min": np.minimum(old["min"], new["min"]),
                    "max": np.maximum(old["max"], new["max"]),
                }
    return ranges


@contextlib.contextmanager
def _quiet():
    """Neither progress bars nor the warning that tensors are kept."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
