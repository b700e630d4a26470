import json
import os
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

import keras_xmodal as kx
from keras_xmodal.media.gif import encode_gif
from keras_xmodal.runs.items import items_of_rows
from tests.runs import folders

Run = kx.runs.Run


@pytest.fixture(scope="module")
def run(everything):
    return Run.load(everything)


def ids(hits):
    return [hit["id"] for hit in hits]


def test_what_a_run_holds(run, data):
    assert run.kinds == folders.KINDS
    assert run.index.sizes == {
        "image": 4, "text": 8, "speech": 4, "video": 4, "color": 4,
    }  # fmt: skip
    assert run.items["image"]["blue.png"] == {
        "file": str(data.parent / "blue.png"),
        "item": "blue.png",
        "captions": ["blue", "the blue one"],
    }
    assert run.items["text"]["the red one"] == {
        "text": "the red one",
        "item": "red.png",
        "captions": ["red"],
    }
    assert run.items["color"]["green.png"]["numbers"] == [0, 1, 0]
    assert run.generator is None
    assert repr(run).startswith("Run(run, image: 4, text: 8, speech: 4, ")
    assert run.report["format"] == 1
    assert run.report["versions"]["keras_xmodal"] == kx.__version__


def test_a_text_finds_pictures_with_all_that_is_known_of_them(run, data):
    first, second = run.search("the blue one", k=2)
    assert first == {
        "modality": "image",
        "id": "blue.png",
        "score": 1.0,
        "file": str(data.parent / "blue.png"),
        "captions": ["blue", "the blue one"],
        "item": "blue.png",
    }
    # One of the three colors of white.
    assert second["id"] == "white.png"
    assert second["score"] == pytest.approx(3**-0.5, abs=1e-4)


@pytest.mark.parametrize("suffix", ["png", "gif", "wav"])
def test_the_content_of_a_file_tells_its_modality(run, data, suffix, tmp_path):
    path = data.parent / f"green.{suffix}"
    content = path.read_bytes()
    named_otherwise = tmp_path / "query"
    named_otherwise.write_bytes(content)
    name = {"png": "image", "gif": "video", "wav": "speech"}[suffix]
    # Nearest to itself.
    for query in (path, str(path), content, named_otherwise, {name: path}):
        (hit,) = run.search(query, k=1, modality=name)
        assert (hit["id"], hit["score"]) == (path.name, 1.0)
    assert run.search(path, k=1)[0]["modality"] == "text"


def test_a_still_picture_is_no_clip_where_there_are_pictures(run, data):
    still = encode_gif(np.full((1, 3, 3, 3), (0, 0, 255), "uint8"))
    assert set(run.read(still)) == {"image"}
    assert ids(run.search(still, k=1)) == ["blue"]


def test_two_queries_at_once(run, data):
    red = data.parent / "red.png"
    query = {"image": red, "text": "but blue"}
    hits = run.search(query, k=3)
    assert hits[0]["modality"] == "image"
    # Between red and blue: cosine 1 / sqrt(2) each, 2 / sqrt(6) with white.
    assert ids(hits)[0] == "white.png"
    assert hits[1]["score"] == pytest.approx(2**-0.5, abs=1e-3)
    assert set(ids(hits)[1:]) == {"red.png", "blue.png"}
    assert run.search(query, k=1, modality="text")[0]["text"] in (
        "white", "the white one",
    )  # fmt: skip


def test_queries_count_by_weight(run, data):
    query = {"image": data.parent / "red.png", "text": "blue"}
    hits = run.search(query, k=3, weights={"image": 3, "text": 1})
    assert ids(hits)[0] == "red.png"
    scores = {hit["id"]: hit["score"] for hit in hits}
    assert scores["red.png"] == pytest.approx(3 / 10**0.5, abs=1e-3)
    alone = run.search(query, k=3, weights={"image": 0, "text": 1})
    assert alone == run.search("blue", k=3)
    for weights, match in (
        ({"image": 0, "text": 0}, "must not all be 0. Received"),
        ({"image": 1}, "must hold modalities of .*all of them"),
        ({"image": 1, "text": -1}, r"`weights\['text'\]` must be"),
    ):
        with pytest.raises(ValueError, match=match):
            run.search(query, weights=weights)


