"""The client against TensorFlow Serving, or a stand-in for it."""

import asyncio
import http.server
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from tests.serving.conftest import NAME, PNGS, WORDS, free_port
from tests.serving.stand_in import FailureError, StandIn

SCHEMES = ["http", "grpc"]
UNAVAILABLE = FailureError(grpc.StatusCode.UNAVAILABLE, "the queue is full")


@pytest.fixture(scope="session", params=SCHEMES)
def client(request, tensorflow_serving):
    with kx.serving.Client(tensorflow_serving[request.param], NAME) as client:
        yield client


@pytest.fixture(params=SCHEMES)
def scheme(request):
    return request.param


def connect(server, scheme, **arguments):
    return kx.serving.Client(server.urls[scheme], NAME, **arguments)


def test_signatures(client):
    signatures = client.signatures()
    assert set(signatures) == {
        "embed_image",
        "embed_image_bytes",
        "embed_text",
        "embed_text_string",
        "serving_default",
    }
    assert signatures["embed_image"] == {
        "inputs": {
            "image": tf.TensorSpec((None, 12, 12, 3), tf.float32, "image")
        },
        "outputs": {
            "embedding": tf.TensorSpec((None, 10), tf.float32, "embedding")
        },
    }
    assert client.is_ready()


@pytest.mark.parametrize(
    "signature",
    [
        "embed_image",
        "embed_image_bytes",
        "embed_text",
        "embed_text_string",
        "serving_default",
    ],
)
def test_answers_are_those_of_the_model(client, requests, signature):
    inputs, expected = requests[signature]
    received = client.predict(inputs, signature)
    assert list(received) == ["embedding"]
    assert received["embedding"].dtype == np.float32
    np.testing.assert_allclose(received["embedding"], expected, atol=1e-6)


def test_default_signature(client, requests):
    inputs, expected = requests["serving_default"]
    received = client.predict(inputs)["embedding"]
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_numbers_are_converted_where_the_dtype_holds_them(client, requests):
    inputs, expected = requests["embed_text"]
    tokens = inputs["text"]
    for value in (tokens.tolist(), tokens.astype("int64"), tf.constant(tokens)):
        received = client.predict({"text": value}, "embed_text")["embedding"]
        np.testing.assert_allclose(received, expected, atol=1e-6)


def test_awaited(client, requests):
    async def ask():
        names = ["embed_text_string", "embed_image_bytes"] * 3
        answers = await asyncio.gather(
            *(client.predict_async(requests[name][0], name) for name in names)
        )
        return zip(names, answers, strict=True)

    for name, answer in asyncio.run(ask()):
        expected = requests[name][1]
        np.testing.assert_allclose(answer["embedding"], expected, atol=1e-6)


BAD_INPUTS = [
    ({"text": [1.5]}, "embed_text_string", TypeError, "must hold strings"),
    ({"text": np.ones((2, 6))}, "embed_text", TypeError, "must hold int32"),
    ({"text": [["a"] * 6]}, "embed_text", TypeError, "int32.*strings"),
    ({"text": np.ones((2, 5), int)}, "embed_text", ValueError, "batch, 6"),
    ({"text": [[2**40] * 6]}, "embed_text", ValueError, "must be from -2"),
    ({"text": np.ones((0, 6), int)}, "embed_text", ValueError, "at least 1"),
    ({"image": ["a"]}, "embed_text_string", ValueError, r"hold \['text'\]"),
    ({}, "embed_text", ValueError, r"hold \['text'\]"),
    ({"text": ["a"]}, "embed_speech", ValueError, "`signature` must be one of"),
    (
        {"image": np.full((1, 12, 12, 3), np.nan)},
        "embed_image",
        ValueError,
        "must be finite",
    ),
    (["a"], "embed_text_string", TypeError, "`inputs` must be a dict"),
    # What only the server sees.
    (
        {"image": [PNGS[0], b"no picture"]},
        "embed_image_bytes",
        ValueError,
        "`contents` must be a JPEG, PNG",
    ),
    ({"text": [[999] * 6]}, "embed_text", ValueError, r"999 is not in \["),
]


@pytest.mark.parametrize(("inputs", "signature", "error", "rule"), BAD_INPUTS)
def test_bad_inputs(client, inputs, signature, error, rule):
    with pytest.raises(error, match=rule) as caught:
        client.predict(inputs, signature)
    assert "node" not in str(caught.value)
    assert "Graph execution" not in str(caught.value)


