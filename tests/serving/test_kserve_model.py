"""A KServe server with our model, in an environment of its own."""

import base64
import concurrent.futures
import json
import struct
import subprocess
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from tests.serving.conftest import (
    NAME,
    PNGS,
    ROOT,
    SERVER,
    WORDS,
    free_port,
    process,
)

pytestmark = pytest.mark.large

PROTOCOLS = [
    ("http", "kserve_v1"),
    ("http", "kserve_v2"),
    ("grpc", "kserve_v2"),
]
SIGNATURES = [
    "embed_image",
    "embed_image_bytes",
    "embed_text",
    "embed_text_string",
    "serving_default",
]


@pytest.fixture(scope="module", params=PROTOCOLS, ids="-".join)
def client(request, kserve_server):
    scheme, protocol = request.param
    with kx.serving.Client(
        kserve_server[scheme], NAME, protocol=protocol
    ) as client:
        yield client


@pytest.mark.parametrize("signature", SIGNATURES)
def test_answers_are_those_of_the_model(client, requests, signature):
    inputs, expected = requests[signature]
    received = client.predict(inputs, signature)
    assert list(received) == ["embedding"]
    assert received["embedding"].dtype == np.float32
    np.testing.assert_allclose(received["embedding"], expected, atol=1e-6)


def test_metadata_describe_the_default_signature(client):
    assert client.is_ready()
    signatures = client.signatures()
    if client.protocol == "kserve_v1":  # It has no metadata.
        assert signatures == {}
        return
    assert signatures == {
        "serving_default": {
            "inputs": {"image": tf.TensorSpec((None,), tf.string, "image")},
            "outputs": {
                "embedding": tf.TensorSpec((None, 10), tf.float32, "embedding")
            },
        }
    }


@pytest.mark.parametrize(
    ("inputs", "signature", "rule"),
    [
        ({"text": [1.5]}, "embed_text_string", "must hold strings"),
        ({"text": np.ones((2, 6))}, "embed_text", "must hold int32"),
        ({"text": [["a"] * 6]}, "embed_text", "must hold int32"),
        ({"text": np.ones((2, 5), int)}, "embed_text", "shape .batch, 6"),
        ({"text": [[2**40] * 6]}, "embed_text", "must be from -2147483648"),
        ({"text": np.ones((0, 6), int)}, "embed_text", "at least 1"),
        ({"image": ["a"]}, "embed_text_string", r"must hold \['text'\]"),
        ({"text": ["a"]}, "embed_speech", "`signature_name` must be one of"),
        ({"image": np.full((1, 12, 12, 3), np.nan)}, "embed_image", "finite"),
        ({"image": [PNGS[0], b"no"]}, "embed_image_bytes", "must be a JPEG"),
        ({"image": [PNGS[0][:60]]}, "serving_default", "Invalid PNG data"),
        ({"text": [[999] * 6]}, "embed_text", r"999 is not in \["),
    ],
)
def test_bad_inputs_are_refused_with_the_rule(client, inputs, signature, rule):
    with pytest.raises(ValueError, match=rule) as caught:
        client.predict(inputs, signature)
    assert "node" not in str(caught.value)


def test_unknown_model(kserve_server):
    for scheme, protocol in PROTOCOLS:
        url = kserve_server[scheme]
        with kx.serving.Client(url, "pears", protocol=protocol) as client:
            assert not client.is_ready()
            with pytest.raises(LookupError, match="pears does not exist"):
                client.predict({"text": WORDS}, "embed_text_string")


