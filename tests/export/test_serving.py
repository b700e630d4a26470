"""The folder for TensorFlow Serving, by the messages that it reads."""

import builtins
import json
import os
import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

import keras_xmodal as kx
from keras_xmodal import export
from keras_xmodal.networks import (
    ImagePreprocessor,
    SpeechPreprocessor,
    VideoPreprocessor,
)
from tests.export.server_configs import parse

SIGNATURES = {
    "embed_image",
    "embed_image_bytes",
    "embed_text",
    "embed_text_string",
    "serving_default",
}
SIZES = (1, 3, 8)


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server") / "server"
    report = export.serving(
        model, folder, name="emoji_1", batch_sizes=SIZES, num_cpus=3
    )
    return folder, report


def read_warm_up(version):
    file = version / "assets.extra" / "tf_serving_warmup_requests"
    return [
        prediction_log_pb2.PredictionLog.FromString(record)
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    ]


def read_models(folder):
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((folder / "models.config").read_text(), config)
    return config.model_config_list.config


def test_files(server):
    folder, report = server
    assert {path.name for path in folder.iterdir()} == {
        "Dockerfile",
        "README.md",
        "batching.config",
        "docker-compose.yaml",
        "emoji_1",
        "kubernetes.yaml",
        "models.config",
        "monitoring.config",
    }
    assert report["format"] == "serving"
    assert report["name"] == "emoji_1"
    assert report["version"] == 1
    assert report["tensorflow"] == tf.__version__
    assert report["tensorflow_serving"] == ">=2.20"
    assert report["num_warm_up_records"] == len(SIGNATURES) * len(SIZES)
    assert report["max_abs_error"] < 1e-5


def test_models_config(server):
    (model,) = read_models(server[0])
    assert model.name == "emoji_1"
    assert model.base_path == "/models/emoji_1"
    assert model.model_platform == "tensorflow"
    assert model.model_version_policy.latest.num_versions == 1


def test_batching_config(server):
    batching = parse("BatchingParameters", server[0] / "batching.config")
    assert list(batching.allowed_batch_sizes) == list(SIZES)
    # The last one must be the largest batch, or the server does not start.
    assert batching.max_batch_size.value == SIZES[-1]
    assert batching.num_batch_threads.value == 3
    assert batching.batch_timeout_micros.value > 0
    assert batching.max_enqueued_batches.value > 0


def test_monitoring_config(server):
    monitoring = parse("MonitoringConfig", server[0] / "monitoring.config")
    assert monitoring.prometheus_config.enable
    assert monitoring.prometheus_config.path == "/monitoring/prometheus/metrics"


def test_schema_of_configs_refuses_what_is_unknown(tmp_path):
    file = tmp_path / "batching.config"
    file.write_text("max_batch_sizes { value: 3 }")
    with pytest.raises(text_format.ParseError):
        parse("BatchingParameters", file)


def test_warm_up_records_run(server):
    """In each signature, at each size, once."""
    version = server[0] / "emoji_1" / "1"
    loaded = tf.saved_model.load(str(version))
    seen = []
    for log in read_warm_up(version):
        request = log.predict_log.request
        assert request.model_spec.name == "emoji_1"
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        (size,) = {len(value) for value in inputs.values()}
        name = request.model_spec.signature_name
        outputs = loaded.signatures[name](
            **{key: tf.constant(value) for key, value in inputs.items()}
        )
        assert outputs["embedding"].shape == (size, 10)
        assert np.isfinite(outputs["embedding"]).all()
        seen.append((name, size))
    assert sorted(seen) == sorted((n, s) for n in SIGNATURES for s in SIZES)


def test_warm_up_records_are_small(server):
    """A value is written once, not for each pixel of each row."""
    file = "emoji_1/1/assets.extra/tf_serving_warmup_requests"
    assert (server[0] / file).stat().st_size < 10_000


def test_docker_compose(server):
    content = yaml.safe_load((server[0] / "docker-compose.yaml").read_text())
    service = content["services"]["serving"]
    assert service["image"] == "tensorflow/serving:2.20.0"
    assert service["volumes"] == [".:/models:ro"]
    for flag in service["command"]:
        name, _, value = flag.partition("=")
        if value.startswith("/models/"):
            assert (server[0] / value.removeprefix("/models/")).is_file(), name
    assert "--enable_batching=true" in service["command"]
    assert service["deploy"]["resources"]["limits"]["cpus"] == "3"


