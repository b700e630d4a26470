"""KServe's V2 protocol over gRPC."""

import functools
import struct

import numpy as np
import tensorflow as tf
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

from keras_xmodal.serving import kserve_v2
from keras_xmodal.serving.served_model import ServedModel

_SERVICE = "/inference.GRPCInferenceService"
_PACKAGE = "inference"
# The fields that are used here, as the protocol numbers them: (name, number,
# type), repeated where the name ends in "*". Others are skipped in reading.
_MESSAGES = {
    "ModelReadyRequest": [("name", 1, "string"), ("version", 2, "string")],
    "ModelReadyResponse": [("ready", 1, "bool")],
    "ModelMetadataRequest": [("name", 1, "string"), ("version", 2, "string")],
    "TensorMetadata": [
        ("name", 1, "string"),
        ("datatype", 2, "string"),
        ("shape*", 3, "int64"),
    ],
    "ModelMetadataResponse": [
        ("name", 1, "string"),
        ("inputs*", 4, "TensorMetadata"),
        ("outputs*", 5, "TensorMetadata"),
    ],
    "InferParameter": [
        ("bool_param", 1, "bool"),
        ("int64_param", 2, "int64"),
        ("string_param", 3, "string"),
    ],
    "Parameter": [("key", 1, "string"), ("value", 2, "InferParameter")],
    "InferTensorContents": [
        ("bool_contents*", 1, "bool"),
        ("int_contents*", 2, "int32"),
        ("int64_contents*", 3, "int64"),
        ("uint_contents*", 4, "uint32"),
        ("uint64_contents*", 5, "uint64"),
        ("fp32_contents*", 6, "float"),
        ("fp64_contents*", 7, "double"),
        ("bytes_contents*", 8, "bytes"),
    ],
    "InferTensor": [
        ("name", 1, "string"),
        ("datatype", 2, "string"),
        ("shape*", 3, "int64"),
        ("contents", 5, "InferTensorContents"),
    ],
    "ModelInferRequest": [
        ("model_name", 1, "string"),
        ("model_version", 2, "string"),
        # A map is such messages on the wire.
        ("parameters*", 4, "Parameter"),
        ("inputs*", 5, "InferTensor"),
        ("raw_input_contents*", 7, "bytes"),
    ],
    "ModelInferResponse": [
        ("model_name", 1, "string"),
        ("outputs*", 5, "InferTensor"),
        ("raw_output_contents*", 6, "bytes"),
    ],
}


class KServeV2GRPC(ServedModel):
    """A model of a server of the V2 protocol, asked over gRPC."""

    @property
    def _asked(self):
        version = "" if self.version is None else str(self.version)
        return {"name": self.model, "version": version}

    def signatures(self, deadline):
        """Inputs and outputs of the default signature, if they are told."""
        answer = self._call("ModelMetadata", deadline, **self._asked)
        return kserve_v2.default_signature(
            {
                part: [
                    kserve_v2.to_spec(t.name, t.datatype, t.shape)
                    for t in getattr(answer, part)
                ]
                for part in ("inputs", "outputs")
            }
        )

    def predict(self, inputs, signature, specs, deadline):
        """Outputs of a signature, by name."""
        fields = {
            **{f"model_{key}": value for key, value in self._asked.items()},
            "inputs": [
                {
                    "name": name,
                    "datatype": kserve_v2.to_datatype(array.dtype),
                    "shape": array.shape,
                }
                for name, array in inputs.items()
            ],
            "raw_input_contents": [_to_raw(a) for a in inputs.values()],
        }
        if signature != kserve_v2.DEFAULT:
            value = {"string_param": signature}
            fields["parameters"] = [{"key": "signature_name", "value": value}]
        answer = self._call("ModelInfer", deadline, **fields)
        raw = list(answer.raw_output_contents)
        return {
            output.name: _from_raw(raw[i], output) if raw else _values(output)
            for i, output in enumerate(answer.outputs)
        }

    def is_ready(self, deadline):
        """Whether the model can answer."""
        return self._call("ModelReady", deadline, **self._asked).ready

    def _call(self, method, deadline, **fields):
        classes = _classes()
        return self.transport.call(
            f"{_SERVICE}/{method}",
            classes[f"{method}Request"](**fields),
            classes[f"{method}Response"],
            deadline,
        )


def _to_raw(array):
    if array.dtype != object:
        return array.tobytes()
    return b"".join(struct.pack("<I", len(v)) + v for v in array.ravel())


def _from_raw(raw, tensor):
    dtype = kserve_v2.to_dtype(tensor.datatype)
    if dtype != tf.string:
        array = np.frombuffer(raw, dtype.as_numpy_dtype)
        return array.reshape(tensor.shape)
    values, start = [], 0
    while start < len(raw):
        (length,) = struct.unpack_from("<I", raw, start)
        start += 4 + length
        values.append(raw[start - length : start])
    return _strings(values).reshape(tensor.shape)


def _values(tensor):
    """What an answer holds value by value."""
    dtype = kserve_v2.to_dtype(tensor.datatype)
    ((_, values),) = tensor.contents.ListFields()
    if dtype == tf.string:
        return _strings(values).reshape(tensor.shape)
    return np.array(values, dtype.as_numpy_dtype).reshape(tensor.shape)


def _strings(values):
    array = np.empty(len(values), object)
    array[:] = list(values)
    return array


@functools.cache
def _classes():
    """Classes of the messages, from a pool of their own."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="keras_xmodal/open_inference.proto",
        package=_PACKAGE,
        syntax="proto3",
    )
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind in fields:
            field = described.field.add(
                name=name.rstrip("*"),
                number=number,
                label=kinds.LABEL_REPEATED
                if name.endswith("*")
                else kinds.LABEL_OPTIONAL,
            )
            if kind in _MESSAGES:
                field.type = kinds.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{kind}"
            else:
                field.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
        )
        for name in _MESSAGES
    }
