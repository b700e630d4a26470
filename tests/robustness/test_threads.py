"""Eight threads and one index, whose model they share."""

import multiprocessing
import sys
import threading

import keras
import numpy as np
import pytest

import keras_xmodal as kx

pytestmark = pytest.mark.large
THREADS, ROUNDS = 8, 20
WORDS = [f"word {i}" for i in range(40)]
PICTURES = np.random.default_rng(0).integers(0, 256, (40, 9, 9, 3), "uint8")


def make_model():
    text = kx.networks.TextPreprocessor()
    text.adapt(WORDS)
    return kx.EmbeddingModel(
        encoders={
            "image": keras.Sequential([keras.layers.Flatten()]),
            "text": kx.networks.TextEncoder(text.vocabulary_size()),
        },
        preprocessors={
            "image": kx.networks.ImagePreprocessor((8, 8)),
            "text": text,
        },
        embedding_dim=4,
    )


def run_threads(work):
    """Run a function of the number of a thread in all of them at once."""
    errors, begin = [], threading.Barrier(THREADS)

    def run(number):
        try:
            begin.wait()
            work(number)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(THREADS)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    finally:
        sys.setswitchinterval(interval)
    assert not any(thread.is_alive() for thread in threads)
    assert errors == []


def test_raw_examples_are_added_and_searched_by_all(tmp_path):
    model = make_model()
    index = kx.retrieval.ExactIndex(model)

    def work(number):
        for i in range(ROUNDS):
            rows = slice(i, i + 10)
            ids = np.arange(10) + 10 * (i + ROUNDS * number)
            index.add({"image": PICTURES[rows], "text": WORDS[rows]}, ids=ids)
            _, scores = index.search({"text": WORDS[rows]}, 3, "image")
            assert np.isfinite(scores).all()
            if i % 10 == 9:
                index.save(tmp_path / "index", overwrite=True)

    run_threads(work)
    assert index.sizes == dict.fromkeys(("image", "text"), 1600)
    # Each thread has added the same, so each id has the rows of its place.
    rows = index._rows["image"]
    order = np.argsort(rows.ids)
    expected = model.encode(PICTURES, "image")
    places = np.concatenate([np.arange(i, i + 10) for i in range(ROUNDS)])
    np.testing.assert_array_equal(rows.ids[order], np.arange(1600))
    np.testing.assert_allclose(
        rows.embeddings[order],
        np.tile(expected[places], (THREADS, 1)),
        atol=1e-5,
    )
    loaded = kx.retrieval.ExactIndex.load(tmp_path / "index")
    assert set(loaded.sizes) == {"image", "text"}
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_default_ids_are_given_once():
    index = kx.retrieval.ExactIndex()

    def work(number):
        for _ in range(200):
            index.add(np.ones((1, 3)), modality="image")

    run_threads(work)
    assert sorted(index._rows["image"].ids) == list(range(1600))


def search_and_put(index, queries, results):
    results.put(index.search(queries, 5))


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_process_that_was_forked_searches_too():
    """As servers do that load an index once and then start their workers."""
    rows = np.random.default_rng(0).normal(size=(5000, 16))
    index = kx.retrieval.ExactIndex()
    index.add(rows, modality="image")
    expected = index.search(rows[:20], 5)
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(
        target=search_and_put, args=(index, rows[:20], results)
    )
    child.start()
    try:
        found = results.get(timeout=60)
    finally:
        child.kill()
        child.join()
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)
