"""CSV files of a user's own pairs."""

import io
import pathlib
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_xmodal as kx
from keras_xmodal.datasets import from_csv

PAIR = {"image": "file", "text": "caption"}
README = pathlib.Path(__file__).parents[2] / "README.md"
(SCRIPT,) = re.findall(
    r"```python\n((?:(?!```).)*from_csv.*?)```", README.read_text(), re.DOTALL
)


def encode(picture, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


def picture(seed, size=(6, 5)):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (*size, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Three pictures of differing size, and a CSV file of four captions."""
    (tmp_path / "sub").mkdir()
    for i, name in enumerate(["a.png", "sub/b.png", "c.png"]):
        (tmp_path / name).write_bytes(encode(picture(i, (6, 5 + i))))
    write(tmp_path, "a.png,red\nsub/b.png,green\na.png,rouge\nc.png,red\n")
    return tmp_path


def write(folder, rows, header="file,caption\n"):
    (folder / "pairs.csv").write_bytes((header + rows).encode())


def read(folder, modalities=PAIR, files=("image",), **options):
    return from_csv(folder / "pairs.csv", modalities, files=files, **options)


def captions(data):
    return [x["text"].numpy().decode() for x, _ in data]


def test_pictures_of_any_size_are_batched_and_preprocessed(folder):
    data = read(folder)
    assert len(data) == 4
    assert list(data.element_spec[0]) == ["image", "text"]
    preprocessor = kx.networks.ImagePreprocessor((6, 5))
    data = data.batch(4).map(lambda x, ids: (preprocessor(x["image"]), x, ids))
    ((images, x, ids),) = data
    assert images.shape == (4, 6, 5, 3)
    np.testing.assert_allclose(images[0], picture(0) / 255, atol=1e-6)
    np.testing.assert_array_equal(images[0], images[2])
    assert x["text"].numpy().tolist() == [b"red", b"green", b"rouge", b"red"]
    assert ids.dtype == "int64"
    assert ids.numpy().tolist() == [0, 1, 0, 3]  # equal files, equal items


def test_ids_of_a_column_are_the_same_in_every_file(folder):
    cells = ["7", "007", "-3", "x", "99999999999999999999"]
    rows = [f"{cell},{i}\n" for i, cell in enumerate(cells)]
    found = []
    for order in (rows, rows[::-1]):
        write(folder, "".join(order), "item,caption\n")
        data = read(folder, {"text": "caption"}, (), ids="item")
        found.append([int(item) for _, item in data])
    assert found[0] == found[1][::-1]
    assert found[0][0] == 7
    assert found[0][2] == -3
    assert len(set(found[0])) == 5


def test_rows_that_share_any_file_are_one_item(folder):
    write(
        folder,
        "a.png,a.png\nc.png,c.png\nsub/b.png,c.png\na.png,sub/b.png\n",
        "left,right\n",
    )
    names = {"left": "left", "right": "right"}
    data = read(folder, names, ("left", "right"))
    assert [int(item) for _, item in data] == [0, 1, 1, 0]
    # A name alone is a text, and then rows share nothing.
    data = read(folder, names, ())
    assert [int(item) for _, item in data] == [0, 1, 2, 3]
    assert next(iter(data))[0]["left"] == b"a.png"


def test_lists_of_columns_are_numbers(folder):
    write(folder, "1,-2.5,a\n3e2, 4 ,b\n", "x,y,caption\n")
    data = read(folder, {"text": "caption", "point": ["y", "x"]}, ())
    ((x, _),) = data.batch(2)
    assert x["point"].dtype == "float32"
    assert x["point"].numpy().tolist() == [[-2.5, 1.0], [4.0, 300.0]]


def test_what_spreadsheets_write(folder):
    rows = '"a.png";"one; two\r\nthree ""four"""\r\n\r\nc.png;grün\r\n'
    write(folder, rows, "\ufefffile;caption\r\n")
    found = captions(read(folder, delimiter=";"))
    assert found == ['one; two\r\nthree "four"', "grün"]


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ("", r"at least one row.*pairs\.csv"),
        ("a.png,x\nc.png\na.png\n", r"2 cells.*row 3 with 1 cells, and 1 more"),
        ("a.png,x\n\nc.png, \n", "empty.*row 4, column 'caption'"),
        ("a.png,x\nc.png,y\na.png,x\n", "row 4, which repeats row 2"),
        ('a.png,x\nc.png,"y\n', "be a CSV file.*row 3: unexpected end"),
    ],
)
def test_wrong_rows(folder, rows, match):
    write(folder, rows)
    with pytest.raises(ValueError, match=match):
        read(folder)


def test_wrong_columns(folder):
    with pytest.raises(ValueError, match=r"one column 'no'.*\['file', 'capt"):
        read(folder, {"image": "file", "text": "no"})
    with pytest.raises(ValueError, match="one column 'item'"):
        read(folder, ids="item")
    write(folder, "a.png,b,c\n", "file,caption,caption\n")
    with pytest.raises(ValueError, match="one column 'caption'"):
        read(folder)
    (folder / "pairs.csv").write_bytes(b"")
    with pytest.raises(ValueError, match=r"one column 'file'.*columns \[\]"):
        read(folder)