def test_unknown_model_or_version(tensorflow_serving, scheme):
    url = tensorflow_serving[scheme]
    for model, version in (("pears", None), (NAME, 7)):
        with kx.serving.Client(url, model, version=version) as client:
            assert not client.is_ready()
            with pytest.raises(LookupError, match=f"'{model}' at {url}"):
                client.predict({"text": ["a"]}, "embed_text_string")
    with kx.serving.Client(url, NAME, version=1) as client:
        assert client.is_ready()
        client.predict({"text": WORDS}, "embed_text_string")


def test_large_inputs_go_in_parts(stand_in, scheme, requests):
    expected = requests["embed_text_string"][1]
    with connect(stand_in, scheme, batch_size=3) as client:
        received = client.predict({"text": WORDS * 2}, "embed_text_string")
        assert stand_in.requests == [3, 3, 2]
        np.testing.assert_allclose(
            received["embedding"], np.tile(expected, (2, 1)), atol=1e-6
        )
    stand_in.requests.clear()
    lengths = [len(content) for content in PNGS]
    most = lengths[0] + lengths[1]  # The last one is larger than that.
    with connect(stand_in, scheme, max_bytes=most) as client:
        client.predict({"image": PNGS}, "embed_image_bytes")
        assert stand_in.requests[0] == 2
        assert stand_in.requests[-1] == 1
        assert sum(stand_in.requests) == len(PNGS)
        assert lengths[-1] > most


def test_more_than_the_usual_limit_of_grpc(stand_in):
    pictures = np.full((5, 12, 12, 3), 0.5, "float32")
    large = {"image": [b"x" * 5 * 2**20, PNGS[0]]}
    with connect(stand_in, "grpc") as client:
        # It arrives: the picture is broken, not too large.
        with pytest.raises(ValueError, match="Received: 5242880 bytes"):
            client.predict(large, "embed_image_bytes")
        received = client.predict({"image": pictures}, "embed_image")
    assert received["embedding"].shape == (5, 10)


def test_what_a_server_cannot_take_now_is_sent_again(stand_in, scheme):
    with connect(stand_in, scheme, retries=2) as client:
        stand_in.failures = [UNAVAILABLE] * 2
        client.predict({"text": WORDS}, "embed_text_string")
        assert not stand_in.failures
        stand_in.failures = [UNAVAILABLE] * 3
        with pytest.raises(ConnectionError, match="queue is full, after 3 tri"):
            client.predict({"text": WORDS}, "embed_text_string")


def test_what_is_wrong_is_sent_once(stand_in, scheme):
    wrong = FailureError(grpc.StatusCode.INTERNAL, "out of memory")
    stand_in.failures = [wrong, wrong]
    rule = f"'{NAME}' at .*out of memory"
    with (
        connect(stand_in, scheme) as client,
        pytest.raises(RuntimeError, match=rule),
    ):
        client.predict({"text": WORDS}, "embed_text_string")
    assert len(stand_in.failures) == 1


def test_deadline(stand_in, scheme):
    with connect(stand_in, scheme, timeout=0.3) as client:
        client.signatures()
        stand_in.seconds = 1.0
        start = time.monotonic()
        with pytest.raises(TimeoutError, match=r"in 0\.3 seconds"):
            client.predict({"text": WORDS}, "embed_text_string")
        assert time.monotonic() - start < 0.9
        # The connection serves on.
        stand_in.seconds = 0.0
        client.timeout = 10
        client.predict({"text": WORDS}, "embed_text_string")


def test_retries_end_at_the_deadline(stand_in, scheme):
    with connect(stand_in, scheme, timeout=0.5, retries=1000) as client:
        client.signatures()
        stand_in.failures = [UNAVAILABLE] * 1000
        with pytest.raises(ConnectionError, match="queue is full"):
            client.predict({"text": WORDS}, "embed_text_string")
    assert 1000 - len(stand_in.failures) < 10  # The waits double.


