"""CSV files of a user's own pairs."""

import csv
import io
import itertools
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_xmodal as kx
from keras_xmodal.datasets import from_csv

PAIR = {"image": "file", "text": "caption"}
SCRIPT = """\
import keras
import keras_xmodal as kx

data = kx.datasets.from_csv(
    "webcam.csv",
    {"photo": "file", "weather": ["celsius", "humidity"]},
    files=["photo"],
)
layers = keras.layers
model = kx.EmbeddingModel(
    encoders={
        "photo": keras.Sequential([layers.Flatten(), layers.Dense(64, "relu")]),
        "weather": keras.Sequential([layers.Dense(64, "relu")]),
    },
    preprocessors={"photo": kx.networks.ImagePreprocessor((8, 8))},
    embedding_dim=16,
)
model.compile(keras.optimizers.Adam(0.01))
model.fit(data.shuffle(64).batch(32), epochs=20, verbose=0)
"""


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
    return [example[0]["text"].numpy().decode() for example in data]


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


def test_spaces_around_ids_and_parts_do_not_count(folder):
    write(folder, "5,a,x\n 5,b, x\nred ,c,y \nred,d,y\n", "item,caption,part\n")
    parts = read(folder, {"text": "caption"}, (), ids="item", split="part")
    assert list(parts) == ["x", "y"]
    assert [int(item) for _, item in parts["x"]] == [5, 5]
    (red,) = parts["y"].items
    assert len(parts["y"].items[red]) == 2


def test_links_are_what_they_lead_to(folder):
    (folder / "link.png").symlink_to("a.png")
    write(folder, "a.png,red\nlink.png,rouge\nc.png,blue\n")
    for root in (None, folder):
        data = read(folder, root=root)
        assert [int(item) for _, item in data] == [0, 0, 2]


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
        ("a.png,x\n\n , \n", "Each row must hold one of.*row 4"),
        ("a.png, \nc.png,\n", "'text' must be there in one row"),
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


@pytest.mark.parametrize("cell", ["tall", "nan", "inf", "1e39", "1_000"])
def test_wrong_numbers(folder, cell):
    write(folder, f"1,2\n3,{cell}\n", "x,y\n")
    with pytest.raises(ValueError, match=f"finite.*row 3, column 'y'.*{cell}"):
        read(folder, {"point": ["x", "y"]}, ())


def test_wrong_encoding(folder):
    (folder / "pairs.csv").write_bytes(b"file,caption\na.png,gr\xfcn\n")
    with pytest.raises(
        ValueError, match=r"UTF-8.*line 2: the bytes b'\\xfcn.*be in Latin-1"
    ):
        read(folder)
    (folder / "pairs.csv").write_bytes(b"PK\3\4\x14\0\xff\xff")
    with pytest.raises(ValueError, match="seems to be a table of Excel"):
        read(folder)
    for encoding in ("utf-16", "utf-16-le"):
        text = "file,caption\na.png,red\n".encode(encoding)
        (folder / "pairs.csv").write_bytes(text)
        with pytest.raises(ValueError, match="seems to be in UTF-16, "):
            read(folder)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_wrong_delimiter(folder, delimiter):
    header = delimiter.join(["number", "file", "caption\n"])
    write(folder, "1,a.png,red\n".replace(",", delimiter), header)
    with pytest.raises(ValueError, match="delimiter seems to be") as error:
        read(folder)
    assert repr(delimiter) in str(error.value)
    assert captions(read(folder, delimiter=delimiter)) == ["red"]
    write(folder, "1,a.png,red\n", "number,file,caption\n")
    with pytest.raises(ValueError, match="delimiter seems to be ','"):
        read(folder, delimiter=delimiter)


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
        ({"delimiter": '"'}, ValueError, "`delimiter` must be a single"),
        ({"delimiter": "\n"}, ValueError, "`delimiter` must be a single"),
        ({"modalities": {"n": ["m", "n", "m"]}}, ValueError, "list once"),
        ({"root": 3}, TypeError, "`root` must be a string or path"),
        ({"split": 1.0}, ValueError, "`split` must be in"),
        ({"split": 0}, ValueError, "`split` must be in"),
        ({"split": np.nan}, ValueError, "`split` must be in"),
        ({"split": True}, TypeError, "`split` must be a number"),
        ({"split": (0.5, 0.4)}, ValueError, "add up to 1"),
        ({"split": (1.0,)}, ValueError, "`split`"),
        ({"split": 0.1}, ValueError, "at least one item.*of 3 items"),
        ({"split": "part"}, ValueError, "one column 'part'"),
        ({"seed": 0.5}, TypeError, "`seed` must be an integer"),
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


@pytest.mark.large
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


@pytest.mark.parametrize("path", [3, 3.0, None, b"pairs.csv", ["pairs.csv"]])
def test_what_is_no_path_is_not_read(path):
    with pytest.raises(TypeError, match="`path` must be a string or path"):
        from_csv(path, PAIR)


