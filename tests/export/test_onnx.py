"""Models as ONNX files, run in ONNX Runtime."""

import importlib
import json
import math
import os
import subprocess
import sys

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx

import keras_xmodal as kx
from keras_xmodal import export
from tests.export.conftest import TEXTS
from tests.export.test_gan_endpoints import make_gan

onnx_module = importlib.import_module("keras_xmodal.export.onnx")


def session(path):
    return onnxruntime.InferenceSession(str(path))


def describe(values):
    return {v.name: (v.type, v.shape) for v in values}


@pytest.fixture(scope="module")
def written(model, evaluation, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "files"
    return path, export.onnx(model, path, evaluation)


def test_files_and_report(written):
    path, report = written
    assert sorted(os.listdir(path)) == [
        "README.md",
        "image.onnx",
        "report.json",
        "text.onnx",
        "text_vocabulary.txt",
    ]
    assert json.loads((path / "report.json").read_text("utf-8")) == report
    assert report["format"] == "onnx"
    assert report["opset"] == 18
    assert report["max_abs_error"] <= 1e-5
    assert report["R@1"] == pytest.approx(report["R@1_before"])
    text = report["endpoints"]["embed_text"]
    assert text["file"] == "text.onnx"
    assert text["bytes"] == (path / "text.onnx").stat().st_size
    assert text["vocabularies"] == ["text_vocabulary.txt"]


def test_names_and_dtypes_are_those_of_the_signature(written):
    image, text = (session(written[0] / f"{m}.onnx") for m in ("image", "text"))
    assert describe(image.get_inputs()) == {
        "image": ("tensor(float)", ["batch", 12, 12, 3])
    }
    assert describe(text.get_inputs()) == {
        "text": ("tensor(int32)", ["batch", 6])
    }
    assert describe(text.get_outputs()) == {
        "embedding": ("tensor(float)", ["batch", 10])
    }


def test_any_batch_size_equals_keras(written, model, evaluation):
    for name, x in model.preprocess(evaluation[0]).items():
        x = np.asarray(x)
        expected = np.asarray(model({name: x})[name])
        run = session(written[0] / f"{name}.onnx").run
        for size in (1, 7, 12, 1):
            (actual,) = run(["embedding"], {name: x[:size]})
            np.testing.assert_allclose(actual, expected[:size], atol=1e-5)


def test_noise_of_a_gan_is_an_input(tmp_path):
    gan = make_gan(condition="text", target="image")
    gan.build((None, 6))
    report = export.onnx(gan, tmp_path / "a")
    assert set(report["endpoints"]) == {"generate_from_z"}
    run = session(tmp_path / "a" / "generate_from_z.onnx").run
    generator = np.random.default_rng(0)
    text = generator.random((4, 6)).astype("float32")
    z = generator.standard_normal((4, 5)).astype("float32")
    (actual,) = run(["image"], {"text": text, "z": z})
    np.testing.assert_allclose(actual, gan.generate(text, z=z), atol=1e-5)


def test_noise_of_a_translation_is_an_input(tmp_path):
    model = kx.VAEModel({"image": 12, "text": 7}, 4)
    report = export.onnx(model, tmp_path / "a")
    assert set(report["endpoints"]) == {
        "encode_image",
        "encode_text",
        "encode_all",
        "decode_image",
        "decode_text",
        "translate_image_to_text",
        "translate_text_to_image",
    }
    assert report["max_abs_error"] < 1e-5
    image = np.random.default_rng(0).random((3, 12), "float32")
    files = {
        name: session(tmp_path / "a" / f"{name}.onnx").run
        for name in ("encode_image", "decode_text", "translate_image_to_text")
    }
    mean, log_variance = files["encode_image"](
        ["mean", "log_variance"], {"image": image}
    )
    noise = np.random.default_rng(1).normal(size=mean.shape).astype("float32")
    z = mean + np.exp(log_variance / 2) * noise
    (expected,) = files["decode_text"](["text"], {"z": z})
    (actual,) = files["translate_image_to_text"](
        ["text"], {"image": image, "noise": noise}
    )
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "function"),
    [("expm1", np.expm1), ("erfc", np.vectorize(math.erfc))],
)
def test_operators_that_onnx_has_in_other_words(name, function):
    x = tf.constant([-20, -1, -1e-7, 0, 1e-7, 1e-3, 1, 20], tf.float32)
    spec = tf.TensorSpec((None,), tf.float32, "x")
    proto, _ = tf2onnx.convert.from_function(
        tf.function(
            lambda x: {"y": getattr(tf.math, name)(x)}, autograph=False
        ),
        input_signature=[spec],
        opset=18,
        custom_op_handlers=onnx_module._OPERATORS,
    )
    run = onnxruntime.InferenceSession(proto.SerializeToString()).run
    (actual,) = run(["y"], {"x": x.numpy()})
    # Of erfc, what is small is only as exact as 1 is.
    atol = 0 if name == "expm1" else 1e-7
    np.testing.assert_allclose(actual, function(x), rtol=1e-6, atol=atol)


