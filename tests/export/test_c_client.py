"""A C program loads the SavedModel as TensorFlow Serving does."""

import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.export.conftest import TEXTS, pictures, png

pytestmark = pytest.mark.large

SOURCE = pathlib.Path(__file__).parent / "client.c"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Path of the compiled program."""
    library = pathlib.Path(tf.__file__).parent
    compiler = shutil.which("gcc")
    needed = [
        library / "include" / "tensorflow" / "c" / "c_api.h",
        library / "libtensorflow_cc.so.2",
        library / "libtensorflow_framework.so.2",
    ]
    missing = [str(path) for path in needed if not path.exists()]
    if compiler is None or missing:
        pytest.skip(f"needs gcc and TensorFlow's C library: no {missing}")
    program = tmp_path_factory.mktemp("client") / "client"
    subprocess.run(
        [
            compiler,
            "-O1",
            "-Wall",
            "-Werror",
            str(SOURCE),
            f"-I{library / 'include'}",
            f"-L{library}",
            "-l:libtensorflow_cc.so.2",
            "-l:libtensorflow_framework.so.2",
            f"-Wl,-rpath,{library}",
            "-o",
            str(program),
        ],
        check=True,
    )
    return program


def ask(client, model, endpoint, contents, folder):
    """Embeddings that the program prints."""
    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString((model / "saved_model.pb").read_bytes())
    signature = proto.meta_graphs[0].signature_def[endpoint]
    (feed,) = signature.inputs.values()
    fetch = signature.outputs["embedding"]
    files = []
    for i, content in enumerate(contents):
        files.append(folder / str(i))
        files[-1].write_bytes(content)
    return subprocess.run(
        [client, model, feed.name, fetch.name, *files],
        capture_output=True,
        text=True,
        env={"TF_CPP_MIN_LOG_LEVEL": "2"},
    )


def embeddings(result):
    assert result.returncode == 0, result.stderr
    return [
        [float(value) for value in line.split()]
        for line in result.stdout.splitlines()
    ]


def test_texts(client, saved, model, tmp_path):
    contents = [text.encode() for text in TEXTS]
    result = ask(client, saved[0], "embed_text_string", contents, tmp_path)
    np.testing.assert_allclose(
        embeddings(result), model.encode(np.array(TEXTS), "text"), atol=1e-5
    )


@pytest.mark.parametrize("endpoint", ["embed_image_bytes", "serving_default"])
def test_picture_files(client, saved, model, tmp_path, endpoint):
    contents = [png(picture) for picture in pictures()]
    result = ask(client, saved[0], endpoint, contents, tmp_path)
    expected = [model.encode(p[None], "image")[0] for p in pictures()]
    np.testing.assert_allclose(embeddings(result), expected, atol=1e-5)


def test_file_that_is_no_picture(client, saved, tmp_path):
    contents = [png(pictures()[0]), b"no picture"]
    result = ask(client, saved[0], "embed_image_bytes", contents, tmp_path)
    assert result.returncode == 1
    assert "image" in result.stderr
