import json
import pathlib
import shutil

import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal import export
from keras_xmodal.export.export_report import find_exports
from keras_xmodal.export.verify import _run, _runners
from tests.export import conftest


@pytest.fixture(scope="module")
def onnx_files(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "files"
    return path, export.onnx(model, path)


@pytest.mark.parametrize("form", ["saved", "lite", "onnx_files"])
def test_what_was_exported_runs_and_equals_keras(
    form, model, evaluation, request
):
    path, report = request.getfixturevalue(form)
    alone = export.verify(path)
    assert set(alone["endpoints"]) == set(report["endpoints"])
    assert 0 <= alone["max_abs_error"] < 1e-5
    assert "R@1" not in alone
    for fact in alone["endpoints"].values():
        assert fact["num_examples"] == 64
        assert set(fact["latency_ms"]) == {"1", "32"}
    beside = export.verify(path, model, evaluation)
    assert 0 <= beside["max_abs_error"] < 1e-5
    assert beside["R@1"] == pytest.approx(beside["R@1_before"])
    assert beside["bytes"] == report["bytes"]
    if "retrieval" in report:
        assert beside["retrieval"] == report["retrieval"]
    names = ("inputs", "file", "bytes")
    for name, fact in report["endpoints"].items():
        kept = {key: fact[key] for key in names if key in fact}
        assert kept.items() <= beside["endpoints"][name].items()


@pytest.mark.parametrize("form", ["saved", "lite", "onnx_files"])
def test_another_model_is_found(form, request):
    other = conftest.make_model()
    other.set_weights([w + 0.1 for w in other.get_weights()])
    with pytest.raises(RuntimeError, match=r"'embed_image' must equal Keras"):
        export.verify(request.getfixturevalue(form)[0], other)


def test_model_of_other_modalities(saved):
    other = kx.EmbeddingModel({"a": 4, "b": 3}, 3)
    with pytest.raises(ValueError, match=r"must be what was exported.*without"):
        export.verify(saved[0], other)


class Runner:
    """An endpoint of 3 numbers a row, which may go wrong."""

    def __init__(self, change):
        self.change = change

    def __call__(self, inputs):
        y = 2 * inputs["x"]
        return {"y": self.change(y), "name": np.array(["a"] * len(y))}


FACTS = {"inputs": [{"name": "x", "shape": [None, 3], "dtype": "float32"}]}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda y: y, None),
        (lambda y: y + (len(y) == 7) * 0.1, "differs by 0.1.* in a batch of 7"),
        (lambda y: y + y.mean(axis=0), "in a batch of 1"),
        (lambda y: np.where(y == y[-1], np.nan, y), "finite.*differs by nan"),
        (lambda y: y[:1], "a row for each.* for 64 rows"),
        (lambda y: y.reshape(2, 2), "must run. Received: cannot reshape"),
    ],
)
def test_rows_must_be_the_same_in_any_batch(change, match):
    written = {"endpoints": {"embed": FACTS}}
    runners = {"embed": Runner(change)}
    if match is None:
        found = _run(runners, written, 1e-5)
        assert found["max_abs_error"] == 0
        assert found["endpoints"]["embed"]["num_examples"] == 64
        return
    with pytest.raises(RuntimeError, match=match):
        _run(runners, written, 1e-5)


@pytest.mark.large
def test_raw_files_of_all_kinds(tmp_path):
    networks = kx.networks
    model = kx.EmbeddingModel(
        encoders={
            "speech": keras.Sequential([keras.layers.GlobalAveragePooling1D()]),
            "clip": keras.Sequential([keras.layers.GlobalAveragePooling3D()]),
        },
        embedding_dim=3,
        preprocessors={
            "speech": networks.SpeechPreprocessor(num_mel_bins=8),
            "clip": networks.VideoPreprocessor(2, (8, 8)),
        },
    )
    export.saved_model(model, tmp_path / "a")
    report = export.verify(tmp_path / "a")
    holds = {
        name: fact["input"].get("holds")
        for name, fact in report["endpoints"].items()
    }
    assert holds == {
        "embed_speech": None,
        "embed_speech_bytes": "recording",
        "embed_clip": None,
        "embed_clip_bytes": "clip",
    }
    assert report["max_abs_error"] < 1e-5


