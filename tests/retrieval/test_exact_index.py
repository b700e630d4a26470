import copy
import pickle
import sys
import threading

import keras
import numpy as np
import pytest

from keras_xmodal import EmbeddingModel
from keras_xmodal.retrieval import ExactIndex, npz


def unit(rows, dim=6, seed=0):
    x = np.random.default_rng(seed).normal(size=(rows, dim))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")


class Model:
    """Encodes the text "3" and the picture 3 as row 3 of a table."""

    def encode(self, x, modality):
        return unit(10)[[int(value) for value in x]]


def filled():
    index = ExactIndex()
    index.add(unit(8), ids=np.arange(8) + 10, modality="image")
    index.add(
        np.repeat(unit(8), 2, axis=0),
        ids=np.repeat(np.arange(8), 2) + 10,
        modality="text",
    )
    return index


def test_finds_the_nearest_of_any_modality():
    index = filled()
    assert len(index) == 24
    assert index.modalities == ("image", "text")
    assert index.sizes == {"image": 8, "text": 16}
    for modality in index.modalities:
        ids, scores = index.search(unit(8), k=1, modality=modality)
        np.testing.assert_array_equal(ids[:, 0], np.arange(8) + 10)
        np.testing.assert_allclose(scores, 1, rtol=1e-6)
        assert scores.dtype == np.float32


def test_rows_are_in_the_order_in_which_they_were_added():
    ids, embeddings = filled().rows("image")
    np.testing.assert_array_equal(ids, np.arange(8) + 10)
    np.testing.assert_allclose(embeddings, unit(8), atol=1e-6)
    with pytest.raises(ValueError, match="`modality` must be one of"):
        filled().rows("speech")


def test_an_id_with_several_rows_is_found_once():
    index = filled()
    ids, scores = index.search(unit(8), k=5, modality="text")
    expected = index.search(unit(8), k=5, modality="image")
    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_array_equal(scores, expected[1])
    ids, scores = index.search(unit(8), k=100, modality="text")
    assert ids.shape == scores.shape == (8, 8)
    assert all(len(set(row)) == 8 for row in ids.tolist())

    ids, scores = index.search(unit(8)[:1], k=2, modality="text", unique=False)
    assert ids.tolist() == [[10, 10]]
    assert scores[0, 0] == scores[0, 1]


def test_one_id_of_many_rows_hides_no_other():
    index = ExactIndex()
    near = unit(1) + 1e-4 * unit(200)
    index.add(near, ids=["many"] * 200, modality="image")
    index.add(unit(3, seed=1), ids=["a", "b", "c"], modality="image")
    ids, scores = index.search(unit(1), k=3)
    assert ids[0, 0] == "many"
    assert len(set(ids[0])) == 3
    np.testing.assert_allclose(scores[0, 0], 1, atol=1e-6)
    others = np.sort(unit(1)[0] @ unit(3, seed=1).T)[::-1]
    np.testing.assert_allclose(scores[0, 1:], others[:2], atol=1e-6)


def test_scores_are_cosines_from_minus_1_to_1():
    rows = np.random.default_rng(0).normal(size=(500, 512)) * 7
    index = ExactIndex()
    index.add(np.concatenate([rows, -rows]), modality="image")
    _, scores = index.search(rows, k=1000, unique=False)
    assert scores.max() == 1
    assert scores.min() == -1
    assert np.isfinite(np.arccos(scores)).all()


def test_scores_are_cosines_whatever_the_lengths():
    index = ExactIndex()
    index.add(unit(5) * 7, modality="image")
    _, scores = index.search(unit(3, seed=1) * 0.1, k=5)
    expected = np.sort(unit(3, seed=1) @ unit(5).T, axis=1)[:, ::-1]
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_equal_scores_come_in_the_order_of_addition():
    index = ExactIndex()
    for ids in (["d", "b"], ["a"], ["c"]):
        index.add(np.repeat(unit(1, 128), len(ids), 0), ids, "image")
    assert index.search(unit(1, 128), k=3)[0].tolist() == [["d", "b", "a"]]


