import importlib
import json
import os
import sys

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import keras_xmodal as kx
from keras_xmodal import export
from keras_xmodal.export import litert_graph as graph_module
from keras_xmodal.export import litert_runners as runners
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
        "README.md",
        "image.tflite",
        "report.json",
        "text.tflite",
        "text_vocabulary.txt",
    ]
    assert json.loads((path / "report.json").read_text("utf-8")) == report
    sizes = {file: (path / file).stat().st_size for file in os.listdir(path)}
    about = sizes["report.json"] + sizes["README.md"]
    assert report["bytes"] == sum(sizes.values()) - about
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
    (file,) = text["vocabularies"]
    lines = (path / file).read_text("utf-8").split("\n")
    ids = {token: i for i, token in enumerate(lines[:-1])}
    assert ids[""] == 0
    assert text["preprocessor"]["config"]["sequence_length"] == 6
    assert text["preprocessor"]["config"]["vocabulary"] == file
    assert text["tokenizers"][0]["vocabulary"] == file
    tokens = np.zeros((1, 6), "int32")
    tokens[0, :2] = [ids["красное"], ids["яблоко"]]
    np.testing.assert_array_equal(
        tokens, model.preprocess({"text": np.array(TEXTS[1:2])})["text"]
    )


@pytest.fixture(scope="module")
def tables():
    """A model of tables of embeddings, one of them looked up, and products."""
    keras.utils.set_random_seed(0)
    encoders = {
        "text": kx.networks.TextEncoder(300, 64),
        "a": keras.Sequential([keras.Input((256,)), keras.layers.Dense(64)]),
    }
    model = kx.EmbeddingModel(encoders=encoders, embedding_dim=32)
    generator = np.random.default_rng(0)
    x = {
        "text": generator.integers(0, 300, (40, 6)).astype("int32"),
        "a": generator.normal(size=(40, 256)).astype("float32"),
    }
    x["text"][3] = 0  # of no token at all
    return model, x


@pytest.mark.parametrize(
    ("quantization", "atol", "ratio"),
    [
        ("dynamic", 1e-2, 0.36),
        ("int8", 2e-2, 0.36),
        ("float16", 5e-4, 0.6),
    ],
)
def test_quantized_files_are_small_and_right_at_any_batch_size(
    tables, quantization, atol, ratio, tmp_path
):
    model, x = tables
    rows = {name: np.resize(v, (64, *v.shape[1:])) for name, v in x.items()}
    rows = {name: v.astype(x[name].dtype) for name, v in rows.items()}
    representative = x if quantization == "int8" else None
    reports = {
        q: export.litert(
            model,
            tmp_path / str(q),
            quantization=q,
            representative=None if q is None else representative,
        )
        for q in (None, quantization)
    }
    assert reports[quantization]["quantization"] == quantization
    before, after = (
        {k: v["bytes"] for k, v in report["endpoints"].items()}
        for report in reports.values()
    )
    for name, value in rows.items():
        assert after[f"embed_{name}"] < ratio * before[f"embed_{name}"]
        embed = runner(tmp_path / quantization, name)
        expected = np.asarray(model({name: value})[name])
        errors = []
        for size in (1, 64, 1, 7):  # in one interpreter, with XNNPACK
            actual = embed(value[:size])
            assert actual.dtype == "float32"
            errors.append(np.abs(actual - expected[:size]).max())
        assert 1e-6 < max(errors) < atol
        fact = reports[quantization]["endpoints"][f"embed_{name}"]
        assert fact["compiled_model_batch_sizes"] == [1, 7, 64]


def test_a_file_that_is_wrong_once_its_batch_has_grown(tmp_path, monkeypatch):
    def interpret(file, name):
        run, sizes = runners.interpret(file, name), []

        def forgetful(inputs):
            sizes.append(len(inputs["x"]))
            outputs = run(inputs)
            outputs["embedding"][sizes[0] :] = 0
            return outputs

        return forgetful

    monkeypatch.setattr(litert_module, "interpret", interpret)
    with pytest.raises(RuntimeError, match="'embed' must equal Keras"):
        export.litert(kx.EmbeddingModel(32, 16), tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_an_output_of_unknown_size_is_not_asked_of_compiled_model(
    tmp_path, monkeypatch
):
    """It would be written past its end."""
    encoder = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Flatten()])
    model = kx.EmbeddingModel(encoders={"a": encoder}, embedding_dim=4)
    fixed = export.litert(model, tmp_path / "fixed")["endpoints"]["embed_a"]
    assert fixed["compiled_model_batch_sizes"] == [1, 7, 64]
    monkeypatch.setattr(graph_module.LiteRTGraph, "fix_shapes", lambda _: None)
    left = export.litert(model, tmp_path / "left")["endpoints"]["embed_a"]
    assert left["compiled_model_batch_sizes"] == [1]