@pytest.mark.parametrize("cell", ["tall", "nan", "inf", "1e39"])
def test_wrong_numbers(folder, cell):
    write(folder, f"1,2\n3,{cell}\n", "x,y\n")
    with pytest.raises(ValueError, match=f"finite.*row 3, column 'y'.*{cell}"):
        read(folder, {"point": ["x", "y"]}, ())


def test_wrong_encoding(folder):
    (folder / "pairs.csv").write_bytes(b"file,caption\na.png,gr\xfcn\n")
    with pytest.raises(ValueError, match=r"UTF-8.*line 2: the bytes b'\\xfcn"):
        read(folder)


def test_missing_files(folder):
    write(folder, "a.png,x\nno.png,x\nno.png,y\nnor.png,x\n")
    with pytest.raises(FileNotFoundError, match=r"row 3.*no\.png.*3 files, 2"):
        read(folder, skip_broken=True)
    with pytest.raises(FileNotFoundError, match="a folder"):
        from_csv(folder, PAIR)
    with pytest.raises(FileNotFoundError, match=r"no\.csv', which is missing"):
        from_csv(folder / "no.csv", PAIR)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"modalities": {}}, TypeError, "`modalities` must be a dict"),
        ({"modalities": {"image": 3}}, TypeError, "a column for each"),
        ({"modalities": {"image": []}}, TypeError, "a column for each"),
        ({"modalities": {"image": ["file"]}}, ValueError, "a single column"),
        ({"files": "image"}, TypeError, "`files` must be a tuple or list"),
        ({"files": ["video"]}, ValueError, "`files` must be one or several"),
        ({"ids": 3}, TypeError, "`ids` must be a string"),
        ({"delimiter": ", "}, ValueError, "`delimiter` must be a single"),
    ],
)
def test_wrong_arguments(folder, arguments, error, match):
    with pytest.raises(error, match=match):
        read(folder, **arguments)


def test_a_broken_file_is_named_or_left_out(folder):
    write(folder, "a.png,x\nsub/b.png,x\nc.png,x\nsub/b.png,y\n")
    file = folder / "sub" / "b.png"
    file.write_bytes(file.read_bytes()[:60])
    data = read(folder)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"Row 3: .* whole .*b\.png', 60 b"
    ):
        list(data)
    data = read(folder, skip_broken=True)
    with pytest.warns(UserWarning, match=r"b\.png.* 1 of 3\.") as record:
        (batch,) = data.batch(4)
    assert len(record) == 1
    assert batch[1].numpy().tolist() == [0, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(data)) == 2  # told once
    # One that goes later is broken, too.
    data = read(folder, skip_broken=True)
    (folder / "a.png").unlink()
    with pytest.warns(UserWarning, match="is left out") as record:
        assert len(list(data)) == 1
    assert len(record) == 2
    assert any("a.png" in str(warning.message) for warning in record)
    assert "2 of 3" in str(record[1].message)


def test_nothing_but_broken_files_is_an_error(folder):
    for name in ("a.png", "c.png"):
        (folder / name).write_bytes(b"<html>")
    write(folder, "a.png,x\nc.png,x\n")
    with (
        pytest.warns(UserWarning, match="1 of 2"),
        pytest.raises(tf.errors.InvalidArgumentError, match="2 broken files"),
    ):
        list(read(folder, skip_broken=True))


def test_contents_keep_the_zeros_at_their_end(folder):
    (folder / "a.npy").write_bytes(b"\1\2" + bytes(8))
    write(folder, "a.npy,x\n")
    ((x, _),) = read(folder, {"array": "file"}, ["array"])
    assert x["array"] == b"\1\2" + bytes(8)


def write_webcam(folder, count, seed):
    """Pictures whose colour is the weather, of differing sizes."""
    weather = np.random.default_rng(seed).uniform(size=(count, 2))
    lines = ["file,celsius,humidity"]
    for i, (celsius, humidity) in enumerate(weather):
        color = np.array([celsius, humidity, 1 - celsius])
        shape = (8 + i % 3, 9, 3)
        image = np.rint(255 * np.broadcast_to(color, shape)).astype(np.uint8)
        (folder / f"{seed}_{i}.png").write_bytes(encode(image))
        lines.append(f"{seed}_{i}.png,{celsius},{humidity}")
    (folder / "webcam.csv").write_text("\n".join(lines))


def test_a_pair_of_ones_own_in_twenty_lines(tmp_path, monkeypatch):
    lines = [line for line in SCRIPT.splitlines() if line]
    assert len(lines) < 20
    assert max(map(len, lines)) <= 80
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    write_webcam(tmp_path, 64, seed=1)
    names = {}
    exec(compile(SCRIPT, "script", "exec"), names)
    write_webcam(tmp_path, 32, seed=2)  # others than in training
    test = from_csv(
        "webcam.csv",
        {"photo": "file", "weather": ["celsius", "humidity"]},
        files=["photo"],
    )
    model = names["model"]
    embeddings = model.predict(model.preprocess(test.batch(32)), verbose=0)
    report = kx.metrics.retrieval_report(
        embeddings["photo"], embeddings["weather"]
    )
    assert report["num_queries"] == 32
    assert report["R@5"] > 3 * report["chance_R@5"]
