"""A client of model servers."""

import asyncio
import concurrent.futures
import math
import random
import time
import urllib.parse
from typing import Any

import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.serving import errors, json_values
from keras_xmodal.serving.grpc_channel import GRPCChannel
from keras_xmodal.serving.http_connection import HTTPConnection
from keras_xmodal.serving.inputs import check_inputs, to_array
from keras_xmodal.serving.kserve_v1 import KServeV1
from keras_xmodal.serving.kserve_v2 import KServeV2
from keras_xmodal.serving.kserve_v2_grpc import KServeV2GRPC
from keras_xmodal.serving.tensorflow_grpc import TensorFlowGRPC
from keras_xmodal.serving.tensorflow_rest import TensorFlowREST

_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0  # seconds, between tries
_THREADS = 32  # of what is awaited at a time
_PROTOCOLS = ("tensorflow_serving", "kserve_v1", "kserve_v2")


class Client:
    """Ask a server for what a model gives.

    It talks to TensorFlow Serving, over REST and gRPC, and to servers of
    KServe's protocols V1 (REST) and V2 (REST and gRPC), such as
    `kx.serving.kserve_model` in a `kserve.ModelServer`. The scheme of `url`
    chooses: `http`, `https`, `grpc`, or `grpcs`, which is gRPC over TLS. gRPC
    to TensorFlow Serving needs `pip install 'keras-xmodal[serving]'`.

    What is asked is checked first, where the server tells what it takes:
    TensorFlow Serving all signatures, the V2 protocol the default one, the V1
    protocol none. Numbers are converted where the signature's dtype holds
    them, strings are sent in UTF-8, the contents of files as they are.

    A request that a server cannot take now (it is overloaded, starts anew, or
    the connection breaks) is sent again, after a wait that doubles and is
    partly random, until `retries` or `timeout` is used up. As no answer
    depends on those before, sending it twice does no harm.

    A client may be used from several threads. It keeps its connections open:
    close it, or use it in a `with` block.

    Args:
        url: String, such as `"http://localhost:8501"` or
            `"grpc://localhost:8500"`.
        model: String, the name of the model.
        version: Integer, the version to ask, or None for the newest one. The
            V1 protocol has none.
        protocol: `"tensorflow_serving"`, `"kserve_v1"` or `"kserve_v2"`.
        timeout: Float, seconds that a request may take, with all its tries.
        retries: Integer, how often a request is sent again.
        batch_size: Integer, the most examples of one request; more are sent
            in several, one after another, each with its own timeout. The
            largest batch of TensorFlow Serving's `batching.config` is a limit.
        max_bytes: Integer, the most bytes of the inputs of one request: a
            server of gRPC that was not told otherwise refuses more than 4 MiB.
            A single example may be larger.
        headers: Dict of strings, further headers by name, such as
            `{"Authorization": "Bearer ..."}`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a value is not allowed.
        ImportError: If the messages of TensorFlow Serving are not installed.

    Example:
        ```python
        import keras_xmodal as kx

        with kx.serving.Client("http://localhost:8501", "emoji") as client:
            if client.is_ready():
                outputs = client.predict(
                    {"text": ["red apple", "pear"]}, "embed_text_string"
                )
                print(outputs["embedding"].shape)  # (2, 640)
        ```
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        version: int | None = None,
        protocol: str = "tensorflow_serving",
        timeout: float = 10.0,
        retries: int = 3,
        batch_size: int = 32,
        max_bytes: int = 3 * 2**20,
        headers: dict[str, str] | None = None,
    ):
        self.url = checks.string("url", url)
        self.model = checks.string("model", model)
        self.version = checks.integer("version", version, 0, optional=True)
        self.protocol = checks.one_of("protocol", protocol, _PROTOCOLS)
        self.timeout = checks.positive("timeout", timeout)
        self.retries = checks.integer("retries", retries, 0)
        self.batch_size = checks.positive_integer("batch_size", batch_size)
        self.max_bytes = checks.positive_integer("max_bytes", max_bytes)
        self.headers = _check_headers({} if headers is None else headers)
        self._server = self._connect()
        self._signatures: dict | None = None
        self._threads: concurrent.futures.ThreadPoolExecutor | None = None

    def signatures(self) -> dict[str, dict[str, dict[str, tf.TensorSpec]]]:
        """Ask what the server tells of its inputs and outputs.

        Returns:
            Dict by signature of dicts `inputs` and `outputs`, which hold a
            `tf.TensorSpec` by name. It lacks what the protocol does not tell.
        """
        self._signatures = self._ask("its signatures", self._server.signatures)
        return self._signatures

    def is_ready(self) -> bool:
        """Ask whether the server has the model and is up, without retries."""
        deadline = time.monotonic() + self.timeout
        try:
            return bool(self._server.is_ready(deadline))
        except errors.AnswerError:
            return False

    def predict(
        self, inputs: dict[str, Any], signature: str = "serving_default"
    ) -> dict[str, np.ndarray]:
        """Compute what a signature of the model gives.

        Args:
            inputs: Dict of arrays or lists by the name of the input, whose
                dimension 0 is the batch: numbers, texts (`str`), or the
                contents of files (`bytes`).
            signature: String, its name.

        Returns:
            Dict of arrays by the name of the output. Strings are `str`, or
            `bytes` where the name ends in `_bytes` or they are not UTF-8. The
            V1 protocol tells no dtypes: numbers with a fraction become
            float32, and an output without a name is `output`.

        Raises:
            TypeError: If an input has another dtype than the signature takes.
            ValueError: If an input has another shape, a name is unknown, or
                the server refuses the inputs.
            LookupError: If the server has no such model, version or signature.
            PermissionError: If the server wants other `headers`.
            TimeoutError: If there is no answer in `timeout`.
            ConnectionError: If the server cannot be reached, or not now.
            RuntimeError: If the server fails.
        """
        checks.string("signature", signature)
        arrays, specs = self._check(inputs, signature)
        answers = [
            self._ask(
                f"{signature!r}",
                lambda deadline, part=part: self._server.predict(
                    part, signature, specs, deadline
                ),
            )
            for part in self._split(arrays, specs)
        ]
        return {
            name: json_values.named(
                name,
                np.concatenate([answer[name] for answer in answers])
                if len(answers) > 1
                else answers[0][name],
            )
            for name in answers[0]
        }

    async def predict_async(
        self, inputs: dict[str, Any], signature: str = "serving_default"
    ) -> dict[str, np.ndarray]:
        """Compute what a signature gives, while others of the loop run on.

        Up to 32 requests are under way at a time.

        Args:
            inputs: As for `predict`.
            signature: As for `predict`.

        Returns:
            As `predict`, which also says what is raised.
        """
        if self._threads is None:
            self._threads = concurrent.futures.ThreadPoolExecutor(
                _THREADS, "keras_xmodal.serving"
            )
        future = self._threads.submit(self.predict, inputs, signature)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Close all connections."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        self._server.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _connect(self):
        url = _check_url(self.url)
        is_grpc = url.scheme in ("grpc", "grpcs")
        has_more = is_grpc or self.version is not None
        if self.protocol == "kserve_v1" and has_more:
            raise ValueError(
                "The V1 protocol must be asked by REST, without a version. "
                f"Received: url={self.url!r}, version={self.version}"
            )
        protocol = {
            ("tensorflow_serving", False): TensorFlowREST,
            ("tensorflow_serving", True): TensorFlowGRPC,
            ("kserve_v1", False): KServeV1,
            ("kserve_v2", False): KServeV2,
            ("kserve_v2", True): KServeV2GRPC,
        }[self.protocol, is_grpc]
        transport = GRPCChannel if is_grpc else HTTPConnection
        return protocol(transport(url, self.headers), self.model, self.version)

    def _check(self, inputs, signature):
        """Inputs as arrays, and what is known of the signature."""
        is_fresh = self._signatures is None
        known = self.signatures() if is_fresh else self._signatures
        if signature not in known and not self._server.knows_all_signatures:
            checks.instance_of("inputs", inputs, dict, "a dict {name: array}")
            if not inputs:
                raise ValueError("`inputs` must hold some. Received: none")
            arrays = {
                name: to_array(f"inputs[{name!r}]", value)
                for name, value in inputs.items()
            }
            return arrays, {}
        try:
            if signature not in known:
                raise ValueError(
                    f"`signature` must be one of {sorted(known)}, those of "
                    f"{self.model!r}. Received: signature={signature!r}"
                )
            specs = known[signature]
            return check_inputs(inputs, specs["inputs"]), specs
        except (TypeError, ValueError):
            if is_fresh:
                raise
        # The server may have another version by now.
        self._signatures = None
        return self._check(inputs, signature)

    def _split(self, arrays, specs):
        """Yield parts of the inputs that are not too large for a request."""
        outputs = specs.get("outputs", {}).values()
        batched = {name: a for name, a in arrays.items() if a.ndim}
        if not batched or any(
            spec.shape.rank is not None and spec.shape[:1] != [None]
            for spec in outputs
        ):
            yield arrays
            return
        lengths = {name: len(array) for name, array in batched.items()}
        num_rows = checks.same_length("inputs", lengths, 1)
        sizes = sum(_row_bytes(array) for array in batched.values())
        start = 0
        while start < num_rows:
            stop = start + 1
            total = sizes[start]
            while stop < min(num_rows, start + self.batch_size):
                total += sizes[stop]
                if total > self.max_bytes:
                    break
                stop += 1
            part = {name: a[start:stop] for name, a in batched.items()}
            yield {**arrays, **part}
            start = stop

    def _ask(self, what, call):
        """Call until there is an answer, or no more time."""
        deadline = time.monotonic() + self.timeout
        attempt = 0
        while True:
            try:
                return call(deadline)
            except errors.AnswerError as error:
                wait = min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT)
                wait = max(error.wait, wait * random.uniform(0.5, 1))
                late = time.monotonic() + wait >= deadline
                if not error.again or late or attempt == self.retries:
                    self._signatures = None  # They may be old.
                    raise self._error(what, error, attempt) from error
            time.sleep(wait)
            attempt += 1

    def _error(self, what, error, attempt):
        """The error of Python's that tells what a server said."""
        at = f"{self.model!r} at {self.url}"
        if error.kind is ValueError:
            rule = f"`inputs` must be what {what} of {at} takes"
        elif error.kind is LookupError:
            rule = f"There must be {what} of {at}"
        elif error.kind is TimeoutError:
            rule = f"{at} must answer {what} in {self.timeout:g} seconds"
        else:
            rule = f"{at} must answer {what}"
        tries = f", after {attempt + 1} tries" if attempt else ""
        return error.kind(f"{rule}. Received: {error}{tries}")


def _check_url(value):
    """The parts of a URL."""
    try:
        url = urllib.parse.urlsplit(value.rstrip("/"))
        is_grpc = url.scheme in ("grpc", "grpcs")
        known = is_grpc or url.scheme in ("http", "https")
        # Asking for the port checks it.
        fits = known and url.hostname and url.port != 0
        fits = fits and not (is_grpc and url.path)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            "`url` must have one of the schemes http, https, grpc and grpcs, "
            "a host, and a port if it has one, as in 'http://localhost:8501'. "
            f"Received: url={value!r}"
        )
    return url


def _check_headers(headers):
    rule = "a dict of strings by name"
    checks.instance_of("headers", headers, dict, rule)
    for part in (*headers, *headers.values()):
        checks.instance_of("headers", part, str, rule)
    return dict(headers)


def _row_bytes(array):
    if array.dtype != object:
        size = math.prod(array.shape[1:]) * array.itemsize
        return np.full(len(array), size)
    return np.array(
        [sum(map(len, np.ravel(np.asarray(row, object)))) for row in array]
    )
