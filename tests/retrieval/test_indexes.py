"""What all indexes have in common."""

import copy
import pickle
import sys

import numpy as np
import pytest

from keras_xmodal.retrieval import ExactIndex, FaissIndex, UsearchIndex
from tests.retrieval.test_exact_index import Model, unit

INDEXES = {
    "exact": ExactIndex,
    "faiss graph": FaissIndex,
    "faiss cells": lambda model=None: FaissIndex(
        model, "IVF4,Flat", "nprobe=3", rescore=2
    ),
    "usearch": UsearchIndex,
    "usearch i8": lambda model=None: UsearchIndex(
        model, "i8", 8, 40, 30, rescore=3
    ),
}
APPROXIMATE = [name for name in INDEXES if name != "exact"]
ROWS = 700


@pytest.fixture(params=INDEXES)
def make(request):
    return INDEXES[request.param]


def clustered(rows, seed=0):
    """Rows that have neighbours, as those of a model have."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(20, 16))
    x = centres[rng.integers(0, 20, rows)] + 0.4 * rng.normal(size=(rows, 16))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")


def filled(make):
    """Strings as ids, some of which have several rows."""
    index = make()
    ids = [f"item {i // 2}" for i in range(ROWS)]
    index.add(clustered(ROWS), ids, "image")
    index.add(clustered(60, 3), [f"item {i}" for i in range(60)], "text")
    return index


def recall(index, expected, queries, k=10, **options):
    found, scores = index.search(queries, k, **options)
    right, _ = expected.search(queries, k, **options)
    assert found.shape == right.shape
    assert found.dtype == right.dtype
    assert scores.dtype == np.float32
    assert (np.diff(scores, axis=1) <= 0).all()
    # What is found has its exact score.
    options["unique"] = False
    for ids, values, others, exact in zip(
        *(found, scores, *expected.search(queries, 10_000, **options)),
        strict=True,
    ):
        rows = set(zip(others.tolist(), exact.tolist(), strict=True))
        assert set(zip(ids.tolist(), values.tolist(), strict=True)) <= rows
    pairs = zip(found.tolist(), right.tolist(), strict=True)
    return np.mean([len({*a} & {*b}) / len({*b}) for a, b in pairs])


def test_searches_find_what_an_exact_one_finds(make):
    index, expected = filled(make), filled(ExactIndex)
    assert len(index) == ROWS + 60
    assert index.sizes == {"image": ROWS, "text": 60}
    assert index.modalities == ("image", "text")
    for queries in (clustered(1, 5), clustered(40, 5)):
        for unique in (True, False):
            options = {"modality": "image", "unique": unique}
            assert recall(index, expected, queries, **options) >= 0.9
    ids, _ = index.search(clustered(40, 5), 10, "image")
    assert all(len(set(row)) == 10 for row in ids.tolist())
    for name in index.modalities:
        for a, b in zip(index.rows(name), expected.rows(name), strict=True):
            np.testing.assert_array_equal(a, b)


def test_more_are_asked_for_than_there_are(make):
    """Libraries fill up with ids that are none."""
    index, expected = filled(make), filled(ExactIndex)
    for queries in (clustered(1, 5), clustered(3, 5)):
        for modality, items in (("text", 60), ("image", ROWS // 2)):
            ids, scores = index.search(queries, 10_000, modality)
            assert ids.shape == (len(queries), items)
            assert all(len(set(row)) == items for row in ids.tolist())
            right = expected.search(queries, 10_000, modality)
            np.testing.assert_array_equal(ids, right[0])
            np.testing.assert_array_equal(scores, right[1])
        ids, _ = index.search(queries, 10_000, "image", unique=False)
        assert ids.shape == (len(queries), ROWS)


def test_rows_that_are_removed_are_not_found(make):
    index, expected = filled(make), filled(ExactIndex)
    queries = clustered(30, 5)
    nearest = np.unique(expected.search(queries, 5, "image")[0])
    for changed in (index, expected):
        assert changed.remove(nearest, "image") == 2 * len(nearest)
    ids, _ = index.search(queries, 10, "image")
    assert not np.isin(ids, nearest).any()
    assert nearest[0] not in index.rows("image")[0]
    assert recall(index, expected, queries, modality="image") >= 0.9
    for changed in (index, expected):  # what is left is less than half
        changed.remove(changed.rows("image")[0][:400], "image")
        changed.add(clustered(50, 7), np.array(["new"] * 50), "image")
    assert index.sizes == expected.sizes
    assert recall(index, expected, queries, modality="image") >= 0.9
    ids, _ = index.search(clustered(50, 7), 1, "image")
    assert (ids == "new").all()

    index.remove(np.unique(index.rows("text")[0]), "text")
    assert index.modalities == ("image",)
    index.add(clustered(80, 8), np.array(["again"] * 80), "text")
    assert index.search(queries, 3, "text")[0].tolist() == [["again"]] * 30


def test_an_index_grows_row_by_row(make):
    index = make()
    index.add(clustered(ROWS), modality="image")
    for i, row in enumerate(clustered(30, 6)):
        index.add(row[None], modality="image")
        ids, scores = index.search(row[None], 1)
        assert ids.tolist() == [[ROWS + i]]
        assert scores[0, 0] == pytest.approx(1, abs=1e-6)


def test_raw_examples_are_encoded(make):
    index = make(Model())
    index.add({"image": range(10)})
    ids, _ = index.search({"text": ["1", "4"]}, k=1)
    assert ids.tolist() == [[1], [4]]


def test_an_index_without_rows_or_of_another_modality(make):
    with pytest.raises(ValueError, match="must hold rows"):
        make().search(clustered(1))
    with pytest.raises(ValueError, match=r"one of .*modality='sound'"):
        filled(make).search(clustered(1), modality="sound")
    index = filled(make)
    for bad in (clustered(2)[:, :4], clustered(2) * np.nan):
        with pytest.raises(ValueError, match="`x` must"):
            index.add(bad, ["a", "b"], "image")
    with pytest.raises(TypeError, match="one kind"):
        index.add(clustered(1), [1], "image")
    assert index.sizes == {"image": ROWS, "text": 60}


@pytest.mark.parametrize("mmap", [False, True])
def test_indexes_are_saved_and_loaded(make, mmap, tmp_path):
    index = filled(make)
    index.remove([f"item {i}" for i in range(7)])
    index.save(tmp_path / "index")
    loaded = type(index).load(tmp_path / "index", mmap=mmap)
    again = type(index).load(tmp_path / "index")
    again.save(tmp_path / "index", overwrite=True)
    index.add(clustered(1, 6), ["after"], "image")
    for copied in (
        loaded,
        type(index).load(tmp_path / "index", mmap=mmap),
        copy.copy(again),
        pickle.loads(pickle.dumps(again)),
    ):
        assert "after" not in copied
        copied.add(clustered(1, 6), ["after"], "image")
        assert copied.sizes == index.sizes == {"image": 687, "text": 53}
        for modality in index.modalities:
            for a, b in zip(
                index.search(clustered(30, 5), 10, modality),
                copied.search(clustered(30, 5), 10, modality),
                strict=True,
            ):
                np.testing.assert_array_equal(a, b)
        arguments = {k: v for k, v in vars(index).items() if k[0] != "_"}
        assert {k: vars(copied)[k] for k in arguments} == arguments
    assert "after" not in again


def test_an_approximate_index_is_an_exact_one_for_others(tmp_path):
    filled(FaissIndex).save(tmp_path / "index")
    loaded = ExactIndex.load(tmp_path / "index")
    assert recall(loaded, filled(ExactIndex), unit(5, 16), modality="text") == 1
    loaded.save(tmp_path / "exact")
    for folder, kind, other in (
        ("index", UsearchIndex, "FaissIndex, not of a UsearchIndex"),
        ("exact", FaissIndex, "ExactIndex, not of a FaissIndex"),
    ):
        with pytest.raises(ValueError, match=f"readable index.*of a.? {other}"):
            kind.load(tmp_path / folder)


@pytest.mark.parametrize("name", APPROXIMATE)
def test_few_of_a_shortlist_are_completed(name, monkeypatch):
    """By a longer one, and in the end by all rows."""
    index, expected = filled(INDEXES[name]), filled(ExactIndex)
    counts = []

    def none(library, queries, count):
        counts.append((len(queries), count))
        return np.full((len(queries), count), -1)

    monkeypatch.setattr(index, "_shortlist", none)
    assert recall(index, expected, clustered(3, 5), 2, modality="image") == 1
    first = 2 * index.rescore
    assert counts == [(3, first), (3, 4 * first), (3, 16 * first)]


@pytest.mark.parametrize("name", APPROXIMATE)
def test_a_refused_addition_leaves_the_index_as_it_was(name, monkeypatch):
    index, expected = filled(INDEXES[name]), filled(ExactIndex)
    with monkeypatch.context() as patch:

        def fail(*args):
            raise MemoryError

        patch.setattr(index, "_append", fail)
        with pytest.raises(MemoryError):
            index.add(clustered(2), ["x", "y"], "image")
    assert index.sizes == expected.sizes
    assert "x" not in index
    for changed in (index, expected):
        changed.add(clustered(1, 6), ["after"], "image")
    queries = clustered(30, 5)
    assert recall(index, expected, queries, modality="image") >= 0.9


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: FaissIndex(factory="Nope"), ValueError, "factory='Nope'"),
        (lambda: FaissIndex(parameters="nprobe=3"), ValueError, "nprobe=3"),
        (lambda: FaissIndex(factory=3), TypeError, "`factory` must be"),
        (lambda: FaissIndex(rescore=0), ValueError, "`rescore` must be"),
        (lambda: UsearchIndex(dtype="f8"), ValueError, "`dtype` must be one"),
        (
            lambda: UsearchIndex(connectivity=0),
            ValueError,
            "`connectivity` must be",
        ),
        (
            lambda: UsearchIndex(expansion_add=-1),
            ValueError,
            "`expansion_add` must be",
        ),
        (
            lambda: UsearchIndex(expansion_search=1.5),
            TypeError,
            "`expansion_search` must be",
        ),
    ],
)
def test_arguments_that_a_library_does_not_take(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_too_few_rows_to_train_with():
    index = FaissIndex(factory="IVF64,Flat")
    with pytest.raises(ValueError, match=r"enough rows to train.*5 rows"):
        index.add(clustered(5), modality="image")
    assert len(index) == 0
    index.add(clustered(ROWS), modality="image")
    assert len(index) == ROWS


@pytest.mark.parametrize(
    ("kind", "module", "extra"),
    [
        (FaissIndex, "faiss", "faiss"),
        (UsearchIndex, "usearch.index", "usearch"),
    ],
)
def test_a_library_that_is_missing_is_named(kind, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"keras-xmodal\[{extra}\]"):
        kind()