def test_k_beyond_the_rows_gives_all_rows():
    ids, scores = filled().search(unit(2), k=100, modality="image")
    assert ids.shape == scores.shape == (2, 8)


def test_raw_examples_need_a_model():
    index = ExactIndex(Model())
    index.add({"image": [0, 1, 2], "text": ["0", "1", "2"]}, ids=list("abc"))
    ids, _ = index.search({"text": ["1"]}, k=1, modality="image")
    assert ids.tolist() == [["b"]]
    with pytest.raises(ValueError, match="needs a model"):
        filled().search({"text": ["1"]}, modality="image")
    with pytest.raises(TypeError, match=r"`model` must have .*int"):
        ExactIndex(5)


def test_default_ids_follow_the_largest():
    index = ExactIndex(Model())
    index.add({"image": [0, 1], "text": [0, 1]})
    index.add(unit(1), ids=[7], modality="image")
    index.remove([7])
    index.add(unit(2, seed=1), modality="image")
    ids, _ = index.search(unit(1), k=9, modality="image")
    assert sorted(ids[0]) == [0, 1, 8, 9]


def test_remove_removes_all_rows_of_an_id():
    index = filled()
    assert 12 in index
    assert index.remove([12, 13]) == 6
    assert 12 not in index
    assert len(index) == 18
    assert index.remove(np.array([14], "uint8"), modality="text") == 2
    assert 14 in index
    assert index.sizes == {"image": 6, "text": 10}
    ids, _ = index.search(unit(8), k=10, modality="text")
    assert not np.isin(ids, [12, 13, 14]).any()
    assert index.remove([]) == 0
    index.remove(np.arange(10, 18)[[0, 1, 4, 5, 6, 7]])
    assert index.modalities == ()
    assert len(index) == 0


def test_ids_keep_every_digit_and_letter():
    index = ExactIndex()
    large = 2**53
    index.add(unit(2), ids=np.array([large, large + 1]), modality="image")
    ids, _ = index.search(unit(2), k=1)
    assert ids[:, 0].tolist() == [large, large + 1]
    index.remove([large + 1])
    assert large in index
    assert large + 1 not in index

    index = ExactIndex()
    index.add(unit(1), ids=["a"], modality="image")
    index.add(unit(2)[1:], ids=["much longer"], modality="image")
    ids, _ = index.search(unit(2), k=1)
    assert ids[:, 0].tolist() == ["a", "much longer"]
    assert "much" not in index
    assert 5 not in index
    assert b"much longer" in index
    assert None not in index


def test_bytes_and_strings_are_one_kind():
    index = ExactIndex()
    index.add(unit(1), ids=[b"a"], modality="image")
    index.add(unit(1), ids=np.array([b"bc"], object), modality="image")
    index.add(unit(1), ids=np.array(["d"]), modality="image")
    assert index.search(unit(1), 3)[0].tolist() == [["a", "bc", "d"]]
    assert index.remove(np.array([b"a"])) == 1


def test_dates_far_apart_stay_what_they_are():
    index = ExactIndex()
    far = np.array(["3000-01-01"], "datetime64[D]")
    index.add(unit(1), ids=far, modality="image")
    near = np.array(["2020-01-01"], "datetime64[ns]")
    with pytest.raises(ValueError, match="one unit of time"):
        index.add(unit(1), ids=near, modality="image")
    assert far[0] in index
    assert near[0] not in index
    assert index.search(unit(1), 1)[0] == far


def test_default_ids_up_to_the_last():
    index = ExactIndex()
    index.add(unit(1), ids=[2**63 - 1], modality="image")
    index.add(unit(1), modality="image")
    assert 2**63 in index
    index.add(unit(1), ids=[2**64 - 2], modality="image")
    with pytest.raises(ValueError, match=r"`ids` must be given.*184467"):
        index.add(unit(2), modality="image")
    index.add(unit(1), modality="image")
    assert 2**64 - 1 in index