def test_long_texts(folder):
    long = "x" * 131_073 + "é" * 1_000_000
    write(folder, f"a.png,{long}\n")
    before = csv.field_size_limit()
    assert captions(read(folder)) == [long]
    assert csv.field_size_limit() == before


def test_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    write(folder, "~/a.png,red\n~/sub/../c.png,green\n")
    data = from_csv("~/pairs.csv", PAIR, files=["image"])
    assert captions(data) == ["red", "green"]
    assert data.items[1][0].files == {"image": folder / "c.png"}


def test_root_confines_the_files(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    (folder / "link.png").symlink_to("a.png")
    write(folder, f"a.png,x\nsub/b.png,x\n{folder}/c.png,x\nlink.png,x\n")
    data = read(folder, root=folder)
    assert len(list(data)) == 4
    assert data.items[0][0].files["image"] == folder / "a.png"
    (folder / "sub" / "link.png").symlink_to("../../outside.png")
    (folder / "out").symlink_to("..")
    outside = folder.parent / "outside.png"
    outside.write_bytes((folder / "a.png").read_bytes())
    for cell in (
        "../outside.png", "sub/../../outside.png", str(outside), "/etc/passwd",
        "~/outside.png", "sub/link.png", "out/outside.png",
    ):  # fmt: skip
        write(folder, f"a.png,x\n{cell},y\n")
        with pytest.raises(ValueError, match=r"must lie in `root`.*row 3"):
            read(folder, root=folder)
    write(folder, "../outside.png,y\n")
    assert len(list(read(folder))) == 1  # as it says


def test_empty_cells_are_missing_modalities(folder):
    write(
        folder,
        "a.png,red,1,2\n,green,,\nc.png, ,3,4\n,,5,6\n",
        "file,caption,x,y\n",
    )
    names = {**PAIR, "point": ["x", "y"]}
    data = read(folder, names)
    assert len(data) == 4
    ((x, ids, weights),) = data.batch(4)
    assert list(weights) == list(x) == ["image", "text", "point"]
    assert {name: w.numpy().tolist() for name, w in weights.items()} == {
        "image": [1, 0, 1, 0],
        "text": [1, 1, 0, 0],
        "point": [1, 0, 1, 1],
    }
    assert weights["image"].dtype == "float32"
    assert ids.numpy().tolist() == [0, 1, 2, 3]  # what is missing joins none
    assert x["text"].numpy().tolist() == [b"red", b"green", b"", b""]
    assert x["point"].numpy().tolist() == [[1, 2], [0, 0], [3, 4], [5, 6]]
    pictures = kx.networks.ImagePreprocessor((4, 4))(x["image"])
    assert np.asarray(pictures)[[1, 3]].max() == 0


def test_a_cell_of_numbers_is_not_missing_alone(folder):
    write(folder, "1,2,a\n3,,b\n", "x,y,caption\n")
    with pytest.raises(ValueError, match=r"or all be empty.*row 3, column 'y'"):
        read(folder, {"text": "caption", "point": ["x", "y"]}, ())
    write(folder, "a.png,red,1\nc.png,blue,\n", "file,caption,item\n")
    with pytest.raises(ValueError, match=r"No cell .*row 3, column 'item'"):
        read(folder, ids="item")


@pytest.mark.large
def test_training_with_missing_modalities(folder):
    kx.datasets.write_wav(folder / "a.wav", np.ones(900) / 2, 8000)
    write(
        folder,
        "a.png,red,a.wav\n,green,\nc.png,,a.wav\nsub/b.png,blue,\n",
        "file,caption,sound\n",
    )
    data = read(folder, {**PAIR, "speech": "sound"}, ("image", "speech"))
    text = kx.networks.TextPreprocessor()
    text.adapt(["red green blue"])
    model = kx.EmbeddingModel(
        encoders={
            "image": keras.Sequential([keras.layers.Flatten()]),
            "text": kx.networks.TextEncoder(text.vocabulary_size()),
            "speech": keras.Sequential([keras.layers.Flatten()]),
        },
        preprocessors={
            "image": kx.networks.ImagePreprocessor((4, 4)),
            "text": text,
            "speech": kx.networks.SpeechPreprocessor(),
        },
        embedding_dim=4,
    )
    model.compile("adam", run_eagerly=True)
    history = model.fit(data.batch(4), verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_from_an_id_back_to_its_rows(folder):
    write(
        folder,
        "a.png,red,k,new\nsub/b.png,green,l,\na.png,rouge,k,\n,noir,m,\n",
        "file,caption,key,notes\n",
    )
    data = read(folder, ids="key")
    assert len(data.items) == 3
    ids = [int(example[1]) for example in data]
    assert list(data.items) == list(dict.fromkeys(ids))
    first, third = data.items[np.int64(ids[2])]
    assert (first.number, third.number) == (2, 4)
    assert first.cells == {
        "file": "a.png", "caption": "red", "key": "k", "notes": "new"
    }  # fmt: skip
    assert third.cells["caption"] == "rouge"
    assert third.files == {"image": folder / "a.png"}
    assert data.items[ids[3]][0].files == {}
    assert 5 not in data.items
    with pytest.raises(KeyError):
        data.items[5]


@pytest.mark.parametrize("with_files", [True, False])
@pytest.mark.parametrize("shares", [0.8, (0.5, 0.25, 0.25)])
def test_parts_share_no_item(folder, with_files, shares):
    keys = np.random.default_rng(0).integers(40, size=150)
    names = [f"sub/{key}.png" for key in keys]
    for name in set(names):
        (folder / name).write_bytes((folder / "a.png").read_bytes())
    rows = [f"{name},text {i}\n" for i, name in enumerate(names)]
    write(folder, "".join(rows))
    options = (
        {"files": ("image",)} if with_files else {"ids": "file", "files": ()}
    )
    parts = read(folder, split=shares, **options)
    again = kx.datasets.split(read(folder, **options), shares)
    other = read(folder, split=shares, seed=1, **options)
    num_items = len(set(keys))
    counts = [len(part.items) for part in parts]
    assert sum(counts) == num_items
    assert abs(counts[0] - num_items * np.ravel(shares)[0]) <= 0.5
    found = [captions(part) for part in parts]
    assert found == [captions(part) for part in again]
    assert found != [captions(part) for part in other]
    assert sorted(itertools.chain(*found)) == sorted(
        f"text {i}" for i in range(150)
    )
    ids = [{int(example[1]) for example in part} for part in parts]
    assert sum(map(len, ids)) == len(set.union(*ids)) == num_items
    for part, part_ids, texts in zip(parts, ids, found, strict=True):
        assert len(part) == len(texts)
        assert set(part.items) == part_ids
        numbers = [int(text.split()[1]) for text in texts]
        assert numbers == sorted(numbers)
        rows = [row for item in part.items for row in part.items[item]]
        assert {row.cells["caption"] for row in rows} == set(texts)


def test_a_column_says_the_part(folder):
    write(
        folder,
        "a.png,red,train\nc.png,blue,test\na.png,rot,train\n",
        "file,caption,part\n",
    )
    parts = read(folder, split="part")
    assert list(parts) == ["train", "test"]
    assert captions(parts["train"]) == ["red", "rot"]
    assert captions(parts["test"]) == ["blue"]
    write(
        folder,
        "a.png,red,train\nc.png,blue,test\na.png,rot,test\n",
        "file,caption,part\n",
    )
    with pytest.raises(
        ValueError, match=r"in one part.*row 4 in 'test' and row 2 in 'train'"
    ):
        read(folder, split="part")
    write(folder, "a.png,red,\nc.png,blue,test\n", "file,caption,part\n")
    with pytest.raises(ValueError, match=r"No cell.*row 2, column 'part'"):
        read(folder, split="part")


def test_no_group_and_no_item_is_in_two_parts(folder):
    rows = [f"a,{i},{i // 4},part {i % 2}\n" for i in range(24)]
    rows[7] = "a,7,1 ,part 1\n"  # spaces do not count
    rows[8] = "a,7,2,part 0\n"  # an item in two groups joins them
    write(folder, "".join(rows), "caption,item,speaker,part\n")
    options = {"ids": "item", "group": "speaker"}
    arguments = {"text": "caption"}, ()
    parts = read(folder, *arguments, split=0.5, **options)
    again = kx.datasets.split(read(folder, *arguments, **options), 0.5)
    speakers = []
    for part, other in zip(parts, again, strict=True):
        rows = [row for item in part.items.values() for row in item]
        speakers.append({row.cells["speaker"].strip() for row in rows})
        assert list(part.items) == list(other.items)
    assert not set.intersection(*speakers)
    assert set.union(*speakers) == set("012345")
    assert any({"1", "2"} <= part for part in speakers)
    with pytest.raises(ValueError, match="in one part"):
        read(folder, *arguments, split="part", **options)
    with pytest.raises(ValueError, match="one column 'voice'"):
        read(folder, *arguments, ids="item", group="voice")
    with pytest.raises(TypeError, match="`group` must be a string"):
        read(folder, group=3)


def test_rows_are_left_out(folder):
    write(folder, "a.png,red\nno.png,x\n,\nc.png,green\na.png,red\n")
    data = read(folder, skip=[3, 4, 6])
    assert captions(data) == ["red", "green"]
    assert [data.items[i][0].number for i in data.items] == [2, 5]
    with pytest.raises(ValueError, match=r"`skip` must hold .*: 1, which"):
        read(folder, skip=[1])