def test_kubernetes(server):
    manifest = (server[0] / "kubernetes.yaml").read_text()
    deployment, service = yaml.safe_load_all(manifest)
    name = "emoji-1-serving"  # Kubernetes has no underscore.
    assert deployment["metadata"]["name"] == name
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"]
    assert labels == service["spec"]["selector"]
    (container,) = template["spec"]["containers"]
    compose = yaml.safe_load((server[0] / "docker-compose.yaml").read_text())
    assert container["args"] == compose["services"]["serving"]["command"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] == "/v1/models/emoji_1"
        assert container[probe]["httpGet"]["port"] in ports
    assert container["livenessProbe"]["tcpSocket"]["port"] in ports
    resources = container["resources"]
    assert resources["requests"]["cpu"] == "3"
    assert 512 <= int(resources["requests"]["memory"].removesuffix("Mi")) < 600
    for port in service["spec"]["ports"]:
        assert port["targetPort"] in ports


def test_readme_has_requests_for_every_signature(server):
    text = (server[0] / "README.md").read_text()
    assert tf.__version__ in text
    for name in SIGNATURES:
        section = text.split(f"### `{name}`")[1].split("###")[0]
        assert section.count("```bash") == section.count("```python") == 1
        assert f'"signature_name": "{name}"' in section
        assert "http://localhost:8501/v1/models/emoji_1:predict" in section
        assert '{"b64": "' in section or "bytes" not in name


def test_from_a_saved_model_a_version_joins_the_folder(server, tmp_path):
    folder = tmp_path / "server"
    shutil.copytree(server[0], folder)
    models = folder / "models.config"
    models.write_text("# ours\n" + models.read_text())
    (folder / "batching.config").write_text("max_batch_size { value: 7 }")
    report = export.serving(
        server[0] / "emoji_1" / "1",
        folder,
        name="emoji_1",
        version=12,
        batch_sizes=(2,),
    )
    assert report["version"] == 12
    assert report["max_abs_error"] == server[1]["max_abs_error"]
    (log, *_) = read_warm_up(folder / "emoji_1" / "12")
    assert log.predict_log.request.model_spec.version.value == 12
    # What may have been changed by hand is.
    assert models.read_text().startswith("# ours")
    assert "7" in (folder / "batching.config").read_text()
    assert "Model `emoji_1`, version 12" in (folder / "README.md").read_text()
    assert sorted(os.listdir(folder / "emoji_1")) == ["1", "12"]


def test_another_model_joins_the_folder(server, tmp_path):
    folder = tmp_path / "server"
    shutil.copytree(server[0], folder)
    model = kx.VAEModel({"image": 12, "text": 7}, 4)
    export.serving(model, folder, name="vae", batch_sizes=(1,))
    assert [model.name for model in read_models(folder)] == ["emoji_1", "vae"]
    readme = (folder / "README.md").read_text()
    assert "## Model `emoji_1`, version 1" in readme
    assert "### `translate_image_to_text`" in readme
    logs = read_warm_up(folder / "vae" / "1")
    translate = next(
        log.predict_log.request
        for log in logs
        if log.predict_log.request.model_spec.signature_name
        == "translate_image_to_text"
    )
    assert set(translate.inputs) == {"image", "seed"}


def sequential(shape):
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten()])


@pytest.mark.parametrize(
    ("preprocessor", "kind", "prefix"),
    [
        (ImagePreprocessor((6, 5)), "picture", b"\x89PNG"),
        (VideoPreprocessor(2, (6, 5)), "clip", b"GIF89a"),
        (SpeechPreprocessor(duration=0.2), "recording", b"RIFF"),
    ],
)
def test_files_of_every_kind_warm_up(tmp_path, preprocessor, kind, prefix):
    sample = {
        "picture": np.zeros((1, 6, 5, 3), "uint8"),
        "clip": np.zeros((1, 3, 6, 5, 3), "uint8"),
        "recording": np.zeros((1, 8000), "float32"),
    }[kind]
    model = kx.EmbeddingModel(
        encoders={"x": sequential(preprocessor(sample).shape[1:])},
        embedding_dim=4,
        preprocessors={"x": preprocessor},
    )
    path = tmp_path / "server"
    report = export.serving(model, path, batch_sizes=(1, 2))
    (described,) = report["endpoints"]["embed_x_bytes"]["inputs"]
    assert described["holds"] == kind
    assert "holds" not in report["endpoints"]["embed_x"]["inputs"][0]
    contents = [
        tf.make_ndarray(log.predict_log.request.inputs["x"])
        for log in read_warm_up(path / "model" / "1")
        if log.predict_log.request.model_spec.signature_name == "embed_x_bytes"
    ]
    assert [len(content) for content in contents] == [1, 2]
    assert all(content[0].startswith(prefix) for content in contents)


