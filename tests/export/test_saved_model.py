import importlib
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import export
from tests.export.conftest import TEXTS, make_model, pictures, png

ENDPOINTS = {
    "embed_image": ("image", (None, 12, 12, 3), tf.float32),
    "embed_image_bytes": ("image", (None,), tf.string),
    "embed_text": ("text", (None, 6), tf.int32),
    "embed_text_string": ("text", (None,), tf.string),
    "serving_default": ("image", (None,), tf.string),
}


@pytest.fixture(scope="module")
def loaded(saved):
    return tf.saved_model.load(str(saved[0]))


def run(loaded, name, x):
    key = ENDPOINTS[name][0]
    return loaded.signatures[name](**{key: tf.constant(x)})["embedding"].numpy()


def test_every_signature_is_named_typed_and_open_in_the_batch(loaded):
    assert set(loaded.signatures) == set(ENDPOINTS)
    for name, (key, shape, dtype) in ENDPOINTS.items():
        signature = loaded.signatures[name]
        (spec,) = signature.structured_input_signature[1].items()
        assert spec[0] == key
        assert tuple(spec[1].shape) == shape
        assert spec[1].dtype == dtype
        (output,) = signature.structured_outputs.items()
        assert output[0] == "embedding"
        assert tuple(output[1].shape) == (None, 10)
        assert output[1].dtype == tf.float32


def test_tensors_equal_keras(loaded, model):
    x = {
        "image": np.random.default_rng(3).random((5, 12, 12, 3), "float32"),
        "text": np.array([[2, 3, 4, 0, 0, 0], [0] * 6, [1] * 6], "int32"),
    }
    for name, value in x.items():
        expected = model({name: value})[name]
        actual = run(loaded, f"embed_{name}", value)
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_picture_files_of_several_sizes_equal_keras(loaded, model):
    actual = run(loaded, "embed_image_bytes", [png(p) for p in pictures()])
    expected = [model.encode(p[None], "image")[0] for p in pictures()]
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    # A JPEG file is another picture than the one it was made from.
    jpeg = tf.io.encode_jpeg(pictures()[5]).numpy()
    expected = model.encode(tf.io.decode_jpeg(jpeg).numpy()[None], "image")
    actual = run(loaded, "serving_default", [jpeg])
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_texts_in_any_script_equal_keras(loaded, model):
    actual = run(loaded, "embed_text_string", TEXTS)
    np.testing.assert_allclose(
        actual, model.encode(np.array(TEXTS), "text"), atol=1e-5
    )


def test_a_text_that_would_end_a_server_is_refused(loaded):
    run(loaded, "embed_text_string", ["red " * 2**14])
    for texts in (["red " * 2**14 + "x"], ["red", "red " * 2**20]):
        with pytest.raises(
            tf.errors.InvalidArgumentError,
            match=r"`text` must hold texts of at most 65536 bytes\. Received: ",
        ):
            run(loaded, "embed_text_string", texts)


def test_rows_do_not_depend_on_the_batch(loaded):
    inputs = {
        "embed_text_string": TEXTS,
        "embed_image_bytes": [png(p) for p in pictures()],
    }
    for name, rows in inputs.items():
        single = [run(loaded, name, [row])[0] for row in rows]
        np.testing.assert_allclose(run(loaded, name, rows), single, atol=1e-5)


def test_report(saved):
    path, report = saved
    assert report["format"] == "saved_model"
    assert set(report["endpoints"]) == set(ENDPOINTS) - {"serving_default"}
    assert 0 <= report["max_abs_error"] <= 1e-5
    assert report["min_cosine"] > 0.99999
    assert report["endpoints"]["embed_text"]["input"] == {
        "name": "text",
        "shape": [None, 6],
        "dtype": "int32",
    }
    file = path / "assets.extra" / "report.json"
    assert json.loads(file.read_text("utf-8")) == report
    size = sum(
        os.path.getsize(os.path.join(root, name))
        for root, _, names in os.walk(path)
        for name in names
    )
    about = (file, file.with_name("README.md"))
    assert report["bytes"] == size - sum(part.stat().st_size for part in about)
    assert os.listdir(path.parent) == [path.name]


CLIENT = """
import json, pathlib, sys
sys.modules["keras"] = None  # importing it fails from here on
sys.modules["keras_xmodal"] = None
import tensorflow as tf
path, texts, files = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
files = [pathlib.Path(file).read_bytes() for file in files]
feeds = {"text_string": ("text", [text.encode() for text in texts]),
         "image_bytes": ("image", files)}
loaded, answers = tf.saved_model.load(path), {}
for name, (key, rows) in feeds.items():
    signature = loaded.signatures["embed_" + name]
    new = signature(**{key: tf.constant(rows)})["embedding"].numpy()
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], path)
        signature = graph.signature_def["embed_" + name]
        old = session.run(signature.outputs["embedding"].name,
                          {signature.inputs[key].name: rows})
    answers[name] = old.tolist(), new.tolist()
used = [n for n, m in sys.modules.items()
        if m is not None and n.split(".")[0] in ("keras", "keras_xmodal")]
print(json.dumps([answers, used]))
"""


