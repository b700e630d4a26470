import csv
import json
import os

import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import files
from keras_xmodal.media import image
from keras_xmodal.networks.image import image_preprocessor
from keras_xmodal.runs import index, items, parts, raw
from keras_xmodal_cli import main
from tests.runs import folders

Run = kx.runs.Run


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def nearest(folder, query, modality=None):
    return Run.load(folder).search(query, 1, modality)[0]


def test_files_come_and_go(folder, tmp_path, capsys):
    model = (folder / "model.keras").stat()
    (folder / "litert").mkdir()
    (folder / "litert" / "image.tflite").write_bytes(b"more")
    black = tmp_path / "pink.png"
    black.write_bytes(folders.picture((255, 0, 255)))
    command = ["index", str(folder), str(black), "--remove", "white.png"]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "run": str(folder), "added": 1, "replaced": 0, "removed": 1,
        "rows": {"image": 4, "text": 8}, "left_out": [],
    }  # fmt: skip
    run = Run.load(folder)
    hit = nearest(folder, "red blue")  # neither is in both
    assert hit["id"] != "white.png"
    (hit,) = run.search({"image": black}, 1, "image")
    assert hit == {
        "modality": "image", "id": str(black), "score": 1.0,
        "file": str(black), "captions": [], "item": str(black),
    }  # fmt: skip
    # The pictures follow, and what is of others stays, the model unread.
    assert list(run.thumbnails()["image"][:, 48, 48].tolist()) == [
        [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 0, 255],
    ]  # fmt: skip
    assert (folder / "litert" / "image.tflite").read_bytes() == b"more"
    assert (folder / "model.keras").stat().st_ino == model.st_ino
    assert sorted(p.name for p in folder.iterdir()) == [
        "index.npz", "items.json", "litert", "model.keras", "report.json",
        "thumbnails.npz",
    ]  # fmt: skip
    assert main(command[:3]) == 0  # again
    assert capsys.readouterr().out.startswith("0 added, 1 replaced, 0 removed")
    assert len(Run.load(folder).index) == 12


def test_rows_of_a_table_are_added_with_their_captions(folder, tmp_path):
    (tmp_path / "dark.png").write_bytes(folders.picture((0, 90, 90)))
    table = tmp_path / "more.csv"
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(
            [
                ["thing", "picture", "name"],
                ["teal", "dark.png", "green blue"],
                ["teal", "dark.png", "blue green"],
            ]
        )
    with pytest.raises(ValueError, match="columns of 1 modalities"):
        index.run(str(folder), [str(table)], quiet=True)
    columns = {"image": ["picture"], "text": ["name"]}
    result = index.run(
        str(folder), [str(table)], columns, ids="thing", quiet=True
    )
    assert (result["added"], result["rows"]) == (3, {"image": 5, "text": 10})
    hit = nearest(folder, "green blue")
    assert hit["id"] == "dark.png"
    assert hit["item"] == "teal"
    assert hit["captions"] == ["green blue", "blue green"]
    assert hit["file"] == str(tmp_path / "dark.png")


def test_the_table_of_the_training_replaces_all(folder, data):
    before = Run.load(folder)
    result = index.run(str(folder), [str(data)], quiet=True)
    assert (result["added"], result["replaced"]) == (0, 12)
    after = Run.load(folder)
    assert after.items == before.items
    for name in ("image", "text"):
        for old, new in zip(
            before.index.rows(name), after.index.rows(name), strict=True
        ):
            np.testing.assert_array_equal(old, new)


def test_a_changed_model_is_indexed_anew(folder):
    """The words red and blue change places."""
    run = Run.load(folder)
    words = run.model.encoders["text"].get_layer("words")
    (table,) = words.get_weights()
    vocabulary = run.model.preprocessors["text"].get_vocabulary()
    places = [vocabulary.index(word) for word in ("red", "blue")]
    table[places] = table[places[::-1]]
    words.set_weights([table])
    run.model.save(folder / "model.keras")
    picture = {"image": np.full((2, 2, 3), (255, 0, 0), "uint8")}
    assert nearest(folder, picture)["id"] == "red"
    result = index.run(str(folder), rebuild=True, quiet=True)
    assert result["rows"] == {"image": 4, "text": 8}
    assert nearest(folder, picture)["id"] == "blue"