def test_signature_that_no_server_batches_is_told(tmp_path, model):
    """As of another export with a scalar input."""
    path = tmp_path / "1"
    export.saved_model(model, path)
    module = tf.Module()
    scores = tf.TensorSpec((None, 5), tf.float32, "scores")
    k = tf.TensorSpec((), tf.int32, "k")
    best = tf.function(lambda scores, k: {"best": tf.math.top_k(scores, k)[0]})
    found = {"best_k": best.get_concrete_function(scores, k)}
    report = (path / "assets.extra" / "report.json").read_text()
    shutil.rmtree(path)
    tf.saved_model.save(module, str(path), signatures=found)
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / "report.json").write_text(report)
    folder = tmp_path / "server"
    export.serving(path, folder, batch_sizes=(1, 2))
    readme = (folder / "README.md").read_text()
    assert "`--enable_batching` refuses this signature" in readme
    assert '"scores": [[0.5, 0.5, 0.5, 0.5, 0.5]]' in readme
    assert '"k": 1' in readme


def test_no_messages_of_tensorflow_serving(model, tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *arguments, **keywords):
        if name.startswith("tensorflow_serving"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"keras-xmodal\[serving\]"):
        export.serving(model, tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_bad_arguments(model, server, tmp_path):
    path = tmp_path / "a"
    for name in ("", "a/b", "-a", "é", "a b", "."):
        with pytest.raises(ValueError, match="`name` must be of ASCII"):
            export.serving(model, path, name=name)
    with pytest.raises(TypeError, match="`name` must be a string"):
        export.serving(model, path, name=3)
    with pytest.raises(ValueError, match="`version` must be"):
        export.serving(model, path, version=0)
    with pytest.raises(ValueError, match=r"`batch_sizes` must .* increasing"):
        export.serving(model, path, batch_sizes=(2, 1))
    with pytest.raises(ValueError, match="`batch_sizes` must be"):
        export.serving(model, path, batch_sizes=())
    with pytest.raises(ValueError, match=r"at most 1000 records.*201 sizes"):
        export.serving(model, path, batch_sizes=tuple(range(1, 202)))
    with pytest.raises(ValueError, match="`num_cpus` must be"):
        export.serving(model, path, num_cpus=0)
    with pytest.raises(TypeError, match="`image` must be a string"):
        export.serving(model, path, image=None)
    with pytest.raises(TypeError, match="`model` must say what it serves"):
        export.serving(keras.Sequential(), path)
    with pytest.raises(ValueError, match="`model` must be a model, or the"):
        export.serving(tmp_path, path)
    with pytest.raises(ValueError, match=r"without the arg.*\['tolerance'\]"):
        export.serving(server[0] / "emoji_1" / "1", path, tolerance=1)
    old = tmp_path / "old"
    shutil.copytree(server[0] / "emoji_1" / "1", old)
    file = old / "assets.extra" / "report.json"
    report = json.loads(file.read_text())
    del report["sha256"]
    file.write_text(json.dumps(report))
    with pytest.raises(ValueError, match="that this version's"):
        export.serving(old, path)
    shutil.rmtree(old)
    assert os.listdir(tmp_path) == []
    path.mkdir()
    with pytest.raises(FileExistsError, match="`path` must not exist"):
        export.serving(model, path)
    with pytest.raises(FileExistsError, match="`path` must not exist"):
        export.serving(model, server[0], name="emoji_1", version=1)
    assert os.listdir(path) == []


def test_failure_leaves_the_folder_as_it_was(server, tmp_path):
    folder = tmp_path / "server"
    shutil.copytree(server[0], folder)
    before = sorted(pathlib.Path(folder).rglob("*"))
    model = kx.EmbeddingModel({"a": 4}, 3)
    model({"a": np.ones((1, 4), "float32")})
    model.set_weights([w * np.nan for w in model.get_weights()])
    with pytest.raises(ValueError, match="must be finite"):
        export.serving(model, folder, name="broken")
    assert sorted(pathlib.Path(folder).rglob("*")) == before


def test_report_of_the_saved_model_says_who_wrote_and_who_reads(saved):
    path, report = saved
    assert report["tensorflow"] == tf.__version__
    assert report["tensorflow_serving"] == ">=2.20"
    file = path / "assets.extra" / "report.json"
    assert json.loads(file.read_text()) == report
