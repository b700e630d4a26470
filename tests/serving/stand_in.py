"""A stand-in for TensorFlow Serving, whose server no package brings.

It answers over gRPC with the services and messages of tensorflow-serving-api,
over REST as the documentation of TensorFlow Serving says, from a SavedModel.
"""

import base64
import concurrent.futures
import http.server
import json
import threading
import time

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

STATUSES = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.INTERNAL: 500,
}


class FailureError(Exception):
    """An answer that is none, by the status of gRPC."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class StandIn:
    """A server of one model.

    Args:
        loaded: What `tf.saved_model.load` gives.
        folder: Folder of the SavedModel, a version.
        name: Name of the model.
        rest_port, grpc_port: Ports, 0 for any.
    """

    def __init__(self, loaded, folder, name, rest_port=0, grpc_port=0):
        self.name = name
        self.serve(loaded, folder)
        self.failures = []  # Each is raised once, in their order.
        self.seconds = 0.0  # that an answer takes
        self.requests = []  # Rows of each request that was computed.
        self.metadata_requests = 0
        self.headers = []
        self.rest = _RESTServer(("127.0.0.1", rest_port), _handler(self))
        threading.Thread(target=self.rest.serve_forever, daemon=True).start()
        self.grpc = grpc.server(
            concurrent.futures.ThreadPoolExecutor(8),
            options=[("grpc.max_receive_message_length", -1)],
        )
        servicer = _Servicer(self)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            servicer, self.grpc
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            servicer, self.grpc
        )
        grpc_port = self.grpc.add_insecure_port(f"127.0.0.1:{grpc_port}")
        self.grpc.start()
        self.urls = {
            "http": f"http://127.0.0.1:{self.rest.server_port}",
            "grpc": f"grpc://127.0.0.1:{grpc_port}",
        }

    def serve(self, loaded, folder):
        """Serve this version from now on."""
        self.loaded = loaded
        self.version = int(folder.name)
        proto = saved_model_pb2.SavedModel()
        proto.ParseFromString((folder / "saved_model.pb").read_bytes())
        self.signatures = dict(proto.meta_graphs[0].signature_def)

    def close(self):
        self.rest.shutdown()
        self.rest.server_close()
        self.grpc.stop(None).wait()

    def check_model(self, name, version=None):
        if name != self.name or version not in (None, self.version):
            raise FailureError(
                grpc.StatusCode.NOT_FOUND,
                f"Servable not found for request: Specific({name}, {version})",
            )

    def predict(self, signature, inputs):
        """Outputs for inputs of the right dtypes, or a `FailureError`."""
        time.sleep(self.seconds)
        if self.failures:
            raise self.failures.pop(0)
        signature = signature or "serving_default"
        if signature not in self.loaded.signatures:
            raise FailureError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f'Serving signature name: "{signature}" not found in signature '
                "def",
            )
        self.requests.append(max(len(value) for value in inputs.values()))
        try:
            outputs = self.loaded.signatures[signature](
                **{name: tf.constant(value) for name, value in inputs.items()}
            )
        except tf.errors.InvalidArgumentError as error:
            raise FailureError(
                grpc.StatusCode.INVALID_ARGUMENT, error.message
            ) from error
        return {name: value.numpy() for name, value in outputs.items()}


class _RESTServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        """Say nothing of clients that do not wait."""


class _Servicer(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    def __init__(self, server):
        self.server = server

    def _check(self, request, context):
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        self.server.check_model(spec.name, version)
        self.server.headers.append(dict(context.invocation_metadata()))

    def Predict(self, request, context):  # noqa: N802
        try:
            self._check(request, context)
            outputs = self.server.predict(
                request.model_spec.signature_name,
                {
                    name: tf.make_ndarray(proto)
                    for name, proto in request.inputs.items()
                },
            )
        except FailureError as failure:
            context.abort(failure.status, str(failure))
        answer = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return answer

    def GetModelMetadata(self, request, context):  # noqa: N802
        try:
            self._check(request, context)
        except FailureError as failure:
            context.abort(failure.status, str(failure))
        return self.server_metadata()

    def server_metadata(self):
        self.server.metadata_requests += 1
        found = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in self.server.signatures.items():
            found.signature_def[name].CopyFrom(signature)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.name = self.server.name
        answer.metadata["signature_def"].Pack(found)
        return answer

    def GetModelStatus(self, request, context):  # noqa: N802
        try:
            self._check(request, context)
        except FailureError as failure:
            context.abort(failure.status, str(failure))
        return self.server_status()

    def server_status(self):
        status = get_model_status_pb2.ModelVersionStatus
        answer = get_model_status_pb2.GetModelStatusResponse()
        answer.model_version_status.add(
            version=self.server.version, state=status.AVAILABLE
        )
        return answer


def _handler(server):
    servicer = _Servicer(server)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments):
            pass

        def answer(self, status, content):
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def respond(self, compute):
            server.headers.append(dict(self.headers))
            try:
                path, _, verb = self.path.partition(":")
                parts = path.strip("/").split("/")
                is_metadata = parts[-1] == "metadata"
                parts = parts[:-1] if is_metadata else parts
                version = int(parts[4]) if len(parts) > 3 else None
                server.check_model(parts[2], version)
                self.answer(200, compute(verb, is_metadata))
            except FailureError as failure:
                self.answer(STATUSES[failure.status], {"error": str(failure)})

        def do_GET(self):
            self.respond(
                lambda _, is_metadata: (
                    _metadata(servicer.server_metadata())
                    if is_metadata
                    else json_format.MessageToDict(
                        servicer.server_status(),
                        preserving_proto_field_name=True,
                    )
                )
            )

        def do_POST(self):
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            self.respond(lambda verb, _: _predict(server, body))

    return Handler


def _metadata(answer):
    found = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(found)
    return {
        "model_spec": {"name": answer.model_spec.name},
        "metadata": {
            "signature_def": json_format.MessageToDict(
                found, preserving_proto_field_name=True
            )
        },
    }


def _predict(server, body):
    """The columnar form: "inputs" and "outputs"."""
    signature = body.get("signature_name", "serving_default")
    if signature not in server.loaded.signatures:
        return server.predict(signature, {"": []})
    specs = server.loaded.signatures[signature].structured_input_signature[1]
    inputs = body["inputs"]
    if not isinstance(inputs, dict):
        inputs = dict.fromkeys(specs, inputs)
    if set(inputs) != set(specs):
        raise FailureError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"Missing or unknown inputs: {sorted(inputs)}",
        )
    arrays = {
        name: _parse(inputs[name], spec.dtype) for name, spec in specs.items()
    }
    outputs = {
        name: value.tolist()
        if value.dtype != object
        else [item.decode() for item in value]
        for name, value in server.predict(signature, arrays).items()
    }
    if len(outputs) == 1:  # Then TensorFlow Serving leaves out its name.
        (outputs,) = outputs.values()
    return {"outputs": outputs}


def _parse(value, dtype):
    if dtype != tf.string:
        array = np.array(value)
        kinds = "iuf" if dtype.is_floating else "iu"
        if array.dtype.kind not in kinds:
            raise FailureError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"JSON Value: {value} is not of expected type: {dtype.name}",
            )
        return array.astype(dtype.as_numpy_dtype)
    return np.array(
        [
            base64.b64decode(item["b64"])
            if isinstance(item, dict)
            else item.encode()
            for item in value
        ],
        object,
    )
