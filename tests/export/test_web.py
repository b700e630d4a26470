"""The folder of a page that searches; `test_browser.py` opens it."""

import base64
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import types

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

import keras_xmodal as kx
from keras_xmodal import export
from keras_xmodal.datasets.fetching import npm_package
from keras_xmodal.export import litert_js, thumbnails, web_files
from keras_xmodal.export.litert_graph import LiteRTGraph
from tests.export.conftest import TEXTS, pictures

RNG = np.random.default_rng(0)
NAMES = [f"picture {number}" for number in range(len(pictures()))]


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder with packages that stand in for those of npm."""
    folder = tmp_path_factory.mktemp("packages")
    with pytest.MonkeyPatch.context() as patch:
        for file, package in litert_js.PACKAGES.items():
            stream = io.BytesIO()
            with tarfile.open(fileobj=stream, mode="w:gz") as archive:
                for path in (*package.paths, "README.md"):
                    content = f"{package.name} {path}".encode()
                    member = tarfile.TarInfo(f"package/{path}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
            content = stream.getvalue()
            (folder / package.file_name).write_bytes(content)
            stand_in = package._replace(
                integrity=npm_package.integrity(content)
            )
            patch.setitem(litert_js.PACKAGES, file, stand_in)
        yield folder


@pytest.fixture(scope="module")
def index(model):
    index = kx.retrieval.ExactIndex(model)
    for name, picture in zip(NAMES, pictures(), strict=True):
        index.add({"image": picture[None]}, ids=[name])
    index.add({"text": TEXTS[:4]}, ids=TEXTS[:4])
    return index


@pytest.fixture(scope="module")
def written(model, index, packages, evaluation, tmp_path_factory):
    path = tmp_path_factory.mktemp("web") / "page"
    report = export.web(
        model,
        index,
        path,
        thumbnails={"image": pictures()},
        title="Fish & <chips>",
        data_dir=packages,
        evaluation=evaluation,
    )
    return path, report


def sizes(path):
    return {
        file.relative_to(path).as_posix(): file.stat().st_size
        for file in path.rglob("*")
        if file.is_file() and file.name not in ("report.json", "README.md")
    }


def test_the_report_says_what_is_there(written, evaluation):
    path, report = written
    assert json.loads((path / "report.json").read_text("utf-8")) == report
    assert report["format"] == "web"
    assert report["quantization"] == "float16"
    assert report["litert_js"] == "2.5.3"
    assert report["files"] == sizes(path)
    assert report["bytes"] == sum(sizes(path).values())
    assert list(report["endpoints"]) == ["embed_image", "embed_text"]
    text = report["endpoints"]["embed_text"]
    assert text["bytes"] == report["files"]["text.tflite"]
    assert text["input"] == {
        "name": "text",
        "shape": [None, 6],
        "dtype": "int32",
    }
    assert text["tokenizers"][0]["vocabulary"] == "text_vocabulary.txt"
    assert report["R@1"] > 0  # of the evaluation set
    assert set(sizes(path)) == {
        "image.tflite",
        "index.html",
        "index/0.bin",
        "index/0.json",
        "index/1.bin",
        "index/1.json",
        "litert/LICENSE",
        "litert/README.txt",
        "litert/core.js",
        "litert/litert_wasm_compat_internal.js",
        "litert/litert_wasm_compat_internal.wasm",
        "litert/litert_wasm_internal.js",
        "litert/litert_wasm_internal.wasm",
        "litert/wasm-utils.js",
        "page.js",
        "picture.js",
        "rows.js",
        "search.js",
        "style.css",
        "text.js",
        "text.tflite",
        "text_vocabulary.txt",
        "thumbnails/0_0.webp",
    }


def test_what_a_browser_loads(written):
    """All but what it may need: another build, licences and thumbnails."""
    path, report = written
    later = {
        "litert/LICENSE",
        "litert/README.txt",
        "litert/litert_wasm_compat_internal.js",
        "litert/litert_wasm_compat_internal.wasm",
        "thumbnails/0_0.webp",
    }
    assert report["download_bytes"] == sum(
        size for file, size in sizes(path).items() if file not in later
    )


def test_files_take_one_row_as_the_model_does(written, model):
    path, _ = written
    texts = np.array(TEXTS[:4])
    x = {
        "image": np.concatenate(
            [model.preprocess({"image": p[None]})["image"] for p in pictures()]
        ),
        "text": np.asarray(model.preprocess({"text": texts})["text"]),
    }
    for name, value in x.items():
        interpreter = Interpreter(str(path / f"{name}.tflite"))
        (details,) = interpreter.get_input_details()
        shape = [1, *value.shape[1:]]
        assert details["shape_signature"].tolist() == shape
        run = interpreter.get_signature_runner(f"embed_{name}")
        found = [run(**{name: row[None]})["embedding"][0] for row in value]
        raw = {"image": pictures(), "text": texts}[name]
        rows = raw if name == "text" else [p[None] for p in raw]
        expected = (
            model.encode(rows, name)
            if name == "text"
            else np.concatenate([model.encode(row, name) for row in rows])
        )
        np.testing.assert_allclose(found, expected, atol=2e-3)


def test_the_index_is_that_of_the_model(written, index):
    path, report = written
    for number, name in enumerate(("image", "text")):
        fact = report["index"][name]
        assert fact["embeddings"] == f"index/{number}.bin"
        rows = np.fromfile(path / fact["embeddings"], "<f2")
        rows = rows.reshape(fact["rows"], fact["dim"]).astype("float32")
        ids = json.loads((path / fact["ids"]).read_text("utf-8"))
        assert ids == {"image": NAMES, "text": TEXTS[:4]}[name]
        found, scores = index.search(rows, k=1, modality=name)
        assert found[:, 0].tolist() == ids
        np.testing.assert_allclose(scores, 1, atol=1e-5)
    assert report["index"]["image"]["thumbnails"] == {
        "files": ["thumbnails/0_0.webp"],
        "side": 64,  # of the largest picture
        "columns": 6,
        "rows": 1,
    }
    assert "thumbnails" not in report["index"]["text"]


def test_the_folder_is_verified_where_it_has_gone(
    written, model, evaluation, tmp_path
):
    path, report = written
    assert report.model_card() == (path / "README.md").read_text("utf-8")
    assert export.verify(path)["max_abs_error"] < 1e-5
    verified = export.verify(path, model, evaluation)
    assert verified["max_abs_error"] == pytest.approx(
        report["max_abs_error"], abs=1e-6
    )
    copy = shutil.copytree(path, tmp_path / "copy")
    (copy / "text.tflite").write_bytes(b"")
    with pytest.raises(ValueError, match="must hold all files of an export"):
        export.verify(copy)


def test_the_page_runs_no_script_but_its_own(written):
    path, _ = written
    page = (path / "index.html").read_text("utf-8")
    assert "<h1>Fish &amp; &lt;chips&gt;</h1>" in page
    ((import_map,),) = [re.findall(r'"importmap">(.*?)</script>', page)]
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest())
    assert f"'sha256-{digest.decode()}'" in page
    modules = json.loads(import_map)["imports"]
    assert sorted(modules) == ["@litertjs/core", "@litertjs/wasm-utils"]
    assert all((path / file).is_file() for file in modules.values())
    # All that it names is there, and nothing is elsewhere.
    named = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert set(named) == {"data:,", "style.css", "page.js"}
    for file in ("page.js", "search.js", "rows.js", "text.js", "picture.js"):
        script = (path / file).read_text("utf-8")
        imported = re.findall(r'^import .* from "(.*)";$', script, re.M)
        assert all(
            (path / modules.get(name, name)).is_file() for name in imported
        )


def test_litert_js_is_unchanged_and_has_its_licence(written):
    path, _ = written
    folder = path / "litert"
    assert (folder / "core.js").read_text() == "@litertjs/core dist/index.js"
    name = "litert_wasm_internal.wasm"
    assert (folder / name).read_text() == f"@litertjs/core wasm/{name}"
    assert "LiteRT.js 2.5.3" in (folder / "README.txt").read_text()
    root = os.path.join(os.path.dirname(__file__), "..", "..", "LICENSE")
    with open(root, encoding="utf-8") as file:
        assert (folder / "LICENSE").read_text("utf-8") == file.read()


def test_only_what_can_be_asked_is_exported(packages, tmp_path):
    """Vectors are found by words, and their encoder is not needed."""
    texts = kx.networks.TextPreprocessor(sequence_length=4)
    texts.adapt(TEXTS)
    model = kx.EmbeddingModel(
        encoders={
            "text": keras.Sequential(
                [
                    keras.Input((4,), dtype="int32"),
                    keras.layers.Embedding(texts.vocabulary_size(), 3),
                    keras.layers.Flatten(),
                ]
            ),
            "vector": keras.Sequential(
                [keras.Input((3,)), keras.layers.Dense(4)]
            ),
        },
        embedding_dim=5,
        preprocessors={"text": texts},
    )
    index = kx.retrieval.ExactIndex(model)
    index.add({"vector": np.eye(3, dtype="float32")}, ids=[7, 8, 9])
    report = export.web(
        model, index, tmp_path / "a", quantization=None, data_dir=packages
    )
    assert list(report["endpoints"]) == ["embed_text"]
    assert not (tmp_path / "a" / "vector.tflite").exists()
    rows = np.fromfile(tmp_path / "a" / "index" / "0.bin", "<f4")
    (known,) = [rows.embeddings for rows in index._rows.values()]
    np.testing.assert_array_equal(rows.reshape(3, 5), known)
    assert (tmp_path / "a" / "index" / "0.json").read_text() == (
        '["7", "8", "9"]'
    )


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        (np.array([2**63 + 1, 3], "uint64"), ["9223372036854775809", "3"]),
        (np.array([0.0, -0.0, 0.1]), ["-0.0", "-0.0", "0.1"]),
        (np.array(["b", "é", "b"]), ["b", "é", "b"]),
        (np.array(["2024-05-01"], "datetime64[D]"), ["2024-05-01"]),
    ],
)
def test_ids_of_any_dtype_are_texts(ids, texts, tmp_path):
    rows = {"a": (np.ones((len(ids), 2), "float32"), ids)}
    written = types.SimpleNamespace(rows=rows)
    facts = web_files.write_index(written, "float32", tmp_path)
    content = json.loads((tmp_path / facts["a"]["ids"]).read_text("utf-8"))
    if texts[0] in ("0.0", "-0.0"):
        assert content[0] == content[1] != content[2]
    else:
        assert content == texts


def test_thumbnails_lie_on_sheets(tmp_path):
    """Each in the middle of its cell, at its proportions, at most 96 wide."""
    colors = RNG.integers(0, 256, (300, 3)).astype("uint8")
    given = [np.tile(color, (5, 4, 1)) for color in colors]
    given[0] = np.tile(colors[0], (400, 200, 1)) / 255  # floats, and large
    given[1] = np.full((3, 3, 1), 90, "uint8")  # grey
    given[2] = np.dstack([given[2], np.full((5, 4), 0, "uint8")])  # clear
    Image.fromarray(given[3]).save(tmp_path / "3.png")
    given[3] = tmp_path / "3.png"
    stream = io.BytesIO()
    Image.fromarray(given[4]).save(stream, "png")
    given[4] = stream.getvalue()
    values = np.full((5, 4), 0x5A42, "uint16")  # grey, of 16 bits
    Image.fromarray(values).save(tmp_path / "5.png")
    given[5], colors[5] = tmp_path / "5.png", 0x5A
    index = kx.retrieval.ExactIndex()
    index.add(RNG.normal(size=(300, 2)), modality="a")
    checked = thumbnails.check_thumbnails(index, {"a": given})
    facts = thumbnails.write_thumbnails(checked["a"], tmp_path, 7)
    assert facts == {
        "files": ["thumbnails/7_0.webp", "thumbnails/7_1.webp"],
        "side": 96,
        "columns": 16,
        "rows": 16,
    }
    sheets = [
        np.asarray(Image.open(tmp_path / file).convert("RGBA")).astype(int)
        for file in facts["files"]
    ]

    def cell(number):
        row, column = divmod(number % 256, 16)
        place = np.s_[
            96 * row : 96 * (row + 1), 96 * column : 96 * (column + 1)
        ]
        return sheets[number // 256][place]

    for number in (0, 3, 4, 5, 17, 255, 256, 299):
        middle = cell(number)[48, 48]
        np.testing.assert_allclose(middle[:3], colors[number], atol=24)
        assert middle[3] == 255
    assert (cell(0)[:, 24:72, 3] == 255).all()  # 96 x 48
    assert (cell(0)[:, :24, 3] == 0).all()
    np.testing.assert_allclose(cell(1)[48, 48], [90, 90, 90, 255], atol=4)
    assert (cell(2)[..., 3] == 0).all()
    assert (cell(5)[..., 3] == 255).sum() == 20  # not enlarged


def test_what_does_not_fit(model, index, packages, tmp_path):
    path = tmp_path / "a"

    def run(x=model, rows=index, **arguments):
        export.web(x, rows, path, data_dir=packages, **arguments)

    with pytest.raises(TypeError, match=r"The index must be a `kx\.retr.*str"):
        run(rows="index")
    with pytest.raises(ValueError, match="The index must hold rows"):
        run(rows=kx.retrieval.ExactIndex())
    other = kx.retrieval.ExactIndex()
    other.add(np.eye(3), modality="image")
    with pytest.raises(ValueError, match=r"of dim 10. Received: .*dim 3"):
        run(rows=other)
    with pytest.raises(TypeError, match="must be the second argument"):
        run(search=index)
    with pytest.raises(TypeError, match="`title` must be a string"):
        run(title=3)
    with pytest.raises(TypeError, match=r"`thumbnails` must be a dict"):
        run(thumbnails=pictures())
    with pytest.raises(ValueError, match=r"`thumbnails` must be one of \['im"):
        run(thumbnails={"sound": pictures()})
    with pytest.raises(
        ValueError, match=r"Received: 5 of 'image', which has 6"
    ):
        run(thumbnails={"image": pictures()[1:]})
    with pytest.raises(ValueError, match="Received: no sequence of 'image'"):
        run(thumbnails={"image": 3})
    stream = io.BytesIO()
    Image.fromarray(pictures()[5]).save(stream, "png")
    cut = stream.getvalue()[:1000]
    stream = io.BytesIO()  # of two parts, of which the second is unknown
    Image.fromarray(RNG.integers(0, 256, (200, 200, 3)).astype("uint8")).save(
        stream, "png"
    )
    damaged = b"\0\0\0\0".join(stream.getvalue().rsplit(b"IDAT", 1))
    wrong = {
        "in row 0 of 'image': shape": [np.zeros((4, 4, 2))] * 6,
        "in row 1 of 'image': .*255. Received: values from 0 to 300": [
            np.zeros((4, 4, 3)),
            np.full((4, 4, 3), [0, 300, 0]),
            *pictures()[2:],
        ],
        "in row 0 of 'image': .*'none.png'": ["none.png"] * 6,
        "in row 0 of 'image': cannot identify": [b"none"] * 6,
        "in row 5 of 'image': image file is trunc": [*pictures()[:5], cut],
        "in row 0 of 'image': broken PNG file": [damaged] * 6,
    }
    for message, value in wrong.items():
        with pytest.raises(ValueError, match=message):
            run(thumbnails={"image": value})
    with pytest.raises(ValueError, match="`quantization` must be one of"):
        run(quantization="int4")
    open_length = kx.networks.TextPreprocessor(vocabulary=["a"])
    short = kx.EmbeddingModel(
        {"text": 3, "image": 5}, 10, preprocessors={"text": open_length}
    )
    with pytest.raises(ValueError, match=r"`sequence_length`.*of modality 'te"):
        run(x=short)
    with pytest.raises(TypeError, match="`model` must say"):
        run(x="model.keras")
    assert os.listdir(tmp_path) == []
    path.mkdir()
    with pytest.raises(FileExistsError, match="must not exist yet"):
        run()


def test_without_the_package_it_says_where_to_put_it(
    model, index, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError) as error:
        export.web(model, index, tmp_path / "a", data_dir=tmp_path / "b")
    message = str(error.value)
    assert "`npm` must be on the PATH" in message
    assert (
        "Or put litertjs-core-2.5.3.tgz, which `npm pack @litertjs/core@2.5"
        in (message)
    )
    assert str(tmp_path / "b") in message
    assert not (tmp_path / "a").exists()


def test_a_file_that_is_wrong_for_one_row_is_refused(
    model, index, packages, tmp_path, monkeypatch
):
    def spoil(graph):
        fix_batch(graph)
        weights = max(
            (b for b in graph.model.buffers if b.data is not None),
            key=lambda b: len(b.data),
        )
        weights.data = np.zeros_like(weights.data)

    fix_batch = LiteRTGraph.fix_batch
    monkeypatch.setattr(LiteRTGraph, "fix_batch", spoil)
    with pytest.raises(
        RuntimeError, match=r"'image.tflite' must give the same"
    ):
        export.web(model, index, tmp_path / "a", data_dir=packages)
    assert os.listdir(tmp_path) == []