@pytest.mark.parametrize(
    "ids",
    [
        np.array([2**63, 2**64 - 1], "uint64"),
        np.array([3, 4], "int8"),
        np.array(["2024-01-01", "2024-01-02"], "datetime64[D]"),
        np.array([b"x", b"yz"]),
        np.array([0.5, 1.5], "float32"),
        np.array(["une", "été"]),
    ],
)
def test_save_and_load_any_ids(ids, tmp_path):
    index = ExactIndex()
    index.add(unit(2), ids=ids, modality="image")
    index.add(unit(2, seed=1), ids=ids, modality="some text")
    index.save(tmp_path / "new" / "index")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["index"]
    loaded = ExactIndex.load(str(tmp_path / "new" / "index"))
    assert loaded.sizes == index.sizes
    for modality in index.modalities:
        for a, b in zip(
            index.search(unit(3), 2, modality),
            loaded.search(unit(3), 2, modality),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
    assert ids[0] in loaded
    loaded.add(unit(1), ids=ids[:1], modality="image")
    assert len(loaded) == 5


def test_default_ids_go_on_after_loading(tmp_path):
    index = ExactIndex()
    index.add(unit(3), modality="image")
    index.remove([2])
    index.save(tmp_path / "index")
    loaded = ExactIndex.load(tmp_path / "index")
    loaded.add(unit(1), modality="image")
    assert 3 in loaded
    assert 2 not in loaded


def test_save_and_load_with_a_keras_model(tmp_path):
    model = EmbeddingModel({"image": 5, "text": 4}, 3)
    x = {"image": unit(6, 5), "text": unit(6, 4)}
    model(x)
    index = ExactIndex(model)
    index.add(x)
    index.save(tmp_path / "index")
    assert sorted(p.name for p in (tmp_path / "index").iterdir()) == [
        "index.npz",
        "model.keras",
    ]
    loaded = ExactIndex.load(tmp_path / "index")
    assert isinstance(loaded.model, EmbeddingModel)
    query = {"text": x["text"]}
    ids, scores = loaded.search(query, modality="image")
    expected_ids, expected_scores = index.search(query, modality="image")
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-6)

    (tmp_path / "index" / "model.keras").unlink()
    assert ExactIndex.load(tmp_path / "index", model=model).model is model
    with pytest.raises(FileNotFoundError, match=r"no file .*model\.keras"):
        ExactIndex.load(tmp_path / "index")
    (tmp_path / "index" / "model.keras").write_bytes(b"PK no model")
    with pytest.raises(ValueError, match=r"readable model.*model\.keras"):
        ExactIndex.load(tmp_path / "index")


def test_a_model_that_is_not_from_keras_is_passed_again(tmp_path):
    index = ExactIndex(Model())
    index.add({"image": [0, 1]})
    index.save(tmp_path / "index")
    assert ExactIndex.load(tmp_path / "index").model is None
    loaded = ExactIndex.load(tmp_path / "index", model=Model())
    assert loaded.search({"text": ["1"]}, k=1)[0].tolist() == [[1]]


