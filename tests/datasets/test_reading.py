"""Files that Python has checked are read by the graph, with no other result."""

import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.datasets import file_reader

COUNT = 7
MODALITIES = {"image": "file", "text": "caption"}


def png(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 5, 3))
    return tf.io.encode_png(pixels.astype("uint8")).numpy()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Seven rows, the third without a picture, read three at a time."""
    monkeypatch.setattr(file_reader, "_ROWS", 3)
    names = [f"{i}.png" if i != 2 else "" for i in range(COUNT)]
    for i, name in enumerate(filter(None, names)):
        (tmp_path / name).write_bytes(png(i))
    rows = "".join(f"{name},{i}\n" for i, name in enumerate(names))
    (tmp_path / "pairs.csv").write_text("file,caption\n" + rows)
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """The paths of what Python reads."""
    paths, read_file = [], file_reader.read_file

    def read(path):
        paths.append(path)
        return read_file(path)

    monkeypatch.setattr(file_reader, "read_file", read)
    return paths


def load(folder, **options):
    path = folder / "pairs.csv"
    return kx.datasets.from_csv(path, MODALITIES, files=["image"], **options)


def contents(data):
    return [x["image"].numpy() for x, *_ in data]


def expected(folder):
    return [(folder / f"{i}.png").read_bytes() for i in range(COUNT) if i != 2]


def test_python_reads_a_file_once(folder, reads):
    data = load(folder)
    first = contents(data)
    assert len(reads) == COUNT - 1
    assert first[:2] + first[3:] == expected(folder)
    assert first[2][:4] == b"GIF8"  # what stands for nothing
    for _ in range(2):
        assert contents(data) == first
    train, test = kx.datasets.split(data, 0.5)
    assert sorted(contents(train) + contents(test)) == sorted(first)
    assert len(train) + len(test) == len(data) == COUNT
    assert len(reads) == COUNT - 1
    weights = [weight["image"] for _, _, weight in data]
    assert weights == [1, 1, 0, 1, 1, 1, 1]


def test_unchecked_files_are_read_without_python(folder, reads):
    data = load(folder, check_files=False)
    assert contents(data) == contents(load(folder))
    assert len(reads) == COUNT - 1
    assert len(data) == COUNT
    graph = tf.raw_ops.DatasetToGraphV2(
        input_dataset=tf.data.experimental.to_variant(data),
        external_state_policy=2,  # none may be in it
    )
    assert b"PyFunc" not in graph.numpy()
    (folder / "5.png").unlink()
    with pytest.raises(tf.errors.NotFoundError, match=r"5\.png"):
        contents(data)


def test_a_file_that_goes_is_named_with_its_row(folder):
    data = load(folder)
    contents(data)
    (folder / "5.png").unlink()
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"Row 7: .*No such file.*5\.png"
    ):
        contents(data)


def test_a_file_that_changes_is_checked_again(folder, reads):
    data = load(folder)
    before = contents(data)
    (folder / "4.png").write_bytes(png(99))
    reads.clear()
    after = contents(data)
    assert after[4] == png(99)
    assert [b for i, b in enumerate(after) if i != 4] == [
        b for i, b in enumerate(before) if i != 4
    ]
    assert 1 <= len(reads) <= 3  # those that are read at once
    assert contents(data) == after
    assert len(reads) <= 3
    (folder / "4.png").write_bytes(png(99)[:60])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"Row 6: .* whole .*4\.png', 60"
    ):
        contents(data)


def test_broken_files_are_left_out_without_python(folder, reads):
    for i in (0, 4):
        (folder / f"{i}.png").write_bytes(b"<html>")
    data = load(folder, skip_broken=True)
    with pytest.warns(UserWarning, match="is left out"):
        first = contents(data)
    assert len(first) == COUNT - 2
    reads.clear()
    assert contents(data) == first
    assert not reads
    (folder / "3.png").unlink()
    (folder / "5.png").write_bytes(png(98))
    with pytest.warns(
        UserWarning, match=r"Row 5 is left out.*3\.png"
    ) as record:
        assert contents(data) == [*first[:2], png(98), first[4]]
    assert len(record) == 1


def test_names_with_stars_and_brackets(folder):
    (folder / "a*[1]?.png").write_bytes(png(0))
    (folder / "a*[2]?.png").write_bytes(png(1))
    rows = "a*[1]?.png,x\na*[2]?.png,y\n"
    (folder / "pairs.csv").write_text("file,caption\n" + rows)
    data = load(folder)
    for _ in range(2):
        assert contents(data) == [png(0), png(1)]
    (folder / "a*[2]?.png").unlink()
    with pytest.raises(tf.errors.InvalidArgumentError, match="Row 3"):
        contents(data)


def test_large_files_are_not_read_many_at_once(folder, monkeypatch):
    paths = [str(folder / f"{i}.png") for i in (0, 1, 3, 4)]
    size = sum(map(len, expected(folder))) / (COUNT - 1)
    for room, rows in ((9 * size, 3), (2.4 * size, 2), (size / 2, 1)):
        monkeypatch.setattr(file_reader, "_BYTES", room)
        reader = file_reader.FileReader(paths, range(4), False)
        assert reader.rows_at_once == rows


def test_some_checks_need_others(folder):
    with pytest.raises(ValueError, match="`skip_broken=True` needs"):
        load(folder, skip_broken=True, check_files=False)
    with pytest.raises(TypeError, match="`check_files` must be"):
        load(folder, check_files=1)
    (folder / "all" / "one").mkdir(parents=True)
    name = os.fsdecode(b"\xff.png")  # not in UTF-8
    (folder / "0.png").rename(folder / "all" / "one" / name)
    for check in (True, False):
        data = kx.datasets.from_folder(folder / "all", check_files=check)
        for _ in range(2):
            assert contents(data) == [png(0)]


def test_in_the_scope_of_a_strategy(folder):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        data = load(folder)
    for _ in range(2):
        batches = strategy.experimental_distribute_dataset(data.batch(COUNT))
        ((x, *_),) = batches
        assert x["image"].numpy().tolist() == contents(data)


@pytest.mark.large
def test_the_data_service_shows_each_row_once(folder):
    """Two workers, which take rows as they can."""
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.split("://")[1]
    workers = [
        service.WorkerServer(service.WorkerConfig(dispatcher_address=address))
        for _ in range(2)
    ]
    preprocessor = kx.networks.ImagePreprocessor((6, 5))
    data = load(folder, check_files=False).map(
        lambda x, ids, weights: (preprocessor(x["image"]), ids)
    )
    local = {int(item): image.numpy() for image, item in data}
    data = data.apply(
        service.distribute(service.ShardingPolicy.DYNAMIC, dispatcher.target)
    )
    for _ in range(2):
        found = [(int(item), image.numpy()) for image, item in data]
        assert sorted(item for item, _ in found) == sorted(local)
        for item, image in found:
            np.testing.assert_array_equal(image, local[item])
    del workers


def test_a_cache_on_disk(folder, tmp_path):
    """Of contents, and of what a model makes of them."""
    model = kx.EmbeddingModel(
        encoders={
            "image": keras.layers.Flatten(),
            "text": keras.layers.Dense(4),
        },
        preprocessors={
            "image": kx.networks.ImagePreprocessor((6, 5)),
            "text": kx.networks.TextPreprocessor(vocabulary=["a", "b"]),
        },
    )
    raw = load(folder)
    ready = model.preprocess(raw.batch(4))
    paths = str(tmp_path / "raw"), str(tmp_path / "ready")
    expected = contents(raw), [x["image"].numpy() for x, *_ in ready]
    for _ in range(2):
        assert contents(raw.cache(paths[0])) == expected[0]
        cached = list(ready.cache(paths[1]))
        assert type(cached[0][0]) is kx.models.Preprocessed
        for (x, *_), image in zip(cached, expected[1], strict=True):
            np.testing.assert_array_equal(x["image"], image)
        for file in folder.glob("*.png"):
            file.unlink()


KILLED = """
import os, sys, keras_xmodal as kx
folder, path = sys.argv[1:]
data = kx.datasets.from_csv(
    f"{folder}/pairs.csv", {"image": "file", "text": "caption"}, files=["image"]
)
for number, _ in enumerate(data.cache(path)):
    if number == 3:
        os._exit(9)
"""


@pytest.mark.large
def test_a_cache_that_was_killed_begins_again(folder, tmp_path):
    """As docs/fast-input.md says."""
    path = tmp_path / "cache"
    arguments = [sys.executable, "-c", KILLED, str(folder), str(path)]
    assert subprocess.run(arguments).returncode == 9
    data = load(folder)
    with pytest.raises(tf.errors.AlreadyExistsError, match="lockfile"):
        contents(data.cache(str(path)))
    for file in tmp_path.glob("cache*"):
        file.unlink()
    for _ in range(2):
        assert contents(data.cache(str(path))) == contents(data)


@pytest.mark.large
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_the_page_runs_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = pathlib.Path(__file__).parents[2] / "docs" / "fast-input.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    names = {}
    for block in blocks:
        exec(block, names)
    assert len(names["history"].history["input_wait"]) == 3
    assert (tmp_path / "cache.index").exists()
