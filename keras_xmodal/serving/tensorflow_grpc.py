"""TensorFlow Serving over gRPC."""

import tensorflow as tf

from keras_xmodal.serving.served_model import ServedModel

_SERVICE = "/tensorflow.serving.PredictionService"
_MODELS = "/tensorflow.serving.ModelService"


class TensorFlowGRPC(ServedModel):
    """A model of TensorFlow Serving, asked over gRPC."""

    knows_all_signatures = True

    def __init__(self, transport, model, version):
        self.messages = _import_messages()
        super().__init__(transport, model, version)

    def _request(self, kind, **fields):
        request = kind(**fields)
        request.model_spec.name = self.model
        if self.version is not None:
            request.model_spec.version.value = self.version
        return request

    def signatures(self, deadline):
        """Inputs and outputs of each signature."""
        metadata = self.messages["get_model_metadata_pb2"]
        answer = self.transport.call(
            f"{_SERVICE}/GetModelMetadata",
            self._request(
                metadata.GetModelMetadataRequest,
                metadata_field=["signature_def"],
            ),
            metadata.GetModelMetadataResponse,
            deadline,
        )
        found = metadata.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(found)
        return {
            name: {
                "inputs": _specs(signature.inputs),
                "outputs": _specs(signature.outputs),
            }
            for name, signature in found.signature_def.items()
            # Of the file itself, not of the model.
            if not name.startswith("__")
        }

    def predict(self, inputs, signature, specs, deadline):
        """Outputs of a signature, by name."""
        predict = self.messages["predict_pb2"]
        request = self._request(predict.PredictRequest)
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            dtype = tf.string if array.dtype == object else array.dtype
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array, dtype))
        answer = self.transport.call(
            f"{_SERVICE}/Predict", request, predict.PredictResponse, deadline
        )
        return {
            name: tf.make_ndarray(proto)
            for name, proto in answer.outputs.items()
        }

    def is_ready(self, deadline):
        """Whether a version is there to answer."""
        status = self.messages["get_model_status_pb2"]
        answer = self.transport.call(
            f"{_MODELS}/GetModelStatus",
            self._request(status.GetModelStatusRequest),
            status.GetModelStatusResponse,
            deadline,
        )
        available = status.ModelVersionStatus.AVAILABLE
        return available in [v.state for v in answer.model_version_status]


def _specs(tensors):
    specs = {}
    for name, tensor in tensors.items():
        shape = tf.TensorShape(tensor.tensor_shape)
        specs[name] = tf.TensorSpec(shape, tf.as_dtype(tensor.dtype), name)
    return specs


def _import_messages():
    try:
        from tensorflow_serving.apis import (
            get_model_metadata_pb2,
            get_model_status_pb2,
            predict_pb2,
        )
    except ImportError as error:
        raise ImportError(
            "`kx.serving.Client` needs the messages of TensorFlow Serving for "
            "gRPC: pip install 'keras-xmodal[serving]'"
        ) from error
    return {
        "get_model_metadata_pb2": get_model_metadata_pb2,
        "get_model_status_pb2": get_model_status_pb2,
        "predict_pb2": predict_pb2,
    }
