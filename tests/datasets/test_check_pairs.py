"""What is wrong with pairs, counted and named before a training."""

import json

import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.datasets import check_pairs, csv_rows, from_csv, from_folder

COLUMNS = {"image": "file", "text": "caption"}


@pytest.fixture
def folder(tmp_path):
    """Six pictures of one colour each, of growing size."""
    for i in range(6):
        frame = np.full((1, 4 + i, 5 + i, 3), 40 * i, "uint8")
        kx.datasets.write_gif(tmp_path / f"{i}.gif", frame)
    return tmp_path


def write(folder, rows, header="file,caption"):
    path = folder / "pairs.csv"
    path.write_text("\n".join([header, *rows]), "utf-8")
    return path


def rows_of(report):
    """Rows of each problem, and whether they are left out."""
    return {
        finding["problem"]: (finding["rows"], finding["left_out"])
        for finding in report["findings"]
    }


def test_nothing_is_wrong(folder):
    rows = [f"{i}.gif,the picture {i}{' again' * i}" for i in range(4)]
    path = write(folder, [*rows, "0.gif,other"])
    report = check_pairs(path, COLUMNS)
    assert report == {
        "path": str(path),
        "rows": 5,
        "items": 4,
        "modalities": {
            "image": {
                "kind": "image", "columns": ["file"], "files": True,
                "values": 5, "different": 4,
                "height": [4, 5.5, 7], "width": [5, 6.5, 8],
            },
            "text": {
                "kind": "text", "columns": ["caption"], "files": False,
                "values": 5, "different": 5, "words": [1, 4, 6],
            },
        },
        "findings": [],
        "skip": [],
    }  # fmt: skip
    assert json.loads(json.dumps(report)) == report
    assert report.arguments() == {
        "modalities": COLUMNS, "files": ["image"], "delimiter": ",", "skip": []
    }  # fmt: skip
    assert str(report).splitlines() == [
        f"{path}: 5 rows, 0 of them to leave out; 4 items in the others",
        "image: image from 'file', 5 values, 4 different, height 4 to 7 "
        "(median 5.5), width 5 to 8 (median 6.5)",
        "text: text from 'caption', 5 values, 5 different, words 1 to 6 "
        "(median 4)",
    ]


def test_all_that_can_be_wrong_is_counted_and_left_out(folder):
    content = (folder / "3.gif").read_bytes()
    (folder / "broken.gif").write_bytes(content[:-9])
    (folder / "page.gif").write_bytes(b"<html>")
    (folder / "3_again.gif").write_bytes(content)
    (folder / "link.gif").symlink_to("3.gif")
    kx.datasets.write_wav(folder / "sound.dat", np.ones(80) / 2, 8000)
    path = write(
        folder,
        [
            "0.gif,zero,0,a",  # 2
            "1.gif,one,1,a",
            "broken.gif,two,2,b",
            "no.gif,three,3,b",
            "page.gif,four,4,b",
            "3.gif,five,5,b",
            "3_again.gif,six,6,c",
            "link.gif,seven,7,c",
            "sound.dat,eight,8,c",  # 10
            "0.gif,zero,0,a",
            "5.gif,,,c",
            ",twelve,12,c",
            "4.gif,thirteen,inf,c",
            "4.gif,fourteen,14,",
            "4.gif,fifteen,15,c",
        ],
        "file,caption,number,speaker",
    )
    columns = {**COLUMNS, "age": ["number"]}
    seen = []
    report = check_pairs(
        path, columns, group="speaker", progress=lambda *n: seen.append(n)
    )
    assert rows_of(report) == {
        "empty cell of 'speaker'": ([15], True),
        "no number in age": ([14], True),
        "repeated row": ([11], True),
        "missing file of image": ([5], True),
        "broken file of image": ([4, 6], True),
        "file of another kind of image": ([10], True),
        "repeated file of image": ([8], True),
        "item of one modality alone": ([12], True),
        "empty cell of image": ([13], False),
    }
    assert report.skip == [4, 5, 6, 8, 10, 11, 12, 14, 15]
    assert report["items"] == 5
    assert report["modalities"]["age"]["kind"] == "numbers"
    assert seen == [(i, 10) for i in range(1, 11)]
    lines = str(report).splitlines()
    assert lines[0].endswith(
        "15 rows, 9 of them to leave out; 5 items in the others"
    )
    line = next(line for line in lines if line.startswith("broken"))
    assert line.startswith("broken file of image: 2 rows left out, such as row")
    assert "row 4: The file must be a whole JPEG" in line
    assert f"row 10: '{folder}/sound.dat' is speech, not image" in str(report)
    data = from_csv(path, **report.arguments())
    texts = [x["text"].decode() for x, *_ in data.as_numpy_iterator()]
    assert texts == ["zero", "one", "five", "seven", "twelve", "fifteen"]
    train, _ = from_csv(path, **report.arguments(), split=0.5)
    speakers = {
        r.cells["speaker"] for rows in train.items.values() for r in rows
    }
    assert speakers in ({"a"}, {"b"}, {"c"}, {"b", "c"})


