"""TensorFlow Serving over REST."""

import tensorflow as tf
from tensorflow.core.framework import types_pb2

from keras_xmodal.serving import json_values
from keras_xmodal.serving.served_model import ServedModel


class TensorFlowREST(ServedModel):
    """A model of TensorFlow Serving, asked over REST."""

    knows_all_signatures = True

    def signatures(self, deadline):
        """Inputs and outputs of each signature."""
        return self.transport.get(
            f"{self.path('v1')}/metadata", deadline, _read_signatures
        )

    def predict(self, inputs, signature, specs, deadline):
        """Outputs of a signature, by name."""
        content = {
            "signature_name": signature,
            "inputs": {
                name: json_values.to_json(array)
                for name, array in inputs.items()
            },
        }
        specs = specs["outputs"]

        def read(answer):
            outputs = answer["outputs"]
            if len(specs) == 1:  # Then the name is left out.
                outputs = dict.fromkeys(specs, outputs)
            return {
                name: json_values.as_dtype(
                    json_values.from_json(outputs[name]), spec.dtype
                )
                for name, spec in specs.items()
            }

        return self.transport.post(
            f"{self.path('v1')}:predict", content, deadline, read
        )

    def is_ready(self, deadline):
        """Whether a version is there to answer."""
        return self.transport.get(self.path("v1"), deadline, _is_available)


def _is_available(answer):
    return "AVAILABLE" in [v["state"] for v in answer["model_version_status"]]


def _read_signatures(answer):
    described = answer["metadata"]["signature_def"]["signature_def"]
    return {
        name: {
            part: {
                key: _spec(key, tensor)
                for key, tensor in signature.get(part, {}).items()
            }
            for part in ("inputs", "outputs")
        }
        for name, signature in described.items()
        # Of the file itself, not of the model.
        if not name.startswith("__")
    }


def _spec(name, tensor):
    shape = tensor["tensor_shape"]
    sizes = None
    if not shape.get("unknown_rank"):
        sizes = [int(dim["size"]) for dim in shape.get("dim", [])]
        sizes = [None if size < 0 else size for size in sizes]
    dtype = tf.as_dtype(types_pb2.DataType.Value(tensor["dtype"]))
    return tf.TensorSpec(sizes, dtype, name)
