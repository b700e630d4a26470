"""A SavedModel as a model of KServe's."""

import asyncio
import concurrent.futures
import contextlib
import json
import pathlib
import struct
import uuid

import kserve
import tensorflow as tf
from kserve.errors import InvalidInput

from keras_xmodal.serving import errors, json_values, kserve_v2
from keras_xmodal.serving.batching import batch_requests, is_batchable
from keras_xmodal.serving.inputs import check_input, check_inputs

_WARM_UP = pathlib.Path("assets.extra") / "tf_serving_warmup_requests"


class KServeAdapter(kserve.Model):
    """Answer the protocols V1 and V2 with the signatures of a SavedModel.

    Args:
        name: String.
        path: Folder of the SavedModel.
        batch_sizes: Tuple of integers, or None.
    """

    def __init__(self, name, path, batch_sizes=None):
        super().__init__(name)
        self.path = path
        self.batch_sizes = batch_sizes
        self.loaded = None
        self.batched = {}
        self.threads = None
        if batch_sizes:  # Enough that wait, for two batches.
            self.threads = concurrent.futures.ThreadPoolExecutor(
                2 * batch_sizes[-1]
            )

    def load(self):
        """Load the SavedModel, and run its warm-up records."""
        self.loaded = tf.saved_model.load(str(self.path))
        if self.batch_sizes:
            self.batched = {
                name: batch_requests(signature, self.batch_sizes)
                for name, signature in self.loaded.signatures.items()
                if is_batchable(signature)
            }
        warm_up = self.path / _WARM_UP
        if warm_up.is_file():
            self._warm_up(warm_up)
        self.ready = True
        return self.ready

    def get_input_types(self):
        """Inputs of the default signature."""
        return _describe(self._specs(kserve_v2.DEFAULT)[0])

    def get_output_types(self):
        """Outputs of the default signature."""
        return _describe(self._specs(kserve_v2.DEFAULT)[1])

    def validate(self, payload):
        """Leave it to `predict`."""
        return payload

    async def predict(self, payload, headers=None, response_headers=None):
        """Answer a request, in a thread of its own."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, self._answer, payload)

    def _answer(self, payload):
        try:
            if isinstance(payload, kserve.InferRequest):
                return self._answer_v2(payload)
            return self._answer_v1(payload)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidInput(str(error)) from error
        except tf.errors.InvalidArgumentError as error:
            raise InvalidInput(errors.plain(error.message)) from error

    def _answer_v1(self, payload):
        if isinstance(payload, bytes):  # It was not called JSON.
            payload = json.loads(payload)
        if not isinstance(payload, dict):
            payload = {}
        if ("instances" in payload) == ("inputs" in payload):
            raise ValueError(
                "A request must be a JSON object with either 'instances' or "
                f"'inputs'. Received: {sorted(payload)}"
            )
        signature = payload.get("signature_name") or kserve_v2.DEFAULT
        names = list(self._specs(signature)[0])
        if "inputs" in payload:
            outputs = self._run(
                signature, _columns(payload["inputs"], names, "inputs")
            )
            return {"outputs": _values(outputs)}
        columns = _transpose(payload["instances"], names)
        outputs = _values(self._run(signature, columns))
        rows = zip(*outputs.values(), strict=True)
        return {
            "predictions": [dict(zip(outputs, r, strict=True)) for r in rows]
        }

    def _answer_v2(self, request):
        parameters = dict(request.parameters or {})
        signature = parameters.get("signature_name", kserve_v2.DEFAULT)
        if request.from_grpc and not isinstance(signature, str):
            signature = signature.string_param
        names = [tensor.name for tensor in request.inputs]
        if len(set(names)) < len(names):
            raise ValueError(
                f"`inputs` must hold each name once. Received: {names}"
            )
        outputs = self._run(
            signature, {t.name: _array(t) for t in request.inputs}
        )
        wanted = [output.name for output in request.request_outputs or ()]
        if not set(wanted) <= set(outputs):
            raise ValueError(
                f"`outputs` must be of {sorted(outputs)}. Received: {wanted}"
            )
        return kserve.InferResponse(
            # It must have one, and a request need not.
            response_id=request.id or str(uuid.uuid4()),
            model_name=self.name,
            infer_outputs=[
                _output(name, outputs[name], request)
                for name in wanted or outputs
            ],
            from_grpc=request.from_grpc,
            use_binary_outputs=request.use_binary_outputs,
            requested_outputs=request.request_outputs,
        )

    def _run(self, signature, inputs):
        specs, _ = self._specs(signature)
        arrays = check_inputs(inputs, specs)
        tensors = {
            name: tf.constant(array, specs[name].dtype)
            for name, array in arrays.items()
        }
        outputs = None
        if signature in self.batched:
            # Alone, where it is larger than a batch, or another request of
            # the batch was wrong or had sequences of another length.
            with contextlib.suppress(tf.errors.InvalidArgumentError):
                outputs = self.batched[signature](tensors)
        if outputs is None:
            outputs = self.loaded.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    def _specs(self, signature):
        """Inputs and outputs of a signature."""
        known = self.loaded.signatures
        if not isinstance(signature, str) or signature not in known:
            raise ValueError(
                f"`signature_name` must be one of {sorted(known)}. "
                f"Received: {signature!r}"
            )
        function = known[signature]
        return (
            function.structured_input_signature[1],
            function.structured_outputs,
        )

    def _warm_up(self, file):
        from tensorflow_serving.apis import prediction_log_pb2

        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            log = prediction_log_pb2.PredictionLog.FromString(record)
            request = log.predict_log.request
            self._run(
                request.model_spec.signature_name,
                {
                    name: tf.make_ndarray(proto)
                    for name, proto in request.inputs.items()
                },
            )


def _describe(specs):
    return [
        {
            "name": name,
            "datatype": kserve_v2.to_datatype(
                object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype
            ),
            "shape": [-1 if size is None else size for size in spec.shape],
        }
        for name, spec in specs.items()
    ]


def _columns(inputs, names, what):
    """Values by input; of the only one, its name may be left out."""
    if not isinstance(inputs, dict) or set(inputs) == {"b64"}:
        if len(names) > 1:
            raise ValueError(
                f"`{what}` must hold {sorted(names)} by name. "
                f"Received: {repr(inputs)[:80]}"
            )
        inputs = {names[0]: inputs}
    return {
        name: json_values.from_json(value, f"{what}[{name!r}]")
        for name, value in inputs.items()
    }


def _transpose(instances, names):
    """Columns by input, from rows."""
    if not isinstance(instances, list) or not instances:
        raise ValueError(
            "`instances` must be a list of at least one. "
            f"Received: {repr(instances)[:80]}"
        )
    rows = [
        row
        if isinstance(row, dict) and set(row) != {"b64"}
        else dict(zip(names, [row], strict=False))
        for row in instances
    ]
    found = sorted({name for row in rows for name in row})
    if any(sorted(row) != sorted(names) for row in rows):
        raise ValueError(
            f"Each of `instances` must hold {sorted(names)}. Received: {found}"
        )
    return {
        name: json_values.from_json(
            [row[name] for row in rows], f"instances[{name!r}]"
        )
        for name in names
    }


def _values(outputs):
    return {name: json_values.to_json(array) for name, array in outputs.items()}


def _array(tensor):
    """The values of an input of V2, as it says that they are."""
    argument = f"inputs[{tensor.name!r}]"
    dtype = kserve_v2.to_dtype(tensor.datatype)
    if any(size < 0 for size in tensor.shape):
        raise ValueError(
            f"`{argument}` must have sizes of at least 0. "
            f"Received: shape {list(tensor.shape)}"
        )
    try:
        if tensor._raw_data is not None:
            array = tensor.as_numpy()
        else:
            array = kserve_v2.from_data(
                {
                    "data": tensor.data,
                    "datatype": tensor.datatype,
                    "shape": tensor.shape,
                    "parameters": tensor.parameters,
                },
                argument,
            )
    except (struct.error, ValueError) as error:
        raise ValueError(
            f"`{argument}` must hold values of {dtype.name}, as many as its "
            f"shape {list(tensor.shape)} says. Received: {error}"
        ) from error
    return check_input(argument, array, tf.TensorSpec(None, dtype))


def _output(name, array, request):
    binary = request.use_binary_outputs
    for output in request.request_outputs or ():
        if output.name == name and output.binary_data is not None:
            binary = output.binary_data
    tensor = kserve.InferOutput(
        name, list(array.shape), kserve_v2.to_datatype(array.dtype)
    )
    if binary or array.dtype != object:
        tensor.set_data_from_numpy(array, binary_data=bool(binary))
        return tensor
    fields = kserve_v2.to_data(array)
    tensor.data = fields["data"]
    if "parameters" in fields:
        tensor.parameters = fields["parameters"]
    return tensor