def test_arrays_find_what_files_find(run, data):
    red = np.full((9, 7, 3), (255, 0, 0), "uint8")
    assert ids(run.search({"image": red}, k=1)) == ["red"]
    assert ids(run.search({"image": red / 255}, k=1)) == ["red"]
    clip = np.full((4, 9, 7, 3), (0, 255, 0), "uint8")
    hits = run.search({"video": clip}, k=1, modality="video")
    assert ids(hits) == ["green.gif"]
    sound = (data.parent / "blue.wav").read_bytes()
    waveform = kx.datasets.decode_wav(sound)[0].numpy()
    hits = run.search({"speech": waveform}, k=1, modality="speech")
    assert ids(hits) == ["blue.wav"]
    assert ids(run.search({"color": [0, 0.2, 1]}, k=1)) == ["blue"]


def test_no_query_of_a_known_kind_traces_again(run, data, tmp_path):
    for query in ("red", data.parent / "red.png", data.parent / "red.gif"):
        run.search(query)
    known = len(run.model._functions)
    for place, size in enumerate([(3, 9), (30, 20), (1, 1)]):
        path = tmp_path / f"{place}.png"
        path.write_bytes(folders.picture((1, 2, 3), size))
        run.search(path)
        run.search("white " * (place + 1))
        run.search(encode_gif(np.zeros((place + 2, *size, 3), "uint8")))
    assert len(run.model._functions) == known


def test_thumbnails_are_of_the_rows(run):
    for name in ("image", "video"):
        for key, color in folders.COLORS.items():
            suffix = "png" if name == "image" else "gif"
            pixels = run.thumbnail(name, f"{key}.{suffix}")
            assert pixels.shape == (96, 96, 3)
            np.testing.assert_array_equal(pixels[48, 48], color)
    # The sides of a picture keep their ratio.
    assert run.thumbnail("image", "red.png")[48, 10].tolist() == [255] * 3
    assert run.thumbnail("image", "nothing.png") is None
    assert run.thumbnail("text", "red") is None


@pytest.mark.parametrize(
    ("query", "error", "match"),
    [
        (" ", ValueError, "must hold a word, in at most 65536"),
        ("x" * 70_000, ValueError, "in at most 65536 bytes"),
        ("red \udcff", ValueError, "A text must be UTF-8"),
        ("?!", ValueError, "letters or digits that the model knows"),
        ("missing.png", OSError, r"missing\.png"),
        (7, TypeError, "The query must be a text, the path"),
        ({}, ValueError, "must not be empty"),
        ({"sound": "a.wav"}, ValueError, "Received: modality='sound'"),
        ({"image": b"GIF89a"}, ValueError, "a whole JPEG, PNG, GIF"),
        ({"speech": b"RIFF"}, ValueError, "a whole WAV file"),
        ({"video": b"clip"}, (ValueError, ImportError), "clip|PyAV"),
        ({"color": [1, 2]}, ValueError, "2"),
        ({"color": "red"}, TypeError, "must be real numbers"),
        ({"text": ["red"]}, TypeError, "must be a string"),
        (b"OggS and more", ValueError, "must be a whole WAV file"),
        (b"\x89PNG\r\n\x1a\nbroken", ValueError, "whole JPEG, PNG"),
        (b"no file", ValueError, "of 7 bytes that begin with b'no file'"),
    ],
)
def test_what_is_no_query_is_said(run, query, error, match):
    with pytest.raises(error, match=match) as info:
        run.search(query)
    assert len(str(info.value)) < 600


def test_huge_and_empty_files_are_not_read(run, tmp_path):
    path = tmp_path / "picture.png"
    for size in (0, 2**30 + 1):
        path.touch()
        os.truncate(path, size)
        with pytest.raises(ValueError, match=f"to {2**30} bytes.*of {size} b"):
            run.search(path)


