"""A corpus into files: order, ids, values, stops, refusals, damage."""

import json
import pickle
import threading

import keras
import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import files
from keras_xmodal.retrieval import embed_corpus, read_corpus
from keras_xmodal.retrieval.corpus import folder as folder_lib
from keras_xmodal.retrieval.corpus.embedders import open_embedder
from keras_xmodal.retrieval.corpus.work import make_work
from tests.retrieval import corpora

ROWS = corpora.ROWS
TEXTS, SIZES = corpora.texts(), corpora.sizes()
NAMES = [f"item {i}" for i in range(ROWS)]


@pytest.fixture(scope="module")
def model():
    return corpora.make_model()


@pytest.fixture(scope="module")
def expected(model):
    """What `encode` gives of the same batches."""
    return {
        "text": model.encode(TEXTS, "text", batch_size=8),
        "size": model.encode(SIZES, "size", batch_size=8),
    }


def embed(model, source, out, **kwargs):
    options = {"shard_size": 16, "batch_size": 8, "verbose": 0}
    return embed_corpus(model, source, out, **{**options, **kwargs})


def as_csv(folder):
    columns = {"name": NAMES, "text": TEXTS}
    columns.update({f"s{i}": SIZES[:, i].tolist() for i in range(3)})
    path = corpora.write_csv(folder / "table.tsv", columns, "\t")
    wanted = {"text": "text", "size": ["s0", "s1", "s2"]}
    return path, {"modalities": wanted, "ids": "name"}


def as_parquet(folder):
    columns = {"name": NAMES, "text": TEXTS, "size": SIZES.tolist()}
    path = corpora.write_parquet(folder / "table", columns)
    return path, {"ids": "name"}


def as_pyarrow(folder):
    path, options = as_parquet(folder)
    return pyarrow.dataset.dataset(path), options


def as_arrays(folder):
    return {"text": TEXTS, "size": SIZES}, {"ids": NAMES}


def as_dataset(folder):
    rows = {"text": TEXTS, "size": SIZES}, NAMES
    return tf.data.Dataset.from_tensor_slices(rows).batch(7), {}


def as_batches(folder):
    return [
        ({"text": TEXTS[i : i + 5], "size": SIZES[i : i + 5]}, NAMES[i : i + 5])
        for i in range(0, ROWS, 5)
    ], {}


def as_py_dataset(folder):
    class Batches(keras.utils.PyDataset):
        num_batches = property(lambda self: len(self.batches))

        def __getitem__(self, i):
            return self.batches[i]

    dataset = Batches()
    dataset.batches, _ = as_batches(folder)
    return dataset, {}


SOURCES = [
    *(as_csv, as_parquet, as_pyarrow, as_arrays),
    *(as_dataset, as_batches, as_py_dataset),
]


@pytest.mark.parametrize("make", SOURCES)
def test_all_sources_give_what_encode_gives_and_go_on(
    make, model, expected, tmp_path
):
    source, options = make(tmp_path)
    out = tmp_path / "out"
    report = embed(model, source, out, **options)
    assert report == {
        "out": str(out),
        "rows": ROWS,
        "embedded": ROWS,
        "seconds": report["seconds"],
        "complete": True,
        "left_out": [],
    }
    assert [p.name for p in sorted(out.glob("[!.]*"))] == [
        "_corpus.json",
        *(folder_lib.shard_name(i) for i in range(4)),
    ]
    found = corpora.read(out)
    for name, embeddings in expected.items():
        assert found[name][0].tolist() == NAMES
        np.testing.assert_array_equal(found[name][1], embeddings)

    before = {p.name: p.read_bytes() for p in out.glob("shard*")}
    (out / folder_lib.shard_name(1)).unlink()
    (out / folder_lib.shard_name(3)).unlink()
    with pytest.raises(ValueError, match=r"without 2 of 4"):
        read_corpus(out)
    source, options = (
        make(tmp_path / "again")
        if make is as_batches
        else (
            source,
            options,
        )
    )
    again = embed(model, source, out, **options)
    assert again["embedded"] == 16 + ROWS % 16
    assert {p.name: p.read_bytes() for p in out.glob("shard*")} == before
    assert embed(model, source, out, **options)["embedded"] == 0


def test_a_model_in_a_file_is_the_same_model(model, expected, tmp_path):
    source = {"text": TEXTS}
    out = tmp_path / "out"
    embed(model, source, out)
    model.save(tmp_path / "model.keras")
    report = embed(tmp_path / "model.keras", source, out)
    assert report["complete"]
    assert report["embedded"] == 0


