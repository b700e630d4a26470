"""An index beside LiteRT files, searched without TensorFlow."""

import importlib.metadata
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import keras_xmodal as kx
from keras_xmodal import export
from keras_xmodal.export import search_script
from tests.export.conftest import TEXTS as ALL_TEXTS
from tests.export.conftest import pictures

TEXTS = ALL_TEXTS[:4]  # which the model knows words of


@pytest.fixture(scope="module")
def index(model):
    index = kx.retrieval.ExactIndex(model)
    for number, picture in enumerate(pictures()):
        index.add({"image": picture[None]}, ids=[f"picture {number}"])
    index.add({"text": TEXTS}, ids=TEXTS)
    return index


@pytest.fixture(scope="module")
def folder(model, index, tmp_path_factory):
    path = tmp_path_factory.mktemp("search") / "device"
    export.litert(model, path, search=index)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Paths of picture files."""
    folder = tmp_path_factory.mktemp("photos")
    for number, picture in enumerate(pictures()):
        Image.fromarray(picture).save(folder / f"{number}.png")
    return sorted(map(str, folder.iterdir()))


def check(result, ids, scores):
    assert [hit["id"] for hit in result["hits"]] == ids.tolist()
    found = [hit["score"] for hit in result["hits"]]
    np.testing.assert_allclose(found, scores, atol=1e-5)


def test_words_and_pictures_find_what_the_index_finds(folder, index, photos):
    search = search_script.Search(folder)
    for text in TEXTS:
        result = search.search(text, k=4)
        assert (result["query_modality"], result["modality"]) == (
            "text",
            "image",
        )
        ids, scores = index.search({"text": [text]}, k=4, modality="image")
        check(result, ids[0], scores[0])
    for photo, picture in zip(photos, pictures(), strict=True):
        ids, scores = index.search(
            {"image": picture[None]}, k=4, modality="text"
        )
        check(search.search(photo, k=4), ids[0], scores[0])
        ids, scores = index.search(
            {"image": picture[None]}, k=1, modality="image"
        )
        check(search.search(photo, 1, "image"), ids[0], scores[0])


def test_what_cannot_be_asked(folder):
    search = search_script.Search(folder)
    with pytest.raises(ValueError, match="must hold a word"):
        search.search(" ")
    with pytest.raises(ValueError, match=r"--modality must be one of.*'sound'"):
        search.search("apple", modality="sound")
    with pytest.raises(ValueError, match=r"--query-modality .*\['text'\]"):
        search.search("apple", query_modality="image")
    with pytest.raises(ValueError, match="knows nothing of the query"):
        search.search("nobody")
    with pytest.raises(FileNotFoundError):
        search.search("none.png")


def test_the_index_can_be_loaded_again(folder, index, model):
    assert sorted(os.listdir(folder / "index")) == ["index.npz"]
    loaded = kx.retrieval.ExactIndex.load(folder / "index", model)
    assert loaded.sizes == index.sizes
    assert index.model is model  # as it was


def test_search_that_does_not_fit(model, index, tmp_path):
    path = tmp_path / "a"
    with pytest.raises(TypeError, match=r"must be a `kx\.retrieval\.Exact"):
        export.litert(model, path, search="index")
    with pytest.raises(ValueError, match="must hold rows"):
        export.litert(model, path, search=kx.retrieval.ExactIndex())
    other = kx.retrieval.ExactIndex()
    other.add(np.eye(3), modality="image")
    with pytest.raises(ValueError, match=r"of dim 10. Received: .*dim 3"):
        export.litert(model, path, search=other)
    vectors = kx.EmbeddingModel({"a": 3}, 3)
    with pytest.raises(ValueError, match=r"preprocessed by a `TextPre"):
        export.litert(vectors, path, search=other)
    with pytest.raises(ValueError, match="models that embed modalities"):
        export.litert(kx.EmbeddingModel(3, 3), path, search=other)
    with pytest.raises(ValueError, match="models that embed modalities"):
        export.litert(kx.VAEModel({"a": 3}, 3), path, search=other)
    assert os.listdir(tmp_path) == []


def test_texts_of_several_tokenizers_beside_arrays(tmp_path):
    """Their ids side by side; the other modality is not asked."""
    parts = [
        kx.networks.TextPreprocessor(sequence_length=4, name="words"),
        kx.networks.TextPreprocessor(
            split="character", ngrams=2, sequence_length=9, name="ngrams"
        ),
    ]
    for part in parts:
        part.adapt(TEXTS)
    texts = keras.Input((), dtype="string")
    tokens = keras.layers.Concatenate()([part(texts) for part in parts])
    encoder = keras.Sequential(
        [
            keras.Input((13,), dtype="int32"),
            keras.layers.Embedding(200, 8),
            keras.layers.Flatten(),
        ]
    )
    vectors = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    model = kx.EmbeddingModel(
        encoders={"text": encoder, "vector": vectors},
        embedding_dim=5,
        preprocessors={"text": keras.Model(texts, tokens)},
    )
    index = kx.retrieval.ExactIndex(model)
    index.add({"vector": np.eye(3, dtype="float32")}, ids=["x", "y", "z"])
    export.litert(model, tmp_path / "a", search=index)
    search = search_script.Search(tmp_path / "a")
    for text in TEXTS:
        ids, scores = index.search({"text": [text]}, k=3)
        check(search.search(text), ids[0], scores[0])


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory):
    """Python without TensorFlow."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    packages = [
        f"{name}=={importlib.metadata.version(name)}"
        for name in ("ai-edge-litert", "numpy", "pillow")
    ]
    subprocess.run(
        [python, "-m", "pip", "install", "-q", *packages], check=True
    )
    without = [python, "-c", "import tensorflow"]
    assert subprocess.run(without, capture_output=True).returncode == 1
    return python


def run(python, folder, *arguments):
    return subprocess.run(
        [python, folder / "search.py", *arguments],
        capture_output=True,
        text=True,
    )


@pytest.mark.large
def test_the_script_runs_without_tensorflow(bare_python, folder, index, photos):
    found = run(bare_python, folder, *TEXTS, *photos, "--json")
    assert found.returncode == 0, found.stderr
    results = json.loads(found.stdout)
    assert len(results) == len(TEXTS) + len(photos)
    for result, text in zip(results, TEXTS, strict=False):
        assert result["query"] == text
        ids, scores = index.search({"text": [text]}, k=10, modality="image")
        check(result, ids[0], scores[0])
    for result, picture in zip(results[len(TEXTS) :], pictures(), strict=True):
        queries = {"image": picture[None]}
        ids, scores = index.search(queries, k=10, modality="text")
        check(result, ids[0], scores[0])

    printed = run(bare_python, folder, "Red apple!", "-k", "2")
    assert printed.returncode == 0, printed.stderr
    ids, _ = index.search({"text": ["Red apple!"]}, k=2, modality="image")
    lines = printed.stdout.splitlines()
    assert lines[0] == "Red apple!"
    assert [line.split("  ")[-1] for line in lines[1:]] == ids[0].tolist()

    missing = run(bare_python, folder, "none.png")
    assert missing.returncode == 1
    assert missing.stderr.startswith("search.py: error: ")
    assert run(bare_python, folder, "apple", "-k", "0").returncode == 2