def test_a_query_of_no_modality_of_the_run(data, written):
    run = Run.load(written)
    with pytest.raises(
        ValueError, match=r"which has image and text\. .*a recording"
    ):
        run.search(data.parent / "red.wav")
    # The first frame of a clip is a picture.
    assert ids(run.search(data.parent / "red.gif", k=1)) == ["red"]
    with pytest.raises(ValueError, match="`modality` must be one of"):
        run.search("red", modality="speech")


def test_what_an_index_saved_is_a_run_without_names(data, tmp_path):
    model = folders.make_model("image", "text")
    index = kx.retrieval.ExactIndex(model)
    index.add({"text": ["red", "blue"]}, ids=[3, 4])
    index.save(tmp_path / "index")
    run = Run.load(tmp_path / "index")
    assert run.kinds == {"image": "image", "text": "text"}
    (hit,) = run.search(data.parent / "blue.png", k=1)
    assert hit == {
        "modality": "text", "id": "4", "score": 1.0, "text": "4",
        "captions": [], "item": "4",
    }  # fmt: skip


def damage(folder, change):
    name, value = change
    path = folder / name
    if value is None:
        path.unlink()
    elif value == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif isinstance(value, bytes):
        path.write_bytes(value)
    else:
        content = json.loads(path.read_text())
        value(content)
        path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (("model.keras", None), FileNotFoundError, "without model.keras"),
        (("index.npz", None), FileNotFoundError, "without index.npz"),
        (("items.json", None), FileNotFoundError, "must hold items.json"),
        (("model.keras", "cut"), ValueError, "readable model.*which is cut"),
        (("index.npz", "cut"), ValueError, "readable index"),
        (("items.json", "cut"), ValueError, "readable items.json"),
        (("report.json", "cut"), ValueError, "readable report.json"),
        (("report.json", b"[]"), ValueError, "a dict. Received"),
        (("items.json", b"\xff"), ValueError, "readable items.json"),
        (("items.json", b"[]"), ValueError, "readable items.json"),
        (
            ("report.json", lambda r: r.update(format=2)),
            ValueError,
            "of format 1 or below.* of format 2",
        ),
        (
            ("report.json", lambda r: r["modalities"].pop("text")),
            ValueError,
            "kind of each modality.* None of 'text'",
        ),
        (
            ("items.json", lambda items: items["image"].pop("red.png")),
            ValueError,
            "1 ids of 'image' in one of them, first 'red.png'",
        ),
    ],
)
def test_damaged_folders_are_named(folder, change, error, match):
    damage(folder, change)
    with pytest.raises(error, match=match):
        Run.load(folder)


def test_a_damaged_generator_is_named_when_it_is_asked_for(folder):
    """Cut, and whole but not a model."""
    path = folder / "generator.keras"
    path.write_bytes((folder / "model.keras").read_bytes()[:-100])
    run = Run.load(folder)
    match = r"readable model, generator\.keras, or none: .*which is cut"
    with pytest.raises(ValueError, match=match):
        _ = run.generator
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match=r"readable generator\.keras, or none"):
        _ = run.generator


@pytest.mark.parametrize("content", [b"", b"no pictures", "cut"])
def test_damaged_thumbnails_are_named_when_they_are_asked_for(folder, content):
    damage(folder, ("thumbnails.npz", content))
    run = Run.load(folder)
    assert ids(run.search("red", k=1)) == ["red.png"]
    with pytest.raises(ValueError, match=r"readable thumbnails\.npz, or none"):
        run.thumbnail("image", "red.png")


def test_thumbnails_of_another_index_are_named(folder):
    pictures = np.zeros((3, 2, 2, 3), "uint8")
    np.savez_compressed(folder / "thumbnails.npz", image=pictures)
    with pytest.raises(ValueError, match="'image', which has 4 rows"):
        Run.load(folder).thumbnail("image", "red.png")