def test_an_operator_that_onnx_lacks(tmp_path):
    encoder = keras.Sequential(
        [keras.Input((6,)), keras.layers.Lambda(tf.math.lgamma)]
    )
    model = kx.EmbeddingModel(encoders={"a": encoder}, embedding_dim=4)
    rule = r"The networks of 'embed_a' must only use operators that ONNX has"
    with pytest.raises(ValueError, match=f"{rule}.*Received: .*Lgamma"):
        export.onnx(model, tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_an_input_that_is_none_of_the_signature(tmp_path, monkeypatch):
    """As the converter makes it of a constant in some of KerasHub's layers."""
    other = export.onnx(kx.EmbeddingModel({"a": 3, "b": 2}, 2), tmp_path / "a")
    file = other["endpoints"]["embed_a"]["file"]
    content = (tmp_path / "a" / file).read_bytes()
    monkeypatch.setattr(onnx_module, "_convert", lambda *_: content)
    with pytest.raises(
        ValueError, match=r"'embed' must .*further inputs \['a'"
    ):
        export.onnx(kx.EmbeddingModel(3, 2), tmp_path / "b")
    assert os.listdir(tmp_path) == ["a"]


def test_a_difference_leaves_nothing(tmp_path, monkeypatch):
    def run(inputs):
        return {"embedding": np.ones((len(inputs["x"]), 16), "float32")}

    monkeypatch.setattr(onnx_module, "_runner", lambda _: run)
    with pytest.raises(RuntimeError, match="'embed' must equal Keras"):
        export.onnx(kx.EmbeddingModel(32, 16), tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_bad_arguments(tmp_path, monkeypatch):
    path = tmp_path / "a"
    model = kx.EmbeddingModel(3, 2)
    with pytest.raises(TypeError, match="`triton` must be True or False"):
        export.onnx(model, path, triton="yes")
    with pytest.raises(TypeError, match="`model`"):
        export.onnx(None, path)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"keras-xmodal\[onnx\]"):
        export.onnx(model, path)
    assert os.listdir(tmp_path) == []


def test_model_repository_of_triton(tmp_path):
    path = tmp_path / "models"
    report = export.onnx(
        kx.EmbeddingModel({"image": 12, "text": 7}, 4), path, triton=True
    )
    assert report["endpoints"]["embed_text"]["file"] == (
        "embed_text/1/model.onnx"
    )
    assert (path / "embed_text" / "1" / "model.onnx").is_file()
    config = (path / "embed_text" / "config.pbtxt").read_text()
    assert config == (
        'name: "embed_text"\n'
        'platform: "onnxruntime_onnx"\n'
        "max_batch_size: 64\n"
        "input [\n"
        "  {\n"
        '    name: "text"\n'
        "    data_type: TYPE_FP32\n"
        "    dims: [7]\n"
        "  }\n"
        "]\n"
        "output [\n"
        "  {\n"
        '    name: "embedding"\n'
        "    data_type: TYPE_FP32\n"
        "    dims: [4]\n"
        "  }\n"
        "]\n"
        "dynamic_batching {}\n"
    )


PARSE = """
import json, sys
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

configs = [
    text_format.Parse(open(file).read(), ModelConfig()) for file in sys.argv[1:]
]
print(json.dumps([json_format.MessageToDict(config) for config in configs]))
"""


@pytest.mark.large
def test_triton_reads_the_configurations(tmp_path):
    """By its own messages: a class for each row, and texts of any length."""
    texts = kx.networks.TextPreprocessor(split="character")
    texts.adapt(TEXTS)
    encoder = kx.networks.TextEncoder(texts.vocabulary_size(), 8)
    model = kx.EmbeddingModel(
        encoders={"text": encoder},
        embedding_dim=5,
        preprocessors={"text": texts},
    )
    export.onnx(model, tmp_path / "texts", triton=True)
    classes = keras.layers.CategoryEncoding(3, "one_hot")
    gan = make_gan(condition_encoder=classes)
    gan.build((None,))
    export.onnx(
        gan,
        tmp_path / "gan",
        triton=True,
        input_signature={"x": tf.TensorSpec((None,), tf.int32)},
    )
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "venv", tmp_path / "venv"], check=True
    )
    install = ["-m", "pip", "install", "-q", "tritonclient[grpc]"]
    subprocess.run([python, *install], check=True)
    files = sorted(map(str, tmp_path.glob("*/*/config.pbtxt")))
    result = subprocess.run(
        [python, "-c", PARSE, *files], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    generate, embed = json.loads(result.stdout)
    assert generate["name"] == "generate_from_z"
    classes = {"name": "x", "dataType": "TYPE_INT32", "dims": ["1"]}
    assert {**classes, "reshape": {}} in generate["input"]
    assert embed["maxBatchSize"] == 64
    assert embed["input"] == [
        {"name": "text", "dataType": "TYPE_INT32", "dims": ["-1"]}
    ]