def post(url, body, content_type="application/json", **headers):
    """Status and JSON of an answer."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = {"Content-Type": content_type, **headers}
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture(scope="module")
def v1(kserve_server):
    return f"{kserve_server['http']}/v1/models/{NAME}:predict"


@pytest.fixture(scope="module")
def v2(kserve_server):
    return f"{kserve_server['http']}/v2/models/{NAME}/infer"


def text_request(**fields):
    return {"signature_name": "embed_text", **fields}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"5",
        b"\xff\xfe",
        {},
        {"instances": []},
        {"instances": 5},
        {"instances": [None]},
        {"instances": [{}]},
        {"instances": [1], "inputs": {}},
        {"signature_name": 5, "instances": ["a"]},
        {"signature_name": ["a"], "instances": ["a"]},
        {"instances": [{"image": {"b64": "!!!"}}]},
        {"instances": [{"image": {"b64": 5}}]},
        {"instances": [{"image": "no picture"}]},
        {"inputs": {"image": 5}},
        {"inputs": 5},
        text_request(instances=[{"text": [1, 2, 3, 4, 5, "a"]}]),
        text_request(instances=[{"text": [1, 2, 3, 4, 5, None]}]),
        text_request(instances=[{"text": [1, 2, 3, 4, 5, 1e30]}]),
        text_request(instances=[{"text": [1, 2, 3, 4, 5, 2**80]}]),
        text_request(instances=[{"text": [[1], [1, 2]]}]),
        text_request(instances=[{"text": [True] * 6}]),
        text_request(instances=[{"text": [1] * 6}, {"x": [1] * 6}]),
    ],
)
def test_v1_answers_400_to_what_does_not_fit(v1, body):
    status, answer = post(v1, body)
    assert status == 400
    assert "Error" not in answer["error"]


def test_v1_takes_what_tensorflow_serving_takes(v1, requests):
    expected = requests["embed_text_string"][1]
    fields = {"signature_name": "embed_text_string"}
    by_row = {**fields, "instances": [{"text": word} for word in WORDS]}
    encoded = [
        {"b64": base64.b64encode(word.encode()).decode()} for word in WORDS
    ]
    for body in (by_row, {**fields, "instances": WORDS}):
        status, answer = post(v1, body)
        assert status == 200
        received = [row["embedding"] for row in answer["predictions"]]
        np.testing.assert_allclose(received, expected, atol=1e-6)
    for inputs in (WORDS, {"text": WORDS}, {"text": encoded}):
        status, answer = post(v1, {**fields, "inputs": inputs})
        assert status == 200
        received = answer["outputs"]["embedding"]
        np.testing.assert_allclose(received, expected, atol=1e-6)
    # What curl calls it without being told.
    status, _ = post(
        v1,
        {**fields, "inputs": WORDS},
        content_type="application/x-www-form-urlencoded",
    )
    assert status == 200


def tensor(**fields):
    return {
        "name": "text",
        "shape": [1, 6],
        "datatype": "INT32",
        "data": [1] * 6,
        **fields,
    }


def infer(*inputs, signature="embed_text", **fields):
    parameters = {"signature_name": signature}
    return {"inputs": list(inputs), "parameters": parameters, **fields}


def test_v2_with_and_without_an_id(v2, signatures):
    expected = signatures("embed_text", text=np.ones((1, 6), "int32"))
    for fields in ({}, {"id": "7"}, {"id": None}):
        status, answer = post(v2, infer(tensor(), **fields))
        assert status == 200
        assert answer["id"] == fields.get("id") or len(answer["id"]) == 36
        assert answer["model_name"] == NAME
        (output,) = answer["outputs"]
        assert output["name"] == "embedding"
        assert output["datatype"] == "FP32"
        assert output["shape"] == [1, 10]
        np.testing.assert_allclose(
            output["data"], expected["embedding"][0], atol=1e-6
        )


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": []},
        infer(),
        infer(tensor(), signature="embed_speech"),
        infer(tensor(), signature=5),
        infer(tensor(), tensor()),
        infer(tensor(), outputs=[{"name": "x"}]),
        infer(tensor(name="x")),
        infer(tensor(shape=[1, 5])),
        infer(tensor(shape=[-1, 6])),
        infer(tensor(shape=[2, 3])),
        infer(tensor(shape=[0, 6], data=[])),
        infer(tensor(datatype="FP32")),
        infer(tensor(datatype="FP16")),
        infer(tensor(datatype="X")),
        infer(tensor(datatype="INT8", data=[300] * 6)),
        infer(tensor(data=[1.5] * 6)),
        infer(tensor(data=["a"] * 6)),
        infer(tensor(data=[None] * 6)),
        infer(
            tensor(name="image", datatype="BYTES", shape=[1], data=["no"]),
            signature="serving_default",
        ),
        infer(
            tensor(
                name="image",
                datatype="BYTES",
                shape=[1],
                data=["!"],
                parameters={"content_type": "base64"},
            ),
            signature="serving_default",
        ),
    ],
)
def test_v2_answers_400_to_what_does_not_fit(v2, body):
    status, answer = post(v2, body)
    assert status == 400
    assert "Error" not in answer["error"]


def test_v2_binary_extension(v2, signatures):
    expected = signatures("embed_text", text=np.ones((1, 6), "int32"))
    raw = np.ones((1, 6), "int32").tobytes()
    sizes = {"binary_data_size": len(raw)}
    header = infer(tensor(parameters=sizes))
    del header["inputs"][0]["data"]
    header["parameters"]["binary_data_output"] = True
    header = json.dumps(header).encode()
    request = urllib.request.Request(
        v2,
        header + raw,
        {
            "Inference-Header-Content-Length": str(len(header)),
            "Content-Type": "application/octet-stream",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        content = answer.read()
    received = struct.unpack("<10f", content[-40:])
    np.testing.assert_allclose(received, expected["embedding"][0], atol=1e-6)


def finder(names):
    def find(row):
        return {
            "id": tf.gather(names, row),
            "raw_bytes": tf.fill(tf.shape(row), b"\xff\x00"),
        }

    return find


def test_newest_version_is_taken_and_strings_come_back(kserve_python, tmp_path):
    """A SavedModel that gives strings, as a search does, of two versions."""
    for version in (1, 9, 10):
        module = tf.Module()
        module.find = tf.function(
            finder(tf.constant([f"apple {version}", "груша"])),
            input_signature=[tf.TensorSpec((None,), tf.int32, "row")],
        )
        tf.saved_model.save(
            module, str(tmp_path / str(version)), signatures=module.find
        )
    rest, grpc = free_port(), free_port()
    url = f"http://127.0.0.1:{rest}"
    command = [kserve_python, "-c", SERVER, tmp_path, "find", rest, grpc]
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with process(command, f"{url}/v2/health/ready", environment):
        for scheme, protocol in PROTOCOLS:
            address = url if scheme == "http" else f"grpc://127.0.0.1:{grpc}"
            with kx.serving.Client(
                address, "find", protocol=protocol
            ) as client:
                found = client.predict({"row": [1, 0]})
            assert found["id"].tolist() == ["груша", "apple 10"]
            assert found["raw_bytes"].tolist() == [b"\xff\x00"] * 2


def test_batched_requests_are_refused_one_by_one(
    kserve_python, saved, requests
):
    """Broken files in the batches of good ones."""
    expected = requests["embed_image_bytes"][1]
    rest, grpc = free_port(), free_port()
    url = f"http://127.0.0.1:{rest}"
    command = [kserve_python, "-c", SERVER, saved, NAME, rest, grpc, 1, 8]
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with (
        process(command, f"{url}/v2/health/ready", environment),
        kx.serving.Client(
            f"grpc://127.0.0.1:{grpc}", NAME, protocol="kserve_v2", timeout=60
        ) as client,
        concurrent.futures.ThreadPoolExecutor(16) as threads,
    ):
        many = client.predict({"image": PNGS * 2})  # more than a batch
        np.testing.assert_allclose(
            many["embedding"], np.tile(expected, (2, 1)), atol=1e-6
        )

        def ask(i):
            content = b"broken" if i % 4 == 3 else PNGS[i % len(PNGS)]
            try:
                answer = client.predict({"image": [content]})
            except ValueError as error:
                return str(error)
            return answer["embedding"][0]

        for i, answer in enumerate(threads.map(ask, range(240))):
            if i % 4 == 3:
                assert "must be a JPEG" in answer
                continue
            np.testing.assert_allclose(
                answer, expected[i % len(PNGS)], atol=1e-6
            )


def test_a_server_that_is_killed_and_starts_anew(
    kserve_python, saved, requests
):
    inputs, expected = requests["embed_text_string"]
    rest, grpc = free_port(), free_port()
    url = f"http://127.0.0.1:{rest}"
    command = [kserve_python, "-c", SERVER, saved, NAME, rest, grpc]
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    clients = [
        kx.serving.Client(
            url if scheme == "http" else f"grpc://127.0.0.1:{grpc}",
            NAME,
            protocol=protocol,
            retries=1,
        )
        for scheme, protocol in PROTOCOLS
    ]
    for _ in range(2):
        with process(command, f"{url}/v2/health/ready", environment):
            for client in clients:
                client.retries = 10
                received = client.predict(inputs, "embed_text_string")
                np.testing.assert_allclose(
                    received["embedding"], expected, atol=1e-6
                )
        for client in clients:  # It is killed.
            client.retries = 1
            with pytest.raises(ConnectionError):
                client.predict(inputs, "embed_text_string")
    for client in clients:
        client.close()


def test_bad_arguments(kserve_python, tmp_path):
    script = """
import sys, keras_xmodal as kx
path = sys.argv[1]
for arguments in ((path, "a"), (None, "a"), (path, 3), (path, "a", (2, 1))):
    try:
        kx.serving.kserve_model(*arguments)
    except (TypeError, ValueError) as error:
        print(error)
"""
    result = subprocess.run(
        [kserve_python, "-c", script, tmp_path],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    folder, kind, name, sizes = result.stdout.splitlines()
    assert folder.startswith("`path` must be the folder of a SavedModel")
    assert kind.startswith("`path` must be a string or path")
    assert name.startswith("`name` must be a string")
    assert "positive integers, increasing. Received" in sizes


def test_without_kserve(saved):
    with pytest.raises(ImportError, match=r"keras-xmodal\[kserve\]"):
        kx.serving.kserve_model(saved)
