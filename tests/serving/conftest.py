"""Servers of one small model, to ask."""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from tests.export.conftest import TEXTS, make_model, pictures, png
from tests.serving.stand_in import StandIn

ROOT = pathlib.Path(__file__).parent.parent.parent
NAME = "emoji"
BATCH_SIZES = (1, 2, 8)
WORDS = TEXTS[:4]  # Those that the model knows.
PNGS = [png(picture) for picture in pictures()]


@pytest.fixture(scope="session")
def model():
    return make_model()


@pytest.fixture(scope="session")
def repository(model, tmp_path_factory):
    """Folder for a server, and the report."""
    folder = tmp_path_factory.mktemp("serving") / "server"
    report = kx.export.serving(
        model, folder, name=NAME, batch_sizes=BATCH_SIZES
    )
    return folder, report


@pytest.fixture(scope="session")
def saved(repository):
    """Folder of the SavedModel."""
    return repository[0] / NAME / "1"


@pytest.fixture(scope="session")
def loaded(saved):
    return tf.saved_model.load(str(saved))


@pytest.fixture(scope="session")
def signatures(loaded):
    """Each signature as a function of arrays, without a server."""

    def run(name, **inputs):
        outputs = loaded.signatures[name](
            **{key: tf.constant(value) for key, value in inputs.items()}
        )
        return {key: value.numpy() for key, value in outputs.items()}

    return run


@pytest.fixture(scope="session")
def requests(signatures):
    """Inputs by signature, and what they give."""
    generator = np.random.default_rng(0)
    inputs = {
        "embed_image": {"image": generator.random((5, 12, 12, 3), "float32")},
        "embed_image_bytes": {"image": PNGS},
        "embed_text": {"text": generator.integers(1, 5, (3, 6), "int32")},
        "embed_text_string": {"text": WORDS},
        "serving_default": {"image": PNGS[1:]},
    }
    return {
        name: (x, signatures(name, **x)["embedding"])
        for name, x in inputs.items()
    }


@pytest.fixture
def stand_in(loaded, saved):
    """A stand-in for TensorFlow Serving, to make fail."""
    server = StandIn(loaded, saved, NAME)
    yield server
    server.close()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def process(command, url, environment):
    """A server in a process, once it answers."""
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            list(map(str, command)),
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        ) as server,
    ):
        try:
            _wait(server, url, log)
            yield server
        finally:
            server.kill()


def _wait(server, url, log):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if server.poll() is not None:
            log.seek(0)
            raise RuntimeError(log.read().decode())
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.2)
    raise TimeoutError(f"no answer of {url}")


@pytest.fixture(
    scope="session",
    params=[
        "stand-in",
        pytest.param(
            "tensorflow_model_server",
            marks=[
                pytest.mark.large,
                pytest.mark.skipif(
                    shutil.which("tensorflow_model_server") is None,
                    reason="no package brings this program",
                ),
            ],
        ),
    ],
)
def tensorflow_serving(request, repository, loaded, saved, tmp_path_factory):
    """Addresses of TensorFlow Serving, or of a stand-in, by scheme."""
    if request.param == "stand-in":
        server = StandIn(loaded, saved, NAME)
        yield server.urls
        server.close()
        return
    folder = repository[0]
    models = tmp_path_factory.mktemp("models") / "models.config"
    text = (folder / "models.config").read_text()
    models.write_text(text.replace("/models/", f"{folder}/"))
    rest, grpc = free_port(), free_port()
    command = [
        "tensorflow_model_server",
        f"--port={grpc}",
        f"--rest_api_port={rest}",
        f"--model_config_file={models}",
        "--enable_batching=true",
        f"--batching_parameters_file={folder / 'batching.config'}",
        f"--monitoring_config_file={folder / 'monitoring.config'}",
    ]
    url = f"http://127.0.0.1:{rest}"
    with process(command, f"{url}/v1/models/{NAME}", {}):
        yield {"http": url, "grpc": f"grpc://127.0.0.1:{grpc}"}


@pytest.fixture(scope="session")
def kserve_python(tmp_path_factory):
    """Python of an environment with KServe, beside the packages of ours."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # One for all workers.
    folder = base / "kserve"
    with open(base / "kserve.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _make_environment(folder)
    return folder / "bin" / "python"


def _make_environment(folder):
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    packages = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    ours = [path for path in sys.path if path.endswith("site-packages")]
    pathlib.Path(packages, "ours.pth").write_text("\n".join(ours))
    text = (ROOT / "setup.cfg").read_text()
    (wanted,) = re.findall(r"^ +(kserve[<>=].*)$", text, re.MULTILINE)
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", wanted], check=True
    )


SERVER = """
import sys
import keras_xmodal as kx
import kserve

path, name, rest, grpc, *sizes = sys.argv[1:]
server = kserve.ModelServer(http_port=int(rest), grpc_port=int(grpc))
sizes = tuple(map(int, sizes)) or None
server.start([kx.serving.kserve_model(path, name, sizes)])
"""


@pytest.fixture(scope="session")
def kserve_server(kserve_python, saved):
    """Addresses of a KServe server, by scheme."""
    rest, grpc = free_port(), free_port()
    url = f"http://127.0.0.1:{rest}"
    command = [kserve_python, "-c", SERVER, saved.parent, NAME, rest, grpc]
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with process(command, f"{url}/v2/health/ready", environment):
        yield {"http": url, "grpc": f"grpc://127.0.0.1:{grpc}"}