def test_lookups_of_preprocessors_are_not_in_the_files(tmp_path):
    texts = kx.networks.TextPreprocessor(sequence_length=6)
    texts.adapt([f"word{i}" for i in range(5000)])
    encoder = keras.Sequential([keras.Input((6,)), keras.layers.Flatten()])
    model = kx.EmbeddingModel(
        encoders={"text": encoder},
        embedding_dim=4,
        preprocessors={"text": texts},
    )
    export.litert(model, tmp_path / "a")
    assert (tmp_path / "a" / "text.tflite").stat().st_size < 20_000


def test_vocabularies_of_nested_preprocessors(tmp_path):
    """All of them are files, and none is in the report."""
    words = [f"wort{i}" for i in range(50)]
    first = kx.networks.TextPreprocessor(
        split="character", ngrams=(2, 3), sequence_length=9, name="ngrams"
    )
    first.adapt(words)
    second = kx.networks.TextPreprocessor(
        vocabulary=words, sequence_length=3, name="words"
    )
    texts = keras.Input((), dtype="string")
    tokens = keras.ops.concatenate([first(texts), second(texts)], axis=1)
    size = first.vocabulary_size()
    model = kx.EmbeddingModel(
        encoders={
            "text": keras.Sequential(
                [
                    keras.Input((12,), dtype="int32"),
                    keras.layers.Embedding(size, 8),
                    keras.layers.Flatten(),
                ]
            )
        },
        embedding_dim=4,
        preprocessors={"text": keras.Model(texts, tokens)},
    )
    path = tmp_path / "a"
    text = export.litert(model, path)["endpoints"]["embed_text"]
    files = ["text_ngrams_vocabulary.txt", "text_words_vocabulary.txt"]
    assert text["vocabularies"] == files
    assert [t["vocabulary"] for t in text["tokenizers"]] == files
    assert text["tokenizers"][0]["ngrams"] == [2, 3]
    for file, layer in zip(files, (first, second), strict=True):
        lines = (path / file).read_text("utf-8").split("\n")
        assert lines == [*layer.get_vocabulary(), ""]
    assert "wort7" not in (path / "report.json").read_text()


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
    rule = r"The networks of 'embed_text' must only use operators that LiteRT"
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

    monkeypatch.setattr(litert_module, "interpret", lambda *_: run)
    with pytest.raises(RuntimeError, match=rule):
        export.litert(kx.EmbeddingModel(32, 16), tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_bad_arguments(model, tmp_path, monkeypatch):
    path = tmp_path / "a"
    with pytest.raises(ValueError, match=r"`quantization`.*Received.*'int4'"):
        export.litert(model, path, quantization="int4")
    with pytest.raises(TypeError, match="`model`"):
        export.litert(None, path)
    x = {"image": np.zeros((2, 12, 12, 3), "uint8"), "text": TEXTS[:2]}
    for representative, rule in [
        (None, r"needs `representative`.*Received: representative=None"),
        ({"text": TEXTS}, r"every modality.*Received: .*none of \['image'\]"),
        ({**x, "text": TEXTS}, r"as many of each.*Received: .*'text': 6"),
        ({"sound": TEXTS}, r"`representative` must hold modalities of"),
    ]:
        with pytest.raises(ValueError, match=rule):
            export.litert(
                model,
                path,
                quantization="int8",
                representative=representative,
            )
    with pytest.raises(ValueError, match="is for `quantization='int8'` only"):
        export.litert(model, path, representative=x)
    texts = keras.layers.TextVectorization(
        vocabulary=["a\nb"], output_sequence_length=6
    )
    encoder = model_with(keras.layers.GlobalMaxPooling1D()).encoders["text"]
    model = kx.EmbeddingModel(
        encoders={"text": encoder},
        embedding_dim=4,
        preprocessors={"text": texts},
    )
    with pytest.raises(ValueError, match=r"vocabulary.*line break"):
        export.litert(model, path)
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    quantized = kx.EmbeddingModel(encoders={"a": dense}, embedding_dim=4)
    dense.layers[0].quantize("int8")
    rule = "must not be quantized by Keras.*Received: layer 'dense"
    with pytest.raises(ValueError, match=rule):
        export.litert(quantized, path)
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    with pytest.raises(ImportError, match=r"keras-xmodal\[quantization\]"):
        export.litert(model, path, quantization="dynamic")
    assert os.listdir(tmp_path) == []