def test_write_run_writes_all_or_nothing(folder, tmp_path):
    model, report = folders.make_model(), folders.report_of("image", "text")
    with pytest.raises(FileExistsError, match="must not exist yet"):
        kx.runs.write_run(folder, model, {"image": {}}, report)
    for items, told, error, match in (
        ({"image": {"a": {"file": "nowhere.png"}}}, report, OSError, "nowhere"),
        ({"sound": {}}, report, ValueError, "`items` must hold modalities"),
        ({"image": {}}, {}, TypeError, "must be a dict {modality"),
        (
            {"image": {}},
            {"modalities": {"image": {"kind": "photo"}, "text": {}}},
            ValueError,
            "must be one of",
        ),
    ):
        with pytest.raises(error, match=match):
            kx.runs.write_run(folder, model, items, told, overwrite=True)
        with pytest.raises(error, match=match):
            kx.runs.write_run(tmp_path / "new", model, items, told)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert len(Run.load(folder).index) == 12


def test_an_index_and_thumbnails_of_ones_own(tmp_path):
    model = folders.make_model()
    index = kx.retrieval.ExactIndex(model)
    index.add(np.eye(3), ids=["a", "b", "c"], modality="image")
    items = {"image": {key: {"item": key} for key in "abc"}}
    report = folders.report_of("image", "text")
    pictures = np.arange(3 * 2 * 2 * 3, dtype="uint8").reshape(3, 2, 2, 3)
    kx.runs.write_run(
        tmp_path / "run", model, items, report, index=index,
        thumbnails={"image": pictures}, generator=folders.make_model("color"),
    )  # fmt: skip
    run = Run.load(tmp_path / "run")
    assert ids(run.search("green", k=1)) == ["b"]
    np.testing.assert_array_equal(run.thumbnail("image", "c"), pictures[2])
    assert run.generator.modalities == ("color",)
    shutil.rmtree(tmp_path / "run")
    del items["image"]["b"]
    with pytest.raises(ValueError, match="1 ids of 'image' in one of them"):
        kx.runs.write_run(tmp_path / "run", model, items, report, index=index)


def test_ids_of_numbers_and_texts_of_several_items(tmp_path):
    table = tmp_path / "pairs.csv"
    table.write_text(
        "thing,word,x,y\na,red,1,2\na,rot,1,2\na,red,3,4\nb,red,1,2\n,,5,6\n"
    )
    with open(table, "a") as file:
        file.write("c,,7,8\n")
    columns = {"text": ["word"], "color": ["x", "y"]}
    rows = kx.datasets.from_csv(
        table,
        {"text": "word", "color": ["x", "y"]},
        "thing",
        skip=[6],
    ).items
    owners = {}
    items = items_of_rows(rows, columns, folders.KINDS, "thing", owners)
    assert {
        key: (entry["numbers"], entry["item"], entry["captions"])
        for key, entry in items["color"].items()
    } == {
        "a": ([1, 2], "a", ["red", "rot"]),
        "a (2)": ([3, 4], "a", ["red", "rot"]),
        "b": ([1, 2], "b", ["red"]),
        "c": ([7, 8], "c", []),
    }
    assert list(items["text"]) == ["red", "rot"]
    assert items["text"]["red"]["captions"] == ["rot"]
    assert items["text"]["red"]["item"] == "a"
    assert [key for key, _ in owners["color"]] == ["a", "a (2)", "b", "c"]
    assert [key for key, _ in owners["text"]] == ["red", "rot", "red"]
    unnamed = items_of_rows(rows, columns, folders.KINDS)
    assert list(unnamed["color"]) == ["row 2", "row 2 (2)", "row 5", "row 7"]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_clips_that_no_graph_decodes(run, kind, tmp_path):
    """Animated PNG and WebP files: an image, and a clip."""
    frames = [Image.new("RGB", (6, 5), c) for c in ("#f00", "#00f", "#00f")]
    path = tmp_path / "clip"
    frames[0].save(
        path, kind, save_all=True, append_images=frames[1:], lossless=True
    )
    hits = run.search({"video": path}, 1, "video")
    # Of three frames, the first and the last are looked at: red and blue.
    assert hits[0]["id"] == "white.gif"
    assert hits[0]["score"] == pytest.approx(2 / 6**0.5, abs=1e-3)
    hits = run.search({"image": path}, 1, "image")
    assert (hits[0]["id"], hits[0]["score"]) == ("red.png", 1.0)
    assert set(run.read(path)) == {"image" if kind == "PNG" else "video"}
