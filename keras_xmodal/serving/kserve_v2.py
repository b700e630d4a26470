"""KServe's V2 protocol, the Open Inference Protocol, over REST."""

import base64

import numpy as np
import tensorflow as tf

from keras_xmodal.serving import json_values
from keras_xmodal.serving.json_values import as_dtype
from keras_xmodal.serving.served_model import ServedModel

DEFAULT = "serving_default"
_DATATYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "string",
}


class KServeV2(ServedModel):
    """A model of a server of the V2 protocol, asked over REST.

    The protocol has no signatures: one but the default is named by the
    parameter `signature_name`. Bytes that are no text go in base64, with the
    parameter `content_type` as MLServer has it.
    """

    def signatures(self, deadline):
        """Inputs and outputs of the default signature, if they are told."""
        return self.transport.get(self.path("v2"), deadline, _read_signatures)

    def predict(self, inputs, signature, specs, deadline):
        """Outputs of a signature, by name."""
        content = {
            "inputs": [
                {
                    "name": name,
                    "shape": list(array.shape),
                    "datatype": to_datatype(array.dtype),
                    **to_data(array),
                }
                for name, array in inputs.items()
            ]
        }
        if signature != DEFAULT:
            content["parameters"] = {"signature_name": signature}
        return self.transport.post(
            f"{self.path('v2')}/infer", content, deadline, _read_outputs
        )

    def is_ready(self, deadline):
        """Whether the model can answer."""
        return self.transport.get(
            f"{self.path('v2')}/ready",
            deadline,
            lambda answer: (
                not isinstance(answer, dict) or answer.get("ready", True)
            ),
        )


def _read_signatures(answer):
    return default_signature(
        {
            part: [
                to_spec(t["name"], t["datatype"], t["shape"])
                for t in answer.get(part) or []
            ]
            for part in ("inputs", "outputs")
        }
    )


def _read_outputs(answer):
    return {
        output["name"]: as_dtype(
            from_data(output), to_dtype(output["datatype"])
        )
        for output in answer["outputs"]
    }


def default_signature(parts):
    """What the protocol tells of a model, as its one known signature."""
    if not parts["inputs"]:
        return {}
    return {
        DEFAULT: {
            part: {spec.name: spec for spec in specs}
            for part, specs in parts.items()
        }
    }


def to_spec(name, datatype, shape):
    """The `tf.TensorSpec` of an input or output, as a server describes it."""
    sizes = [None if int(size) < 0 else int(size) for size in shape]
    return tf.TensorSpec(sizes, _DATATYPES[datatype], name)


def to_datatype(dtype):
    """The protocol's name of a dtype."""
    name = np.dtype(dtype).name.replace("object", "string")
    found = [key for key, value in _DATATYPES.items() if value == name]
    if not found:
        raise TypeError(
            "`inputs` must have dtypes of the V2 protocol, "
            f"{sorted(_DATATYPES.values())}. Received: {name}"
        )
    return found[0]


def to_dtype(datatype):
    """The `tf.DType` for the protocol's name."""
    if datatype not in _DATATYPES:
        raise ValueError(
            f"`datatype` must be one of {sorted(_DATATYPES)}. "
            f"Received: {datatype!r}"
        )
    return tf.as_dtype(_DATATYPES[datatype])


def to_data(array):
    """The fields of JSON that hold the values of an array."""
    flat = array.ravel()
    if array.dtype != object:
        return {"data": flat.tolist()}
    try:
        return {"data": [item.decode() for item in flat]}
    except UnicodeDecodeError:
        return {
            "data": [base64.b64encode(item).decode() for item in flat],
            "parameters": {"content_type": "base64"},
        }


def from_data(tensor, argument="outputs"):
    """The values that the fields of JSON hold; of strings, bytes."""
    parameters = tensor.get("parameters") or {}
    data = tensor["data"]
    is_text = to_dtype(tensor["datatype"]) == tf.string
    if is_text and parameters.get("content_type") == "base64":
        flat = [json_values.from_base64(item, argument) for item in data]
        array = np.empty(len(flat), object)
        array[:] = flat
    else:
        array = json_values.from_json(data, argument)
    return array.reshape(tensor["shape"])