def test_a_saved_model_runs_on_raw_input(model, tmp_path):
    path = tmp_path / "small" / "1"
    kx.export.saved_model(model, path)
    names = corpora.write_pictures(tmp_path, 10)
    table = corpora.write_csv(
        tmp_path / "table.csv",
        {"image": names, "text": TEXTS[:10]},
    )
    options = {"files": ["image"], "shard_size": 4, "batch_size": 4}
    embed(tmp_path / "small", table, tmp_path / "exported", **options)
    embed(model, table, tmp_path / "keras", **options)
    exported = corpora.read(tmp_path / "exported")
    for name, (ids, rows) in corpora.read(tmp_path / "keras").items():
        assert ids.tolist() == list(range(10)) == exported[name][0].tolist()
        np.testing.assert_allclose(exported[name][1], rows, atol=1e-6)
    sizes = {"size": SIZES}  # without a preprocessor
    embed(tmp_path / "small", sizes, tmp_path / "sizes")
    np.testing.assert_allclose(
        corpora.read(tmp_path / "sizes")["size"][1],
        model.encode(SIZES, "size"),
        atol=1e-6,
    )
    assert open_embedder(path).fingerprint == (
        open_embedder(tmp_path / "small").fingerprint
    )


def test_files_of_a_folder(model, tmp_path):
    names = corpora.write_pictures(tmp_path, 10)
    (tmp_path / "sound.wav").write_bytes(b"no modality of the model")
    embed(model, tmp_path, tmp_path / "out", batch_size=4)
    ids, rows = corpora.read(tmp_path / "out")["image"]
    assert ids.tolist() == names
    contents = [(tmp_path / name).read_bytes() for name in names]
    np.testing.assert_allclose(rows, model.encode(contents, "image"), atol=1e-6)


def test_texts_of_a_folder(model, tmp_path):
    names = corpora.write_pictures(tmp_path, 3)
    for name in names:
        (tmp_path / name).with_suffix(".txt").write_text("red apple\na tree\n")
    out = tmp_path / "out"
    embed(model, tmp_path, out, modalities={"text": "text"})
    ids, rows = corpora.read(out)["text"]
    assert ids.tolist() == [n[:-4] for n in names for _ in range(2)]
    expected = model.encode(["red apple", "a tree"] * 3, "text")
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_a_missing_modality_is_null(model, tmp_path):
    texts = [text if i % 3 else "" for i, text in enumerate(TEXTS)]
    columns = {"text": texts}
    columns.update({f"s{i}": SIZES[:, i].tolist() for i in range(3)})
    table = corpora.write_csv(tmp_path / "table.csv", columns)
    wanted = {"text": "text", "size": ["s0", "s1", "s2"]}
    embed(model, table, tmp_path / "out", modalities=wanted)
    found = corpora.read(tmp_path / "out")
    rows = [i for i in range(ROWS) if i % 3]
    assert found["text"][0].tolist() == rows
    np.testing.assert_allclose(
        found["text"][1],
        model.encode([TEXTS[i] for i in rows], "text"),
        atol=1e-6,
    )
    assert found["size"][0].tolist() == list(range(ROWS))
    plain = pq.read_table(tmp_path / "out" / folder_lib.shard_name(0))
    assert plain.column("modality").to_pylist() == ["text"] * 10 + ["size"] * 16
    assert plain.column("id").to_pylist() == rows[:10] + list(range(16))
    assert plain.schema.field("embedding").type == pa.list_(pa.float32(), 5)
    whole = pyarrow.dataset.dataset(tmp_path / "out")  # what is no shard aside
    assert whole.count_rows() == len(rows) + ROWS

    data = kx.datasets.from_csv(table, wanted)
    embed(model, data.batch(7), tmp_path / "data")
    for name, (ids, embeddings) in corpora.read(tmp_path / "data").items():
        assert ids.tolist() == found[name][0].tolist()
        np.testing.assert_allclose(embeddings, found[name][1], atol=1e-6)
    with pytest.raises(ValueError, match=r"must be a batch: `dataset.batch"):
        embed(model, data, tmp_path / "rows")

    batches = [({"text": TEXTS[:4]}, None, np.array([1, 0, 1, 1]))]
    embed(model, batches, tmp_path / "weights", skip_broken=True)
    assert corpora.read(tmp_path / "weights")["text"][0].tolist() == [0, 2, 3]