def test_search_is_compared_with_the_index(tmp_path):
    model = kx.EmbeddingModel({"image": 4, "text": 3}, 3)
    index = kx.retrieval.ExactIndex(model)
    index.add({"image": np.eye(4)})
    export.saved_model(model, tmp_path / "a", search=index, k=3)
    report = export.verify(tmp_path / "a", model, search=index)
    assert report["search"]["rows"] == {"image": 4}
    assert report["search"]["k"] == 3
    assert report["endpoints"]["search_text_to_image"]["max_abs_error"] < 1e-5
    with pytest.raises(ValueError, match=r"with an index `search`"):
        export.verify(tmp_path / "a", model)


@pytest.mark.large
def test_latent_models_are_verified_in_each_format(tmp_path):
    vae = kx.VAEModel({"image": 12, "text": 7}, 4)
    for model in (vae, kx.GANModel(5, 6)):
        name = type(model).__name__
        for form in ("saved_model", "litert", "onnx"):
            path = tmp_path / f"{name}-{form}"
            getattr(export, form)(model, path)
            assert export.verify(path)["max_abs_error"] < 1e-4
            assert export.verify(path, model)["max_abs_error"] < 1e-4


@pytest.mark.parametrize(
    ("form", "file"),
    [
        ("saved", "variables/variables.data-00000-of-00001"),
        ("saved", "saved_model.pb"),
        ("lite", "text.tflite"),
        ("onnx_files", "image.onnx"),
    ],
)
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_damaged_files(form, file, damage, request, tmp_path):
    copy = shutil.copytree(request.getfixturevalue(form)[0], tmp_path / "copy")
    file = pathlib.Path(copy) / file
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="must hold all files of an export"):
        export.verify(copy)
    # Nor can it be read where the report does not tell.
    report = export.ExportReport.load(copy)
    report["sha256"] = {"": ""}
    with pytest.raises(ValueError, match="readable ones"):
        _runners(copy, report)


def test_wrong_arguments(saved, tmp_path, evaluation):
    texts = ("{", "[]", '{"endpoints": {}}', '{"endpoints": 1}')
    lacking = ('{"endpoints": {"a": {}}, "sha256": {}, "format": "onnx"}',)
    for text in (None, *texts, *lacking):
        if text is not None:
            (tmp_path / "report.json").write_text(text)
        with pytest.raises(ValueError, match=r"no report\.json can be read"):
            export.verify(tmp_path)
    with pytest.raises(ValueError, match="must come with `model`"):
        export.verify(saved[0], evaluation=evaluation)
    with pytest.raises(TypeError, match="`model` must say what it serves"):
        export.verify(saved[0], keras.Sequential())