def test_no_server(scheme):
    url = f"{scheme}://127.0.0.1:{free_port()}"
    with kx.serving.Client(url, NAME, retries=1) as client:
        assert not client.is_ready()
        with pytest.raises(ConnectionError, match=f"'{NAME}' at {url} must"):
            client.predict({"text": ["a"]}, "embed_text_string")


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"outputs": [["a"]]}'])
def test_another_server(content):
    """Such as a proxy, which answers 200 to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        for protocol in ("tensorflow_serving", "kserve_v1", "kserve_v2"):
            with (
                kx.serving.Client(url, NAME, protocol=protocol) as client,
                pytest.raises(RuntimeError, match="none of the protocol"),
            ):
                client.predict({"text": ["a"]}, "embed_text_string")
        server.shutdown()
        thread.join()


def test_no_more_connections_than_requests_at_a_time(stand_in):
    with connect(stand_in, "http") as client:
        for _ in range(5):
            thread = threading.Thread(
                target=client.predict,
                args=({"text": WORDS}, "embed_text_string"),
            )
            thread.start()
            thread.join()
        assert client._server.transport._idle.qsize() == 1


def test_server_that_starts_anew(loaded, saved, scheme, requests):
    ports = {"rest_port": free_port(), "grpc_port": free_port()}
    inputs, expected = requests["embed_text_string"]
    server = StandIn(loaded, saved, NAME, **ports)
    with connect(server, scheme, timeout=30, retries=20) as client:
        client.predict(inputs, "embed_text_string")
        server.close()
        servers = []
        timer = threading.Timer(
            0.5, lambda: servers.append(StandIn(loaded, saved, NAME, **ports))
        )
        timer.start()
        received = client.predict(inputs, "embed_text_string")["embedding"]
        np.testing.assert_allclose(received, expected, atol=1e-6)
        timer.join()
        servers[0].close()


def test_signatures_are_asked_for_once_and_after_errors(
    stand_in, scheme, tmp_path
):
    with connect(stand_in, scheme) as client:
        for _ in range(3):
            client.predict({"text": WORDS}, "embed_text_string")
        assert stand_in.metadata_requests == 1
        # Another version, with other signatures.
        path = tmp_path / "2"
        kx.export.saved_model(kx.EmbeddingModel({"speech": 5}, 3), path)
        stand_in.serve(tf.saved_model.load(str(path)), path)
        received = client.predict({"speech": np.ones((2, 5))}, "embed_speech")
        assert received["embedding"].shape == (2, 3)
        assert stand_in.metadata_requests == 2


def test_headers(stand_in, scheme):
    with connect(stand_in, scheme, headers={"Authorization": "x"}) as client:
        client.predict({"text": WORDS}, "embed_text_string")
    for headers in stand_in.headers:
        found = {name.lower(): value for name, value in headers.items()}
        assert found["authorization"] == "x"


def test_threads_share_a_client(stand_in, scheme, requests):
    inputs, expected = requests["embed_text_string"]
    differences = []
    with connect(stand_in, scheme) as client:

        def ask():
            for _ in range(5):
                received = client.predict(inputs, "embed_text_string")
                difference = received["embedding"] - expected
                differences.append(np.abs(difference).max())

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(differences) == 40
    assert max(differences) < 1e-6


@pytest.mark.parametrize(
    ("arguments", "error", "rule"),
    [
        ({"url": "localhost:8501"}, ValueError, "`url` must have one of"),
        ({"url": "ftp://localhost"}, ValueError, "`url` must have one of"),
        ({"url": "grpc://localhost/v1"}, ValueError, "`url` must have one of"),
        ({"url": "http://localhost:a"}, ValueError, "`url` must have one of"),
        ({"url": "http://[localhost"}, ValueError, "`url` must have one of"),
        ({"url": 8501}, TypeError, "`url` must be a string"),
        ({"model": None}, TypeError, "`model` must be a string"),
        ({"protocol": "v1"}, ValueError, "`protocol` must be one of"),
        ({"timeout": 0}, ValueError, "`timeout` must be a positive number"),
        ({"retries": -1}, ValueError, "`retries` must be"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be"),
        ({"max_bytes": 0}, ValueError, "`max_bytes` must be"),
        ({"version": "a"}, TypeError, "`version` must be"),
        ({"headers": [1]}, TypeError, "`headers` must be a dict"),
        ({"headers": {"a": 1}}, TypeError, "`headers` must be a dict of str"),
        (
            {"protocol": "kserve_v1", "url": "grpc://localhost"},
            ValueError,
            "V1 protocol must be asked by REST",
        ),
        (
            {"protocol": "kserve_v1", "version": 1},
            ValueError,
            "without a version",
        ),
    ],
)
def test_bad_arguments(arguments, error, rule):
    with pytest.raises(error, match=rule):
        kx.serving.Client(
            **{"url": "http://localhost", "model": NAME, **arguments}
        )
