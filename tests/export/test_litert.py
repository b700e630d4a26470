import importlib
import json
import os

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import keras_xmodal as kx
from keras_xmodal import export
from tests.export.conftest import TEXTS, make_model

litert_module = importlib.import_module("keras_xmodal.export.litert")


def runner(path, modality):
    interpreter = Interpreter(str(path / f"{modality}.tflite"))
    (name,) = interpreter.get_signature_list()
    assert name == f"embed_{modality}"
    run = interpreter.get_signature_runner(name)

    def embed(x):
        assert list(run.get_output_details()) == ["embedding"]
        return run(**{modality: x})["embedding"]

    return embed


def inputs(model, evaluation):
    return {
        name: np.asarray(value)
        for name, value in model.preprocess(evaluation[0]).items()
    }


def test_any_batch_size_equals_keras(lite, model, evaluation):
    for name, x in inputs(model, evaluation).items():
        embed = runner(lite[0], name)
        expected = np.asarray(model({name: x})[name])
        for size in (1, 7, 12, 1):
            actual = embed(x[:size])
            assert actual.shape == (size, 10)
            np.testing.assert_allclose(actual, expected[:size], atol=1e-5)


def test_files_and_report(lite):
    path, report = lite
    assert sorted(os.listdir(path)) == [
        "image.tflite",
        "report.json",
        "text.tflite",
        "text_vocabulary.txt",
    ]
    assert json.loads((path / "report.json").read_text("utf-8")) == report
    sizes = {file: (path / file).stat().st_size for file in os.listdir(path)}
    assert report["bytes"] == sum(sizes.values()) - sizes["report.json"]
    text = report["endpoints"]["embed_text"]
    assert text["file"] == "text.tflite"
    assert text["bytes"] == sizes["text.tflite"]
    assert text["input"]["dtype"] == "int32"
    assert report["max_abs_error"] <= 1e-5
    assert report["R@1"] == pytest.approx(report["R@1_before"])
    assert report["retrieval"]["text_to_image"]["after"]["num_candidates"] == 12


def test_vocabulary_lets_a_client_tokenise(lite, model):
    path, report = lite
    text = report["endpoints"]["embed_text"]
    lines = (path / text["vocabulary"]).read_text("utf-8").split("\n")
    ids = {token: i for i, token in enumerate(lines[:-1])}
    assert ids[""] == 0
    assert text["preprocessor"]["config"]["sequence_length"] == 6
    assert "vocabulary" not in text["preprocessor"]["config"]
    tokens = np.zeros((1, 6), "int32")
    tokens[0, :2] = [ids["красное"], ids["яблоко"]]
    np.testing.assert_array_equal(
        tokens, model.preprocess({"text": np.array(TEXTS[1:2])})["text"]
    )


@pytest.mark.parametrize(
    ("quantization", "atol"),
    [
        ("dynamic", 3e-2),
        pytest.param("float16", 2e-3, marks=pytest.mark.large),
    ],
)
def test_quantization(quantization, atol, tmp_path):
    keras.utils.set_random_seed(0)
    model = kx.EmbeddingModel({"a": 256, "b": 64}, 32)
    x = np.random.default_rng(0).normal(size=(9, 256)).astype("float32")
    sizes, errors = {}, {}
    for q in (None, quantization):
        path = tmp_path / str(q)
        report = export.litert(model, path, quantization=q)
        assert report["quantization"] == q
        sizes[q] = report["endpoints"]["embed_a"]["bytes"]
        error = np.abs(runner(path, "a")(x) - model({"a": x})["a"]).max()
        errors[q] = max(error, report["max_abs_error"])
    assert errors[None] < 1e-5
    assert 1e-5 < errors[quantization] < atol
    ratio = {"float16": 0.65, "dynamic": 0.45}[quantization]
    assert sizes[quantization] < ratio * sizes[None]


@pytest.mark.parametrize(
    "dtype",
    [
        "mixed_float16",
        pytest.param("mixed_bfloat16", marks=pytest.mark.large),
    ],
)
def test_mixed_precision_is_copied_into_float32(dtype, tmp_path, evaluation):
    model = make_model(dtype)
    report = export.litert(model, tmp_path / "a")
    assert report["max_abs_error"] < 2e-2
    model_float32 = make_model()
    x = inputs(model_float32, evaluation)
    model_float32(x)
    model_float32.set_weights(model.get_weights())
    for name, value in x.items():
        np.testing.assert_allclose(
            runner(tmp_path / "a", name)(value),
            model_float32({name: value})[name],
            atol=1e-5,
        )