def test_all_exports_of_a_folder(saved, lite, tmp_path):
    shutil.copytree(saved[0], tmp_path / "b" / "server" / "1")
    shutil.copytree(lite[0], tmp_path / "a")
    expected = [tmp_path / "a", tmp_path / "b" / "server" / "1"]
    assert find_exports(tmp_path) == expected
    assert find_exports(lite[0]) == [lite[0]]
    places = r"\['a', 'b/server/1'\] of it"
    with pytest.raises(ValueError, match=f"there are exports in {places}"):
        export.verify(tmp_path)
    with pytest.raises(FileNotFoundError, match="must be a folder"):
        find_exports(tmp_path / "c")


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Of an index: files for a device, with a vocabulary and a script."""
    text = kx.networks.TextPreprocessor(
        vocabulary=["red", "green"], sequence_length=2
    )
    model = kx.EmbeddingModel(
        encoders={"text": kx.networks.TextEncoder(text.vocabulary_size(), 4)},
        embedding_dim=3,
        preprocessors={"text": text},
    )
    index = kx.retrieval.ExactIndex(model)
    index.add({"text": ["red", "green"]}, ids=[1, 2])
    path = tmp_path_factory.mktemp("searched") / "device"
    export.litert(model, path, search=index)
    return path, model, index


@pytest.mark.parametrize(
    "file",
    ["search.py", "index/index.npz", "text_vocabulary.txt", "text.tflite"],
)
@pytest.mark.parametrize("damage", ["missing", "other"])
def test_every_file_must_be_as_it_was(file, damage, searched, tmp_path):
    copy = shutil.copytree(searched[0], tmp_path / "copy")
    assert export.verify(copy)["search"]["rows"] == {"text": 2}
    if damage == "missing":
        (copy / file).unlink()
    else:
        (copy / file).write_bytes((copy / file).read_bytes() + b" ")
    place = "without" if damage == "missing" else "others in place of"
    with pytest.raises(ValueError, match=rf"{place} \['{file}'\]"):
        export.verify(copy)


def test_another_index_is_found(searched):
    path, model, index = searched
    assert export.verify(path, model, search=index)["max_abs_error"] < 1e-5
    other = kx.retrieval.ExactIndex(model)
    other.add({"text": ["red", "green"]}, ids=[2, 1])
    with pytest.raises(ValueError, match="index that was exported"):
        export.verify(path, model, search=other)
    with pytest.raises(TypeError, match=r"must be a `kx.retrieval.ExactIndex`"):
        export.verify(path, model, search="index")


@keras.saving.register_keras_serializable("test_verify")
class MinusMean(keras.layers.Layer):
    """Depends on the other rows of a batch."""

    def call(self, x):
        return x - 0.1 * keras.ops.mean(x, axis=0, keepdims=True)


@pytest.mark.parametrize("form", ["saved_model", "litert", "onnx"])
def test_rows_that_depend_on_others_are_not_exported(form, tmp_path):
    model = kx.EmbeddingModel(
        encoders={"a": keras.Sequential([keras.Input((3,)), MinusMean()])},
        embedding_dim=2,
    )
    with pytest.raises(RuntimeError, match=r"whatever else is in its batch"):
        getattr(export, form)(model, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_raw_tensors_need_no_examples_again(tmp_path):
    normalization = keras.layers.Normalization()
    x = np.random.default_rng(0).normal(size=(9, 3)).astype("float32")
    normalization.adapt(x)
    model = kx.EmbeddingModel(
        encoders={"a": keras.Sequential([keras.Input((3,))])},
        embedding_dim=2,
        preprocessors={"a": normalization},
    )
    export.saved_model(model, tmp_path / "a", ({"a": x}, None))
    report = export.verify(tmp_path / "a", model)
    assert set(report["endpoints"]) == {"embed_a", "embed_a_raw"}
    assert report["max_abs_error"] < 1e-5


def test_report_without_what_each_has():
    with pytest.raises(ValueError, match=r"without \['format', 'model'"):
        export.ExportReport({})
    with pytest.raises(TypeError, match="`content` must be a dict"):
        export.ExportReport([])


def test_model_card(saved, lite, onnx_files):
    for (path, report), parts in (
        (saved, ["- saved_model", "`embed_image_bytes` | `image`: picture"]),
        (lite, ["- tflite", "float32", 'Interpreter("image.tflite")']),
        (onnx_files, ["- onnx", "| opset | 18 |"]),
    ):
        card = report.model_card()
        assert card.startswith("---\nlibrary_name: keras\n")
        head, _, text = card[4:].partition("---\n")
        assert "pipeline_tag: feature-extraction\n" in head
        for part in ["`EmbeddingModel` of image and text", *parts]:
            assert part in card
        for name in report["endpoints"]:
            assert f"| `{name}` |" in text
        assert "$" not in card
        place = (
            path / "assets.extra" if (path / "assets.extra").is_dir() else path
        )
        assert (place / "README.md").read_text("utf-8") == card
        loaded = export.ExportReport.load(path)
        assert loaded == report == json.loads(json.dumps(report))
        assert loaded.model_card() == card
    assert "## Quality" in lite[1].model_card()
    for found in lite[1]["retrieval"].values():
        assert f" {found['after']['R@1']:.3f} / " in lite[1].model_card()