def test_all_may_go(folder):
    run = Run.load(folder)
    ids = [str(key) for name in run.items for key in run.items[name]]
    assert index.run(str(folder), remove=ids)["removed"] == 12
    run = Run.load(folder)
    assert (len(run.index), run.items, run.thumbnails()) == (0, {}, {})
    with pytest.raises(ValueError, match="must hold items to find"):
        run.search("red")


def test_who_is_killed_goes_on_where_it_was(folder, data, monkeypatch):
    monkeypatch.setattr(parts, "_SIZE", 3)
    encode, encoded = parts._encode, []

    def dying(*arguments):
        if len(encoded) == 2:
            raise KeyboardInterrupt
        encoded.append(arguments[-1])
        return encode(*arguments)

    monkeypatch.setattr(parts, "_encode", dying)
    before = {
        name: content
        for name, content in contents(folder).items()
        if name.parts[0] != parts.PARTS
    }
    with pytest.raises(KeyboardInterrupt):
        index.run(str(folder), rebuild=True, quiet=True)
    # The old index is whole.
    after = contents(folder)
    assert {name: after[name] for name in before} == before
    assert Run.load(folder).search("red", 1)[0]["id"] == "red.png"
    assert len(after) == len(before) + 2

    def counting(*arguments):
        encoded.append(arguments[-1])
        return encode(*arguments)

    monkeypatch.setattr(parts, "_encode", counting)
    index.run(str(folder), rebuild=True, quiet=True)
    # 4 pictures and 8 texts, none of them twice.
    keys = [key for part in encoded for key, _ in part]
    assert len(keys) == len(set(keys)) == 12
    assert set(contents(folder)) == set(before)
    assert Run.load(folder).search("the blue one", 1)[0]["id"] == "blue.png"


def test_what_is_kept_of_other_work_is_not_taken(folder, tmp_path):
    """A file that has changed since, and another model."""
    items = {"image": {"a": {"file": str(tmp_path / "a.png")}}}
    (tmp_path / "a.png").write_bytes(folders.picture((1, 2, 3)))
    model = folder / "model.keras"
    first = parts.folder_of(folder, model, items, False)
    assert parts.folder_of(folder, model, items, False) == first
    os.utime(tmp_path / "a.png", (1, 1))
    second = parts.folder_of(folder, model, items, False)
    assert second != first
    assert not first.exists()
    model.write_bytes(b"another")
    assert parts.folder_of(folder, model, items, False) != second


def test_broken_files_are_named_or_left_out(folder, data, tmp_path, capsys):
    for name in ("broken.png", "red.png"):
        (tmp_path / name).write_bytes(folders.picture((255, 0, 0)))
    path = tmp_path / "broken.png"
    path.write_bytes(path.read_bytes()[:60])
    command = ["index", str(folder), str(path), str(tmp_path / "red.png")]
    before = contents(folder)
    assert main([*command, "--quiet"]) == 1
    error = capsys.readouterr().err
    assert "a whole JPEG, PNG" in error
    assert "broken.png of 60 bytes" in error
    assert len(error.splitlines()) == 1
    after = contents(folder)
    assert {name: after[name] for name in before} == before
    assert main([*command, "--skip-broken", "--quiet"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("1 added, 0 replaced, 0 removed: 5 image, 8 text")
    assert second.startswith("left out: ")
    assert contents(folder).keys() == before.keys()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["nowhere", "a.png"], "must be a run folder"),
        (["RUN", "nowhere.png"], "nowhere.png"),
        (["RUN", "DATA/red.wav"], "DATA/red.wav, a recording"),
        (["RUN", "--remove", "red.png", "pink"], "1 others, first 'pink'"),
        (["RUN", "DATA/red.png", "--id-column", "a"], "for columns of a CSV"),
        (["RUN", "DATA/pairs.csv", "--modality", "image=a"], "column 'a'"),
        (["RUN", "DATA/pairs.csv", "--modality", "text=r,g"], "no numbers"),
        (["RUN", "DATA/pairs.csv", "--modality", "sound=r"], "--modality"),
        (["RUN", "DATA/empty.csv"], "at least one row|columns of 1"),
    ],
)
def test_wrong_additions_change_nothing(
    arguments, match, folder, data, tmp_path, capsys
):
    (data.parent / "empty.csv").write_bytes(b"")
    arguments = [
        a.replace("RUN", str(folder)).replace("DATA", str(data.parent))
        for a in arguments
    ]
    before = contents(folder)
    assert main(["index", *arguments, "--quiet"]) == 1
    error = capsys.readouterr().err
    match = match.replace("DATA", str(data.parent))
    assert any(part in error for part in match.split("|")), error
    assert len(error.splitlines()) == 1
    assert contents(folder) == before