def test_recordings_that_would_be_cut(tmp_path):
    for i in range(1, 5):
        kx.datasets.write_wav(tmp_path / f"{i}.wav", np.full(100 * i, 0.1), 100)
    path = write(tmp_path, [f"{i}.wav,text {i}" for i in range(1, 5)])
    columns = {"speech": "file", "text": "caption"}
    report = check_pairs(path, columns, longest=2.0)
    assert rows_of(report) == {"too long a recording of speech": ([4, 5], True)}
    assert "3.wav' of 3 s, longer than 2 s" in str(report)
    assert report["modalities"]["speech"]["seconds"] == [1, 1.5, 2]
    assert check_pairs(path, columns).skip == []


def test_clips(folder):
    kx.datasets.write_gif(folder / "0.gif", np.zeros((2, 4, 4, 3), "uint8"))
    (folder / "6.mp4").write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0")
    path = write(folder, ["0.gif,a", "1.gif,b", "6.mp4,c", "2.gif,d"])
    report = check_pairs(path, {"video": "file", "text": "caption"})
    assert report["modalities"]["video"]["kind"] == "video"
    assert rows_of(report) == {"clip that is no GIF file of video": ([4], True)}


def test_recordings_that_are_no_wav_files(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.mp3").write_bytes(b"ID3\4\0\0" + bytes([i]))
        (tmp_path / f"{i}.txt").write_text(f"text {i}")
    match = "0 of 3 rows; broken file of speech, row 1: A recording must be a W"
    with pytest.raises(ValueError, match=match):
        check_pairs(tmp_path)
    kx.datasets.write_wav(tmp_path / "0.wav", np.ones(80) / 2, 8000)
    (tmp_path / "0.mp3").unlink()
    (tmp_path / "1.mp3").unlink()
    kx.datasets.write_wav(tmp_path / "1.wav", np.ones(90) / 2, 8000)
    report = check_pairs(tmp_path)
    assert report["modalities"]["speech"]["kind"] == "speech"
    assert rows_of(report) == {"broken file of speech": ([3], True)}


def test_what_columns_hold_is_told_by_their_cells(folder):
    rows = [f"{i}.gif,{i},{i},{i},{i / 2},a {i}" for i in range(6)]
    path = write(folder, rows, "file,digit,x,y,z,caption")
    report = check_pairs(
        path,
        {
            "photo": ["file"],
            "digit": "digit",
            "x": ["x"],
            "yz": ["y", "z"],
            "text": ["caption"],
        },
    )
    kinds = {name: f["kind"] for name, f in report["modalities"].items()}
    assert kinds == {
        "photo": "image", "digit": "text", "x": "numbers", "yz": "numbers",
        "text": "text",
    }  # fmt: skip
    assert report.arguments()["modalities"] == {
        "photo": "file", "digit": "digit", "x": ["x"], "yz": ["y", "z"],
        "text": "caption",
    }  # fmt: skip
    # Of several columns, none is a text.
    path = write(folder, ["a,b,1", "1,,2", "1,2,3", "2,1,4"], "x,y,text")
    report = check_pairs(path, {"point": ["x", "y"], "text": "text"})
    assert rows_of(report) == {
        "some empty cells of point": ([3], True),
        "no number in point": ([2], True),
    }


def test_items_of_several_rows_need_not_be_left_out(folder):
    path = write(folder, ["0.gif,,a", ",zero,a", "1.gif,,b", "2.gif,x,c"],
                 "file,caption,item")  # fmt: skip
    report = check_pairs(path, COLUMNS, "item")
    assert report.skip == [4]
    assert rows_of(report)["empty cell of image"] == ([3], False)
    assert len(from_csv(path, **report.arguments())) == 3


def test_folders(folder):
    for i in range(4):
        (folder / f"{i}.txt").write_text(f"text {i}")
    (folder / "broken.gif").write_bytes(b"")
    (folder / "broken.txt").write_text("red")
    report = check_pairs(folder)
    assert rows_of(report) == {
        "broken file of image": ([7], True),
        "item of one modality alone": ([5, 6], True),
    }
    data = from_folder(folder, **report.arguments())
    assert len(list(data)) == report["items"] == 4


def test_folders_of_classes(folder):
    for name in ("cat", "dog"):
        (folder / name).mkdir()
    for i in range(6):
        (folder / f"{i}.gif").rename(
            folder / ("cat", "dog")[i % 2] / f"{i}.gif"
        )
    report = check_pairs(folder, {"photo": "image", "name": "text"})
    assert (report["rows"], report["items"], report.skip) == (6, 2, [])
    with pytest.raises(ValueError, match=r"`modalities` must be .*'speech'"):
        check_pairs(folder, {"photo": "speech", "name": "text"})
    with pytest.raises(ValueError, match="no columns: leave `ids` out"):
        check_pairs(folder, ids="name")


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (["0.gif,a"], r"two rows at least.*with 1 of 1 rows"),
        (
            ["0.gif,a", "no.gif,b"],
            "with 1 of 2 rows; missing file of image",
        ),
        (
            ["0.gif,red", "1.gif,red"],
            r"values of 'text' must differ.*with 'red' in all 2 rows",
        ),
        (["0.gif,a", "0.gif,b"], r"'image' must differ.*with '0\.gif' in all"),
        ([], "at least one row"),
        (["0.gif,a", "1.gif"], r"must have 2 cells.*row 3 with 1"),
        (["no.gif,a", "nor.gif,b"], r"with 0 of 2 rows; missing file of image"),
    ],
)
def test_what_cannot_be_learned(folder, rows, match):
    with pytest.raises(ValueError, match=match):
        check_pairs(write(folder, rows), COLUMNS)