def test_rows_that_are_broken(model, tmp_path):
    names = corpora.write_pictures(tmp_path, 40)
    for name in names[5:8]:
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
    (tmp_path / names[11]).write_bytes(b"")
    (tmp_path / names[39]).unlink()
    table = corpora.write_csv(
        tmp_path / "table.csv", {"name": NAMES[:40], "image": names}
    )
    out, options = tmp_path / "out", {"ids": "name", "files": ["image"]}
    with pytest.raises(ValueError, match="can be embedded") as told:
        embed(model, table, out, **options)
    assert "4 of 16 rows" in str(told.value)
    assert "row 7 (id 'item 5')" in str(told.value)
    assert "row 13 (id 'item 11'): A file must not be empty" in str(told.value)
    report = embed(model, table, out, skip_broken=True, **options)
    assert report["complete"]
    assert report["embedded"] == 35
    left_out = [5, 6, 7, 11, 39]
    assert [e["id"] for e in report["left_out"]] == [NAMES[i] for i in left_out]
    assert [e["row"] for e in report["left_out"]] == [i + 2 for i in left_out]
    manifest = json.loads((out / "_corpus.json").read_text())
    assert manifest["left_out"] == report["left_out"]
    kept = [i for i in range(40) if i not in left_out]
    ids, rows = corpora.read(out)["image"]
    assert ids.tolist() == [NAMES[i] for i in kept]
    contents = [(tmp_path / names[i]).read_bytes() for i in kept]
    np.testing.assert_allclose(rows, model.encode(contents, "image"), atol=1e-6)


def test_numbers_that_are_none(model, tmp_path):
    columns = {"a": [1, 2, "x", 4], "b": [1, "", 3, 4], "c": [1, 2, 3, "nan"]}
    table = corpora.write_csv(tmp_path / "table.csv", columns)
    wanted = {"size": ["a", "b", "c"]}
    with pytest.raises(ValueError, match="3 of 4 rows"):
        embed(model, table, tmp_path / "out", modalities=wanted)
    report = embed(
        model,
        table,
        tmp_path / "out",
        modalities=wanted,
        skip_broken=True,
    )
    assert [e["row"] for e in report["left_out"]] == [3, 4, 5]


def test_a_csv_file_is_read_from_any_place(model, expected, tmp_path):
    """Cells of several lines, empty lines, other ends of lines."""
    lines = ["text,name"]
    for text, name in zip(TEXTS, NAMES, strict=True):
        lines += [f'"{text},\n ",{name}', ""]
    path = tmp_path / "table.csv"
    path.write_bytes("\r\n".join(lines).encode())
    out = tmp_path / "out"
    embed(model, path, out, ids="name", num_workers=3, worker=2)
    (done,) = [p.name for p in out.glob("shard*")]
    assert done == folder_lib.shard_name(2)
    embed(model, path, out, ids="name")
    ids, rows = corpora.read(out)["text"]
    assert ids.tolist() == NAMES
    np.testing.assert_array_equal(rows, expected["text"])


def test_workers_share_the_shards(model, tmp_path):
    source = {"text": TEXTS}
    out = tmp_path / "out"
    done = [
        embed(model, source, out, num_workers=3, worker=i) for i in range(3)
    ]
    assert [r["embedded"] for r in done] == [16 + ROWS % 16, 16, 16]
    assert [r["complete"] for r in done] == [False, False, True]

    batches = as_batches(None)[0]
    done = [
        embed(model, batches, tmp_path / "b", num_workers=3, worker=i)[
            "embedded"
        ]
        for i in range(3)
    ]
    assert sum(done) == ROWS
    assert corpora.read(tmp_path / "b")["text"][0].tolist() == NAMES


def test_threads_at_one_folder_do_no_harm(model, expected, tmp_path):
    out, reports = tmp_path / "out", []

    def work():
        reports.append(embed(model, {"text": TEXTS}, out, shard_size=8))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 3
    ids, rows = corpora.read(out)["text"]
    assert ids.tolist() == list(range(ROWS))
    np.testing.assert_array_equal(rows, expected["text"])