def test_rows_without_a_source_cannot_be_built_anew(tmp_path):
    model = folders.make_model()
    rows = kx.retrieval.ExactIndex(model)
    rows.add(np.eye(3), ids=["a", "b", "c"], modality="image")
    items = {"image": {key: {"item": key} for key in "abc"}}
    report = folders.report_of("image", "text")
    kx.runs.write_run(tmp_path / "run", model, items, report, index=rows)
    with pytest.raises(ValueError, match="3 of 'image' without, first 'a'"):
        index.run(str(tmp_path / "run"), rebuild=True)
    # But such may go, and others come, which have no thumbnails then.
    picture = tmp_path / "red.png"
    picture.write_bytes(folders.picture((255, 0, 0)))
    index.run(str(tmp_path / "run"), [str(picture)], remove="a", quiet=True)
    run = Run.load(tmp_path / "run")
    assert list(run.items["image"]) == ["b", "c", str(picture)]
    assert run.thumbnails() == {}
    rows.save(tmp_path / "index")
    with pytest.raises(FileNotFoundError, match=r"must hold items\.json"):
        index.run(str(tmp_path / "index"), remove=["a"])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_picture_is_decoded_once(channels, folder, tmp_path, monkeypatch):
    """And is what a query of its bytes is, with opacity or without."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (5, 7, channels)).astype("uint8")
    picture = tmp_path / "picture.png"
    picture.write_bytes(tf.io.encode_png(pixels).numpy())
    decode, decoded = raw.decode_image, []

    def counting(content, *arguments, **options):
        decoded.append(content)
        return decode(content, *arguments, **options)

    for module in (raw, image, image_preprocessor):
        monkeypatch.setattr(module, "decode_image", counting)
    index.run(str(folder), [str(picture)], quiet=True)
    assert len(decoded) == 1
    monkeypatch.undo()
    run = Run.load(folder)
    ids, rows = run.index.rows("image")
    assert ids[-1] == str(picture)
    content = picture.read_bytes()
    (expected,) = run.model.encode([content], "image")
    unit = expected / np.linalg.norm(expected)
    np.testing.assert_allclose(rows[-1], unit, atol=1e-6)
    small = items.thumbnail(decode(content, 3).numpy(), (96, 96))
    np.testing.assert_array_equal(run.thumbnail("image", ids[-1]), small)


def test_what_was_trained_on_stays_so(folder, data):
    known = json.loads((folder / "items.json").read_text())
    for entry in known["image"].values():
        entry["part"] = "train"
    (folder / "items.json").write_text(json.dumps(known))
    index.run(str(folder), [str(data)], quiet=True)
    after = Run.load(folder).items
    assert [e.get("part") for e in after["image"].values()] == ["train"] * 4
    assert after["text"] == known["text"]


def test_one_process_at_a_time(folder):
    with (
        files.locked(folder),
        pytest.raises(BlockingIOError, match="by another process"),
    ):
        index.run(str(folder), remove=["red.png"])
    assert index.run(str(folder), remove=["red.png"])["removed"] == 1