def test_wrong_arguments(folder):
    path = write(folder, ["0.gif,a", "1.gif,b"])
    with pytest.raises(ValueError, match="must name two modalities"):
        check_pairs(path, {"image": "file"})
    with pytest.raises(TypeError, match="`modalities` must be a dict"):
        check_pairs(path)
    with pytest.raises(ValueError, match=r"one column 'no'.*\['file', 'capt"):
        check_pairs(path, {"image": "file", "text": "no"})
    with pytest.raises(ValueError, match="`longest` must be"):
        check_pairs(path, COLUMNS, longest=0)
    with pytest.raises(FileNotFoundError, match="which is missing"):
        check_pairs(folder / "no.csv", COLUMNS)
    with pytest.raises(ValueError, match=r"must lie in `root`"):
        check_pairs(path, COLUMNS, root=folder / "other")
    with pytest.raises(RuntimeError, match="stop"):
        check_pairs(path, COLUMNS, progress=_stop)


def _stop(done, total):
    raise RuntimeError("stop")


def test_a_huge_file_is_not_read(folder, monkeypatch):
    path = write(folder, ["0.gif,a", "1.gif,b", "2.gif,c"])
    (folder / "2.gif").write_bytes(bytes(3000))
    monkeypatch.setattr(csv_rows, "MAX_BYTES", 2000)
    report = check_pairs(path, COLUMNS)
    assert "at most 2,000 bytes" in report["findings"][0]["example"]
    data = from_csv(path, COLUMNS, files=["image"], skip_broken=True)
    with pytest.warns(UserWarning, match="at most 2,000 bytes"):
        assert len(list(data)) == 2
    monkeypatch.setattr(csv_rows, "MAX_BYTES", 20)
    with pytest.raises(ValueError, match=r"at most 20 bytes.*pairs\.csv"):
        check_pairs(path, COLUMNS)