def test_existing_folders_stay(tmp_path):
    index = filled()
    folder = tmp_path / "index"
    index.save(folder)
    with pytest.raises(FileExistsError, match=r"overwrite=True.*index"):
        index.save(folder)
    index.remove([10])
    index.save(folder, overwrite=True)
    assert len(ExactIndex.load(folder)) == 21

    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is no index, or more"):
        index.save(folder, overwrite=True)
    assert (folder / "notes.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="is no index"):
        index.save(tmp_path / "file", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "index"]


def test_a_failed_save_leaves_what_was_there(tmp_path, monkeypatch):
    index = filled()
    folder = tmp_path / "index"
    index.save(folder)
    index.model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(keras.Sequential, "save", fail)
    for path in (folder, tmp_path / "other"):
        with pytest.raises(OSError, match="disk full"):
            index.save(path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["index"]
    assert len(ExactIndex.load(folder)) == 24


def test_damaged_or_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*index\.npz"):
        ExactIndex.load(tmp_path / "nowhere")
    folder = tmp_path / "index"
    filled().save(folder)
    path = folder / "index.npz"
    good = path.read_bytes()
    np.save(tmp_path / "array.npy", np.zeros(3))
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 255
    for bad in (
        b"",
        b"no index",
        good[: len(good) // 2],
        bytes(flipped),
        (tmp_path / "array.npy").read_bytes(),
    ):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"readable index.*index\.npz"):
            ExactIndex.load(folder)
    np.savez(path, something=np.zeros(3))
    with pytest.raises(ValueError, match=r"readable index.*index\.npz"):
        ExactIndex.load(folder)
    with np.load(path) as archive:
        assert archive.files == ["something"]


def test_a_refused_addition_changes_nothing():
    index = filled()
    bad = [
        ({"x": unit(2), "ids": [1], "modality": "image"}, ValueError, "shape"),
        ({"x": unit(2, 3), "modality": "image"}, ValueError, "index of dim 6"),
        (
            {"x": unit(1), "ids": ["a"], "modality": "new"},
            TypeError,
            "one kind.*int64.*<U1",
        ),
        ({"x": unit(2) * np.nan, "modality": "image"}, ValueError, "finite"),
        ({"x": unit(2)}, TypeError, "`modality` must name"),
        ({"x": unit(0), "modality": "image"}, ValueError, "examples, dim"),
    ]
    for arguments, error, match in bad:
        with pytest.raises(error, match=match):
            index.add(**arguments)
        assert index.sizes == {"image": 8, "text": 16}
    index = ExactIndex(Model())
    with pytest.raises(ValueError, match="as many rows"):
        index.add({"image": [1, 2], "text": ["1"]})
    assert len(index) == 0


def test_bad_searches():
    index = filled()
    for arguments, error, match in [
        ({}, ValueError, r"`modality` must name .*\['image', 'text'\]"),
        ({"modality": "sound"}, ValueError, r"one of .*modality='sound'"),
        ({"modality": "text", "k": 0}, ValueError, "`k` must be a positive"),
        ({"modality": "text", "k": 2.5}, TypeError, "`k` must be a positive"),
        ({"modality": "text", "queries": unit(1, 4)}, ValueError, "of dim 4"),
        (
            {"modality": "text", "queries": {"image": [], "text": []}},
            ValueError,
            "one modality",
        ),
    ]:
        with pytest.raises(error, match=match):
            index.search(**{"queries": unit(1), **arguments})
    with pytest.raises(ValueError, match="must hold rows"):
        ExactIndex().search(unit(1))


def test_bad_removals():
    index = filled()
    with pytest.raises(ValueError, match=r"1 other ids, first .*99"):
        index.remove([10, 99])
    with pytest.raises(TypeError, match="one kind"):
        index.remove(["10"])
    with pytest.raises(ValueError, match="modality='sound'"):
        index.remove([10], modality="sound")
    assert len(index) == 24


def test_threads_lose_nothing():
    index = ExactIndex()
    rows = unit(200)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    errors = []

    def write(thread):
        try:
            for i in range(50):
                index.add(rows[i : i + 1], ids=[f"{thread} {i}"], modality="x")
                if i % 3 == 2:
                    index.remove([f"{thread} {i}"])
        except Exception as error:
            errors.append(error)

    def read():
        try:
            while threads[0].is_alive():
                if len(index):
                    ids, scores = index.search(rows[:2], k=5)
                    assert ids.shape == scores.shape
                    assert all(f"{i} x" not in index for i in range(3))
        except Exception as error:
            errors.append(error)

    threads = [
        threading.Thread(target=write, args=(thread,)) for thread in range(8)
    ]
    readers = [threading.Thread(target=read) for _ in range(2)]
    try:
        for thread in threads + readers:
            thread.start()
        for thread in threads + readers:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    assert len(index) == 8 * (50 - 16)


def test_copies_are_their_own():
    index = filled()
    for copied in (
        copy.copy(index),
        copy.deepcopy(index),
        pickle.loads(pickle.dumps(index)),
    ):
        copied.add(unit(1), modality="image")
        assert len(copied) == len(index) + 1
        assert copied._lock is not index._lock


def rewrite(folder, **changed):
    """Write an index as somebody else might."""
    with np.load(folder / "index.npz") as archive:
        arrays = dict(archive)
    np.savez(folder / "index.npz", **{**arrays, **changed})


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"embeddings_0": np.full((8, 6), np.nan, "float32")}, "finite"),
        ({"embeddings_0": np.full((8, 6), np.inf, "float32")}, "finite"),
        ({"embeddings_0": 2 * unit(8)}, "not of length 1, first row 0"),
        ({"embeddings_0": unit(8).astype("complex64")}, "dtype complex64"),
        ({"embeddings_0": unit(8).astype("float64")}, "dtype float64"),
        ({"embeddings_0": unit(8, 5)}, "several dims"),
        ({"embeddings_0": unit(8)[:, :0]}, "neither being 0"),
        ({"embeddings_0": unit(8)[0]}, r"shape \(examples, dim\)"),
        ({"embeddings_0": unit(7)}, "one id per example"),
        ({"ids_0": np.array(list("abcdefgh"))}, "one kind"),
        ({"ids_0": np.full(8, np.nan)}, "NaN"),
        ({"ids_0": np.full(8, None)}, "pickle"),
        ({"modalities": np.array(["image", "image"])}, "twice"),
        ({"modalities": np.array(["image", "text", "more"])}, "embeddings_2"),
        ({"modalities": np.array("image")}, ""),
        ({"modalities": np.array([1, 2])}, ""),
        ({"next_id": np.array("many")}, ""),
        ({"next_id": np.array([1, 2])}, ""),
        ({"format": np.array("one")}, ""),
        ({"format": np.array(9)}, "format 9"),
    ],
)
def test_rows_that_no_index_has(tmp_path, changed, match):
    filled().save(tmp_path / "index")
    rewrite(tmp_path / "index", **changed)
    with pytest.raises(ValueError, match="readable index.*" + match):
        ExactIndex.load(tmp_path / "index")