def test_another_corpus_is_refused(model, tmp_path):
    out, source = tmp_path / "out", {"text": TEXTS}
    embed(model, source, out)
    before = {p.name: p.read_bytes() for p in out.glob("*")}
    with pytest.raises(ValueError, match="of another shard_size 16, and not 8"):
        embed(model, source, out, shard_size=8)
    with pytest.raises(ValueError, match="of another model"):
        embed(corpora.make_model(1), source, out)
    with pytest.raises(ValueError, match="of another source"):
        embed(model, {"text": TEXTS[::-1]}, out)
    with pytest.raises(ValueError, match="of another source"):
        embed(model, source, out, ids=NAMES)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds something else"):
        embed(model, source, tmp_path / "full")
    assert {p.name: p.read_bytes() for p in out.glob("*")} == before


def test_other_batches_are_refused(model, tmp_path):
    out = tmp_path / "out"
    batches = as_batches(None)[0]
    embed(model, batches, out)
    (out / folder_lib.shard_name(3)).unlink()
    other = [*batches]
    x, ids = other[4]
    other[4] = {**x, "text": ["blue sky", *x["text"][1:]]}, ids
    with pytest.raises(ValueError, match="what it held before"):
        embed(model, other, out)
    with pytest.raises(ValueError, match="must hold the same modalities"):
        embed(model, [*batches, ({"text": TEXTS}, NAMES)], out)
    for some in (batches[:8], batches[:10], [*batches, batches[0]]):
        with pytest.raises(ValueError, match="what it held before"):
            embed(model, some, out)
    assert embed(model, iter(batches), out)["complete"]
    for some in (batches[:10], [*batches, batches[0]]):
        with pytest.raises(ValueError, match="what it held before"):
            embed(model, some, out)


@pytest.mark.parametrize(
    ("bad", "error", "match"),
    [
        ({"model": 3}, TypeError, "`model` must be a"),
        ({"model": "none.keras"}, FileNotFoundError, "`model` must be"),
        ({"model": kx.EmbeddingModel(3, 2)}, ValueError, "by name"),
        ({"source": 3}, TypeError, "`source` must be the path"),
        ({"source": "none.csv"}, FileNotFoundError, "`source` must be"),
        ({"source": "none.parquet"}, FileNotFoundError, "`source` must be"),
        ({"source": {"sound": TEXTS}}, ValueError, "must hold modalities"),
        ({"source": []}, ValueError, "at least one batch"),
        ({"source": {"text": []}}, ValueError, "at least 1|least one"),
        ({"source": {"size": SIZES[:, :2]}}, ValueError, "first rows"),
        ({"source": {"text": TEXTS, "size": SIZES[1:]}}, ValueError, "source"),
        ({"ids": NAMES[1:]}, ValueError, "`ids` must have shape"),
        ({"ids": SIZES[:, 0]}, TypeError, "integers or strings"),
        ({"modalities": {"text": "text"}}, ValueError, "Columns are those"),
        ({"files": ["text"]}, ValueError, "Files are those"),
        ({"shard_size": 0}, ValueError, "`shard_size` must be"),
        ({"batch_size": 2.0}, TypeError, "`batch_size` must be"),
        ({"skip_broken": 1}, TypeError, "`skip_broken` must be"),
        ({"worker": 1}, ValueError, "`worker` must be"),
        ({"out": 3}, TypeError, "`out` must be"),
    ],
)
def test_bad_arguments(bad, error, match, model, tmp_path):
    arguments = {"model": model, "source": {"text": TEXTS}, "out": "out"}
    arguments["out"] = tmp_path / "out"
    arguments.update(bad)
    with pytest.raises(error, match=match):
        embed(**arguments)
    assert not (tmp_path / "out").exists()