@pytest.mark.large
def test_answers_in_a_process_without_keras(saved, model, tmp_path):
    files = []
    for i, picture in enumerate(pictures()):
        files.append(tmp_path / f"{i}.png")
        files[-1].write_bytes(png(picture))
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    result = subprocess.run(
        [sys.executable, script, saved[0], json.dumps(TEXTS), *files],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    answers, used = json.loads(result.stdout.splitlines()[-1])
    assert used == []
    expected = {
        "text_string": model.encode(np.array(TEXTS), "text"),
        "image_bytes": [model.encode(p[None], "image")[0] for p in pictures()],
    }
    for name, (old, new) in answers.items():
        np.testing.assert_allclose(old, expected[name], atol=1e-5)
        np.testing.assert_allclose(new, expected[name], atol=1e-5)


def test_model_of_one_tensor(tmp_path):
    model = kx.EmbeddingModel(32, 16)
    report = export.saved_model(model, tmp_path / "a")
    assert set(report["endpoints"]) == {"embed"}
    loaded = tf.saved_model.load(str(tmp_path / "a"))
    x = np.random.default_rng(0).random((3, 32), "float32")
    for name in ("embed", "serving_default"):
        actual = loaded.signatures[name](x=tf.constant(x))["embedding"]
        np.testing.assert_allclose(actual, model(x), atol=1e-5)
    report = export.saved_model(model, tmp_path / "b", (x, [0, 1, 2]))
    assert report["endpoints"]["embed"]["num_examples"] == 3
    assert "retrieval" not in report


def test_model_from_a_file(model, tmp_path):
    model.save(tmp_path / "model.keras")
    revived = keras.saving.load_model(tmp_path / "model.keras")
    export.saved_model(revived, tmp_path / "a")
    loaded = tf.saved_model.load(str(tmp_path / "a"))
    np.testing.assert_allclose(
        run(loaded, "embed_text_string", TEXTS),
        model.encode(np.array(TEXTS), "text"),
        atol=1e-5,
    )


def test_weights_are_written_once(tmp_path):
    model = kx.EmbeddingModel({"a": 512, "b": 256}, 64)
    export.saved_model(model, tmp_path / "a")
    (file,) = (tmp_path / "a" / "variables").glob("variables.data*")
    assert file.stat().st_size < 1.1 * 4 * model.count_params()


def test_mixed_precision(tmp_path):
    model = make_model("mixed_float16")
    report = export.saved_model(model, tmp_path / "a")
    assert report["max_abs_error"] < 2e-2
    loaded = tf.saved_model.load(str(tmp_path / "a"))
    assert run(loaded, "embed_text_string", TEXTS).dtype == np.float32


def test_existing_path_stays(model, tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(FileExistsError, match=r"`path` must not exist.*'"):
        export.saved_model(model, tmp_path / "a")
    assert os.listdir(tmp_path / "a") == []


@pytest.mark.parametrize("step", ["read_archive", "write_archive", "compare"])
def test_failure_leaves_nothing(model, tmp_path, monkeypatch, step):
    def fail(*args, **kwargs):
        raise OSError("no space left")

    home = "report" if step == "compare" else "archive"
    module = importlib.import_module(f"keras_xmodal.export.{home}")
    monkeypatch.setattr(module, step, fail)
    with pytest.raises(OSError, match="no space"):
        export.saved_model(model, tmp_path / "a" / "1")
    assert os.listdir(tmp_path) == []


def test_bad_arguments(model, evaluation, tmp_path):
    path = tmp_path / "a"
    x, ids = evaluation
    with pytest.raises(TypeError, match="`model` must say what it serves"):
        export.saved_model(keras.Sequential(), path)
    with pytest.raises(TypeError, match="`path` must be"):
        export.saved_model(model, None)
    with pytest.raises(ValueError, match="`batch_size` must be"):
        export.saved_model(model, path, batch_size=0)
    for bad in (x, (x,), (np.ones(3), ids)):
        with pytest.raises(TypeError, match="`evaluation` must"):
            export.saved_model(model, path, bad)
    with pytest.raises(ValueError, match=r"`evaluation`.*\['speech'\]"):
        export.saved_model(model, path, ({"speech": x["text"]}, ids))
    for bad in ((x, ids[:-1]), (x, ids[:, None]), ({"text": []}, [])):
        with pytest.raises(ValueError, match=r"`evaluation`.*one id per"):
            export.saved_model(model, path, bad)
    assert os.listdir(tmp_path) == []


@keras.saving.register_keras_serializable("tests")
class FewPositions(keras.layers.Layer):
    """An encoder of texts of any length up to twelve tokens."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.tokens = keras.layers.Embedding(50, 6)
        self.positions = keras.layers.Embedding(12, 6)

    def call(self, ids):
        length = keras.ops.shape(ids)[1]
        x = self.tokens(ids) + self.positions(keras.ops.arange(length))
        return keras.ops.mean(x, axis=1)


@pytest.mark.parametrize("built", [False, True])
def test_a_tower_of_few_positions_needs_no_evaluation(tmp_path, built):
    model = kx.EmbeddingModel(
        encoders={"text": FewPositions(), "label": keras.layers.Dense(4)},
        embedding_dim=5,
    )
    if built:
        x = {"text": np.ones((2, 12), int), "label": np.ones((2, 3))}
        model.predict(x, verbose=0)
    report = export.saved_model(
        model,
        tmp_path / "model",
        input_signature={
            "text": tf.TensorSpec((None, None), tf.int32),
            "label": tf.TensorSpec((None, 3), tf.float32),
        },
    )
    assert report["max_abs_error"] < 1e-5