def test_an_empty_index_and_rows_of_zeros_are_read_back(tmp_path):
    ExactIndex().save(tmp_path / "empty")
    assert len(ExactIndex.load(tmp_path / "empty")) == 0
    index = ExactIndex()
    index.add(np.zeros((1, 3)), modality="image")
    index.save(tmp_path / "zeros")
    assert len(ExactIndex.load(tmp_path / "zeros")) == 1


def test_load_refuses_what_is_no_path():
    with pytest.raises(TypeError, match="`folder` must be a string or path"):
        ExactIndex.load(3)


def test_an_index_is_not_compressed(tmp_path):
    """A file of 1 MB may hold an array of 1 GB."""
    filled().save(tmp_path / "index")
    path = tmp_path / "index" / "index.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez_compressed(path, **arrays)
    with pytest.raises(ValueError, match=r"readable index.*is compressed"):
        ExactIndex.load(tmp_path / "index")


def files_of_both_kinds(folder):
    """An index as it is written now, and as `np.savez` wrote it."""
    index = filled()
    index.add(unit(2000, seed=3), modality="image")
    index.save(folder / "new")
    with np.load(folder / "new" / "index.npz") as archive:
        arrays = dict(archive)  # which other programs read, too
    (folder / "old").mkdir()
    np.savez(folder / "old" / "index.npz", **arrays)
    return index


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("kind", ["new", "old"])
def test_files_of_all_releases_are_read_or_mapped(kind, mmap, tmp_path):
    index = files_of_both_kinds(tmp_path)
    loaded = ExactIndex.load(tmp_path / kind, mmap=mmap)
    before = (tmp_path / kind / "index.npz").read_bytes()
    (block,) = loaded._rows["image"].all_blocks
    # Memory of NumPy's own is bytes, behind the alignment.
    mapped = block.base.dtype != np.uint8
    assert mapped == (mmap and kind == "new")
    for modality in index.modalities:
        for a, b in zip(
            index.search(unit(20, seed=1), 7, modality),
            loaded.search(unit(20, seed=1), 7, modality),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)
    loaded.add(unit(1, seed=9), ids=[-5], modality="image")
    loaded.remove([10])
    ids, _ = loaded.search(unit(1, seed=9), 1, "image")
    assert ids.tolist() == [[-5]]
    assert (tmp_path / kind / "index.npz").read_bytes() == before

    # A new file takes the place of the one that is mapped, from its rows.
    rows = loaded.rows("text")[1].copy()
    loaded.save(tmp_path / kind, overwrite=True)
    np.testing.assert_array_equal(loaded.rows("text")[1], rows)
    again = ExactIndex.load(tmp_path / kind, mmap=mmap)
    assert again.sizes == loaded.sizes == {"image": 2008, "text": 14}
    np.testing.assert_array_equal(again.rows("text")[1], rows)


