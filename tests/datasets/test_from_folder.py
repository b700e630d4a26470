"""Folders of a user's own files."""

import collections

import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.datasets import from_folder


@pytest.fixture
def captioned(tmp_path):
    """Two pictures, one with a recording and two captions; and others."""
    kx.datasets.write_gif(tmp_path / "a.gif", still(0))
    (tmp_path / "a.txt").write_text("red\n\n  rouge \nred\n")
    kx.datasets.write_wav(tmp_path / "a.wav", np.ones(80) / 2, 8000)
    (tmp_path / "sub").mkdir()
    kx.datasets.write_gif(tmp_path / "sub" / "a.GIF", still(1))
    (tmp_path / "sub" / "a.txt").write_bytes("\ufeffgrün".encode())
    (tmp_path / "notes.md").write_text("not of the data")
    (tmp_path / ".hidden.gif").write_bytes(b"")
    return tmp_path


@pytest.fixture
def classes(tmp_path):
    """Classes of 10, 4, 2 and 1 recordings."""
    for name, count in {"a_dog": 10, "cat": 4, "7": 2, "owl": 1}.items():
        (tmp_path / name / "more").mkdir(parents=True)
        for i in range(count):
            file = tmp_path / name / ("more" if i % 2 else "") / f"{i}.wav"
            kx.datasets.write_wav(file, np.full(8, 0.01 * i), 8000)
    return tmp_path


def still(seed, frames=1):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (frames, 4, 4, 3)).astype("uint8")


def read(data):
    """Each example as texts, ids and what is there."""
    for x, item, *weights in data.as_numpy_iterator():
        yield x["text"].decode(), int(item), *weights


def test_texts_beside_files(captioned):
    data = from_folder(captioned)
    assert list(data.element_spec[0]) == ["image", "speech", "text"]
    rows = list(read(data))
    assert [text for text, *_ in rows] == ["red", "rouge", "grün"]
    assert rows[0][1] == rows[1][1] != rows[2][1]
    assert [weights["speech"] for *_, weights in rows] == [1, 1, 0]
    x, _, _ = next(iter(data))
    assert x["image"] == (captioned / "a.gif").read_bytes()
    row = data.items[rows[2][1]][0]
    assert row.number == 3
    assert row.cells == {
        "image": "sub/a.GIF", "speech": "", "text": "grün", "name": "sub/a",
        "folder": "sub",
    }  # fmt: skip
    assert row.files == {"image": captioned / "sub" / "a.GIF"}


def test_some_modalities_under_other_names(captioned):
    data = from_folder(captioned, {"photo": "image"}, skip=[3])
    ((x, _),) = data
    assert x == {"photo": (captioned / "a.gif").read_bytes()}
    data = from_folder(captioned, {"caption": "text", "photo": "image"})
    assert [x["caption"] for x, _ in data] == [
        b"red",
        b"rouge",
        "grün".encode(),
    ]


def test_ids_do_not_depend_on_other_files(captioned):
    before = dict(row[:2] for row in read(from_folder(captioned)))
    (captioned / "a.txt").unlink()
    (captioned / "a.gif").unlink()
    (captioned / "a.wav").unlink()
    ((text, item),) = read(from_folder(captioned))
    assert before[text] == item


def test_a_gif_with_frames_makes_clips_of_all(captioned):
    kx.datasets.write_gif(captioned / "sub" / "a.GIF", still(1, frames=2))
    data = from_folder(captioned)
    assert list(data.element_spec[0]) == ["speech", "video", "text"]


def test_folders_as_parts(captioned):
    parts = from_folder(captioned, split="folder")
    assert list(parts) == [".", "sub"]
    assert [text for text, *_ in read(parts["sub"])] == ["grün"]


def test_subfolders_are_classes(classes):
    rows = list(read(from_folder(classes)))
    ids = dict(rows)
    assert list(ids) == ["7", "a dog", "cat", "owl"]
    assert len(set(ids.values())) == 4
    assert ids["7"] == 7
    counts = collections.Counter(text for text, _ in rows)
    assert counts == {"a dog": 10, "cat": 4, "7": 2, "owl": 1}


@pytest.mark.parametrize("shares", [0.9, (0.5, 0.3, 0.2)])
def test_a_split_has_all_classes_on_both_sides(classes, shares):
    parts = from_folder(classes, split=shares)
    counts = [collections.Counter(t for t, _ in read(p)) for p in parts]
    if shares == 0.9:
        assert counts[0] == {"a dog": 9, "cat": 3, "7": 1, "owl": 1}
        assert counts[1] == {"a dog": 1, "cat": 1, "7": 1}
    else:
        assert [count["a dog"] for count in counts] == [5, 3, 2]
        assert sorted(count["cat"] for count in counts) == [1, 1, 2]
    rows = [row for p in parts for item in p.items.values() for row in item]
    assert len({row.cells["name"] for row in rows}) == len(rows) == 17
    again = kx.datasets.split(from_folder(classes), shares)
    for part, other in zip(parts, again, strict=True):
        assert list(read(part)) == list(read(other))
    if shares == 0.9:  # And of a part.
        more, _ = kx.datasets.split(parts[0], 0.5)
        assert len(set(read(more))) == 4


def test_a_group_has_other_classes_on_either_side(classes):
    train, test = from_folder(classes, split=0.5, group="folder")
    classes = [{text for text, _ in read(part)} for part in (train, test)]
    assert not set.intersection(*classes)
    assert sorted(map(len, classes)) == [2, 2]


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({}, r"must hold files of the kinds .*with 0 files"),
        ({"a.md": b"", "b.py": b""}, r"with 2 files of \.md, \.py"),
        ({"a.png": b"", "b/c.png": b""}, r"one subfolder.*'a\.png' without"),
        ({"a.png": b"", "b.wav": b""}, r"'a\.png' without, and 1 more files"),
        (
            {"train/a.png": b"", "Test/b.png": b""},
            r"not for each part of a split.*\['Test', 'train'\]",
        ),
        (
            {"a.png": b"", "a.jpg": b"", "a.txt": b"x"},
            r"one file of a kind.*'a\.jpg' and 'a\.png'",
        ),
        (
            {"a.png": b"", "a.txt": b"x\ngr\xfcn"},
            r"text must be a file in UTF-8.*line 2.*Latin-1",
        ),
        ({"a.png": b"", "a.txt": b" \n"}, "'text' must be there in one row"),
    ],
)
def test_wrong_folders(tmp_path, files, match):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=match):
        from_folder(tmp_path)


def test_wrong_arguments(captioned):
    with pytest.raises(FileNotFoundError, match=r"no', which is missing"):
        from_folder(captioned / "no")
    with pytest.raises(FileNotFoundError, match="a file"):
        from_folder(captioned / "a.gif")
    with pytest.raises(ValueError, match=r"modalities\['photo'\]` must be one"):
        from_folder(captioned, {"photo": "video"})
    with pytest.raises(TypeError, match="`modalities` must be a dict"):
        from_folder(captioned, "image")
    with pytest.raises(ValueError, match="`group` must be one of"):
        from_folder(captioned, group="speaker")
    with pytest.raises(
        ValueError, match=r"`skip` must hold numbers.*: 4, which"
    ):
        from_folder(captioned, skip=[4, 1])
    with pytest.raises(ValueError, match=r"`skip` must leave a row.*all 3"):
        from_folder(captioned, skip=(1, 2, 3))
    with pytest.raises(TypeError, match="`skip` must be a sequence"):
        from_folder(captioned, skip="1")