def test_open_sequence_length(tmp_path):
    texts = kx.networks.TextPreprocessor(split="character", ngrams=(1, 3))
    texts.adapt(TEXTS)
    encoder = kx.networks.TextEncoder(texts.vocabulary_size(), 16)
    model = kx.EmbeddingModel(
        encoders={"text": encoder},
        embedding_dim=8,
        preprocessors={"text": texts},
    )
    report = export.litert(model, tmp_path / "a")
    assert report["endpoints"]["embed_text"]["input"]["shape"] == [None, None]
    embed = runner(tmp_path / "a", "text")
    for text in TEXTS:
        x = np.asarray(model.preprocess({"text": np.array([text])})["text"])
        np.testing.assert_allclose(
            embed(x), model({"text": x})["text"], atol=1e-5
        )


def model_with(*layers):
    """A model of tokens that pass through some layers."""
    encoder = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            keras.layers.Embedding(20, 8),
            *layers,
        ]
    )
    return kx.EmbeddingModel(encoders={"text": encoder}, embedding_dim=4)


@pytest.mark.parametrize(
    ("layers", "operator"),
    [
        pytest.param(
            [keras.layers.LSTM(4)],
            "TensorListReserve",
            marks=pytest.mark.large,
        ),
        (
            [
                keras.layers.Lambda(keras.ops.erf),
                keras.layers.GlobalAveragePooling1D(),
            ],
            "Erf",
        ),
    ],
)
def test_encoder_that_litert_cannot_run(layers, operator, tmp_path):
    model = model_with(*layers)
    rule = r"The encoder of 'text' must only use operators that LiteRT has"
    with pytest.raises(ValueError, match=f"{rule}.*Received: .*{operator}"):
        export.litert(model, tmp_path / "a")
    assert os.listdir(tmp_path) == []


@pytest.mark.large
def test_unrolled_recurrent_encoder(tmp_path):
    model = model_with(keras.layers.GRU(4, unroll=True))
    assert export.litert(model, tmp_path / "a")["max_abs_error"] <= 1e-5


def test_model_of_one_tensor(tmp_path):
    model = kx.EmbeddingModel(32, 16)
    export.litert(model, tmp_path / "a")
    interpreter = Interpreter(str(tmp_path / "a" / "model.tflite"))
    x = np.random.default_rng(0).random((3, 32), "float32")
    actual = interpreter.get_signature_runner("embed")(x=x)["embedding"]
    np.testing.assert_allclose(actual, model(x), atol=1e-5)


def test_existing_path_stays(model, tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(FileExistsError, match="`path` must not exist"):
        export.litert(model, tmp_path / "a")
    assert (tmp_path / "a").read_text() == "mine"


@pytest.mark.parametrize(
    ("dim", "dtype", "rule"),
    [
        (16, "float32", "'embed' must equal Keras to within"),
        pytest.param(
            32,
            "float32",
            "'embed' must return outputs of shapes",
            marks=pytest.mark.large,
        ),
        pytest.param(
            16,
            "float64",
            "'embed' must return outputs of shapes",
            marks=pytest.mark.large,
        ),
    ],
)
def test_failed_comparison_leaves_nothing(
    dim, dtype, rule, tmp_path, monkeypatch
):
    def run(inputs):
        return {"embedding": np.ones((len(inputs["x"]), dim), dtype)}

    monkeypatch.setattr(litert_module, "_runner", lambda *_: run)
    with pytest.raises(RuntimeError, match=rule):
        export.litert(kx.EmbeddingModel(32, 16), tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_bad_arguments(model, tmp_path):
    path = tmp_path / "a"
    with pytest.raises(ValueError, match=r"`quantization`.*Received.*'int4'"):
        export.litert(model, path, quantization="int4")
    with pytest.raises(TypeError, match="`model`"):
        export.litert(None, path)
    texts = keras.layers.TextVectorization(
        vocabulary=["a\nb"], standardize=None, split=None
    )
    encoder = model_with(keras.layers.GlobalMaxPooling1D()).encoders["text"]
    model = kx.EmbeddingModel(
        encoders={"text": encoder},
        embedding_dim=4,
        preprocessors={"text": texts},
    )
    with pytest.raises(ValueError, match=r"vocabulary.*line break"):
        export.litert(model, path)
    assert os.listdir(tmp_path) == []