def test_a_mapped_file_that_is_no_index_is_refused(tmp_path):
    filled().save(tmp_path / "index")
    path = tmp_path / "index" / "index.npz"
    good = path.read_bytes()
    with np.load(path) as archive:
        arrays = dict(archive)
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(ValueError, match="readable index"):
        ExactIndex.load(tmp_path / "index", mmap=True)
    for bad in (unit(8) * 2, unit(8) * np.nan, unit(8)[:, :0], unit(8)[0]):
        npz.write(path, {**arrays, "embeddings_0": bad})
        with pytest.raises(ValueError, match="readable index"):
            ExactIndex.load(tmp_path / "index", mmap=True)
    with pytest.raises(TypeError, match="`mmap` must be"):
        ExactIndex.load(tmp_path / "index", mmap="r")


def test_mapped_rows_that_are_damaged_behind_the_first_are_not_returned(
    tmp_path,
):
    index = ExactIndex()
    index.add(unit(3000), modality="image")
    index.save(tmp_path / "index")
    with np.load(tmp_path / "index" / "index.npz") as archive:
        arrays = dict(archive)
    for wrong in (np.nan, np.inf, 7.0):
        embeddings = unit(3000)
        embeddings[2000:] = wrong
        npz.write(
            tmp_path / "index" / "index.npz",
            {**arrays, "embeddings_0": embeddings},
        )
        loaded = ExactIndex.load(tmp_path / "index", mmap=True)
        for queries in (unit(1), unit(30)):
            with pytest.raises(ValueError, match="must be finite, of length 1"):
                loaded.search(queries, k=5)


def test_a_search_sees_an_addition_whole_or_not_at_all():
    index = ExactIndex()
    rows = np.repeat(unit(40), 3, axis=0)  # each is added three times at once
    index.add(rows[:3], ids=[0] * 3, modality="x")
    errors, done = [], threading.Event()

    def read():
        try:
            while not done.is_set():
                ids, _ = index.search(rows[:1], 999, unique=False)
                _, counts = np.unique(ids, return_counts=True)
                assert set(counts) == {3}
        except Exception as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        reader.start()
        for i in range(300):
            part = 3 * (i % 40)
            index.add(rows[part : part + 3], ids=[i + 1] * 3, modality="x")
            if i % 3 == 2:
                index.remove([i - 1])
    finally:
        done.set()
        reader.join()
        sys.setswitchinterval(interval)
    assert errors == []
    assert len(index) == 3 * 201


def test_rows_that_were_asked_for_stay_what_they_were():
    index = filled()
    ids, embeddings = index.rows("image")
    before = embeddings.copy()
    index.add(unit(3, seed=5), modality="image")
    index.remove([11])
    np.testing.assert_array_equal(ids, np.arange(8) + 10)
    np.testing.assert_array_equal(embeddings, before)
    ids, embeddings = index.rows("image")
    assert ids.tolist() == [10, *range(12, 21)]
    np.testing.assert_array_equal(embeddings[:1], before[:1])
    np.testing.assert_array_equal(embeddings[1:7], before[2:])


def test_fewer_items_than_k_among_many_rows():
    index = ExactIndex()
    index.add(unit(3000), ids=np.arange(3000) % 3, modality="image")
    index.remove([1])
    ids, scores = index.search(unit(4, seed=1), k=5)
    assert sorted(map(sorted, ids.tolist())) == [[0, 2]] * 4
    for place, query in enumerate(unit(4, seed=1)):
        for item, score in zip(ids[place], scores[place], strict=True):
            best = (unit(3000)[item::3] @ query).max()
            np.testing.assert_allclose(score, best, atol=1e-6)