def test_bad_tables(model, tmp_path):
    def refused(error, match, path, **options):
        with pytest.raises(error, match=match):
            embed(model, path, tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()

    path = tmp_path / "table.csv"
    path.write_text("text,name\na tree,1\nred\n")
    refused(ValueError, "row 3 with 1 cells", path)
    path.write_text("text,name\n")
    refused(ValueError, "at least one row", path)
    path.write_bytes(b"text\na tree\nr\xf6d\n")
    refused(ValueError, "UTF-8. Received: .* row 3", path)
    path.write_text('text\n"a tree\n')
    refused(ValueError, "must be a CSV file", path)
    path.write_text("words,name\na tree,1\n")
    refused(ValueError, "called as a modality", path)
    refused(ValueError, "one column 'word'", path, modalities={"text": "word"})
    refused(
        ValueError,
        "one column 'id'",
        path,
        modalities={"text": "words"},
        ids="id",
    )
    refused(
        ValueError,
        "`files` must",
        path,
        modalities={"text": "words"},
        files=["image"],
    )
    columns = {"text": ["a", "b"], "name": [None, "x"]}
    path = corpora.write_parquet(tmp_path / "parquet", columns, files=1)
    refused(ValueError, "may be empty", path, ids="name")
    refused(
        ValueError, "first rows|lists of", path, modalities={"size": "name"}
    )
    outside = tmp_path / "secret.png"
    outside.write_bytes(b"secret")
    path = corpora.write_csv(tmp_path / "paths.csv", {"image": [str(outside)]})
    refused(
        ValueError,
        "must lie in `root`",
        path,
        files=["image"],
        root=tmp_path / "inside",
    )


def test_damaged_files(model, tmp_path):
    out = tmp_path / "out"
    embed(model, {"text": TEXTS}, out)
    whole = {p.name: p.read_bytes() for p in out.glob("[!.]*")}
    shard = out / folder_lib.shard_name(1)
    content = shard.read_bytes()
    for size in (0, 3, len(content) // 2, len(content) - 1):
        shard.write_bytes(content[:size])
        with pytest.raises(ValueError, match="without 1 of 4"):
            read_corpus(out)
        assert embed(model, {"text": TEXTS}, out)["embedded"] == 16
        assert shard.read_bytes() == content
    place = 60  # in the first page
    turned = bytes([content[place] ^ 255])
    shard.write_bytes(content[:place] + turned + content[place + 1 :])
    with pytest.raises(ValueError, match="A shard must be whole"):
        corpora.read(out)
    shard.write_bytes((out / folder_lib.shard_name(0)).read_bytes())
    with pytest.raises(ValueError, match="without 1 of 4"):
        corpora.read(out)
    shard.write_bytes(content)

    embed(model, {"text": TEXTS[::-1]}, tmp_path / "other")
    shard.write_bytes(
        (tmp_path / "other" / folder_lib.shard_name(1)).read_bytes()
    )
    with pytest.raises(ValueError, match="of another one"):
        corpora.read(out)
    with pytest.raises(ValueError, match="of another one"):
        embed(model, {"text": TEXTS}, out)
    shard.write_bytes(content)

    manifest = out / "_corpus.json"
    for damaged in (b"", b"{", b"[]", b'{"format": 1}', b'{"format": 9}'):
        manifest.write_bytes(damaged)
        with pytest.raises(ValueError, match="manifest of a corpus must be"):
            read_corpus(out)
        with pytest.raises(ValueError, match="manifest of a corpus must be"):
            embed(model, {"text": TEXTS}, out)
    manifest.write_bytes(whole["_corpus.json"])
    assert {p.name: p.read_bytes() for p in out.glob("[!.]*")} == whole
    with pytest.raises(FileNotFoundError, match="that of a corpus"):
        read_corpus(tmp_path)


@pytest.mark.parametrize("make", [as_csv, as_parquet, as_arrays])
def test_work_can_be_sent_to_another_process(make, model, expected, tmp_path):
    model.save(tmp_path / "model.keras")
    source, options = make(tmp_path)
    work = make_work(
        str(tmp_path / "model.keras"),
        source,
        tmp_path / "out",
        shard_size=16,
        batch_size=8,
        **options,
    )
    for number in (3, 0, 2, 1):
        sent = pickle.loads(pickle.dumps(work))
        assert [n for n, _, _ in sent.run([number])] == [number]
    np.testing.assert_array_equal(
        corpora.read(tmp_path / "out")["text"][1], expected["text"]
    )


def test_what_a_kill_leaves_beside_a_shard_that_is_there_goes(
    model, tmp_path, monkeypatch
):
    def die(path):
        """As if the process ended between the rename and the clearing up."""

    source, out = {"text": TEXTS}, tmp_path / "out"
    with monkeypatch.context() as killed:
        killed.setattr(files, "_remove", die)
        embed(model, source, out)
    left = [p.name for p in out.glob(".shard-*")]
    assert len(left) == -(-ROWS // 16)
    embed(model, source, out)
    assert [p.name for p in out.glob(".shard-*")] == []


def test_an_index_of_a_corpus(model, tmp_path):
    embed(model, {"text": TEXTS}, tmp_path / "out", ids=NAMES)
    index = kx.retrieval.ExactIndex(model)
    for shard in read_corpus(tmp_path / "out"):
        for modality, (ids, embeddings) in shard.items():
            index.add(embeddings, ids, modality)
    ids, scores = index.search({"text": [TEXTS[17]]}, k=1)
    assert scores[0, 0] > 0.999
    assert index.sizes == {"text": ROWS}
