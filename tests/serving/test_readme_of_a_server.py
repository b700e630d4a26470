"""The README that an export writes, command by command, against a server."""

import json
import re
import subprocess

import numpy as np
import pytest
import tensorflow as tf
import yaml

import keras_xmodal as kx
from tests.serving.conftest import PNGS
from tests.serving.stand_in import StandIn

pytestmark = pytest.mark.large

WRITTEN_URL = "http://localhost:8501"


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """One repository of models with all kinds of inputs."""
    folder = tmp_path_factory.mktemp("readme") / "server"
    kx.export.serving(model, folder, name="emoji", batch_sizes=(1,))
    vae = kx.VAEModel({"image": 40, "text": 7}, 4)  # more than a line holds
    kx.export.serving(vae, folder, name="vae", batch_sizes=(1,))
    generator = kx.GANModel(7, 12)
    kx.export.serving(generator, folder, name="gan", batch_sizes=(1,))
    return folder


@pytest.mark.parametrize("name", ["emoji", "vae", "gan"])
def test_requests(folder, tmp_path, monkeypatch, name):
    text = (folder / "README.md").read_text()
    text = text.split(f"## Model `{name}`")[1].split("\n## ")[0]
    version = folder / name / "1"
    loaded = tf.saved_model.load(str(version))
    server = StandIn(loaded, version, name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "image.png").write_bytes(PNGS[1])
    sections = re.findall(
        r"### `(\w+)`.*?```bash\n(.*?)```.*?```python\n(.*?)```",
        text,
        re.DOTALL,
    )
    assert {section[0] for section in sections} == set(loaded.signatures)
    for signature, bash, python in sections:
        result = subprocess.run(
            ["bash", "-c", bash.replace(WRITTEN_URL, server.urls["http"])],
            capture_output=True,
            text=True,
            check=True,
        )
        by_curl = json.loads(result.stdout)["outputs"]
        names = {}
        exec(python.replace(WRITTEN_URL, server.urls["http"]), names)
        outputs = names["outputs"]
        specs = loaded.signatures[signature].structured_outputs
        assert set(outputs) == set(specs)
        if len(specs) == 1:
            by_curl = dict.fromkeys(specs, by_curl)
        for key, value in outputs.items():
            assert len(value) == 1
            np.testing.assert_allclose(by_curl[key], value, atol=1e-6)
    server.close()


def test_request_without_this_package(folder):
    text = (folder / "README.md").read_text()
    python = text.split("Python without this package:\n\n```python\n")[1]
    version = folder / "emoji" / "1"
    loaded = tf.saved_model.load(str(version))
    server = StandIn(loaded, version, "emoji")
    names = {}
    code = python.split("```")[0].replace(WRITTEN_URL, server.urls["http"])
    exec(code, names)
    received = names["predict"]("embed_text_string", {"text": ["Red apple!"]})
    assert np.shape(received) == (1, 10)
    server.close()


def test_health_check_of_docker_compose(folder):
    content = yaml.safe_load((folder / "docker-compose.yaml").read_text())
    kind, command = content["services"]["serving"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    version = folder / "emoji" / "1"
    loaded = tf.saved_model.load(str(version))
    server = StandIn(loaded, version, "emoji")
    command = command.replace("8501", server.urls["http"].rpartition(":")[2])
    shell = ["sh", "-c", command]
    assert subprocess.run(shell, timeout=20).returncode == 0
    server.name = "another"
    assert subprocess.run(shell, timeout=20).returncode != 0
    server.close()
    assert subprocess.run(shell, timeout=20).returncode != 0
